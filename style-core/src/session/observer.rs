//! Watching a session: one interface for progress bars, logs, snapshots, TensorBoard, and whatever an application plugs
//! in.

use std::ops::ControlFlow;

use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::image::Image;
use crate::session::progress::Progress;

/// Watches a session: [`Session::run_with`](crate::Session::run_with) calls it after each evaluation.
///
/// ```
/// use std::ops::ControlFlow;
/// use style_core::{Observer, Progress, Result, View};
///
/// /// Keeps the picture of every tenth evaluation.
/// struct Film(Vec<style_core::Image>);
///
/// impl Observer for Film {
///     fn observe(&mut self, progress: &Progress, view: &dyn View) -> Result<ControlFlow<()>> {
///         if progress.iteration % 10 == 0 {
///             self.0.push(view.image()?);
///         }
///         Ok(ControlFlow::Continue(()))
///     }
/// }
/// ```
pub trait Observer {
    /// Looks at one evaluation. `Break` ends the run, and so does an error, which the run then returns.
    ///
    /// # Errors
    /// Whatever the observer fails at.
    fn observe(&mut self, progress: &Progress, view: &dyn View) -> Result<ControlFlow<()>>;

    /// The run has ended, for whatever reason: the time to write what is held back.
    ///
    /// # Errors
    /// Whatever the observer fails at.
    fn finish(&mut self, view: &dyn View) -> Result<()> {
        let _ = view;
        Ok(())
    }
}

/// What an observer may look at besides the [`Progress`]; each is a copy from the device, made when asked for.
pub trait View {
    /// The last accepted image, as [`Session::image`](crate::Session::image).
    ///
    /// # Errors
    /// What the backend gives.
    fn image(&self) -> Result<Image>;

    /// What the session can go on from, as [`Session::checkpoint`](crate::Session::checkpoint).
    ///
    /// # Errors
    /// What the backend gives.
    fn checkpoint(&self) -> Result<Checkpoint>;
}

/// All of them, in turn: the run ends after an evaluation at which one breaks, and at the first error.
impl Observer for [&mut dyn Observer] {
    fn observe(&mut self, progress: &Progress, view: &dyn View) -> Result<ControlFlow<()>> {
        let mut flow = ControlFlow::Continue(());
        for observer in self {
            if observer.observe(progress, view)?.is_break() {
                flow = ControlFlow::Break(());
            }
        }
        Ok(flow)
    }

    /// All finish, even if one fails; the first error is returned.
    fn finish(&mut self, view: &dyn View) -> Result<()> {
        let mut all = Ok(());
        for observer in self {
            all = all.and(observer.finish(view));
        }
        all
    }
}
