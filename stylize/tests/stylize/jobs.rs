//! Interrupted and failing jobs: early ends, a full disk, folders that are not writable.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::{Bench, TOOL, WEIGHTS, number, said};

#[test]
fn a_job_goes_on_where_it_was() {
    let bench = Bench::new();
    let line = "photo.png art.png --size 48 --scales 24=3,34=3 --init noise --log log.jsonl";
    bench.paint(&format!("{line} -o whole.png --iterations 6"));
    let whole = bench.log("log.jsonl");
    // A run with fewer iterations, then a longer one from its checkpoint.
    let kept = format!("{line} --checkpoint job.checkpoint --every 2");
    bench.paint(&format!("{kept} -o part.png --iterations 2"));
    let said = bench.paint(&format!("{kept} -o rest.png --iterations 6"));
    assert!(said.contains("resumed  after 8 iterations") && said.contains("after 12 iterations"), "{said}");
    let totals = |log: &[Value]| log.iter().map(|line| number(line, "total").to_bits()).collect::<Vec<_>>();
    assert_eq!(totals(&bench.log("log.jsonl")), totals(&whole));
    assert_eq!(bench.open("rest.png"), bench.open("whole.png"));
    // Evaluations after the checkpoint run, and are logged, again; an incomplete line is dropped.
    let text = fs::read_to_string(bench.path("log.jsonl")).expect("is there");
    fs::write(bench.path("log.jsonl"), format!("{text}{{\"iteration\": 13}}\n{{\"iter")).expect("writes");
    // A finished job does nothing.
    let said = bench.paint(&format!("{kept} -o again.png --iterations 6"));
    assert!(said.contains("resumed  after 12 iterations"), "{said}");
    assert_eq!(bench.open("again.png"), bench.open("whole.png"));
    assert_eq!(fs::read_to_string(bench.path("log.jsonl")).expect("is there"), text);

    let elsewhere = |options: &str, words: &[&str]| bench.fail(&format!("{kept} -o y.png {options}"), words);
    let said = bench.paint(&format!("{kept} -o stronger.png --iterations 6 --style-strength 2"));
    assert!(said.contains("resumed  after 12") && said.contains("2.0000e0 style"), "{said}");
    elsewhere("--optimizer adam", &["another job", "optimizer"]);
    fs::write(bench.path("job.checkpoint"), "no checkpoint").expect("writes");
    elsewhere("", &["job.checkpoint", "not a"]);
    assert_eq!(fs::read_to_string(bench.path("log.jsonl")).expect("is there"), text);
    bench.fail(&format!("{line} -o y.png --checkpoint none/job"), &["none", "not a folder"]);
    bench.fail(&format!("{line} -o y.png --every 3"), &["--checkpoint"]);
}

/// Counts rewrites of a file by polling.
struct Changes<'a> {
    bench: &'a Bench,
    seen: Option<SystemTime>,
    count: usize,
}

impl Changes<'_> {
    fn look(&mut self) -> usize {
        let now = fs::metadata(self.bench.path("job.checkpoint")).and_then(|m| m.modified()).ok();
        self.count += usize::from(now.is_some() && now != self.seen);
        self.seen = now;
        self.count
    }
}

/// The environment variable `KILLS` sets the number of kills; the default is two dozen.
#[test]
fn killed_at_any_moment_it_goes_on() {
    let bench = Bench::new();
    let line = "photo.png art.png --size 40 --init noise --scales 20=10,28=10 --iterations 20";
    bench.paint(&format!("{line} -o whole.png"));
    let kept = format!("{line} -o x.png --checkpoint job.checkpoint --every 1");
    let kills = std::env::var("KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let (mut killed, mut resumed, mut done, mut random) = (0, 0, 0, 0x9e37_79b9_u64);
    for _ in 0..kills {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut changes = Changes { bench: &bench, seen: None, count: 0 };
        changes.look();
        let before = changes.count;
        let mut child = bench.command(&kept).stderr(Stdio::piped()).spawn().expect("starts");
        // After a few checkpoints or during the start, plus up to 16 ms, which is several evaluations.
        let checkpoints = (random >> 61) as usize;
        while changes.look() - before < checkpoints && child.try_wait().expect("is watched").is_none() {
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(Duration::from_micros(random >> 44 & 0x3fff));
        child.kill().expect("is killed");
        let output = child.wait_with_output().expect("has ended");
        killed += u32::from(!output.status.success());
        let said = said(&output);
        assert!(!said.contains("error"), "{said}");
        resumed += u32::from(said.contains("resumed"));
        if bench.path("x.png").exists() {
            // It finished before the kill, so start again.
            done += 1;
            assert_eq!(bench.open("x.png"), bench.open("whole.png"));
            fs::remove_file(bench.path("x.png")).expect("is there");
            fs::remove_file(bench.path("job.checkpoint")).expect("is there");
        }
    }
    bench.paint(&kept);
    assert_eq!(bench.open("x.png"), bench.open("whole.png"));
    println!("{killed} of {kills} killed, {resumed} resumed, {done} finished before");
    assert!(killed > kills / 2 && resumed > kills / 8);
}

#[test]
fn of_other_weights_it_does_not_go_on() {
    let bench = Bench::new();
    let line = "photo.png art.png -o x.png --size 32 --iterations 2 --checkpoint job.checkpoint";
    bench.paint(line);
    // The embedded weights with one byte of one bias changed: another network.
    let model = style_transfer::models::load(WEIGHTS, &Default::default()).expect("loads");
    let mut layers = model.model().layers().to_vec();
    let style_transfer::Layer::Conv(conv) = &mut layers[0] else { panic!("a convolution") };
    conv.bias[0] += 1e-3;
    let other = style_transfer::Model::new("vgg16", *model.model().input(), layers).expect("a model");
    style_transfer::models::save(&other, bench.path("other.safetensors")).expect("saves");
    fs::remove_file(bench.path("x.png")).expect("is there");
    bench.fail(&format!("{line} --weights other.safetensors"), &["another job", "network"]);
}

/// Starts an endless job and waits for its log.
fn endless(bench: &Bench, options: &str) -> Child {
    under_way(bench, bench.command(&format!("{ENDLESS} {options}")))
}

/// Adam, which never converges.
const ENDLESS: &str = "photo.png art.png --size 32 --iterations 1000000 --optimizer adam --log log.jsonl";

fn under_way(bench: &Bench, mut command: Command) -> Child {
    command.env("TMPDIR", bench.path("temporary")).stderr(Stdio::piped());
    fs::create_dir_all(bench.path("temporary")).expect("makes");
    let mut child = command.spawn().expect("starts");
    until_logged(bench, &mut child, 3);
    child
}

/// Waits for a log of this many lines.
fn until_logged(bench: &Bench, child: &mut Child, lines: usize) {
    let start = Instant::now();
    while bench.log("log.jsonl").len() < lines {
        if let Some(status) = child.try_wait().expect("is watched") {
            panic!("ended with {status}");
        }
        assert!(start.elapsed() < Duration::from_secs(60), "no log of {lines} lines in a minute");
        thread::sleep(Duration::from_millis(20));
    }
}

fn send(signal: &str, child: Child) -> Output {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    child.wait_with_output().expect("ends")
}

#[test]
fn an_interrupt_saves_the_picture() {
    let bench = Bench::new();
    let output = send("-INT", endless(&bench, "-o x.png"));
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(said(&output).contains("early"), "{}", said(&output));
    assert_eq!(bench.open("x.png").width(), 32);
    assert_ne!(bench.open("x.png"), bench.open("photo.png"));
}

#[test]
fn asked_to_end_it_leaves_a_checkpoint() {
    let bench = Bench::new();
    for signal in ["-INT", "-TERM"] {
        let child = endless(&bench, "-o x.png --scales none --checkpoint job.checkpoint --every 1000000");
        let output = send(signal, child);
        assert_eq!(output.status.code(), Some(130), "{}", said(&output));
        assert_eq!(said(&output).contains("resumed"), signal == "-TERM", "{}", said(&output));
        assert!(bench.path("job.checkpoint").exists());
        fs::remove_file(bench.path("log.jsonl")).expect("is there");
    }
}

/// Starts the job as `nohup` does.
#[test]
fn a_hangup_that_is_ignored_ends_nothing() {
    let bench = Bench::new();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(TOOL).current_dir(bench.path(""));
    command.args(format!("{ENDLESS} -o x.png").split_whitespace());
    let mut child = under_way(&bench, command);
    let sent = Command::new("kill").args(["-HUP", &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    let done = bench.log("log.jsonl").len();
    until_logged(&bench, &mut child, done + 3);
    let output = send("-INT", child);
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn nobody_hears_what_it_says() {
    let bench = Bench::new();
    let full = || fs::File::options().write(true).open("/dev/full").expect("opens");
    let mut command = bench.command("photo.png art.png -o x.png --size 32 --iterations 3 --checkpoint job.checkpoint");
    assert!(command.stderr(full()).status().expect("runs").success());
    assert!(bench.path("x.png").exists() && bench.path("job.checkpoint").exists());
    let output = bench.command("photo.png art.png --size 32 --plan").stdout(full()).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("cannot tell the plan"), "{}", said(&output));
}

#[test]
fn each_result_has_a_file_of_its_own() {
    let bench = Bench::new();
    fs::copy(bench.path("photo.png"), bench.path("q.part")).expect("copies");
    let fails = |line: &str, says: &str| bench.fail(&format!("{line} --size 32 --iterations 2"), &[says]);
    fails("photo.png art.png -o x.png --plot photo.png", "photo.png: this would overwrite");
    fails("photo.png art.png -o x.png --checkpoint art.png", "art.png: this would overwrite");
    fails("q.part art.png -o x.png --checkpoint q", "q.part: this would overwrite");
    fails("photo.png art.png -o x.png --plot ./x.png", "./x.png: two results");
    fails("photo.png art.png -o x.png --log a --checkpoint a", "a: two results");
    assert!(!bench.path("x.png").exists() && !bench.path("a").exists());
}

#[test]
fn a_folder_that_vanishes_loses_nothing() {
    let bench = Bench::new();
    fs::create_dir(bench.path("there")).expect("makes");
    let child = endless(&bench, "-o there/x.png");
    fs::remove_dir(bench.path("there")).expect("removes");
    let output = send("-INT", child);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("there/x.png"), "{}", said(&output));
    let saved = fs::read_dir(bench.path("temporary")).expect("lists").next().expect("a file").expect("an entry");
    assert!(said(&output).contains(&saved.file_name().to_string_lossy().into_owned()), "{}", said(&output));
    assert!(image::open(saved.path()).is_ok());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let bench = Bench::new();
    // The log cannot be written, but the picture can.
    let output = bench.run("photo.png art.png -o x.png --size 48 --iterations 2 --log /dev/full");
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("/dev/full") && text.contains("No space") && text.contains("wrote"), "{text}");
    assert_eq!(bench.open("x.png").width(), 48);

    // No file may grow beyond one block: nothing can be saved, and existing files stay.
    let before = fs::read(bench.path("x.png")).expect("is there");
    let line = "ulimit -f 1; trap '' XFSZ; exec \"$0\" photo.png art.png -o x.png --size 64 --iterations 2";
    let limited = Command::new("sh").args(["-c", line]).arg(TOOL).current_dir(bench.path("")).output();
    let output = limited.expect("a shell");
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("error: ") && text.contains("cannot write x.png"), "{text}");
    assert_eq!(fs::read(bench.path("x.png")).expect("is there"), before);
    let left = fs::read_dir(bench.path("")).expect("lists").count();
    assert_eq!(left, 3, "photograph, painting, and the earlier result");
}

/// Checkpoints grow with L-BFGS' history until they exceed the size limit.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_leaves_the_last_checkpoint_that_it_had_room_for() {
    let bench = Bench::new();
    let line = "photo.png art.png --size 48 --scales none --iterations 12";
    bench.paint(&format!("{line} -o whole.png"));
    let kept = format!("{line} -o x.png --checkpoint job.checkpoint --every 1");
    // In units of 512 bytes; a checkpoint without pairs has five images of 23 KB.
    let limited = format!("ulimit -f 600; trap '' XFSZ; exec \"$0\" {kept}");
    let output = Command::new("sh").args(["-c", &limited]).arg(TOOL).current_dir(bench.path("")).output();
    let output = output.expect("a shell");
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot write job.checkpoint") && text.contains("File too large"), "{text}");
    assert!(text.contains("wrote    x.png after 12 iterations"), "{text}");
    assert_eq!(bench.open("x.png"), bench.open("whole.png"));
    let left = fs::read_dir(bench.path("")).expect("lists").count();
    assert_eq!(left, 5, "photograph, painting, two results, a checkpoint");

    fs::remove_file(bench.path("x.png")).expect("is there");
    let text = bench.paint(&kept);
    let resumed = text.split("resumed  after ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
    assert!(resumed.is_some_and(|done| (1..12).contains(&done)), "{text}");
    assert_eq!(bench.open("x.png"), bench.open("whole.png"));
}

/// Detected before the work begins.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written() {
    let bench = Bench::new();
    let (folder, open) = (bench.path("closed"), |mode| Permissions::from_mode(mode));
    fs::create_dir(&folder).expect("makes");
    fs::set_permissions(&folder, open(0o555)).expect("closes");
    let fails = |options: &str| {
        let line = format!("photo.png art.png --size 48 --iterations 99 {options}");
        let mut command = bench.command(&line);
        // Root may write everywhere, unless it drops that capability.
        if fs::metadata(&folder).expect("is there").uid() == 0 {
            command = Command::new("setpriv");
            command.arg("--bounding-set=-dac_override").arg(TOOL).args(line.split_whitespace());
            command.current_dir(bench.path(""));
        }
        let output = command.output().expect("runs");
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("error: ") && text.contains("closed") && text.contains("Permission denied"), "{text}");
        assert!(!text.contains("wrote") && !bench.path("x.png").exists(), "{text}");
    };
    fails("-o closed/x.png");
    fails("-o x.png --checkpoint closed/job.checkpoint");
    fails("-o x.png --log closed/log.jsonl");
    fails("-o x.png --plot closed/plot.svg");
    fails("-o x.png --tensorboard closed/runs");
    fs::set_permissions(&folder, open(0o755)).expect("opens");
}

/// Limits the memory so that allocations fail at many places: each gives an error, and a checkpoint stays intact.
#[cfg(target_os = "linux")]
#[test]
fn too_little_memory() {
    let bench = Bench::new();
    let line = "photo.png art.png -o x.png --size 96 --scales none --iterations 3 --threads 2 \
                --checkpoint job.checkpoint --every 1";
    bench.paint(&line.replace("--iterations 3", "--iterations 1"));
    let (mut refused, mut painted) = (0, 0);
    // The required memory depends on the machine: its threads, allocator and instruction set.
    for mib in (100..400).step_by(20).chain([2000]) {
        let limited = format!("ulimit -v {}; exec \"$0\" {line}", 1024 * mib);
        let output = Command::new("sh").args(["-c", &limited]).arg(TOOL).current_dir(bench.path("")).output();
        let output = output.expect("a shell");
        let text = said(&output);
        match output.status.code() {
            Some(0) => painted += 1,
            Some(1) => refused += 1,
            _ => panic!("{mib} MiB: {} {text}", output.status),
        }
        assert_eq!(output.status.code() == Some(1), text.contains("error: "), "{text}");
    }
    println!("{refused} failed, {painted} painted");
    assert!(refused > 0 && painted > 0);
    bench.paint(line);
}
