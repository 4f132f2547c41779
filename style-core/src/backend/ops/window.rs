//! A window of a picture or of features: the unit of tile-by-tile evaluation.
//!
//! `x: [1, N, H, W]`, `y: [1, N, h, w]`, the window's first row and column `[a, b]`, `a + h <= H`, `b + w <= W`:
//! `y[k, r, c] = x[k, a + r, b + c]`.
//! Adjoint: `dx[k, a + r, b + c] (=|+=) dy[k, r, c]`.
//!
//! Values outside the window are set to zero under `Store` and left unchanged under `Add`, so overlapping windows
//! accumulate.

use crate::backend::shape::{Acc, Shape};
use crate::backend::storage::Storage;
use crate::error::{Error, ErrorKind, Result};

/// Extraction of a window, and its gradient.
pub trait WindowOps: Storage {
    /// `y = x[.., at[0].., at[1]..]`, with the height and width of `y`.
    ///
    /// # Errors
    /// `Shape` if the window exceeds `x`, or the channels differ.
    fn window(&self, x: &Self::Tensor, at: [usize; 2], y: &mut Self::Tensor) -> Result<()>;

    /// `dx[.., at[0].., at[1]..] (=|+=) dy`; `Store` sets the rest of `dx` to zero.
    ///
    /// # Errors
    /// `Shape` if the window exceeds `dx`, or the channels differ.
    fn window_bwd(&self, dy: &Self::Tensor, at: [usize; 2], acc: Acc, dx: &mut Self::Tensor) -> Result<()>;
}

/// Checks that a window lies within the whole and has the same channels; for backends.
///
/// # Errors
/// `Shape`, naming both shapes and the position.
pub fn expect_window(whole: Shape, at: [usize; 2], window: Shape) -> Result<()> {
    let within = |start: usize, len: usize, whole: usize| start.checked_add(len).is_some_and(|end| end <= whole);
    if within(at[0], window.height, whole.height)
        && within(at[1], window.width, whole.width)
        && window.channels == whole.channels
    {
        return Ok(());
    }
    let [row, column] = at;
    let message = format!("a window of {window} at row {row}, column {column} exceeds {whole}");
    Err(Error::new(ErrorKind::Shape, message))
}
