//! Nearest neighbours of patches.

use style_core::Result;
use style_core::backend::ops::{NearestOps, expect_patches};
use style_core::backend::{Acc, Shape, expect_shape};

use super::{Reference, Tensor, slot};
use crate::oracle::nearest as oracle;

impl NearestOps for Reference {
    fn nearest(&self, x: &Tensor, y: &Tensor, side: usize, found: &mut Tensor, _workspace: &mut ()) -> Result<()> {
        expect_shape("the neighbours", expect_patches(x.shape, y.shape, side)?, found.shape)?;
        found.set(Acc::Store, &oracle::nearest(&x.get(), &y.get(), side));
        Ok(())
    }

    fn nearest_distance(
        &self,
        x: &Tensor,
        y: &Tensor,
        side: usize,
        found: &Tensor,
        out: &mut Vec<f64>,
        at: usize,
        d: &mut Tensor,
    ) -> Result<()> {
        expect_shape("the neighbours", expect_patches(x.shape, y.shape, side)?, found.shape)?;
        expect_shape("the differences from neighbours", x.shape, d.shape)?;
        let (l, differences) = oracle::distance(&x.get(), &y.get(), side, &found.get());
        *slot(out, at)? = l;
        d.set(Acc::Store, &differences);
        Ok(())
    }

    fn nearest_workspace(&self, _x: Shape, _side: usize) -> usize {
        0
    }
}
