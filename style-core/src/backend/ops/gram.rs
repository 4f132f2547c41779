//! The Gram matrix of feature maps: which features occur together, regardless of position.
//!
//! Forward, `F: [1, N, H, W]` read as `[N, M]`, `G: [1, 1, N, N]`: `G (=|+=) s F F^T`.
//! It is a sum over positions, so the `Add` mode accumulates a picture's matrix tile by tile.
//!
//! Adjoint: `dF (=|+=) s (dG + dG^T) F`.

use crate::backend::shape::{Acc, Rows, Shape};
use crate::backend::storage::Storage;
use crate::error::Result;

/// The Gram matrix and its gradient.
pub trait GramOps: Storage {
    /// `g (=|+=) scale F F^T` over these rows of the tensor; exactly symmetric under `Store`.
    ///
    /// # Errors
    /// `Shape` if `g` is not `[1, 1, N, N]`, the tensor has no such rows or the workspace is too small.
    fn gram(
        &self,
        features: &Self::Tensor,
        rows: Rows,
        scale: f32,
        acc: Acc,
        g: &mut Self::Tensor,
        workspace: &mut Self::Workspace,
    ) -> Result<()>;

    /// `dfeatures (=|+=) scale (dg + dg^T) F`.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit or the workspace is too small.
    #[allow(clippy::too_many_arguments)]
    fn gram_bwd(
        &self,
        features: &Self::Tensor,
        dg: &Self::Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Self::Tensor,
        workspace: &mut Self::Workspace,
    ) -> Result<()>;

    /// Workspace that either direction needs for features of `shape`, in bytes.
    fn gram_workspace(&self, shape: Shape) -> usize;
}
