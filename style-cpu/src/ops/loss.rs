//! Half the squared distance; see [`style_core::ops::LossOps`].

use style_core::ops::LossOps;
use style_core::{Acc, Result};

use super::{CHUNK, sum_pairs};
use crate::Cpu;
use crate::simd::{Kernel, Simd};
use crate::tensor::{Scalars, Tensor, expect_same};

/// `sum (a - b)^2`.
struct SquaredDistance<'a>(&'a [f32], &'a [f32]);

impl Kernel for SquaredDistance<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f64 {
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
    fn run<S: Simd>(self, _: S) {
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
        let out = out.slots(slot, 1)?;
        let chunks: Vec<_> = a.values().chunks(CHUNK).zip(b.values().chunks(CHUNK)).collect();
        let sums = self.threads.map(chunks.len(), |i| self.level.run(SquaredDistance(chunks[i].0, chunks[i].1)));
        out[0] = 0.5 * sums.iter().sum::<f64>();
        Ok(())
    }

    fn half_squared_distance_bwd(&self, a: &Tensor, b: &Tensor, scale: f32, acc: Acc, da: &mut Tensor) -> Result<()> {
        expect_same(a, b)?;
        expect_same(a, da)?;
        let (a, b) = (a.values().chunks(CHUNK), b.values().chunks(CHUNK));
        let items = a.zip(b).zip(da.values_mut().chunks_mut(CHUNK)).collect();
        self.threads.for_each_of(items, |((a, b), da)| self.level.run(Difference(a, b, scale, acc, da)));
        Ok(())
    }
}
