//! Products with small dense matrices: of two matrices, and of a matrix with the features of every position.
//!
//! ```text
//! C (=|+=) s A B            A: [1, 1, R, K], B: [1, 1, K, C], C: [1, 1, R, C], read as matrices
//! Y (=|+=) s A X            A: [1, 1, K, N], X: [1, N, H, W], Y: [1, K, H, W], read as [N, M] and [K, M]
//! ```
//!
//! Adjoint of the second in `X`: `dX (=|+=) s A^T dY`.

use crate::backend::shape::{Acc, Shape};
use crate::backend::storage::Storage;
use crate::error::Result;

/// Products with small dense matrices.
pub trait ProductOps: Storage {
    /// `c (=|+=) scale a b`, three different matrices.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit or the workspace is too small.
    fn product(
        &self,
        a: &Self::Tensor,
        b: &Self::Tensor,
        scale: f32,
        acc: Acc,
        c: &mut Self::Tensor,
        workspace: &mut Self::Workspace,
    ) -> Result<()>;

    /// Workspace for the product of matrices of these shapes, in bytes.
    fn product_workspace(&self, a: Shape, b: Shape) -> usize;

    /// `y = scale matrix features`, at every position. `y` is a [`tensor`](Storage::tensor).
    ///
    /// # Errors
    /// `Shape` if an operand does not fit or the workspace is too small.
    fn project(
        &self,
        matrix: &Self::Tensor,
        features: &Self::Tensor,
        scale: f32,
        y: &mut Self::Tensor,
        workspace: &mut Self::Workspace,
    ) -> Result<()>;

    /// `dfeatures (=|+=) scale matrix^T dy`, at every position.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit or the workspace is too small.
    fn project_bwd(
        &self,
        matrix: &Self::Tensor,
        dy: &Self::Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Self::Tensor,
        workspace: &mut Self::Workspace,
    ) -> Result<()>;

    /// Workspace that either direction needs for a matrix of `rows` rows and features of `shape`, in bytes.
    fn project_workspace(&self, rows: usize, shape: Shape) -> usize;
}
