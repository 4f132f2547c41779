//! A point of the descent, and the result of an evaluation there.

use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::error::Result;

/// The point at which the objective is evaluated.
pub(crate) struct Point<B: Backend> {
    pub(crate) x: B::Tensor,
    pub(crate) g: B::Tensor,
}

impl<B: Backend> Point<B> {
    pub(super) fn new(backend: &B, shape: Shape) -> Result<Self> {
        Ok(Self { x: backend.tensor(shape)?, g: backend.tensor(shape)? })
    }
}

/// The outcome of one evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Update {
    /// The evaluated point is the new result.
    pub(crate) accepted: bool,
    /// `|g|` at the evaluated point.
    pub(crate) gradient_norm: f64,
    /// Length of the last accepted step, in 8-bit units (Euclidean).
    pub(crate) step_length: f64,
    /// No further progress is possible.
    pub(crate) converged: bool,
}
