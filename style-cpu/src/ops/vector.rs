//! Dot products, linear combinations and Adam's update; see [`style_core::backend::ops::VectorOps`].

use rayon::iter::IndexedParallelIterator;
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use style_core::Result;
use style_core::backend::ops::{AdamStep, VectorOps};

use super::{CHUNK, sum_pairs};
use crate::cpu::Cpu;
use crate::gemm::Gemm;
use crate::isa::Kernel;
use crate::tensor::{Scalars, Tensor, expect_same};

/// `<a, b>`.
struct Dot<'a>(&'a [f32], &'a [f32]);

impl Kernel for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Gemm>(self, _: S) -> f64 {
        sum_pairs(self.0, self.1, |a, b| f64::from(a) * f64::from(b))
    }
}

/// Values summed in `f64` at a time, so that the sums stay in the first-level cache.
const PIECE: usize = 2048;

/// `y = sum_i c_i x_i`, from element `first` on.
struct Combine<'a>(&'a [(f64, &'a Tensor)], usize, &'a mut [f32]);

impl Kernel for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, _: S) {
        let Self(terms, first, y) = self;
        for (i, y) in y.chunks_mut(PIECE).enumerate() {
            let mut sums = [0.0f64; PIECE];
            for (c, x) in terms {
                let x = &x.values()[first + i * PIECE..][..y.len()];
                sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += c * f64::from(*x));
            }
            y.iter_mut().zip(sums).for_each(|(y, sum)| *y = sum as f32);
        }
    }
}

/// The Adam update of one chunk of `g`, `m`, `v`, `x`.
struct Adam<'a>(AdamStep, &'a [f32], &'a mut [f32], &'a mut [f32], &'a mut [f32]);

impl Kernel for Adam<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, _: S) {
        let Self(AdamStep { rate, beta1, beta2, correction2, epsilon }, g, m, v, x) = self;
        for (((g, m), v), x) in g.iter().zip(m).zip(v).zip(x) {
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * g * g;
            *x -= rate * *m / ((*v / correction2).sqrt() + epsilon);
        }
    }
}

impl VectorOps for Cpu {
    fn copy(&self, src: &Tensor, dst: &mut Tensor) -> Result<()> {
        expect_same(src, dst)?;
        let items = src.values().par_chunks(CHUNK).zip(dst.values_mut().par_chunks_mut(CHUNK));
        self.threads.for_each_of(items, |(src, dst)| dst.copy_from_slice(src));
        Ok(())
    }

    fn dots(&self, a: &[&Tensor], b: &[&Tensor], out: &mut Scalars, first: usize) -> Result<()> {
        let b_len = b.len();
        out.slots(first, a.len() * b_len)?;
        let Some(one) = a.first() else { return Ok(()) };
        a.iter().chain(b).try_for_each(|x| expect_same(one, x))?;
        // All products of one chunk together, so that each vector is read from memory once.
        out.sum(&self.threads, first, a.len() * b_len, one.values().len(), |at, dots| {
            for (column, b) in b.iter().enumerate() {
                for (row, a) in a.iter().enumerate() {
                    let dot = Dot(&a.values()[at.clone()], &b.values()[at.clone()]);
                    dots[row * b_len + column] += self.level.run(dot);
                }
            }
        })
    }

    fn combine(&self, terms: &[(f64, &Tensor)], y: &mut Tensor) -> Result<()> {
        terms.iter().try_for_each(|(_, x)| expect_same(x, y))?;
        let items = y.values_mut().par_chunks_mut(CHUNK).enumerate();
        self.threads.for_each_of(items, |(i, y)| self.level.run(Combine(terms, i * CHUNK, y)));
        Ok(())
    }

    fn scale_by(&self, x: &Tensor, scalars: &Scalars, slot: usize, power: f64, y: &mut Tensor) -> Result<()> {
        expect_same(x, y)?;
        let scalar = scalars.get(slot)?;
        let factor = if scalar > 0.0 { scalar.powf(power) } else { 0.0 };
        let items = x.values().par_chunks(CHUNK).zip(y.values_mut().par_chunks_mut(CHUNK));
        self.threads.for_each_of(items, |(x, y)| {
            y.iter_mut().zip(x).for_each(|(y, x)| *y = (factor * f64::from(*x)) as f32);
        });
        Ok(())
    }

    fn adam(&self, step: &AdamStep, g: &Tensor, m: &mut Tensor, v: &mut Tensor, x: &mut Tensor) -> Result<()> {
        [&*m, v, x].into_iter().try_for_each(|t| expect_same(g, t))?;
        let (m, v) = (m.values_mut().par_chunks_mut(CHUNK), v.values_mut().par_chunks_mut(CHUNK));
        let items = g.values().par_chunks(CHUNK).zip(m).zip(v).zip(x.values_mut().par_chunks_mut(CHUNK));
        self.threads.for_each_of(items, |(((g, m), v), x)| self.level.run(Adam(*step, g, m, v, x)));
        Ok(())
    }
}
