//! User messages, all on standard error.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use style_transfer::Progress;

/// The interval between progress lines without a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

pub(crate) struct Report {
    quiet: bool,
    bar: RefCell<Option<ProgressBar>>,
    last_line: Cell<Option<Instant>>,
}

impl Report {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, bar: RefCell::new(None), last_line: Cell::new(None) }
    }

    /// A line, unless output is quiet.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if !self.quiet {
            self.print(line.as_ref());
        }
    }

    /// A warning that does not stop the work.
    pub(crate) fn warn(&self, e: &dyn Error) {
        self.print(&format!("warning: {}", chain(e)));
    }

    /// The last line of a failed program.
    pub(crate) fn error(&self, e: &anyhow::Error) {
        self.end_bar();
        self.print(&format!("error: {}", chain(e.as_ref())));
    }

    fn print(&self, line: &str) {
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(|| tell(line)),
            None => tell(line),
        }
    }

    /// Starts the progress bar.
    pub(crate) fn start_bar(&self, iterations: usize) {
        if self.quiet {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(iterations as u64), ProgressDrawTarget::stderr());
        let template = "{bar:30} {pos}/{len}  {msg}  {elapsed}, {eta} left";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        // Shows the bar and starts the clock for the estimate before the first evaluation ends.
        bar.tick();
        self.last_line.set(Some(Instant::now()));
        *self.bar.borrow_mut() = Some(bar);
    }

    /// Moves the bar, or writes a line now and then without a terminal; `loss` is that of the current picture.
    pub(crate) fn progress(&self, progress: &Progress, loss: f64) {
        let borrowed = self.bar.borrow();
        let Some(bar) = &*borrowed else { return };
        bar.set_message(format!("loss {loss:.4e}"));
        bar.set_position(progress.iteration as u64);
        if bar.is_hidden() && self.last_line.get().is_none_or(|t| t.elapsed() >= LINE_EVERY) {
            self.last_line.set(Some(Instant::now()));
            let (done, all) = (progress.iteration, progress.iterations);
            tell(&format!("{done}/{all}  loss {loss:.4e}  {:.0?} left", bar.eta()));
        }
    }

    /// Removes the bar.
    pub(crate) fn end_bar(&self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}

/// Ignores write errors: a missing reader or a full disk ends no job.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// An error and its causes, without those that the preceding message already includes.
fn chain(e: &dyn Error) -> String {
    let mut message = e.to_string();
    let mut source = e.source();
    while let Some(e) = source {
        let cause = e.to_string();
        if !message.contains(&cause) {
            message = format!("{message}: {cause}");
        }
        source = e.source();
    }
    message
}
