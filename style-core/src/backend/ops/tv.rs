//! Total variation: a penalty on differences of neighbouring pixels. Not in the paper; most peers use one of these.
//!
//! With `d` a difference of vertical or horizontal neighbours, `x[k, r+1, c] - x[k, r, c]` or `x[k, r, c+1] - x[k, r, c]`,
//! and all sums also running over the channels `k`:
//!
//! ```text
//! Squared    1/2 sum d^2
//! Absolute   sum |d|
//! Means      mean of the vertical d^2 + mean of the horizontal d^2
//! Power(b)   sum (v^2 + h^2)^(b/2), v and h the differences of a pixel that has both neighbours
//! NinePoint  2 (1/3 sum d^2 / (N H W) + 1/12 sum e^2 / (N (H+1) (W+1))), e the differences of diagonal neighbours
//! ```
//!
//! For `NinePoint` the border pixels repeat once outside, so a difference along an edge of the picture is also the `e` of
//! two diagonals, one each way; at a corner they are zero.
//!
//! Adjoint: `dx (=|+=) dtv sum_d dtv/dd (e_to - e_from)`, with `e` the unit vectors of the two pixels. For `Squared` it is
//! the graph Laplacian of the pixel grid, `(L x)[p] = sum over the up to four neighbours q of p of (x[p] - x[q])`. At a
//! kink of a penalty (`Absolute`, and `Power` below 2, at zero), its derivative is defined as zero.

use serde::{Deserialize, Serialize};

use crate::backend::shape::Acc;
use crate::backend::storage::Storage;
use crate::error::Result;

/// The form of the total variation.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Tv {
    /// `1/2 sum d^2`: the form whose gradient jcjohnson/neural-style applies.
    #[default]
    Squared,
    /// `sum |d|`, which preserves edges: neural-style-pt, cysmith/neural-style-tf.
    Absolute,
    /// `mean v^2 + mean h^2`, each over its own number of differences: anishathalye/neural-style. Does not grow with the
    /// picture.
    Means,
    /// `sum (v^2 + h^2)^(b/2)` with `b` in 1..=4 (Mahendran and Vedaldi 2015, over the pixels that have both neighbours;
    /// Keras' example uses b = 2.5).
    Power(f32),
    /// The mean of squares over a stencil of nine points, with repeated borders: crowsonkb/style-transfer-pytorch. Does not
    /// grow with the picture.
    NinePoint,
}

/// Total variation and its gradient.
pub trait TvOps: Storage {
    /// `out[slot] = tv(x)`, summed in `f64`.
    ///
    /// # Errors
    /// `Shape` if there is no such slot; `Argument` if the backend does not support the kind. (An exponent out of range
    /// gives meaningless numbers; [`crate::SessionBuilder`] rejects it.)
    fn tv(&self, kind: Tv, x: &Self::Tensor, out: &mut Self::Scalars, slot: usize) -> Result<()>;

    /// `dx (=|+=) scale dtv/dx`.
    ///
    /// # Errors
    /// `Shape` if the shapes differ; `Argument` as [`tv`](TvOps::tv).
    fn tv_bwd(&self, kind: Tv, x: &Self::Tensor, scale: f32, acc: Acc, dx: &mut Self::Tensor) -> Result<()>;
}
