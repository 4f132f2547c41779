//! Squared total variation; see [`style_core::ops::TvOps`].

use style_core::ops::TvOps;
use style_core::{Acc, Result};

use crate::Cpu;
use crate::simd::LANES;
use crate::tensor::{Scalars, Tensor, expect_same};

/// Extents of a tensor's rows in storage: a row holds `width` positions of `lanes` values each.
struct Rows {
    /// Values in a row.
    len: usize,
    /// From a value to its neighbour on the right.
    lanes: usize,
    /// Rows in a plane (or block of channels).
    height: usize,
}

impl Rows {
    fn of(x: &Tensor) -> Self {
        let lanes = if x.is_planar() { 1 } else { LANES };
        Self { len: (x.shape().width * lanes).max(1), lanes, height: x.shape().height }
    }

    /// Row `i` of all, and the rows above and below it in its plane.
    fn neighbours<'a>(&self, x: &'a [f32], i: usize) -> (Option<&'a [f32]>, &'a [f32], Option<&'a [f32]>) {
        let row = |i: usize| &x[i * self.len..][..self.len];
        let r = i % self.height;
        ((r > 0).then(|| row(i - 1)), row(i), (r + 1 < self.height).then(|| row(i + 1)))
    }
}

impl TvOps for Cpu {
    fn tv(&self, x: &Tensor, out: &mut Scalars, slot: usize) -> Result<()> {
        let out = out.slots(slot, 1)?;
        let (rows, values) = (Rows::of(x), x.values());
        let squares = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        let sums = self.threads.map(values.len() / rows.len, |i| {
            let (_, here, below) = rows.neighbours(values, i);
            squares(here, &here[rows.lanes..]) + below.map_or(0.0, |below| squares(here, below))
        });
        out[0] = 0.5 * sums.iter().sum::<f64>();
        Ok(())
    }

    fn tv_bwd(&self, x: &Tensor, scale: f32, acc: Acc, dx: &mut Tensor) -> Result<()> {
        expect_same(x, dx)?;
        let (rows, values) = (Rows::of(x), x.values());
        let items = dx.values_mut().chunks_exact_mut(rows.len).enumerate().collect();
        self.threads.for_each_of(items, |(i, dx): (usize, &mut [f32])| {
            let (above, here, below) = rows.neighbours(values, i);
            for (c, dx) in dx.iter_mut().enumerate() {
                let left = c.checked_sub(rows.lanes).map(|c| here[c]);
                let others =
                    [above.map(|row| row[c]), left, here.get(c + rows.lanes).copied(), below.map(|row| row[c])];
                let laplacian: f32 = others.into_iter().flatten().map(|q| here[c] - q).sum();
                match acc {
                    Acc::Store => *dx = scale * laplacian,
                    Acc::Add => *dx += scale * laplacian,
                }
            }
        });
        Ok(())
    }
}
