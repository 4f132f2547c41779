//! Nearest neighbours with their mistakes, based on the reference backend.

use style_core::Result;
use style_core::backend::ops::{NearestOps, expect_patches};
use style_core::backend::{Shape, Storage, expect_shape};
use testkit::Array;
use testkit::oracle::nearest::cosines;

use crate::mutant::Mistake::*;
use crate::mutant::{Mutant, R, Tensor, change, made, read};

impl NearestOps for Mutant {
    fn nearest(&self, x: &Tensor, y: &Tensor, side: usize, found: &mut Tensor, ws: &mut ()) -> Result<()> {
        R.nearest(&x.inner, &y.inner, side, &mut found.inner, ws)?;
        let values = |t: &Tensor| Array::from_f32(self.shape(t), &read(&t.inner));
        if matches!(self.mistake, NearestLastOfEqual | NearestFarthest) {
            let cosines = cosines(&values(x), &values(y), side);
            let sign = if self.makes(NearestFarthest) { -1.0 } else { 1.0 };
            change(&mut found.inner, |p, _| {
                let quotient = |q: usize| sign * cosines.at(0, p, q);
                let best = (1..cosines.shape.width).fold(0, |b, q| if quotient(q) >= quotient(b) { q } else { b });
                best as f32
            });
        }
        if self.makes(NearestByDotProduct) && side == 1 {
            let (xs, ys) = (values(x), values(y));
            let (of_x, of_y) = (xs.shape.positions(), ys.shape.positions());
            change(&mut found.inner, |p, _| {
                let dot = |q: usize| {
                    let terms = (0..xs.shape.channels).map(|k| xs.data[k * of_x + p] * ys.data[k * of_y + q]);
                    terms.sum::<f64>()
                };
                (1..of_y).fold(0, |b, q| if dot(q) > dot(b) { q } else { b }) as f32
            });
        }
        self.spoil("nearest", x, found);
        Ok(())
    }

    fn nearest_distance(
        &self,
        x: &Tensor,
        y: &Tensor,
        side: usize,
        found: &Tensor,
        out: &mut Vec<f64>,
        slot: usize,
        d: &mut Tensor,
    ) -> Result<()> {
        let (of_x, of_y) = (self.shape(x), self.shape(y));
        let patches = expect_patches(of_x, of_y, side)?;
        expect_shape("found", patches, self.shape(found))?;
        let numbers: Vec<_> = match self.mistake {
            NearestRoundsDown => read(&found.inner).iter().map(|q| q.floor()).collect(),
            NearestWraps => {
                let count = expect_patches(of_y, of_y, side)?.len() as f32;
                read(&found.inner).iter().map(|q| q.round().rem_euclid(count)).collect()
            }
            _ => read(&found.inner),
        };
        let numbers = made(patches, &numbers)?;
        R.nearest_distance(&x.inner, &y.inner, side, &numbers, out, slot, &mut d.inner)?;
        if self.makes(NearestMeans) {
            // The mean over the patches that contain a position in place of the sum.
            let along = |at: usize, extent: usize| at.min(extent - side) + 1 - (at + 1).saturating_sub(side);
            change(&mut d.inner, |i, v| {
                let (r, c) = (i / of_x.width % of_x.height, i % of_x.width);
                v / (along(r, of_x.height) * along(c, of_x.width)) as f32
            });
        }
        if self.makes(NearestNotHalved) {
            out[slot] *= 2.0;
        }
        self.spoil("nearest", x, d);
        Ok(())
    }

    fn nearest_workspace(&self, x: Shape, side: usize) -> usize {
        R.nearest_workspace(x, side)
    }
}
