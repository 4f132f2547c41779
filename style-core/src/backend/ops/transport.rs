//! Optimal transport on a line: the squared Wasserstein distance between the values of a channel and as many target values.
//!
//! With the values of each channel in ascending order, `x[k, r(0)] <= x[k, r(1)] <= ...`, and targets `t[k, i]` that ascend
//! with `i`, the `i`th smallest value travels to the `i`th target:
//!
//! ```text
//! l = 1/2 sum_k sum_i (x[k, r(i)] - t[k, i])^2          x, d: [1, N, H, W]; t: [1, N, H, W], ascending in row-major order
//! d[k, r(i)] = x[k, r(i)] - t[k, i]
//! ```
//!
//! Of equal values, the one at the smaller position comes first. Adjoint: `dx = dl d`, because a small change of `x` does
//! not change the order.

use crate::backend::shape::Shape;
use crate::backend::storage::Storage;
use crate::error::Result;

/// Transport of the values of each channel to targets.
pub trait TransportOps: Storage {
    /// `out[slot] = l`, summed in `f64`, and `d`. All operands are [tensors](Storage::tensor) of one shape. With NaN among
    /// the values, the result is unspecified.
    ///
    /// # Errors
    /// `Shape` if the shapes differ, there is no such slot or the workspace is too small.
    fn transport(
        &self,
        x: &Self::Tensor,
        t: &Self::Tensor,
        out: &mut Self::Scalars,
        slot: usize,
        d: &mut Self::Tensor,
        workspace: &mut Self::Workspace,
    ) -> Result<()>;

    /// Workspace for values of `shape`, in bytes.
    fn transport_workspace(&self, shape: Shape) -> usize;
}
