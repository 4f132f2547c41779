//! A session on its own thread.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::backend::Backend;
use crate::checkpoint::Checkpoint;
use crate::describe::builder::SessionBuilder;
use crate::error::{Error, ErrorKind, Result, bad};
use crate::image::Image;
use crate::pass::cancel::Cancel;
use crate::session::Session;
use crate::session::handle::{Handle, Shared};
use crate::session::observer::Observer;
use crate::session::progress::Progress;

/// A session that paints on its own thread, created by [`SessionBuilder::spawn`] or [`Session::spawn`]. Its
/// [`handle`](Job::handle) controls it, and [`join`](Job::join) waits for the image.
///
/// Dropping a job cancels it without waiting: the thread ends soon after, and remaining handles report that it has
/// ended. So a window may close at any moment.
///
/// ```
/// use style_core::backend::Backend;
/// use style_core::{Ending, Image, Result, SessionBuilder};
///
/// fn paint<B: Backend>(describe: SessionBuilder<B>) -> Result<Option<Image>> {
///     let job = describe.spawn()?;
///     let handle = job.handle(); // for buttons and sliders: any number of clones, on any threads
///     for progress in handle.updates() {
///         println!("{} of {}", progress.iteration, progress.iterations);
///         if progress.iteration == 20 {
///             let _shown = handle.preview(Some(400))?;
///             handle.set_style_weight(2.0)?;
///         }
///     }
///     let outcome = job.join();
///     match outcome.ending {
///         Ending::Completed => println!("done"),
///         Ending::Cancelled => println!("cancelled; the image so far"),
///         Ending::Failed(e) => println!("failed: {e}; the image so far"),
///     }
///     Ok(outcome.image)
/// }
/// ```
#[must_use = "dropping a job cancels it"]
pub struct Job {
    handle: Handle,
    thread: Option<JoinHandle<Ending>>,
}

/// The result of a job.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The image at the end, whatever the ending, at the size of the result: at a coarse scale it is enlarged. `None`
    /// if the job ended before there was one, or if it could not be read from the device.
    pub image: Option<Image>,
    /// The result of the last evaluation; `None` if there was none. [`Progress::diverged`] reports whether the image is
    /// worse than at the start of the descent.
    pub progress: Option<Progress>,
    /// How it ended.
    pub ending: Ending,
}

/// How a job ended.
#[derive(Debug)]
pub enum Ending {
    /// All iterations are done, or the descent has converged.
    Completed,
    /// By [`Handle::cancel`], by the [`Cancel`] of the description, or by an observer that returned `Break`.
    Cancelled,
    /// By an error, or by a panic of the caller's code ([`Panicked`](ErrorKind::Panicked)).
    Failed(Error),
}

impl Ending {
    fn of(e: Error) -> Self {
        if e.kind() == ErrorKind::Cancelled { Self::Cancelled } else { Self::Failed(e) }
    }

    /// Combines the ending with a later result; an error takes precedence.
    fn then(self, next: Result<()>) -> Self {
        match (self, next) {
            (ending, Ok(())) => ending,
            (Self::Failed(first), Err(next)) => Self::Failed(first.and(&next)),
            (_, Err(next)) => Self::Failed(next),
        }
    }
}

impl<B: Backend> SessionBuilder<B> {
    /// Checks the description, then builds and runs the session on a new thread, so that the analysis of the pictures
    /// does not block the caller.
    ///
    /// # Errors
    /// As [`plan`](Self::plan), at once; `Unavailable` if no thread can be started. All other errors of
    /// [`build`](Self::build), and a cancel, are the job's [`Ending`].
    pub fn spawn(self) -> Result<Job> {
        self.spawn_with(None, ())
    }

    /// The same with a checkpoint to [resume](Self::resume), if there is one, and an observer. The observer is called
    /// on the job's thread, as by [`Session::run_with`]: after every evaluation, and when the session has ended for any
    /// reason. It can write checkpoints, or pass progress on to an event loop.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn); `Checkpoint` if it is damaged or belongs to another session.
    pub fn spawn_with(mut self, from: Option<Checkpoint>, observer: impl Observer + Send + 'static) -> Result<Job> {
        self.cancel = self.cancel.child();
        let scales = self.prepared(from.as_ref())?;
        Job::start(self.cancel.clone(), move || Session::new(self, scales, from.as_ref()), observer)
    }
}

impl<B: Backend> Session<B> {
    /// Runs the session to its end on a new thread.
    ///
    /// # Errors
    /// `Unavailable` if no thread can be started; the session is then lost.
    pub fn spawn(self) -> Result<Job> {
        self.spawn_with(())
    }

    /// The same with an observer, which is called on that thread, as by [`run_with`](Self::run_with).
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub fn spawn_with(mut self, observer: impl Observer + Send + 'static) -> Result<Job> {
        Job::start(self.own_cancel(), move || Ok(self), observer)
    }
}

impl Job {
    fn start<B: Backend>(
        cancel: Cancel,
        make: impl FnOnce() -> Result<Session<B>> + Send + 'static,
        observer: impl Observer + Send + 'static,
    ) -> Result<Self> {
        let handle = Handle(Arc::new(Shared::new(cancel)));
        let shared = Arc::clone(&handle.0);
        let work = move || {
            shared.begin();
            let worked = guarded(|| Ok(work(make, observer, &shared)));
            let (ending, image) = worked.unwrap_or_else(|e| (Ending::of(e), None));
            shared.end(image);
            ending
        };
        let thread = thread::Builder::new().name("style transfer".into()).spawn(work).map_err(|e| {
            let message = "no thread could be started for the job; end other jobs first";
            Error::new(ErrorKind::Unavailable, message).with_source(e)
        })?;
        Ok(Self { handle, thread: Some(thread) })
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits for the end. A paused job continues and cannot be paused again. To end it soon, cancel it first.
    #[must_use]
    pub fn join(mut self) -> Outcome {
        let shared = Arc::clone(&self.handle.0);
        let ending = match self.thread.take() {
            Some(thread) if !shared.is_own_thread() => {
                shared.expect_end();
                thread.join().unwrap_or_else(|payload| Ending::Failed(panicked(&*payload)))
            }
            _ => Ending::Failed(bad("a job cannot wait for itself: join it on a thread other than its own")),
        };
        match shared.last() {
            (progress, Ok(image)) => Outcome { image, progress, ending },
            (progress, Err(e)) => Outcome { image: None, progress, ending: ending.then(Err(e)) },
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.handle.cancel();
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("handle", &self.handle).finish_non_exhaustive()
    }
}

/// The job, from the session to the image.
fn work<B: Backend>(
    make: impl FnOnce() -> Result<Session<B>>,
    mut observer: impl Observer,
    shared: &Shared,
) -> (Ending, Option<Image>) {
    let mut session = match guarded(make) {
        Ok(session) => session,
        Err(e) => return (Ending::of(e), None),
    };
    shared.describe(session.full_size(), session.progress());
    let ending = guarded(|| paint(&mut session, &mut observer, shared)).unwrap_or_else(Ending::of);
    let ending = ending.then(guarded(|| observer.finish(&session)));
    match session.full_size_image() {
        Ok(image) => (ending, Some(image)),
        Err(e) => (ending.then(Err(e)), None),
    }
}

/// Steps until the end, and answers requests between the steps.
fn paint<B: Backend>(session: &mut Session<B>, observer: &mut impl Observer, shared: &Shared) -> Result<Ending> {
    loop {
        let orders = shared.orders();
        if let Some(weight) = orders.style_weight {
            session.set_style_weight(weight)?;
        }
        orders.questions.into_iter().for_each(|question| question(&*session));
        if session.is_finished() {
            return Ok(Ending::Completed);
        }
        shared.cancel.check()?;
        if orders.paused {
            continue;
        }
        session.step()?;
        shared.publish(&session.progress);
        if observer.observe(&session.progress, session)?.is_break() {
            return Ok(Ending::Cancelled);
        }
    }
}

/// Converts a panic to an error. The session stays consistent.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(panicked(&*payload)))
}

fn panicked(payload: &(dyn Any + Send)) -> Error {
    let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("without a message");
    Error::new(ErrorKind::Panicked, format!("code of the caller panicked on the job's thread: {text}"))
}
