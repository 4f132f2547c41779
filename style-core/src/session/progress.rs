//! The result of one step.

use crate::loss::losses::Losses;

/// The result of one evaluation of loss and gradient.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Number of evaluations done, this one included, and those before a checkpoint. The first is of the start image.
    pub iteration: usize,
    /// Number of evaluations at all scales, if none converges early.
    pub iterations: usize,
    /// The [work](crate::Settings::work) that is done, including that before a checkpoint.
    pub work_done: f64,
    /// The work that is left: 0 at the end. It grows only when a weight of the session is changed. The time
    /// left is about `work_left` times the time of a unit, which `work_done` tells of the steps so far.
    pub work_left: f64,
    /// Index of the scale, and the number of scales: 1 if only the final size is painted.
    pub scale: usize,
    /// See `scale`.
    pub scales: usize,
    /// Width of the picture at this scale.
    pub width: usize,
    /// Height of the picture at this scale.
    pub height: usize,
    /// The losses at the evaluated point.
    pub losses: Losses,
    /// Whether this point became the session's image; a line search also evaluates points that it rejects.
    pub accepted: bool,
    /// The losses at the last accepted point, the session's image: those of this evaluation if it was accepted.
    pub accepted_losses: Losses,
    /// Whether the accepted loss lies above that of the first evaluation at this scale (and with these weights), or did
    /// at the end of an earlier scale: the image is worse than the one that the descent began with. L-BFGS with its line
    /// search never goes there. Adam may pass through on its first steps; if this is true at the end of a run, its
    /// learning rate is too large.
    pub diverged: bool,
    /// Euclidean norm of the image gradient at this point (per 8-bit unit).
    pub gradient_norm: f64,
    /// Euclidean length of the last accepted L-BFGS step, in 8-bit units; zero for Adam.
    pub step_length: f64,
    /// This scale is done: the gradient vanished, no step lowers the loss, or the steps lower it by less than the
    /// [tolerance](crate::SessionBuilder::tolerance).
    pub converged: bool,
}
