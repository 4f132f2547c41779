//! The handle to a running job for other threads: commands, requests, the latest progress.

use std::fmt;
use std::mem::take;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::checkpoint::{Checkpoint, STYLE_WEIGHT};
use crate::error::{Error, ErrorKind, Result, bad};
use crate::image::Image;
use crate::pass::cancel::Cancel;
use crate::prepare::check::check_weight;
use crate::session::observer::View;
use crate::session::progress::Progress;

/// How often a paused job checks a [`Cancel`], which cannot wake it.
const LOOK: Duration = Duration::from_millis(100);

/// A request to the session, answered on the job's thread between evaluations.
type Question = Box<dyn FnOnce(&dyn View) + Send>;

/// Controls a running [`Job`](crate::Job) from any thread, and returns its latest progress and image. Clones refer to
/// the same job.
///
/// Commands and [`progress`](Self::progress) return at once. [`preview`](Self::preview) and
/// [`checkpoint`](Self::checkpoint) wait for the evaluation under way, or for the analysis of the pictures before the
/// first. After the job has ended, commands that return a `Result` fail with [`Finished`](ErrorKind::Finished), the
/// others do nothing; the preview still works, from the image that is kept as long as there is a handle.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

/// The state shared by a job's thread and its handles.
pub(crate) struct Shared {
    pub(crate) cancel: Cancel,
    state: Mutex<State>,
    /// Wakes the job for a command or a request.
    called: Condvar,
    /// Wakes the readers for progress, or for the end.
    changed: Condvar,
    thread: OnceLock<ThreadId>,
}

#[derive(Default)]
struct State {
    paused: bool,
    /// A caller waits for the end, so the job is no longer paused.
    awaited: bool,
    style_weight: Option<f64>,
    questions: Vec<Question>,
    progress: Option<Progress>,
    /// Evaluations reported by this job.
    evaluations: u64,
    /// Width and height of the result, once known.
    size: (usize, usize),
    ended: bool,
    /// After the end, the image if there is one.
    image: Option<Arc<Image>>,
}

/// The work of a job before its next evaluation.
pub(crate) struct Orders {
    pub(crate) style_weight: Option<f64>,
    pub(crate) questions: Vec<Question>,
    /// No evaluation now.
    pub(crate) paused: bool,
}

impl Shared {
    pub(crate) fn new(cancel: Cancel) -> Self {
        let (state, called, changed, thread) = (Mutex::default(), Condvar::new(), Condvar::new(), OnceLock::new());
        Self { cancel, state, called, changed, thread }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes the job.
    fn call<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.called.notify_all();
        changed
    }

    /// Marks this thread as the job's.
    pub(crate) fn begin(&self) {
        self.thread.get_or_init(|| thread::current().id());
    }

    /// Whether this thread is the job's, which must not wait for itself.
    pub(crate) fn is_own_thread(&self) -> bool {
        self.thread.get() == Some(&thread::current().id())
    }

    /// Reports the size of the result, and any progress before the first evaluation.
    pub(crate) fn describe(&self, size: (usize, usize), progress: Option<&Progress>) {
        let mut state = self.lock();
        (state.size, state.progress) = (size, progress.cloned());
    }

    /// Takes the pending orders; while the job is paused, blocks until there are any.
    pub(crate) fn orders(&self) -> Orders {
        let mut state = self.lock();
        loop {
            let paused = state.paused && !state.awaited && !self.cancel.is_cancelled();
            let State { style_weight, questions, .. } = &mut *state;
            if !paused || style_weight.is_some() || !questions.is_empty() {
                return Orders { style_weight: style_weight.take(), questions: take(questions), paused };
            }
            state = self.called.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Publishes the progress of an evaluation.
    pub(crate) fn publish(&self, progress: &Progress) {
        let mut state = self.lock();
        state.progress = Some(progress.clone());
        state.evaluations += 1;
        self.changed.notify_all();
    }

    /// Ends the job and drops unanswered requests, which unblocks their callers.
    pub(crate) fn end(&self, image: Option<Image>) {
        let mut state = self.lock();
        (state.ended, state.image, state.questions) = (true, image.map(Arc::new), vec![]);
        self.changed.notify_all();
    }

    /// Ends all pauses, for callers that wait for the end.
    pub(crate) fn expect_end(&self) {
        self.call(|state| state.awaited = true);
    }

    /// The last progress, and after the end a copy of the image, if there is one.
    pub(crate) fn last(&self) -> (Option<Progress>, Result<Option<Image>>) {
        let (progress, image) = {
            let state = self.lock();
            (state.progress.clone(), state.image.clone())
        };
        (progress, image.map(|image| image.copied()).transpose())
    }
}

impl Handle {
    /// Stops evaluating after the evaluation under way, until [`resume`](Self::resume). The job then takes no processor
    /// time and keeps its memory.
    pub fn pause(&self) {
        self.0.call(|state| state.paused = true);
    }

    /// Continues after a pause.
    pub fn resume(&self) {
        self.0.call(|state| state.paused = false);
    }

    /// Ends the job, even during the analysis of the pictures or while it is paused, with
    /// [`Ending::Cancelled`](crate::Ending::Cancelled), within the time given at
    /// [`SessionBuilder::cancel`](crate::SessionBuilder::cancel). It affects this job only.
    pub fn cancel(&self) {
        self.0.cancel.cancel();
        self.0.call(|_| ());
    }

    /// The style strength, or the style weight of absolute losses, from the next evaluation on; see
    /// [`Session::set_style_weight`](crate::Session::set_style_weight). Of several values since the last evaluation,
    /// the last one counts, so a slider may call this at every move; with L-BFGS the image then does not change until
    /// the slider rests.
    ///
    /// # Errors
    /// `Argument` if the weight is outside 0..=1e30; `Finished` after the end of the job.
    pub fn set_style_weight(&self, weight: f64) -> Result<()> {
        check_weight(STYLE_WEIGHT, weight)?;
        self.0.call(|state| match state.ended {
            true => Err(finished()),
            false => {
                state.style_weight = Some(weight);
                Ok(())
            }
        })
    }

    /// The result of the last evaluation; `None` before the first.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.0.lock().progress.clone()
    }

    /// Whether the job has ended, for whatever reason: [`Job::join`](crate::Job::join) returns at once.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.lock().ended
    }

    /// The latest progress, then that of each later evaluation, as an iterator that waits for the next and ends with
    /// the job. A reader that is slower than the job misses some: only the latest progress is kept, so nothing piles
    /// up. The first item is the current progress, if this job has already made an evaluation. To see every evaluation,
    /// give the job an [`Observer`](crate::Observer).
    #[must_use]
    pub fn updates(&self) -> Updates {
        Updates { shared: Arc::clone(&self.0), seen: 0 }
    }

    /// The image now, at the size of the result (at a coarse scale it is enlarged), or reduced so that its long side
    /// has at most `max_side` pixels. Also while the job is paused, and after its end.
    ///
    /// # Errors
    /// `Argument` if `max_side` is zero or the caller is the job's own thread, which has a [`View`] instead; `Finished`
    /// if the job has ended before there was an image; backend errors.
    pub fn preview(&self, max_side: Option<usize>) -> Result<Image> {
        if max_side == Some(0) {
            return Err(bad("the long side of the preview is 0; expected at least 1 pixel"));
        }
        let image = match self.ask(|view| view.image())? {
            Some(image) => Arc::new(image),
            None => self.0.lock().image.clone().ok_or_else(finished)?,
        };
        let (width, height) = self.0.lock().size;
        let long_side = width.max(height).max(1);
        let factor = max_side.map_or(1.0, |most| (most as f64 / long_side as f64).min(1.0));
        let side = |n: usize| ((n as f64 * factor).round() as usize).max(1);
        let (width, height) = (side(width), side(height));
        if width > image.width() { image.enlarged(width, height) } else { image.resized(width, height) }
    }

    /// A checkpoint, as [`Session::checkpoint`](crate::Session::checkpoint). For one at the end of the job, give it an
    /// [`Observer`](crate::Observer).
    ///
    /// # Errors
    /// `Finished` after the end of the job; `Argument` if the caller is the job's own thread, which has a [`View`]
    /// instead; backend errors.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        self.ask(|view| view.checkpoint())?.ok_or_else(finished)
    }

    /// A small checkpoint, as [`Session::light_checkpoint`](crate::Session::light_checkpoint).
    ///
    /// # Errors
    /// As [`checkpoint`](Self::checkpoint).
    pub fn light_checkpoint(&self) -> Result<Checkpoint> {
        self.ask(|view| view.light_checkpoint())?.ok_or_else(finished)
    }

    /// Waits for the answer; `None` if the job ends first.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn View) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        if self.0.is_own_thread() {
            return Err(bad("a job cannot wait for itself; on its own thread, use the View passed to its observer"));
        }
        let (answer, answered) = sync_channel(1);
        let asked = self.0.call(|state| {
            if !state.ended {
                state.questions.push(Box::new(move |view| {
                    // If nobody waits any longer, the answer is dropped.
                    let _ = answer.send(question(view));
                }));
            }
            !state.ended
        });
        if asked { answered.recv().ok().transpose() } else { Ok(None) }
    }
}

fn finished() -> Error {
    Error::new(ErrorKind::Finished, "the job has ended")
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        let iteration = state.progress.as_ref().map(|progress| progress.iteration);
        f.debug_struct("Handle")
            .field("iteration", &iteration)
            .field("paused", &state.paused)
            .field("ended", &state.ended)
            .finish_non_exhaustive()
    }
}

/// The progress of a job, from [`Handle::updates`].
pub struct Updates {
    shared: Arc<Shared>,
    /// Evaluations reported by the job up to the last item.
    seen: u64,
}

impl Iterator for Updates {
    type Item = Progress;

    /// `None` at once on the job's own thread.
    fn next(&mut self) -> Option<Progress> {
        let mut state = self.shared.lock();
        while state.evaluations == self.seen {
            if state.ended || self.shared.is_own_thread() {
                return None;
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.seen = state.evaluations;
        state.progress.clone()
    }
}

impl fmt::Debug for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updates").field("seen", &self.seen).finish_non_exhaustive()
    }
}
