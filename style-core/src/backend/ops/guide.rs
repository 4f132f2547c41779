//! Spatial guidance: features weighted by position (Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style
//! Transfer").
//!
//! `y[k, p] (=|+=) s t[p] x[k, p]`, with `x`, `y: [1, N, H, W]` and `t: [1, 1, H, W]`. It is its own adjoint.

use crate::backend::shape::Acc;
use crate::backend::storage::Storage;
use crate::error::Result;

/// Multiplication by a map shared by all channels.
pub trait GuideOps: Storage {
    /// `y (=|+=) scale t x`.
    ///
    /// # Errors
    /// `Shape` if `y` and `x` differ in shape, or `t` is not a single channel of that shape.
    fn guide(&self, x: &Self::Tensor, t: &Self::Tensor, scale: f32, acc: Acc, y: &mut Self::Tensor) -> Result<()>;
}
