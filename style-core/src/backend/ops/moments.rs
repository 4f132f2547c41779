//! Mean and standard deviation of each channel over its positions.
//!
//! With non-negative weights `t[p]` that sum to 1 (`1/M` each if not given):
//!
//! ```text
//! mean[k]      = sum_p t[p] x[k, p]
//! deviation[k] = sqrt(sum_p t[p] (x[k, p] - mean[k])^2)
//! ```
//!
//! Adjoint: `dx[k, p] (=|+=) t[p] (dmean[k] + ddeviation[k] (x[k, p] - mean[k]) / deviation[k])`; the second term is zero
//! if the deviation is zero or subnormal. The moments of no positions are zero.

use crate::backend::shape::Acc;
use crate::backend::storage::Storage;
use crate::error::Result;

/// The moments of features and their gradient. `mean` and `deviation` are `[1, N, 1, 1]`, `t` is `[1, 1, H, W]`.
pub trait MomentsOps: Storage {
    /// Mean and, if requested, standard deviation of each channel, summed in `f64`.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit.
    fn moments(
        &self,
        x: &Self::Tensor,
        t: Option<&Self::Tensor>,
        mean: &mut Self::Tensor,
        deviation: Option<&mut Self::Tensor>,
    ) -> Result<()>;

    /// The gradient. `deviation` is a pair of the forward value and its gradient; without it, the gradient of the mean
    /// alone.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit.
    #[allow(clippy::too_many_arguments)]
    fn moments_bwd(
        &self,
        x: &Self::Tensor,
        t: Option<&Self::Tensor>,
        mean: &Self::Tensor,
        dmean: &Self::Tensor,
        deviation: Option<(&Self::Tensor, &Self::Tensor)>,
        acc: Acc,
        dx: &mut Self::Tensor,
    ) -> Result<()>;
}
