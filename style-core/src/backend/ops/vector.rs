//! Vector operations of the optimisers on whole tensors: dot products, linear combinations, a factor from a scalar, Adam's update.
//!
//! L-BFGS requests all dot products of a step at once ([`VectorOps::dots`]), so that the device reads each vector once and
//! the host reads scalars once.

use crate::backend::storage::Storage;
use crate::error::Result;

/// Constants of one Adam update (Kingma and Ba, 2015, algorithm 1), bias corrections included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate divided by `1 - beta1^t`.
    pub rate: f32,
    /// Decay rate of the first moment.
    pub beta1: f32,
    /// Decay rate of the second moment.
    pub beta2: f32,
    /// `1 - beta2^t`.
    pub correction2: f32,
    /// Added to the square root to avoid division by zero.
    pub epsilon: f32,
}

/// Vector ops; all operands of a call have the same shape.
pub trait VectorOps: Storage {
    /// `dst = src`.
    ///
    /// # Errors
    /// `Shape` if the shapes differ; the same for the others.
    fn copy(&self, src: &Self::Tensor, dst: &mut Self::Tensor) -> Result<()>;

    /// `out[first + i * b.len() + j] = <a[i], b[j]>`, summed in `f64`.
    ///
    /// # Errors
    /// `Shape` if the shapes differ or `out` is too short.
    fn dots(&self, a: &[&Self::Tensor], b: &[&Self::Tensor], out: &mut Self::Scalars, first: usize) -> Result<()>;

    /// `y = sum_i c_i x_i`, summed in `f64`.
    ///
    /// # Errors
    /// `Shape` if the shapes differ.
    fn combine(&self, terms: &[(f64, &Self::Tensor)], y: &mut Self::Tensor) -> Result<()>;

    /// `y = s^power x`, with `s` the scalar at `slot`; `y = 0` if `s` is not positive.
    ///
    /// # Errors
    /// `Shape` if the shapes differ or there is no such slot.
    fn scale_by(
        &self,
        x: &Self::Tensor,
        scalars: &Self::Scalars,
        slot: usize,
        power: f64,
        y: &mut Self::Tensor,
    ) -> Result<()>;

    /// Adam: `m = b1 m + (1-b1) g`, `v = b2 v + (1-b2) g^2`, `x -= rate m / (sqrt(v / correction2) + epsilon)`.
    ///
    /// # Errors
    /// `Shape` if the shapes differ.
    fn adam(
        &self,
        step: &AdamStep,
        g: &Self::Tensor,
        m: &mut Self::Tensor,
        v: &mut Self::Tensor,
        x: &mut Self::Tensor,
    ) -> Result<()>;
}
