//! The report: a file that is complete up to the section that a driver may hang or crash in.

use std::any::Any;
use std::fs::{self, File};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines of a message and characters of a line that the report has.
const MOST_LINES: usize = 6;
const MOST_CHARACTERS: usize = 300;

/// What went wrong in a section.
pub(crate) type Failure = Box<dyn std::error::Error>;

pub(crate) struct Report {
    file: Arc<Mutex<File>>,
    /// The section at work.
    current: Arc<Mutex<Option<(String, Instant)>>>,
    failures: usize,
    begun: Instant,
}

impl Report {
    /// Creates `report.txt` in a folder. A section that takes longer than `patience` ends the program.
    pub(crate) fn create(folder: &Path, patience: Duration) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = Arc::new(Mutex::new(File::create(folder.join("report.txt"))?));
        let current = Arc::new(Mutex::new(None));
        let (watched, to) = (Arc::clone(&current), Arc::clone(&file));
        std::thread::spawn(move || watch(&watched, &to, patience));
        Ok(Self { file, current, failures: 0, begun: Instant::now() })
    }

    /// A line in the file and on the screen.
    pub(crate) fn line(&mut self, text: &str) {
        write_line(&self.file, text);
    }

    /// A check that failed.
    pub(crate) fn failed(&mut self, what: &str, message: &str) {
        self.failures += 1;
        self.line(&format!("- FAILED: {what}: {}", short(message)));
    }

    /// A check with its measure; it fails if this exceeds the limit.
    pub(crate) fn check(&mut self, what: &str, measure: f64, limit: f64) {
        if measure <= limit {
            self.line(&format!("- passed: {what}: {measure:.1e}, at most {limit:.0e}"));
        } else {
            self.failed(what, &format!("{measure:.1e}, more than {limit:.0e}"));
        }
    }

    /// Runs a part; its error or panic is a failure, and the next part runs all the same.
    pub(crate) fn section(&mut self, title: &str, part: impl FnOnce(&mut Self) -> Result<(), Failure>) {
        self.line(&format!("\n## {title}\n"));
        let begun = Instant::now();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some((title.to_owned(), begun));
        match catch_unwind(AssertUnwindSafe(|| part(self))) {
            Ok(Ok(())) => {}
            Ok(Err(e)) => self.failed(title, &e.to_string()),
            Err(panic) => self.failed(title, &format!("a panic: {}", panic_message(panic.as_ref()))),
        }
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.line(&format!("\n({:.1} s)", begun.elapsed().as_secs_f64()));
    }

    /// The last line; the number of failures.
    pub(crate) fn end(mut self) -> usize {
        let seconds = self.begun.elapsed().as_secs_f64();
        self.line(&format!("\n{} failed, in {seconds:.0} s.", self.failures));
        self.failures
    }
}

/// Ends the program if a section takes too long.
fn watch(current: &Mutex<Option<(String, Instant)>>, file: &Mutex<File>, patience: Duration) {
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let at = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((title, _)) = at.filter(|(_, begun)| begun.elapsed() > patience) {
            write_line(file, &format!("- FAILED: {title}: no end after {} s: the driver hangs", patience.as_secs()));
            std::process::exit(1);
        }
    }
}

/// Writes a line at once. A full disk must not end the checks.
fn write_line(file: &Mutex<File>, text: &str) {
    println!("{text}");
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(e) = writeln!(file, "{text}").and_then(|()| file.flush()) {
        eprintln!("report.txt: {e}");
    }
}

/// The text of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_else(|| "without a message".into())
}

/// The beginning of a message.
fn short(message: &str) -> String {
    let lines = message.lines().take(MOST_LINES).map(|line| line.chars().take(MOST_CHARACTERS).collect::<String>());
    lines.collect::<Vec<_>>().join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("wgpu-kit-{name}-{}", std::process::id()))
    }

    #[test]
    fn errors_and_panics_are_failures_and_the_next_section_runs() {
        let folder = folder("sections");
        let mut report = Report::create(&folder, Duration::from_secs(60)).unwrap();
        report.section("first", |_| Err("no driver".into()));
        report.section("second", |_| panic!("lost"));
        report.section("third", |report| {
            report.check("small", 1e-7, 1e-6);
            report.check("not a number", f64::NAN, 1e-6);
            Ok(())
        });
        assert_eq!(report.end(), 3);
        let text = fs::read_to_string(folder.join("report.txt")).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        for expected in
            ["FAILED: first: no driver", "a panic: lost", "passed: small", "FAILED: not a number", "3 failed"]
        {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }

    #[test]
    fn a_long_message_is_cut() {
        let message = vec!["x".repeat(1000); 50].join("\n");
        assert!(short(&message).len() < 2500);
    }
}
