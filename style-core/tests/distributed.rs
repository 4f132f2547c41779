//! One picture painted by several processes, simulated by threads: the losses and the gradient equal those of one process
//! up to rounding, and are bit-identical in all processes.

mod common;

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use common::{described, picture};
use style_core::distributed::Communicator;
use style_core::losses::Laplacian;
use style_core::statistics::{Covariance, Gram, Moments};
use style_core::{
    AdamOptions, Error, ErrorKind, Init, LbfgsOptions, Losses, Mask, Optimizer, Result, Scale, Session, SessionBuilder,
    Style,
};
use testkit::Reference;

type Builder = SessionBuilder<Reference>;

/// The shared state in which processes meet.
#[derive(Debug)]
struct Hall {
    barrier: Barrier,
    /// What each process brings for each; `None` if it has failed.
    brought: Mutex<Vec<Option<Vec<Vec<f64>>>>>,
}

/// One process.
#[derive(Debug)]
struct Process {
    hall: Arc<Hall>,
    process: usize,
    processes: usize,
    meetings: AtomicUsize,
    /// The meetings that fail.
    fail: Range<usize>,
}

impl Process {
    /// What each process has brought for this one.
    fn meet(&self, for_each: Vec<Vec<f64>>) -> Result<Vec<Vec<f64>>> {
        let failed = self.fail.contains(&self.meetings.fetch_add(1, Ordering::Relaxed));
        self.hall.brought.lock().unwrap()[self.process] = (!failed).then_some(for_each);
        self.hall.barrier.wait();
        let mine = |of: &Option<Vec<Vec<f64>>>| of.as_ref().map(|of| of[self.process].clone());
        let all: Option<Vec<_>> = self.hall.brought.lock().unwrap().iter().map(mine).collect();
        self.hall.barrier.wait();
        match all {
            Some(all) => Ok(all),
            None if failed => Err(Error::new(ErrorKind::DeviceLost, "this process has failed")),
            None => Err(Error::new(ErrorKind::Unavailable, "another process has failed")),
        }
    }
}

impl Communicator for Process {
    fn process(&self) -> usize {
        self.process
    }

    fn processes(&self) -> usize {
        self.processes
    }

    fn sum(&self, values: &mut [f64]) -> Result<()> {
        let all = self.meet(vec![values.to_vec(); self.processes])?;
        values.iter_mut().enumerate().for_each(|(i, v)| *v = all.iter().map(|values| values[i]).sum());
        Ok(())
    }

    fn exchange(&self, sent: &[&[f32]], received: &mut [&mut [f32]]) -> Result<()> {
        assert_eq!((sent.len(), received.len()), (self.processes, self.processes));
        let all = self.meet(sent.iter().map(|sent| sent.iter().copied().map(f64::from).collect()).collect())?;
        for (received, values) in received.iter_mut().zip(all) {
            assert_eq!(received.len(), values.len());
            received.iter_mut().zip(values).for_each(|(to, from)| *to = from as f32);
        }
        Ok(())
    }
}

/// The result of each process; the given meetings of process 1 fail.
fn together<T: Send>(
    processes: usize,
    fail: Range<usize>,
    described: impl Fn() -> Builder + Sync,
    work: impl Fn(Builder) -> T + Sync,
) -> Vec<T> {
    numbered(processes, fail, described, |_, builder| work(builder))
}

/// As above; passes the number of the process.
fn numbered<T: Send>(
    processes: usize,
    fail: Range<usize>,
    described: impl Fn() -> Builder + Sync,
    work: impl Fn(usize, Builder) -> T + Sync,
) -> Vec<T> {
    let brought = Mutex::new(vec![None; processes]);
    let hall = Arc::new(Hall { barrier: Barrier::new(processes), brought });
    let run = |process| {
        let fail = if process == 1 { fail.clone() } else { 0..0 };
        let with = Process { hall: Arc::clone(&hall), process, processes, meetings: AtomicUsize::new(0), fail };
        work(process, described().communicator(Arc::new(with)))
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
            // Process 0 has the gradient of the whole picture if the total variation has weight.
            for tv in [0.0, 0.1] {
                let tiled = || described(size[0], size[1]).tv_weight(tv).tiles(rows, columns);
                same(&format!("{rows}x{columns}"), processes, size, 2e-6, tiled);
            }
        }
    }
}

#[test]
fn more_processes_than_tiles() {
    for size in [[17, 5], [6, 7]] {
        for (processes, tv) in [(2, 0.0), (7, 0.0), (7, 0.1)] {
            same("few tiles", processes, size, 2e-6, || described(size[0], size[1]).tv_weight(tv));
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
    for (optimizer, scales) in [(lbfgs, vec![]), (lbfgs, small.clone()), (adam, vec![]), (adam, small)] {
        let described = || {
            described(30, 26)
                .init(Init::Noise)
                .iterations(12)
                .optimizer(optimizer)
                .scales(scales.clone())
                .tv_weight(0.0)
        };
        let painted = |builder: Builder| {
            let mut session = builder.build().unwrap();
            let mut totals = vec![];
            while !session.is_finished() {
                if totals.len() == 7 {
                    session.set_style_weight(2.0).unwrap();
                }
                totals.push(session.step().unwrap().losses.total);
            }
            (totals, session.into_image().unwrap())
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

/// The meetings of a step: the picture's three channels, three Gram matrices, the gradient, the losses; then those of the
/// optimiser: slopes, the products with a new pair, the length of the direction.
const EVALUATION: usize = 8;
const OF_OPTIMIZER: usize = 3;

/// The length of the first is that of one over the sum of the gradient's magnitudes.
#[test]
fn fixed_steps_are_as_long_as_those_of_one_process() {
    let fixed = Optimizer::Lbfgs(LbfgsOptions { fixed_step: Some(1.0), ..LbfgsOptions::default() });
    let described = || described(30, 26).init(Init::Noise).optimizer(fixed);
    let fell = |builder: Builder| {
        let mut session = builder.build().unwrap();
        let [before, after] = [(); 2].map(|()| session.step().unwrap().losses.total);
        before - after
    };
    let one = fell(described());
    for found in together(3, 0..0, described, fell) {
        assert!((found - one).abs() < 0.02 * one, "expected {one}, found {found}");
    }
}

#[test]
fn a_failed_meeting_ends_the_step_and_nothing_else() {
    let described = || described(30, 26).iterations(6);
    let losses = |session: &mut Session<Reference>| session.step().map(|p| p.losses.total);
    let undisturbed = together(3, 0..0, described, |builder| {
        let mut session = builder.build().unwrap();
        (0..4).map(|_| losses(&mut session).unwrap()).collect::<Vec<_>>()
    });
    // There is no pair in the first step.
    let first = EVALUATION + OF_OPTIMIZER - 1;
    for failed in 0..EVALUATION + OF_OPTIMIZER {
        let meeting = first + failed;
        let all = together(3, meeting..meeting + 1, described, |builder| {
            let mut session = builder.build().unwrap();
            let mut totals = vec![losses(&mut session).unwrap()];
            let before = session.image().unwrap();
            let kind = losses(&mut session).unwrap_err().kind();
            assert!(session.image().unwrap() == before, "meeting {failed}");
            totals.extend((1..4).map(|_| losses(&mut session).unwrap()));
            (kind, totals)
        });
        for (process, (kind, totals)) in all.iter().enumerate() {
            let wanted = if process == 1 { ErrorKind::DeviceLost } else { ErrorKind::Unavailable };
            assert_eq!(*kind, wanted, "meeting {failed}, process {process}");
            if failed < EVALUATION {
                assert_eq!(totals, &undisturbed[process], "meeting {failed}, process {process}");
            } else {
                // The descent begins again at the last accepted picture.
                assert_eq!(totals[1], totals[0], "meeting {failed}, process {process}");
                assert!(
                    totals[3] < totals[1] && *totals == all[0].1,
                    "meeting {failed}, process {process}: {totals:?}"
                );
            }
        }
    }
}

/// Adam has changed nothing when its only sum fails.
#[test]
fn adam_goes_on_after_a_failed_meeting() {
    let described =
        || described(30, 26).iterations(6).optimizer(Optimizer::Adam(AdamOptions::default())).running_mean(0.5);
    let steps = |session: &mut Session<Reference>, count: usize| {
        (0..count).map(|_| session.step().map(|p| p.losses.total)).collect::<Vec<_>>()
    };
    let end = |session: &Session<Reference>| bits(session.image().unwrap().pixels());
    let undisturbed = together(3, 0..0, described, |builder| {
        let mut session = builder.build().unwrap();
        let totals: Vec<_> = steps(&mut session, 4).into_iter().flatten().collect();
        (totals, end(&session))
    });
    for failed in 0..=EVALUATION {
        let meeting = EVALUATION + 1 + failed;
        let all = together(3, meeting..meeting + 1, described, |builder| {
            let mut session = builder.build().unwrap();
            let totals = steps(&mut session, 5);
            assert!(totals[1].is_err(), "meeting {failed}");
            (totals.into_iter().flatten().collect::<Vec<_>>(), end(&session))
        });
        assert!(all == undisturbed, "meeting {failed}");
    }
}

/// Total variation and a loss on the host see the whole image, also where one process has all of the tiles.
#[test]
fn losses_of_the_image() {
    for (processes, size) in [(2, [30, 26]), (3, [6, 7]), (3, [33, 30])] {
        let with = || described(size[0], size[1]).tv_weight(0.3).loss(5.0, Laplacian { pool: 2 });
        same("losses of the image", processes, size, 2e-6, || with().tiles(1, 2));
        // Weights from the norms of gradients.
        same("balanced", processes, size, 1e-5, || with().balanced(true).tiles(2, 1));
    }
}

#[test]
fn seamless_pictures() {
    for (processes, tv) in [(2, 0.0), (3, 0.3)] {
        same("seamless", processes, [16, 24], 2e-6, || described(16, 24).seamless(true).tv_weight(tv).tiles(1, 2));
    }
}

#[test]
fn each_process_resumes_its_own_checkpoint() {
    for optimizer in [Optimizer::default(), Optimizer::Adam(AdamOptions::default())] {
        let scales = vec![Scale { size: 16, iterations: 3, optimizer: None }];
        let described =
            || described(30, 26).iterations(5).optimizer(optimizer).scales(scales.clone()).running_mean(0.5);
        let rest = |mut session: Session<Reference>| {
            session.run(|_| ControlFlow::Continue(())).unwrap();
            bits(session.image().unwrap().pixels())
        };
        for steps in [2, 3, 6, 8] {
            let all = together(3, 0..0, described, |builder| {
                let mut session = builder.build().unwrap();
                (0..steps).for_each(|_| drop(session.step().unwrap().clone()));
                let saved = [session.checkpoint().unwrap(), session.light_checkpoint().unwrap()];
                (saved, bits(session.image().unwrap().pixels()), rest(session))
            });
            numbered(3, 0..0, described, |process, builder| {
                let ([saved, _], image, end) = &all[process];
                let another = builder.clone().resume(&all[(process + 1) % 3].0[0]).unwrap_err();
                assert!(
                    another.kind() == ErrorKind::Checkpoint && another.to_string().contains("process"),
                    "{another}"
                );
                let session = builder.resume(saved).unwrap();
                assert_eq!(bits(session.image().unwrap().pixels()), *image, "after {steps} steps");
                assert_eq!(rest(session), *end, "after {steps} steps");
            });
            // A light one suits any process, and any number of them.
            let light = together(2, 0..0, described, |builder| rest(builder.resume(&all[2].0[1]).unwrap()));
            assert_eq!(light[0], light[1]);
            assert_eq!(described().resume(&all[0].0[0]).unwrap_err().kind(), ErrorKind::Checkpoint);
        }
    }
}

#[test]
fn more_processes_than_pixels() {
    let error = together(43, 0..0, || described(6, 7), |builder| builder.build().err());
    assert!(error.iter().all(|e| e.as_ref().is_some_and(|e| e.kind() == ErrorKind::Argument)), "{error:?}");
}

#[test]
fn processes_are_counted_from_0() {
    for (process, processes) in [(2, 2), (0, 0)] {
        let hall = Arc::new(Hall { barrier: Barrier::new(1), brought: Mutex::default() });
        let process = Process { hall, process, processes, meetings: AtomicUsize::new(0), fail: 0..0 };
        let error = described(20, 20).communicator(Arc::new(process)).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
    }
}
