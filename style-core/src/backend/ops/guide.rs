//! Spatial guidance: features counted more in some places than in others (Gatys et al. 2017, "Controlling Perceptual
//! Factors in Neural Style Transfer").
//!
//! `y[k, p] (=|+=) s t[p] x[k, p]`, with `x`, `y: [1, N, H, W]` and `t: [1, 1, H, W]`. It is its own adjoint.

use crate::backend::shape::Acc;
use crate::backend::storage::Storage;
use crate::error::Result;

/// Multiplication by a map that all channels share.
pub trait GuideOps: Storage {
    /// `y (=|+=) scale t x`.
    ///
    /// # Errors
    /// `Shape` if `y` has another shape than `x`, or `t` is not one channel of it.
    fn guide(&self, x: &Self::Tensor, t: &Self::Tensor, scale: f32, acc: Acc, y: &mut Self::Tensor) -> Result<()>;
}
