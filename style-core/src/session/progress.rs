//! The result of one step.

use crate::loss::losses::Losses;

/// What one evaluation of loss and gradient told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Which evaluation it was; 0 is the start image, before any update.
    pub iteration: usize,
    /// How many evaluations there are at all scales.
    pub iterations: usize,
    /// Which of the scales it was at, and how many there are: 1 where only the result's own size is painted.
    pub scale: usize,
    /// See `scale`.
    pub scales: usize,
    /// Width of the picture at this scale.
    pub width: usize,
    /// Height of the picture at this scale.
    pub height: usize,
    /// Weights of content, style and total variation in the total loss, at this scale.
    pub weights: [f64; 3],
    /// The losses at the point evaluated.
    pub losses: Losses,
    /// Whether that point is now the session's image; a line search also evaluates points that it rejects.
    pub accepted: bool,
    /// Euclidean norm of the image gradient there (per 8-bit unit).
    pub gradient_norm: f64,
    /// Euclidean length of L-BFGS' last accepted step, in 8-bit units; zero for Adam.
    pub step_length: f64,
    /// No further progress is possible at this scale: the gradient vanished, or no step lowers the loss any more.
    pub converged: bool,
}
