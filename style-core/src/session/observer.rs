//! Observing a session: one interface for progress bars, logs, snapshots, TensorBoard and application plug-ins.

use std::ops::ControlFlow;

use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::image::Image;
use crate::session::progress::Progress;

/// Observes a session: [`Session::run_with`](crate::Session::run_with) calls it after each evaluation.
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
    /// Called after each evaluation. `Break` ends the run; so does an error, which the run then returns.
    ///
    /// # Errors
    /// Any failure of the observer.
    fn observe(&mut self, progress: &Progress, view: &dyn View) -> Result<ControlFlow<()>>;

    /// Called when the run has ended, for whatever reason. Write pending output here.
    ///
    /// # Errors
    /// Any failure of the observer.
    fn finish(&mut self, view: &dyn View) -> Result<()> {
        let _ = view;
        Ok(())
    }
}

/// Read access for an observer, besides the [`Progress`]; each call copies from the device.
pub trait View {
    /// The last accepted image, as [`Session::image`](crate::Session::image).
    ///
    /// # Errors
    /// Backend errors.
    fn image(&self) -> Result<Image>;

    /// The same image at the size of the result, as [`Session::full_size_image`](crate::Session::full_size_image).
    ///
    /// # Errors
    /// Backend errors.
    fn full_size_image(&self) -> Result<Image>;

    /// The current checkpoint, as [`Session::checkpoint`](crate::Session::checkpoint).
    ///
    /// # Errors
    /// Backend errors.
    fn checkpoint(&self) -> Result<Checkpoint>;

    /// The same without the optimiser's state, as [`Session::light_checkpoint`](crate::Session::light_checkpoint).
    ///
    /// # Errors
    /// Backend errors.
    fn light_checkpoint(&self) -> Result<Checkpoint>;
}

/// Observes nothing.
impl Observer for () {
    fn observe(&mut self, _: &Progress, _: &dyn View) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }
}

/// Calls all observers in turn. The run ends after an evaluation at which one breaks, and at the first error.
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

    /// Calls `finish` on all, even if one fails; returns the first error.
    fn finish(&mut self, view: &dyn View) -> Result<()> {
        let mut all = Ok(());
        for observer in self {
            all = all.and(observer.finish(view));
        }
        all
    }
}
