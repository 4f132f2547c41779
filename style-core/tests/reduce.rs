//! One picture painted by several processes, simulated by threads: the losses and the gradient equal those of one process
//! up to rounding, and are bit-identical in all processes.

mod common;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use common::{described, picture};
use style_core::distributed::Reduce;
use style_core::statistics::{Covariance, Gram, Moments};
use style_core::{
    AdamOptions, Error, ErrorKind, Init, Losses, Mask, Optimizer, Result, Scale, Session, SessionBuilder, Style,
};
use testkit::Reference;

type Builder = SessionBuilder<Reference>;

/// The shared state in which processes add.
#[derive(Debug)]
struct Hall {
    barrier: Barrier,
    /// The contribution of each process; `None` if it has failed.
    brought: Mutex<Vec<Option<Vec<f64>>>>,
}

/// One process.
#[derive(Debug)]
struct Process {
    hall: Arc<Hall>,
    process: usize,
    processes: usize,
    sums: AtomicUsize,
    /// The sums that fail.
    fail: Range<usize>,
}

impl Process {
    fn add(&self, values: Vec<f64>) -> Result<Vec<f64>> {
        let failed = self.fail.contains(&self.sums.fetch_add(1, Ordering::Relaxed));
        let length = values.len();
        self.hall.brought.lock().unwrap()[self.process] = (!failed).then_some(values);
        self.hall.barrier.wait();
        let all: Option<Vec<_>> = self.hall.brought.lock().unwrap().iter().cloned().collect();
        self.hall.barrier.wait();
        match all {
            Some(all) => Ok((0..length).map(|i| all.iter().map(|values| values[i]).sum()).collect()),
            None if failed => Err(Error::new(ErrorKind::DeviceLost, "this process has failed")),
            None => Err(Error::new(ErrorKind::Unavailable, "another process has failed")),
        }
    }
}

impl Reduce for Process {
    fn process(&self) -> usize {
        self.process
    }

    fn processes(&self) -> usize {
        self.processes
    }

    fn sum(&self, values: &mut [f64]) -> Result<()> {
        values.copy_from_slice(&self.add(values.to_vec())?);
        Ok(())
    }

    fn sum_gradient(&self, values: &mut [f32]) -> Result<()> {
        let sums = self.add(values.iter().map(|v| f64::from(*v)).collect())?;
        values.iter_mut().zip(sums).for_each(|(v, sum)| *v = sum as f32);
        Ok(())
    }
}

/// The result of each process; the given sums of process 1 fail.
fn together<T: Send>(
    processes: usize,
    fail: Range<usize>,
    described: impl Fn() -> Builder + Sync,
    work: impl Fn(Builder) -> T + Sync,
) -> Vec<T> {
    let brought = Mutex::new(vec![None; processes]);
    let hall = Arc::new(Hall { barrier: Barrier::new(processes), brought });
    let run = |process| {
        let fail = if process == 1 { fail.clone() } else { 0..0 };
        let process = Process { hall: Arc::clone(&hall), process, processes, sums: AtomicUsize::new(0), fail };
        work(described().reduce(Arc::new(process)))
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..processes).map(|process| scope.spawn(move || run(process))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// The losses and the gradient at a picture.
fn evaluated(builder: Builder, width: usize, height: usize) -> (Losses, Vec<f32>) {
    builder.build().unwrap().evaluate(&picture("image", width, height)).unwrap()
}

/// The largest difference, relative to the largest value.
fn apart(a: &[f32], b: &[f32]) -> f64 {
    let most = |values: &mut dyn Iterator<Item = f32>| f64::from(values.fold(0.0f32, |m, v| m.max(v.abs())));
    most(&mut a.iter().zip(b).map(|(a, b)| a - b)) / most(&mut b.iter().copied())
}

/// Checks that several processes give the same result as one.
fn same(what: &str, processes: usize, size: [usize; 2], tolerance: f64, described: impl Fn() -> Builder + Sync) {
    let [width, height] = size;
    let (one, gradient) = evaluated(described(), width, height);
    let all = together(processes, 0..0, &described, |builder| evaluated(builder, width, height));
    let what = format!("{what} {width}x{height}, {processes} processes");
    let layers = |losses: &Losses| -> Vec<f64> {
        let layers = losses.layers("style").iter().chain(losses.layers("content")).map(|l| l.loss);
        layers.chain([losses.total, losses.content(), losses.style()]).collect()
    };
    for (a, b) in layers(&all[0].0).into_iter().zip(layers(&one)) {
        assert!((a - b).abs() <= tolerance * b.abs(), "{what}: {:?}, {one:?}", all[0].0);
    }
    assert_eq!(all[0].0.tv(), one.tv(), "{what}");
    let apart = apart(&all[0].1, &gradient);
    assert!(apart < tolerance, "{what}: gradients differ by {apart:e}");
    for other in &all[1..] {
        assert!(other.0 == all[0].0 && bits(&other.1) == bits(&all[0].1), "{what}: {:?}, {:?}", other.0, all[0].0);
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn any_size_in_any_tiles() {
    // The last picture allows only one tile.
    for size in [[29, 26], [4, 60], [6, 7]] {
        for (processes, [rows, columns]) in
            [(1, [2, 2]), (2, [1, 1]), (2, [2, 3]), (3, [1, 2]), (3, [3, 3]), (9, [1, 1])]
        {
            let tiled = || described(size[0], size[1]).tiles(rows, columns);
            same(&format!("{rows}x{columns}"), processes, size, 2e-6, tiled);
        }
    }
}

#[test]
fn more_processes_than_tiles() {
    for size in [[17, 5], [6, 7]] {
        for processes in [2, 7] {
            same("few tiles", processes, size, 2e-6, || described(size[0], size[1]));
        }
    }
}

#[test]
fn content_alone_and_style_alone() {
    same("content", 3, [33, 30], 2e-6, || described(33, 30).without_style());
    same("style", 3, [33, 30], 2e-6, || described(33, 30).without_content());
}

#[test]
fn any_statistic_under_any_mask() {
    let corner = || Mask::new(3, 2, vec![0.0, 0.5, 1.0, 0.0, 0.0, 0.2]).unwrap();
    let masked = || {
        let other = Style::new(picture("other", 20, 17)).mask(corner().inverted().unwrap()).share(2.0);
        let style = Style::new(picture("third", 25, 17)).mask(corner()).region(corner());
        described(34, 45).style(style).style(other).content_mask(corner())
    };
    // A covariance is a difference of larger numbers, each rounded to f32.
    for processes in [2, 3] {
        same("Gram", processes, [34, 45], 2e-6, || masked().statistic(Gram::default()));
        same("covariance", processes, [34, 45], 1e-5, || masked().statistic(Covariance));
        same("moments", processes, [34, 45], 1e-5, || masked().statistic(Moments).statistic_at("conv2_1", Covariance));
    }
}

#[test]
fn processes_descend_as_one_does() {
    let (lbfgs, adam) = (Optimizer::default(), Optimizer::Adam(AdamOptions::default()));
    let small = vec![Scale { size: 16, iterations: 4, optimizer: None }];
    for (optimizer, scales) in [(lbfgs, vec![]), (lbfgs, small), (adam, vec![])] {
        let described =
            || described(30, 26).init(Init::Noise).iterations(12).optimizer(optimizer).scales(scales.clone());
        let painted = |builder: Builder| {
            let mut session = builder.build().unwrap();
            let mut totals = vec![];
            while !session.is_finished() {
                totals.push(session.step().unwrap().losses.total);
            }
            (totals, session.image().unwrap())
        };
        let (totals, image) = painted(described());
        let all = together(3, 0..0, described, painted);
        assert!(all[0].0.len() == totals.len() && totals.len() == 12 + 4 * scales.len());
        for (a, b) in all[0].0.iter().zip(&totals) {
            assert!((a - b).abs() < 1e-3 * b, "expected {b}, found {a}");
        }
        assert!(apart(all[0].1.pixels(), image.pixels()) < 1e-2);
        assert!(all.iter().all(|one| one.0 == all[0].0 && bits(one.1.pixels()) == bits(all[0].1.pixels())));
    }
}

#[test]
fn a_failed_sum_ends_the_step_and_nothing_else() {
    let described = || described(30, 26).iterations(6);
    let losses = |session: &mut Session<Reference>| session.step().map(|p| p.losses.total);
    let undisturbed = together(3, 0..0, described, |builder| {
        let mut session = builder.build().unwrap();
        (0..4).map(|_| losses(&mut session).unwrap()).collect::<Vec<_>>()
    });
    // A step has five sums: three Gram matrices, the gradient and the losses.
    for failed in 0..5 {
        let sum = 2 * 5 + failed;
        let all = together(3, sum..sum + 1, described, |builder| {
            let mut session = builder.build().unwrap();
            let mut totals: Vec<_> = (0..2).map(|_| losses(&mut session).unwrap()).collect();
            let before = session.image().unwrap();
            let kind = losses(&mut session).unwrap_err().kind();
            assert!(session.image().unwrap() == before, "sum {failed}");
            totals.extend((2..4).map(|_| losses(&mut session).unwrap()));
            (kind, totals)
        });
        for (process, (kind, totals)) in all.iter().enumerate() {
            let wanted = if process == 1 { ErrorKind::DeviceLost } else { ErrorKind::Unavailable };
            assert_eq!(*kind, wanted, "sum {failed}, process {process}");
            assert_eq!(totals, &undisturbed[process], "sum {failed}, process {process}");
        }
    }
}

#[test]
fn processes_are_counted_from_0() {
    for (process, processes) in [(2, 2), (0, 0)] {
        let hall = Arc::new(Hall { barrier: Barrier::new(1), brought: Mutex::default() });
        let process = Process { hall, process, processes, sums: AtomicUsize::new(0), fail: 0..0 };
        let error = described(20, 20).reduce(Arc::new(process)).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
    }
}
