//! Half the squared distance; see [`style_core::backend::ops::LossOps`].

use rayon::iter::IndexedParallelIterator;
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use style_core::Result;
use style_core::backend::Acc;
use style_core::backend::ops::LossOps;

use super::{CHUNK, sum_pairs};
use crate::cpu::Cpu;
use crate::gemm::Gemm;
use crate::isa::Kernel;
use crate::tensor::{Scalars, Tensor, expect_same};

/// `sum (a - b)^2`.
struct SquaredDistance<'a>(&'a [f32], &'a [f32]);

impl Kernel for SquaredDistance<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Gemm>(self, _: S) -> f64 {
        sum_pairs(self.0, self.1, |a, b| {
            let d = f64::from(a - b);
            d * d
        })
    }
}

/// `da (=|+=) scale (a - b)`.
struct Difference<'a>(&'a [f32], &'a [f32], f32, Acc, &'a mut [f32]);

impl Kernel for Difference<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, _: S) {
        let Self(a, b, scale, acc, da) = self;
        match acc {
            Acc::Store => da.iter_mut().zip(a.iter().zip(b)).for_each(|(d, (a, b))| *d = scale * (a - b)),
            Acc::Add => da.iter_mut().zip(a.iter().zip(b)).for_each(|(d, (a, b))| *d += scale * (a - b)),
        }
    }
}

impl LossOps for Cpu {
    fn half_squared_distance(&self, a: &Tensor, b: &Tensor, out: &mut Scalars, slot: usize) -> Result<()> {
        expect_same(a, b)?;
        let (a, b) = (a.values(), b.values());
        out.sum(&self.threads, slot, 1, a.len(), |at, sums| {
            sums[0] += 0.5 * self.level.run(SquaredDistance(&a[at.clone()], &b[at]));
        })
    }

    fn half_squared_distance_bwd(&self, a: &Tensor, b: &Tensor, scale: f32, acc: Acc, da: &mut Tensor) -> Result<()> {
        expect_same(a, b)?;
        expect_same(a, da)?;
        let (a, b) = (a.values().par_chunks(CHUNK), b.values().par_chunks(CHUNK));
        let items = a.zip(b).zip(da.values_mut().par_chunks_mut(CHUNK));
        self.threads.for_each_of(items, |((a, b), da)| self.level.run(Difference(a, b, scale, acc, da)));
        Ok(())
    }
}
