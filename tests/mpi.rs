//! One picture painted by several processes: `mpirun` runs the example `mpi`, and this test program for other cases.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{ImageReader, Rgb, RgbImage};
use serde_json::Value;
use style_transfer::cpu::Cpu;
use style_transfer::distributed::Communicator;
use style_transfer::{ErrorKind, Image, Init, Network, Session, models, mpi};
use tempfile::TempDir;

/// The environment variable with the task of [`worker`].
const WORK: &str = "MPI_TEST_WORK";

/// The example. `cargo test` without a selection builds it; `cargo test --test mpi` uses the last build.
fn example() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let folder = test.parent().and_then(Path::parent).expect("target/PROFILE");
    let example = folder.join("examples").join("mpi");
    assert!(example.is_file(), "{} is not built: run `cargo build --features mpi --example mpi`", example.display());
    example
}

/// Runs a program in this many processes.
fn mpirun(processes: usize, program: &Path) -> Command {
    let mut command = Command::new("mpirun");
    command.arg("-n").arg(processes.to_string()).arg(program);
    // For Open MPI: root in a container; more processes than cores, without binding; processes may not access each other's
    // memory.
    for (name, value) in [
        ("ALLOW_RUN_AS_ROOT", "1"),
        ("ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
        ("MCA_rmaps_base_oversubscribe", "1"),
        ("MCA_hwloc_base_binding_policy", "none"),
        ("MCA_btl_vader_single_copy_mechanism", "none"),
    ] {
        command.env(format!("OMPI_{name}"), value);
    }
    command
}

fn run(command: &mut Command) -> Output {
    // By default all jobs of Open MPI share a folder, and one that ends removes it while another one is about to write there.
    let sessions = TempDir::new().expect("a temporary folder");
    command.env("OMPI_MCA_orte_tmpdir_base", sessions.path());
    command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said));
    format!("{}\n{out}\n{err}", output.status)
}

/// A folder with two small pictures.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let photograph = RgbImage::from_fn(64, 52, |x, y| {
        let disc = (x as i32 - 28).pow(2) + (y as i32 - 25).pow(2) < 300;
        Rgb([(3 * x) as u8, (4 * y) as u8, if disc { 220 } else { 40 }])
    });
    photograph.save(folder.path().join("photo.png")).expect("saves");
    let painting = RgbImage::from_fn(48, 48, |x, y| {
        if (x + y) / 5 % 2 == 0 { Rgb([230, 180, 30]) } else { Rgb([20, 60, (4 * x) as u8]) }
    });
    painting.save(folder.path().join("art.png")).expect("saves");
    folder
}

/// The losses printed by the example, and its picture.
fn paint(folder: &Path, command: &mut Command, line: &str) -> (Vec<[f64; 3]>, RgbImage) {
    let output = run(command
        .current_dir(folder)
        .args(["photo.png", "art.png", "x.png", "--size", "64", "--iterations", "5"])
        .args(line.split_whitespace()));
    assert!(output.status.success(), "{line}: {}", said(&output));
    let stdout = String::from_utf8_lossy(&output.stdout);
    let losses = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        ["total", "content", "style"].map(|key| line[key].as_f64().expect("a loss"))
    };
    let losses: Vec<_> = stdout.lines().map(losses).collect();
    assert_eq!(losses.len(), 5, "only process 0 may print: {stdout}");
    let picture = ImageReader::open(folder.join("x.png")).expect("is there").decode().expect("is a picture");
    (losses, picture.to_rgb8())
}

/// Processes with tiles paint the same as one process without: the first losses agree within 1e-6, all within `tolerance`,
/// and at most one in 10 values of the picture differs, by two levels at most. Covariances are differences of larger numbers,
/// so sums over other tiles change their last digits, L-BFGS rounds its pairs to bf16 from there, and the paths diverge.
fn same_picture(optimizer: &str, cases: &[(usize, &str)], tolerance: f64) {
    let folder = folder();
    let (whole, picture) = paint(folder.path(), &mut Command::new(example()), &format!("--single {optimizer}"));
    for &(processes, tiles) in cases {
        let line = format!("--tiles {tiles} {optimizer}");
        let (losses, painted) = paint(folder.path(), &mut mpirun(processes, &example()), &line);
        let apart = |a: &[f64; 3], b: &[f64; 3]| {
            a.iter().zip(b).map(|(a, b)| (a - b).abs() / b.abs().max(1e-3)).fold(0.0, f64::max)
        };
        let first = apart(&losses[0], &whole[0]);
        let apart = losses.iter().zip(&whole).map(|(a, b)| apart(a, b)).fold(0.0, f64::max);
        let levels = painted.as_raw().iter().zip(picture.as_raw()).map(|(a, b)| a.abs_diff(*b));
        let (most, other, all) = (levels.clone().max().unwrap_or(0), levels.filter(|&d| d > 0).count(), painted.len());
        let found = format!(
            "{processes} processes, {line}: losses {first:.1e} apart at first, then {apart:.1e}; {other} of {all} values \
             differ, by {most}"
        );
        println!("{found}");
        assert!(first < 1e-6 && apart < tolerance && most <= 2 && other < all / 10, "{found}");
    }
}

#[test]
fn processes_paint_what_one_does() {
    same_picture("", &[(2, "2 1"), (3, "2 2"), (3, "4 3"), (3, "1 1")], 3e-4);
}

/// Adam's first step has the same length in every pixel, even where the gradient is only rounding.
#[test]
fn processes_paint_what_one_does_with_adam() {
    same_picture("--adam", &[(2, "2 1"), (3, "2 2")], 1e-3);
}

#[test]
fn an_error_of_one_process_ends_all() {
    let folder = folder();
    let line = ["photo.png", "art.png", "nowhere/x.png", "--size", "32", "--iterations", "1"];
    let output = run(mpirun(3, &example()).current_dir(folder.path()).args(line));
    assert!(!output.status.success() && said(&output).contains("nowhere"), "{}", said(&output));
}

/// Runs [`worker`] in this many processes.
fn work(processes: usize, what: &str) {
    let test = env::current_exe().expect("the path of this test");
    let output = run(mpirun(processes, &test).args(["--ignored", "--exact", "worker"]).env(WORK, what));
    let said = said(&output);
    assert!(output.status.success() && said.matches("1 passed").count() == processes, "{what}: {said}");
}

#[test]
fn sums_have_the_same_bits_everywhere() {
    work(1, "sums");
    work(3, "sums");
}

#[test]
fn sessions_have_the_same_bits_everywhere() {
    work(3, "session");
}

#[test]
fn processes_with_different_sessions_get_an_error() {
    work(2, "differing");
}

#[test]
fn processes_whose_peer_has_left_get_an_error() {
    work(3, "leaving");
}

#[test]
#[ignore = "the other tests run this in several processes"]
fn worker() {
    let world = mpi::World::new().expect("starts");
    assert_eq!(mpi::World::new().unwrap_err().kind(), ErrorKind::Unavailable);
    let communicator = world.communicator();
    assert_eq!((communicator.process(), communicator.processes()), (world.process(), world.processes()));
    match env::var(WORK).as_deref() {
        Ok("sums") => sums(&*communicator),
        Ok("session") => session(&world),
        Ok("differing") => differing(&*communicator),
        Ok("leaving") => {
            for _ in 0..2 {
                communicator.sum(&mut [1.0; 3]).expect("all processes take part");
            }
            if world.process() == 1 {
                drop(world);
                assert_eq!(communicator.sum(&mut [1.0]).unwrap_err().kind(), ErrorKind::Unavailable);
                return;
            }
            for _ in 0..2 {
                assert_eq!(communicator.sum(&mut [1.0; 3]).unwrap_err().kind(), ErrorKind::Unavailable);
                let error = communicator.exchange(&[&[], &[], &[]], &mut [&mut [], &mut [], &mut []]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unavailable);
            }
        }
        other => panic!("unknown task {other:?} in {WORK}"),
    }
}

/// Any lengths, also above the size of one message.
fn sums(communicator: &dyn Communicator) {
    let (process, processes) = (communicator.process(), communicator.processes());
    let all = (processes * (processes + 1) / 2) as f64;
    for len in [0, 1, 3, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 7] {
        let mut values: Vec<_> = (0..len).map(|i| (i % 1000) as f64 * (process + 1) as f64).collect();
        communicator.sum(&mut values).expect("sums");
        assert!(values.iter().enumerate().all(|(i, v)| *v == (i % 1000) as f64 * all), "{len} values");

        let part = |i: usize| (i as f64 + 0.1).sin() * (process as f64 + 0.3).exp();
        let mut values: Vec<_> = (0..len).map(part).collect();
        communicator.sum(&mut values).expect("sums");
        everywhere(communicator, values.iter().map(|v| v.to_bits()));

        // Each process sends another number of values to each, some of them none.
        let count = |from: usize, to: usize| len * from / (to + 1);
        let value = |from: usize, to: usize, i: usize| (from * 7 + to * 5 + i % 1000) as f32;
        let values = |from: usize, to: usize| (0..count(from, to)).map(|i| value(from, to, i)).collect::<Vec<_>>();
        let sent: Vec<_> = (0..processes).map(|to| values(process, to)).collect();
        let mut received: Vec<_> = (0..processes).map(|from| vec![f32::NAN; count(from, process)]).collect();
        let sent: Vec<_> = sent.iter().map(|sent| &sent[..]).collect();
        let mut to: Vec<_> = received.iter_mut().map(|received| &mut received[..]).collect();
        communicator.exchange(&sent, &mut to).expect("exchanges");
        assert!((0..processes).all(|from| received[from] == values(from, process)), "{len} values");
    }
}

/// Checks that all processes have the same bits: the sum of their hashes is a multiple of this one's.
fn everywhere(communicator: &dyn Communicator, bits: impl Iterator<Item = u64>) {
    let hash = bits.fold(0xcbf2_9ce4_8422_2325, |hash: u64, bits| (hash ^ bits).wrapping_mul(0x100_0000_01b3));
    let hash = [hash >> 32, hash & 0xffff_ffff].map(|half| half as f64);
    let mut sums = hash;
    communicator.sum(&mut sums).expect("sums");
    assert_eq!(sums, hash.map(|half| half * communicator.processes() as f64));
}

/// Sums from threads of a pool, in a session that is moved to another thread.
fn session(world: &mpi::World) {
    let picture = |width: usize, height: usize, seed: usize| {
        let value = |i: usize| (i * (37 + seed) % 251) as f32 * 0.6 + (i / 13 % (7 + seed)) as f32 * 12.0;
        Image::from_planar(width, height, (0..3 * width * height).map(value).collect()).expect("a picture")
    };
    let network = Network::new(Cpu::builder().threads(2).build().expect("a pool"), models::embedded().unwrap().model());
    let mut session = Session::builder(network.expect("a network"))
        .content(picture(53, 38, 1))
        .style(picture(41, 47, 2))
        .init(Init::Noise)
        .tv_weight(0.01)
        .iterations(5)
        .tiles(2, 2)
        .communicator(world.communicator())
        .build()
        .expect("a session");
    let painted = std::thread::spawn(move || {
        session.run(|_| std::ops::ControlFlow::Continue(())).expect("runs");
        (session.losses().expect("losses").total, session.image().expect("an image"))
    });
    let (total, image) = painted.join().expect("ends");
    let bits = image.pixels().iter().map(|p| p.to_bits().into());
    everywhere(&*world.communicator(), bits.chain([total.to_bits()]));
}

/// Different lengths and types give an error; later sums work again.
fn differing(communicator: &dyn Communicator) {
    let process = communicator.process();
    let error = communicator.sum(&mut vec![1.0; 3 + process]).unwrap_err();
    assert!(error.kind() == ErrorKind::Argument && error.to_string().contains("the same session"), "{error}");
    let to_both = |sent: &[f32], received: usize| {
        let (mut first, mut second) = (vec![0.0; received], vec![0.0; received]);
        communicator.exchange(&[sent, sent], &mut [&mut first, &mut second])
    };
    let error = if process == 0 { communicator.sum(&mut [1.0]) } else { to_both(&[1.0], 1) };
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Argument);
    // One process receives fewer values than the other sends, or has too few slices.
    assert_eq!(to_both(&[1.0, 2.0], 2 - process).unwrap_err().kind(), ErrorKind::Argument);
    let error = if process == 0 { communicator.exchange(&[&[1.0]], &mut [&mut [0.0]]) } else { to_both(&[1.0], 1) };
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Argument);
    to_both(&[1.0, 2.0], 2).expect("exchanges");
    let mut one = [1.0];
    communicator.sum(&mut one).expect("sums");
    assert_eq!(one, [communicator.processes() as f64]);
}
