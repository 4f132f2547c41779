//! The result of one step.

use crate::loss::losses::Losses;

/// The result of one evaluation of loss and gradient.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Index of the evaluation; 0 is the start image, before any update.
    pub iteration: usize,
    /// Number of evaluations at all scales.
    pub iterations: usize,
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
    /// Euclidean norm of the image gradient at this point (per 8-bit unit).
    pub gradient_norm: f64,
    /// Euclidean length of the last accepted L-BFGS step, in 8-bit units; zero for Adam.
    pub step_length: f64,
    /// No further progress is possible at this scale: the gradient vanished, or no step lowers the loss.
    pub converged: bool,
}
