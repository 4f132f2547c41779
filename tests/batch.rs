//! Runs the example `batch`: concurrent jobs give the same bits as single jobs, even after interruptions.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

/// The example. `cargo test` without a selection builds it; `cargo test --test batch` uses the last build.
fn tool() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let folder = test.parent().and_then(Path::parent).expect("target/PROFILE");
    let tool = folder.join("examples").join(format!("batch{}", env::consts::EXE_SUFFIX));
    assert!(tool.is_file(), "{} is not built: run `cargo build --example batch`", tool.display());
    tool
}

/// Two photographs and two paintings, in a temporary folder.
struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(TempDir::new().expect("a temporary folder"));
        for (folder, names, step) in [("photos", ["cat", "dog"], 5), ("styles", ["lines", "waves"], 11)] {
            fs::create_dir(bench.path(folder)).expect("makes");
            for (name, k) in names.into_iter().zip(1..) {
                let pixel = |x: u32, y: u32| Rgb([(step * k * x) as u8, (3 * step * y) as u8, (x * y / k) as u8]);
                let picture = RgbImage::from_fn(44, 36, pixel);
                picture.save(bench.path(&format!("{folder}/{name}.png"))).expect("saves");
            }
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(tool());
        command.current_dir(self.0.path()).args(["photos", "styles"]).args(line.split_whitespace());
        command
    }

    fn run(&self, line: &str, code: i32) -> String {
        let output = self.command(line).output().expect("runs");
        assert_eq!(output.status.code(), Some(code), "{line}: {}", said(&output));
        said(&output)
    }

    /// The pictures in a folder of results.
    fn painted(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let names = self.names(folder).into_iter().filter(|name| name.ends_with(".png"));
        names.map(|name| (name.clone(), fs::read(self.path(folder).join(name)).expect("is there"))).collect()
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).expect("is there");
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    fn summary(&self, folder: &str) -> Vec<Value> {
        let text = fs::read(self.path(folder).join("summary.json")).expect("is there");
        serde_json::from_slice(&text).expect("a list")
    }

    /// Starts the program, and waits for a new checkpoint.
    fn start(&self, line: &str) -> Child {
        let mut child = self.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let (start, now) = (Instant::now(), SystemTime::now());
        let new = |name: &String| {
            let changed = fs::metadata(self.path("out").join(name)).and_then(|m| m.modified());
            name.ends_with(".checkpoint") && changed.is_ok_and(|changed| changed > now)
        };
        while !(self.path("out").exists() && self.names("out").iter().any(new)) {
            assert!(child.try_wait().expect("is watched").is_none(), "the program ended early");
            assert!(start.elapsed() < Duration::from_secs(120), "no checkpoint in two minutes");
            thread::sleep(Duration::from_millis(5));
        }
        child
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const ALL: [&str; 4] = ["cat--lines.png", "cat--waves.png", "dog--lines.png", "dog--waves.png"];

#[test]
fn a_job_is_the_same_whatever_runs_beside_it() {
    let bench = Bench::new();
    bench.run("alone --size 40 --iterations 8 --jobs 1", 0);
    let alone = bench.painted("alone");
    assert_eq!(alone.keys().collect::<Vec<_>>(), ALL);

    // With an invalid photograph.
    fs::write(bench.path("photos/broken.png"), "no picture").expect("writes");
    let output = bench.run("out --size 40 --iterations 8 --jobs 4", 1);
    assert!(output.contains("4 done, 2 failed, 0 unfinished"), "{output}");
    assert_eq!(bench.painted("out"), alone);
    let summary = bench.summary("out");
    assert_eq!(summary.len(), 6);
    for job in &summary {
        let broken = job["photo"].as_str().expect("a path").contains("broken");
        assert_eq!(job["state"], if broken { "failed" } else { "done" }, "{job}");
        assert_eq!((&job["size"], &job["iterations"]), (&40.into(), &8.into()), "{job}");
        let losses = ["total", "content", "style"].map(|name| job["losses"][name].as_f64());
        assert!(losses.iter().all(|l| l.is_some_and(|l| l > 0.0) != broken) && job["seconds"].is_f64(), "{job}");
        let error = job["error"].as_str().unwrap_or_default();
        assert_eq!((error.contains("broken.png"), error.is_empty()), (broken, !broken), "{job}");
    }

    // Finished jobs are skipped; failed ones run again.
    let changed = |name: &str| fs::metadata(bench.path("out").join(name)).and_then(|m| m.modified()).expect("is there");
    let before = ALL.map(changed);
    let output = bench.run("out --size 40 --iterations 8", 1);
    assert_eq!((output.matches("already done").count(), ALL.map(changed)), (4, before), "{output}");
    fs::remove_file(bench.path("photos/broken.png")).expect("is there");
    fs::remove_file(bench.path("out/dog--waves.png")).expect("is there");
    let output = bench.run("out --size 40 --iterations 8", 0);
    assert_eq!((output.matches("already done").count(), bench.summary("out").len()), (3, 4), "{output}");
    assert_eq!(bench.painted("out"), alone);
    assert_eq!(bench.names("out").len(), 5, "unexpected files: {:?}", bench.names("out"));

    // Another photograph under the old name is another job; an invalid checkpoint does not prevent it.
    let dog = bench.path("photos/dog.png");
    fs::copy(bench.path("styles/waves.png"), &dog).expect("copies");
    fs::File::open(&dog).and_then(|f| f.set_modified(UNIX_EPOCH + Duration::from_secs(9))).expect("is there");
    fs::write(bench.path("out/dog--lines.checkpoint"), "no checkpoint").expect("writes");
    let output = bench.run("out --size 40 --iterations 8", 0);
    assert_eq!(output.matches("already done").count(), 2, "{output}");
    assert!(output.contains("dog--lines.png: restarted"), "{output}");
    assert_ne!(bench.painted("out")["dog--lines.png"], alone["dog--lines.png"]);

    // Other settings make other jobs.
    bench.run("out --size 32 --iterations 2", 0);
    assert!(bench.painted("out").iter().all(|(name, bytes)| alone[name] != *bytes));
}

/// Pictures can be written even if checkpoints cannot.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let bench = Bench::new();
    let limited = "ulimit -f 40; trap '' XFSZ; exec \"$0\" photos styles out --size 40 --iterations 30";
    let output = Command::new("sh").args(["-c", limited]).arg(tool()).current_dir(bench.path("")).output();
    let output = output.expect("a shell");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(said(&output).matches("continuing without checkpoints").count(), 4, "{}", said(&output));
    assert_eq!(bench.painted("out").len(), 4);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_unicode() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let bench = Bench::new();
    let odd = bench.path("photos").join(OsStr::from_bytes(b"x\xff.png"));
    fs::copy(bench.path("photos/cat.png"), odd).expect("copies");
    let said = bench.run("out --size 32 --iterations 2", 1);
    assert!(said.contains("not valid Unicode") && bench.painted("out").is_empty(), "{said}");
}

#[cfg(unix)]
#[test]
fn interrupted_or_killed_it_goes_on_with_the_same_bits() {
    let bench = Bench::new();
    let line = "--size 40 --iterations 80 --jobs 2";
    for signal in ["-KILL", "-INT"] {
        let child = bench.start(&format!("out {line}"));
        Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
        let output = child.wait_with_output().expect("ends");
        assert!(!output.status.success(), "{}", said(&output));
        if signal == "-INT" {
            assert_eq!(output.status.code(), Some(130), "{}", said(&output));
            let left = bench.summary("out").iter().filter(|job| job["state"] == "unfinished").count();
            assert!(said(&output).contains(&format!("{left} unfinished")) && left > 0, "{}", said(&output));
        }
    }
    bench.run(&format!("out {line}"), 0);
    bench.run(&format!("whole {line}"), 0);
    assert_eq!(bench.painted("out"), bench.painted("whole"));
}

#[test]
fn invalid_folders_are_errors() {
    let bench = Bench::new();
    let fails = |line: &str, words: &str| {
        let output = bench.run(line, 1);
        assert!(output.contains(words), "{line}: {words:?} is not in: {output}");
    };
    fails("photos", "both an input folder and the result folder");
    fs::create_dir(bench.path("out")).expect("makes");
    fs::write(bench.path("out/summary.json"), "{}").expect("writes");
    fails("out", "not a summary of this program");
    fs::copy(bench.path("photos/cat.png"), bench.path("photos/cat.webp")).expect("copies");
    fails("other", "two jobs have the result");
    fs::remove_dir_all(bench.path("styles")).expect("is there");
    fails("other", "styles");
    fs::create_dir(bench.path("styles")).expect("makes");
    fails("other", "no pictures in styles");
}
