//! Vectors in half precision: the history of L-BFGS, which is most of a session's memory after the features.
//!
//! `h = half(x)` rounds each value; `<a, h>` and `y = sum_i c_i h_i + c x` take it as it is stored, so an optimiser that
//! computes with rounded vectors only is exact in them.

use crate::backend::shape::Shape;
use crate::backend::storage::Storage;
use crate::error::Result;

/// Ops on vectors in half precision; all operands of a call have the same shape.
pub trait HistoryOps: Storage {
    /// A vector in half precision: of 16 bits with 8 significant bits (bf16) or more, and the range of `f32`. A backend
    /// may store `f32`.
    type Half: Send + Sync;

    /// A vector of zeros.
    ///
    /// # Errors
    /// `OutOfMemory` if the allocation fails.
    fn half(&self, shape: Shape) -> Result<Self::Half>;

    /// Size of a [`half`](HistoryOps::half) of `shape` in bytes.
    fn half_bytes(&self, shape: Shape) -> usize;

    /// `h = x`, each value rounded to the nearest.
    ///
    /// # Errors
    /// `Shape` if the shapes differ; the same for the others.
    fn halve(&self, x: &Self::Tensor, h: &mut Self::Half) -> Result<()>;

    /// `x = h`, exactly.
    ///
    /// # Errors
    /// `Shape` if the shapes differ.
    fn restore(&self, h: &Self::Half, x: &mut Self::Tensor) -> Result<()>;

    /// `out[first + i * h.len() + j] = <a[i], h[j]>`, summed in `f64`.
    ///
    /// # Errors
    /// `Shape` if the shapes differ or `out` is too short.
    fn half_dots(&self, a: &[&Self::Tensor], h: &[&Self::Half], out: &mut Self::Scalars, first: usize) -> Result<()>;

    /// `y = sum_i c_i h_i + c x`, summed in `f64`, with `terms` the `(c_i, h_i)` and `last` `(c, x)`.
    ///
    /// # Errors
    /// `Shape` if the shapes differ.
    fn half_combine(
        &self,
        terms: &[(f64, &Self::Half)],
        last: (f64, &Self::Tensor),
        y: &mut Self::Tensor,
    ) -> Result<()>;
}
