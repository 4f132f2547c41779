//! Samples of features: at each of some places, a weighted sum of some positions, the same for all channels.
//!
//! With a sparse matrix `S` of a row a place and a column a position (a bilinear interpolation has four entries a row):
//!
//! ```text
//! y[o + k, i] = s sum_p S[i, p] x[k, p]             x: [1, N, H, W]; y: [1, K, h, w], a place a position of y; o + N <= K
//! ```
//!
//! Adjoint: `dx[k, p] (=|+=) s sum_i S[i, p] dy[o + k, i]`, computed row by row of the transpose of `S`, so that each element
//! has one sum.

use crate::backend::shape::{Acc, Shape};
use crate::backend::storage::Storage;
use crate::error::{Error, ErrorKind, Result};

/// Channels of `y` are written in groups of as many: [`SampleOps::sample`] begins at a multiple of it.
pub const CHANNEL_GROUP: usize = 16;

/// A sparse matrix in compressed rows: row `i` has the entries `offsets[i]..offsets[i + 1]`. All numbers are values of
/// [`tensor`](Storage::tensor)s; an offset or a column that is none is read as the nearest number that is one.
#[derive(Clone, Copy, Debug)]
pub struct Sparse<'a, T> {
    /// `[1, 1, 1, R + 1]` for `R` rows, ascending.
    pub offsets: &'a T,
    /// `[1, 1, 1, E]`: the column of each entry.
    pub columns: &'a T,
    /// `[1, 1, 1, E]`: the value of each entry.
    pub values: &'a T,
}

/// Samples of features, and their gradient.
pub trait SampleOps: Storage {
    /// `y[o + k] = scale S x[k]` for the `N` channels of `x`; `y` is a [`tensor`](Storage::tensor), and `o` a multiple of
    /// [`CHANNEL_GROUP`]. The channels of `y` that fill up the last group get zeros; all others keep their values.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit; see [`expect_sparse`].
    fn sample(
        &self,
        matrix: Sparse<'_, Self::Tensor>,
        x: &Self::Tensor,
        scale: f32,
        y: &mut Self::Tensor,
        o: usize,
    ) -> Result<()>;

    /// `dx[k] (=|+=) scale S^T dy[o + k]` for the channels of `dx`; `transposed` is `S^T`.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    fn sample_bwd(
        &self,
        transposed: Sparse<'_, Self::Tensor>,
        dy: &Self::Tensor,
        o: usize,
        scale: f32,
        acc: Acc,
        dx: &mut Self::Tensor,
    ) -> Result<()>;
}

/// Checks the operands of a product with a sparse matrix; for backends. `from` and `to` are the shapes of what is read and
/// written; one of them has `narrow` channels, and the other one at least as many from `o` on. Returns the number of entries.
///
/// # Errors
/// `Shape` if the matrix is not one for these positions, it has more than 2^24 entries or positions, `o` is no multiple of
/// [`CHANNEL_GROUP`], or the other tensor has too few channels.
pub fn expect_sparse(
    [offsets, columns, values]: [Shape; 3],
    from: Shape,
    to: Shape,
    narrow: usize,
    o: usize,
) -> Result<usize> {
    let list = |s: Shape| (s.channels, s.height) == (1, 1);
    let fits = list(offsets)
        && list(columns)
        && columns == values
        && Some(offsets.width) == to.positions().checked_add(1)
        && (from.positions() > 0 || to.positions() == 0);
    if !fits {
        let message = format!(
            "offsets of shape {offsets}, columns of {columns} and values of {values} are no sparse matrix from features of \
             {from} to {to}"
        );
        return Err(Error::new(ErrorKind::Shape, message));
    }
    if [columns.width, from.positions(), to.positions()].iter().any(|&n| n > 1 << 24) {
        let message = format!(
            "a sparse matrix of {} entries from features of {from} to {to}: at most 2^24 entries and positions",
            columns.width
        );
        return Err(Error::new(ErrorKind::Shape, message));
    }
    let wide = if from.channels == narrow { to.channels } else { from.channels };
    if !o.is_multiple_of(CHANNEL_GROUP) || o.checked_add(narrow).is_none_or(|end| end > wide) {
        let message =
            format!("{narrow} channels from channel {o} of {wide}: expected a multiple of {CHANNEL_GROUP} within");
        return Err(Error::new(ErrorKind::Shape, message));
    }
    Ok(columns.width)
}
