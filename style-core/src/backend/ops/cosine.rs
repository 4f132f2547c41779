//! The cosine distance of the features at each position from a target's.
//!
//! With `x_p` the channels of `x` at position `p`:
//!
//! ```text
//! l    = sum_p (1 - c_p),  c_p = <x_p, t_p> / (|x_p| |t_p|)                      x, t, d: [1, N, H, W]
//! d_p  = (c_p x_p / |x_p| - t_p / |t_p|) / |x_p|
//! ```
//!
//! Adjoint: `dx = dl d`. Where the norm of one of the two is zero, or below the smallest normal `f32`, `c_p = 0` and `d_p =
//! 0`.

use crate::backend::storage::Storage;
use crate::error::Result;

/// The cosine distance, position by position.
pub trait CosineOps: Storage {
    /// `out[slot] = l`, summed in `f64`, and `d`. All operands are [tensors](Storage::tensor) of one shape.
    ///
    /// # Errors
    /// `Shape` if the shapes differ or there is no such slot.
    fn cosine(
        &self,
        x: &Self::Tensor,
        t: &Self::Tensor,
        out: &mut Self::Scalars,
        slot: usize,
        d: &mut Self::Tensor,
    ) -> Result<()>;
}
