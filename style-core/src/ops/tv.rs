//! Total variation, squared: a penalty on noise between neighbouring pixels. Not in the paper; most peers have it.
//!
//! `tv(x) = 1/2 sum_k ( sum (x[k, r+1, c] - x[k, r, c])^2 + sum (x[k, r, c+1] - x[k, r, c])^2 )`, the form whose
//! gradient jcjohnson/neural-style applies. Adjoint: `dx (=|+=) dtv L x`, `L` the graph Laplacian of the pixel grid:
//! `(L x)[p] = sum over the up to four neighbours q of p of (x[p] - x[q])`.

use crate::{Acc, Result, Storage};

/// Squared total variation and its gradient.
pub trait TvOps: Storage {
    /// `out[slot] = tv(x)`, summed in `f64`.
    ///
    /// # Errors
    /// `Shape` if there is no such slot.
    fn tv(&self, x: &Self::Tensor, out: &mut Self::Scalars, slot: usize) -> Result<()>;

    /// `dx (=|+=) scale L x`.
    ///
    /// # Errors
    /// `Shape` if the shapes differ.
    fn tv_bwd(&self, x: &Self::Tensor, scale: f32, acc: Acc, dx: &mut Self::Tensor) -> Result<()>;
}
