//! User messages, all on standard error.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use style_transfer::{Image, Progress};

use crate::args::preview::Preview;
use crate::thumbnail::{self, Room, Way};
use crate::work::{VideoWork, Work};

/// The interval between progress lines without a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The bar's steps.
const BAR: u64 = 1000;

/// The interval between pictures in the terminal.
const PICTURE_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Report {
    quiet: bool,
    bar: RefCell<Option<ProgressBar>>,
    /// Whether the work may end early.
    at_most: Cell<bool>,
    last_line: Cell<Option<Instant>>,
    /// How the terminal shows pictures, if it is to.
    way: Option<Way>,
    last_picture: Cell<Option<Instant>>,
    /// The lines of the picture that is directly above the bar.
    above: Cell<usize>,
}

impl Report {
    pub(crate) fn new(quiet: bool, preview: Preview) -> Self {
        let way = if quiet { None } else { preview.way() };
        let (last_line, last_picture, above) = (Cell::new(None), Cell::new(None), Cell::new(0));
        Self { quiet, bar: RefCell::new(None), at_most: Cell::new(false), last_line, way, last_picture, above }
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
        self.above.set(0);
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(|| tell(line)),
            None => tell(line),
        }
    }

    /// Starts the progress bar, and the clock for the time left, which is the most that is left if the work may end early.
    pub(crate) fn start_bar(&self, may_end_early: bool) {
        if self.quiet {
            return;
        }
        self.at_most.set(may_end_early);
        let bar = ProgressBar::with_draw_target(Some(BAR), ProgressDrawTarget::stderr());
        let template = "{bar:30} {prefix}  {elapsed}{msg}";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        // Shows the bar before the first evaluation ends.
        bar.tick();
        self.last_line.set(Some(Instant::now()));
        *self.bar.borrow_mut() = Some(bar);
    }

    /// Moves the bar, or writes a line now and then without a terminal; `loss` is that of the current picture.
    pub(crate) fn progress(&self, progress: &Progress, loss: f64, work: Work) {
        self.advance(work, || format!("{}/{}  loss {loss:.4e}", progress.iteration, progress.iterations));
    }

    /// The same for a video, after `done` of `all` frames.
    pub(crate) fn frame(&self, done: usize, all: usize, frames: &VideoWork) {
        let percent = (100.0 * frames.part()) as u32;
        self.advance(frames.work(), || format!("{done}/{all} frames, {percent} % of the next"));
    }

    fn advance(&self, work: Work, text: impl FnOnce() -> String) {
        let borrowed = self.bar.borrow();
        let Some(bar) = &*borrowed else { return };
        let left = work.time_left(bar.elapsed());
        let most = if self.at_most.get() { "at most " } else { "" };
        let left = left.map_or(String::new(), |left| format!(", {most}{:#} left", HumanDuration(left)));
        let text = text();
        if bar.is_hidden() && self.last_line.get().is_none_or(|t| t.elapsed() >= LINE_EVERY) {
            self.last_line.set(Some(Instant::now()));
            tell(&format!("{text}{left}"));
        }
        bar.set_prefix(text);
        bar.set_message(left);
        bar.set_position((BAR as f64 * work.done / (work.done + work.left).max(f64::MIN_POSITIVE)) as u64);
    }

    /// Shows a picture above the bar, in the place of the one before, if pictures are wanted and it is time for one. One that cannot
    /// be shown is left out.
    pub(crate) fn picture(&self, image: impl FnOnce() -> style_transfer::Result<Image>) {
        let borrowed = self.bar.borrow();
        let (Some(bar), Some(way)) = (&*borrowed, self.way) else { return };
        if self.last_picture.get().is_some_and(|t| t.elapsed() < PICTURE_EVERY) {
            return;
        }
        self.last_picture.set(Some(Instant::now()));
        // The window may have been resized.
        let Some(room) = Room::of_terminal() else { return };
        let shown = image().and_then(|image| Ok((room.rows(&image), thumbnail::shown(&image, way, room)?)));
        let Ok((rows, text)) = shown else { return };
        let lines = if self.above.get() == rows { String::new() } else { "\n".repeat(rows) };
        bar.suspend(|| {
            let mut to = io::stderr().lock();
            let _ = write!(to, "{lines}\x1b[{rows}A{text}").and_then(|()| to.flush());
        });
        self.above.set(rows);
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
