//! Backward rules of a ReLU, `y = max(0, x)`, for visualising what a neuron responds to.
//!
//! ```text
//! Gradient    dx = [x > 0] dy            the adjoint; the only rule that descends on a loss
//! Deconvnet   dx = max(0, dy)            Zeiler and Fergus 2014
//! Guided      dx = [x > 0] max(0, dy)    Springenberg et al. 2015, "Striving for Simplicity", figure 1
//! ```

use crate::backend::storage::Storage;
use crate::error::Result;

/// The rule for propagating a signal back through a ReLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ReluRule {
    /// `[x > 0] dy`: the gradient (Simonyan et al. 2013, "saliency").
    #[default]
    Gradient,
    /// `max(0, dy)`: the deconvolutional network.
    Deconvnet,
    /// `[x > 0] max(0, dy)`: guided back-propagation.
    Guided,
}

/// The part of the rules that the gate of [`crate::backend::ops::Conv2dOps::conv2d_bwd`] does not cover.
pub trait ReluOps: Storage {
    /// `x = max(0, x)`, in place; NaN becomes 0.
    ///
    /// # Errors
    /// Device errors.
    fn rectify(&self, x: &mut Self::Tensor) -> Result<()>;
}
