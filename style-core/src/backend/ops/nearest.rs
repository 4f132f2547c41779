//! Nearest neighbours of patches, and the distance from them.
//!
//! The patch of features `x: [1, N, H, W]` at `p` holds the `s x s` positions from `p` on, all channels; there are
//! `(H - s + 1) (W - s + 1)` patches, counted row by row. The neighbour of a patch of `x` is the patch of `y: [1, N, H',
//! W']` with the largest cosine (of equal ones, the first):
//!
//! ```text
//! q(p) = arg max_q <x_p, y_q> / |y_q|                      a patch of zeros has the quotient 0
//! l    = 1/2 sum_p |x_p - y_q(p)|^2
//! d[k, i] = sum over the patches p that contain i of x[k, i] - y[k, i - p + q(p)]
//! ```
//!
//! Adjoint, for neighbours that stay the same: `dx = dl d`. With `s = 1` a patch is one position; Li and Wand (2016,
//! "Combining Markov Random Fields and Convolutional Neural Networks for Image Synthesis", equations 2 and 3) use `s = 3`.

use crate::backend::shape::Shape;
use crate::backend::storage::Storage;
use crate::error::{Error, ErrorKind, Result};

/// Nearest neighbours of patches.
pub trait NearestOps: Storage {
    /// `found[p] = q(p)`, an integer; `found` is `[1, 1, H - s + 1, W - s + 1]`. Rounding may prefer a neighbour whose
    /// cosine is smaller by less than `1e-5`.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit, one has no patch, `y` has more than 2^24 of them, or the workspace is too small.
    fn nearest(
        &self,
        x: &Self::Tensor,
        y: &Self::Tensor,
        side: usize,
        found: &mut Self::Tensor,
        workspace: &mut Self::Workspace,
    ) -> Result<()>;

    /// `out[slot] = l`, summed in `f64`, and `d`, a [`tensor`](Storage::tensor) of the shape of `x`, for neighbours found
    /// by [`nearest`](Self::nearest).
    ///
    /// # Errors
    /// `Shape` if an operand does not fit or there is no such slot. An entry of `found` that is no patch of `y` is read as
    /// the nearest number that is one.
    #[allow(clippy::too_many_arguments)]
    fn nearest_distance(
        &self,
        x: &Self::Tensor,
        y: &Self::Tensor,
        side: usize,
        found: &Self::Tensor,
        out: &mut Self::Scalars,
        slot: usize,
        d: &mut Self::Tensor,
    ) -> Result<()>;

    /// Workspace for patches of features `x` of this shape, in bytes.
    fn nearest_workspace(&self, x: Shape, side: usize) -> usize;
}

/// The shape of the neighbours of patches; for backends.
///
/// # Errors
/// `Shape` if the features have different channels, one has no patch, or `y` has more than 2^24.
pub fn expect_patches(x: Shape, y: Shape, side: usize) -> Result<Shape> {
    let patches = |s: Shape| {
        let count = |n: usize| n.checked_sub(side.checked_sub(1)?).filter(|&n| n > 0);
        Some(Shape::new(1, count(s.height)?, count(s.width)?))
    };
    let message = match (patches(x), patches(y)) {
        (Some(_), Some(of_y)) if of_y.positions() > 1 << 24 => {
            format!("features of shape {y} have {} patches; at most 2^24 can be compared", of_y.positions())
        }
        (Some(of_x), Some(_)) if x.channels == y.channels => return Ok(of_x),
        _ => format!("features of shapes {x} and {y} have no patches of {side}x{side} to compare"),
    };
    Err(Error::new(ErrorKind::Shape, message))
}
