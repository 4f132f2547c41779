//! One file an op, under the names of `style_core::ops`.

mod conv2d;
mod gram;
mod guide;
mod loss;
mod moments;
mod pool2d;
mod relu;
mod tv;
mod vector;

pub use conv2d::{Convolution, Filter};

use std::ops::Range;

use style_core::{Error, ErrorKind, Result, Shape, expect_shape};

use crate::simd::LANES;
use crate::tensor::{Scalars, Tensor};

/// Values that one item of an elementwise op or a reduction takes: fixed, so that sums have one order.
const CHUNK: usize = 1 << 14;

/// `sum term(a, b)` over the pairs of two slices of one length, in sixteen sums and then one.
#[inline(always)]
fn sum_pairs(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f64) -> f64 {
    let mut sums = [0.0f64; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (sum, (&a, &b)) in sums.iter_mut().zip(a.remainder().iter().zip(b.remainder())) {
        *sum = term(a, b);
    }
    for (a, b) in a.zip(b) {
        for i in 0..LANES {
            sums[i] += term(a[i], b[i]);
        }
    }
    sums.iter().sum()
}

/// Some positions of one plane, or of one block of channels: what an item takes where a map meets features.
struct Piece {
    plane: usize,
    /// Where its values lie in storage.
    values: Range<usize>,
    positions: Range<usize>,
}

/// All of a tensor in storage order, [`CHUNK`] values a piece or what is left of a plane.
fn pieces(x: &Tensor) -> Vec<Piece> {
    let lanes = if x.is_planar() { 1 } else { LANES };
    let plane_len = x.shape().positions() * lanes;
    let piece = |plane: usize, start: usize| {
        let end = plane_len.min(start + CHUNK);
        let values = plane * plane_len + start..plane * plane_len + end;
        Piece { plane, values, positions: start / lanes..end / lanes }
    };
    let planes = x.values().len().checked_div(plane_len).unwrap_or(0);
    (0..planes).flat_map(|plane| (0..plane_len).step_by(CHUNK).map(move |start| piece(plane, start))).collect()
}

/// The values of the same pieces, to be written.
fn cut_mut(x: &mut Tensor) -> impl Iterator<Item = &mut [f32]> {
    let lanes = if x.is_planar() { 1 } else { LANES };
    let plane_len = x.shape().positions() * lanes;
    x.values_mut().chunks_mut(plane_len.max(1)).flat_map(|plane| plane.chunks_mut(CHUNK))
}

/// Checks that a map is one channel of `x`.
fn expect_map(t: &Tensor, x: &Tensor) -> Result<()> {
    expect_shape("a map over features", Shape { channels: 1, ..x.shape() }, t.shape())
}

impl Scalars {
    /// `count` scalars from `first` on.
    fn slots(&mut self, first: usize, count: usize) -> Result<&mut [f64]> {
        let len = self.values.len();
        first
            .checked_add(count)
            .and_then(|end| self.values.get_mut(first..end))
            .ok_or_else(|| Error::new(ErrorKind::Shape, format!("{count} scalars from {first} on do not fit in {len}")))
    }
}
