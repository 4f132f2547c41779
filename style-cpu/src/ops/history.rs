//! Vectors in half precision; see [`style_core::backend::ops::HistoryOps`].
//!
//! They are bf16, the upper half of an `f32`: converting takes one shift on every instruction set.

use std::ops::Range;

use rayon::iter::IndexedParallelIterator;
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use style_core::Result;
use style_core::backend::ops::HistoryOps;
use style_core::backend::{Shape, expect_shape};

use super::CHUNK;
use crate::cpu::Cpu;
use crate::gemm::Gemm;
use crate::isa::Kernel;
use crate::simd::LANES;
use crate::tensor::{Half, Scalars, Tensor};

/// Values computed at a time, so that what is read again stays in the first-level cache: three rows of `f64`.
const PIECE: usize = 1024;

/// Left vectors multiplied at a time.
const ROWS: usize = 3;

#[inline(always)]
fn from_half(h: u16) -> f32 {
    f32::from_bits(u32::from(h) << 16)
}

/// Rounds to the nearest, of two to the even one. NaN stays NaN.
#[inline(always)]
fn to_half(x: f32) -> u16 {
    let bits = x.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    (if x.is_nan() { bits | 0x40_0000 } else { nearest } >> 16) as u16
}

/// `h = x`.
struct Halve<'a>(&'a [f32], &'a mut [u16]);

impl Kernel for Halve<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, _: S) {
        self.1.iter_mut().zip(self.0).for_each(|(h, x)| *h = to_half(*x));
    }
}

/// `x = h`.
struct Restore<'a>(&'a [u16], &'a mut [f32]);

impl Kernel for Restore<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, _: S) {
        self.1.iter_mut().zip(self.0).for_each(|(x, h)| *x = from_half(*h));
    }
}

/// Adds `<a[i], h[j]>` to `dots[i * h.len() + j]`, over one chunk. Three left vectors at most.
struct Dots<'a> {
    a: &'a [&'a [f32]],
    h: &'a [&'a Half],
    /// Of the chunk.
    first: usize,
    dots: &'a mut [f64],
}

type Sums = [f64; LANES];

/// Prefetches the values at the same place of the vector that is read next. A piece is too short for the processor to see that
/// the vectors follow each other.
#[inline(always)]
fn prefetch<S: Gemm>(simd: S, next: &[u16; LANES]) {
    simd.prefetch(next.as_ptr().cast());
}

/// Adds `<rows[r], h>` to each of `sums`.
#[inline(always)]
fn add_products<S: Gemm>(
    simd: S,
    rows: &[[Sums; PIECE / LANES]; ROWS],
    first: usize,
    h: &[[u16; LANES]],
    next: &[[u16; LANES]],
    sums: &mut [Sums; ROWS],
) {
    let [mut a, mut b, mut c] = *sums;
    let rows = rows[0][first..].iter().zip(&rows[1][first..]).zip(&rows[2][first..]);
    for (((x, y), z), (h, next)) in rows.zip(h.iter().zip(next)) {
        prefetch(simd, next);
        for i in 0..LANES {
            let h = f64::from(from_half(h[i]));
            a[i] = simd.fma_f64(x[i], h, a[i]);
            b[i] = simd.fma_f64(y[i], h, b[i]);
            c[i] = simd.fma_f64(z[i], h, c[i]);
        }
    }
    *sums = [a, b, c];
}

impl Kernel for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, simd: S) {
        let Self { a, h, first, dots } = self;
        let len = a.first().map_or(0, |a| a.len());
        for start in (0..len).step_by(PIECE) {
            let count = PIECE.min(len - start);
            let at = first + start..first + start + count;
            // Rows that are missing, and what is missing to whole vectors, are zeros.
            let mut rows = [[[0.0; LANES]; PIECE / LANES]; ROWS];
            for (row, a) in rows.iter_mut().zip(a) {
                let row = row.as_flattened_mut().iter_mut();
                row.zip(&a[start..start + count]).for_each(|(to, a)| *to = f64::from(*a));
            }
            let mut tail = [0; LANES];
            for (j, right) in h.iter().enumerate() {
                let (whole, rest) = right.values()[at.clone()].as_chunks();
                let next = h[(j + 1) % h.len()].values()[at.clone()].as_chunks().0;
                let mut sums = [[0.0; LANES]; ROWS];
                add_products(simd, &rows, 0, whole, next, &mut sums);
                if !rest.is_empty() {
                    tail[..rest.len()].copy_from_slice(rest);
                    add_products(simd, &rows, whole.len(), &[tail], &[tail], &mut sums);
                }
                for (i, sums) in sums.iter().enumerate().take(a.len()) {
                    dots[i * h.len() + j] += sums.iter().sum::<f64>();
                }
            }
        }
    }
}

/// `y = sum_i c_i h_i + c x`, from element `first` on.
struct Combine<'a> {
    terms: &'a [(f64, &'a Half)],
    last: (f64, &'a Tensor),
    first: usize,
    y: &'a mut [f32],
}

impl Kernel for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, simd: S) {
        let Self { terms, last: (c, x), first, y } = self;
        for (i, y) in y.chunks_mut(PIECE).enumerate() {
            let at = first + i * PIECE..first + i * PIECE + y.len();
            let mut sums = [[0.0; LANES]; PIECE / LANES];
            // Four terms at a time, so that the sums are read and written less often.
            let (fours, rest) = terms.as_chunks::<4>();
            for (j, four) in fours.iter().enumerate() {
                let next = fours[(j + 1) % fours.len()];
                let ([a, b, c, d], next) = (four.map(|term| of(term, &at)), next.map(|term| of(term, &at)));
                for (k, sums) in sums.iter_mut().enumerate().take(y.len() / LANES) {
                    for next in next {
                        prefetch(simd, &next[k]);
                    }
                    for l in 0..LANES {
                        let sum = simd.fma_f64(four[0].0, f64::from(from_half(a[k][l])), sums[l]);
                        let sum = simd.fma_f64(four[1].0, f64::from(from_half(b[k][l])), sum);
                        let sum = simd.fma_f64(four[2].0, f64::from(from_half(c[k][l])), sum);
                        sums[l] = simd.fma_f64(four[3].0, f64::from(from_half(d[k][l])), sum);
                    }
                }
            }
            let sums = sums.as_flattened_mut();
            let whole = y.len() / LANES * LANES;
            let tails = fours.as_flattened().iter().map(|term| (term, whole));
            for ((c, h), from) in tails.chain(rest.iter().map(|term| (term, 0))) {
                for (sum, h) in sums[from..].iter_mut().zip(&h.values()[at.clone()][from..]) {
                    *sum = simd.fma_f64(*c, f64::from(from_half(*h)), *sum);
                }
            }
            for ((y, sum), x) in y.iter_mut().zip(sums).zip(&x.values()[at]) {
                *y = simd.fma_f64(c, f64::from(*x), *sum) as f32;
            }
        }
    }
}

/// The whole vectors of a term's values in a range.
#[inline(always)]
fn of<'a>((_, h): (f64, &'a Half), at: &Range<usize>) -> &'a [[u16; LANES]] {
    h.values()[at.clone()].as_chunks().0
}

impl HistoryOps for Cpu {
    type Half = Half;

    fn half(&self, shape: Shape) -> Result<Half> {
        Half::new(shape)
    }

    fn half_bytes(&self, shape: Shape) -> usize {
        Half::bytes(shape)
    }

    fn halve(&self, x: &Tensor, h: &mut Half) -> Result<()> {
        expect_shape("a vector in half precision", x.shape(), h.shape())?;
        let items = x.values().par_chunks(CHUNK).zip(h.values_mut().par_chunks_mut(CHUNK));
        self.threads.for_each_of(items, |(x, h)| self.level.run(Halve(x, h)));
        Ok(())
    }

    fn restore(&self, h: &Half, x: &mut Tensor) -> Result<()> {
        expect_shape("a vector in half precision", x.shape(), h.shape())?;
        let items = h.values().par_chunks(CHUNK).zip(x.values_mut().par_chunks_mut(CHUNK));
        self.threads.for_each_of(items, |(h, x)| self.level.run(Restore(h, x)));
        Ok(())
    }

    fn half_dots(&self, a: &[&Tensor], h: &[&Half], out: &mut Scalars, first: usize) -> Result<()> {
        let columns = h.len();
        out.slots(first, a.len() * columns)?;
        let Some(one) = a.first() else { return Ok(()) };
        let shapes = a.iter().map(|a| a.shape()).chain(h.iter().map(|h| h.shape()));
        shapes.into_iter().try_for_each(|shape| expect_shape("an operand of a dot product", one.shape(), shape))?;
        // All products of one chunk together, so that each vector is read from memory once.
        out.sum(&self.threads, first, a.len() * columns, one.values().len(), |at, dots| {
            for (a, dots) in a.chunks(ROWS).zip(dots.chunks_mut(ROWS * columns)) {
                let mut chunks: [&[f32]; ROWS] = Default::default();
                chunks.iter_mut().zip(a).for_each(|(chunk, a)| *chunk = &a.values()[at.clone()]);
                self.level.run(Dots { a: &chunks[..a.len()], h, first: at.start, dots });
            }
        })
    }

    fn half_combine(&self, terms: &[(f64, &Half)], last: (f64, &Tensor), y: &mut Tensor) -> Result<()> {
        let shapes = terms.iter().map(|(_, h)| h.shape()).chain([last.1.shape()]);
        shapes.into_iter().try_for_each(|shape| expect_shape("a term of a combination", y.shape(), shape))?;
        let items = y.values_mut().par_chunks_mut(CHUNK).enumerate();
        self.threads.for_each_of(items, |(i, y)| self.level.run(Combine { terms, last, first: i * CHUNK, y }));
        Ok(())
    }
}
