//! One file per op, named as in `style_core::backend::ops`.

pub(crate) mod conv2d;
mod cosine;
mod gram;
mod guide;
mod history;
mod loss;
mod moments;
mod nearest;
mod pool2d;
mod product;
mod relu;
mod sample;
mod transport;
mod tv;
mod vector;
mod window;

use std::ops::Range;

use rayon::iter::IndexedParallelIterator;
use rayon::slice::ParallelSliceMut;
use style_core::backend::{Shape, expect_shape};
use style_core::{Error, ErrorKind, Result};

use crate::parallel::Threads;
use crate::simd::LANES;
use crate::tensor::{PARTS, Scalars, Tensor};

/// Values per item of an elementwise op, and per step of a reduction.
const CHUNK: usize = 1 << 14;

/// `sum term(a, b)` over the pairs of two slices of equal length, in sixteen partial sums that are added at the end.
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

/// Values per part of a reduction over `len` values, in whole chunks.
fn part_len(len: usize) -> usize {
    len.div_ceil(PARTS).next_multiple_of(CHUNK).max(CHUNK)
}

/// Some positions of one plane, or of one channel block: the unit of work where a map meets features.
struct Piece<'a> {
    plane: usize,
    positions: Range<usize>,
    /// The range of its values in storage.
    at: Range<usize>,
    values: &'a mut [f32],
}

/// Calls `f` for every piece of a tensor; a piece has [`CHUNK`] values, or the rest of a plane.
fn for_each_piece(threads: &Threads, x: &mut Tensor, f: impl Fn(Piece<'_>) + Send + Sync) {
    let lanes = if x.is_planar() { 1 } else { LANES };
    let plane_len = (x.shape().positions() * lanes).max(1);
    threads.for_each_of(x.values_mut().par_chunks_mut(plane_len).enumerate(), |(plane, values)| {
        threads.for_each_of(values.par_chunks_mut(CHUNK).enumerate(), |(i, values)| {
            let (start, end) = (i * CHUNK, i * CHUNK + values.len());
            let at = plane * plane_len + start..plane * plane_len + end;
            f(Piece { plane, positions: start / lanes..end / lanes, at, values });
        });
    });
}

/// Checks that a map has the shape of one channel of `x`.
fn expect_map(t: &Tensor, x: &Tensor) -> Result<()> {
    expect_shape("a map over features", Shape { channels: 1, ..x.shape() }, t.shape())
}

impl Scalars {
    /// Sets `count` scalars from `first` on to sums over `len` values. `add(range, sums)` adds the contribution of a
    /// range of the values, on any of the threads. The ranges depend on `len` alone, and the contributions are added in
    /// range order.
    fn sum(
        &mut self,
        threads: &Threads,
        first: usize,
        count: usize,
        len: usize,
        add: impl Fn(Range<usize>, &mut [f64]) + Send + Sync,
    ) -> Result<()> {
        self.slots(first, count)?.fill(0.0);
        if count == 0 {
            return Ok(());
        }
        let part = part_len(len);
        let Self { values, partial } = self;
        let partial = &mut partial[..len.div_ceil(part) * count];
        threads.for_each_of(partial.par_chunks_mut(count).enumerate(), |(i, sums)| {
            sums.fill(0.0);
            let part = i * part..len.min((i + 1) * part);
            for start in part.clone().step_by(CHUNK) {
                add(start..part.end.min(start + CHUNK), sums);
            }
        });
        for sums in partial.chunks(count) {
            values[first..].iter_mut().zip(sums).for_each(|(value, sum)| *value += sum);
        }
        Ok(())
    }

    /// The scalar at `slot`.
    fn get(&self, slot: usize) -> Result<f64> {
        let len = self.values.len();
        self.values
            .get(slot)
            .copied()
            .ok_or_else(|| Error::new(ErrorKind::Shape, format!("scalar {slot} is out of range for {len} scalars")))
    }

    /// Returns `count` scalars from `first` on.
    fn slots(&mut self, first: usize, count: usize) -> Result<&mut [f64]> {
        let len = self.values.len();
        first.checked_add(count).and_then(|end| self.values.get_mut(first..end)).ok_or_else(|| {
            Error::new(
                ErrorKind::Shape,
                format!("scalars {first} to {} are out of range for {len} scalars", first.saturating_add(count)),
            )
        })
    }
}
