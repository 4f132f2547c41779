//! See [`style_core::backend::ops::CosineOps`] and kernels/cosine.wgsl.

use style_core::Result;
use style_core::backend::expect_shape;
use style_core::backend::ops::CosineOps;

use super::extent;
use crate::backend::Wgpu;
use crate::kernels::COSINE;
use crate::tensor::{Scalars, Tensor};

/// Positions of a workgroup at a time; matches cosine.wgsl.
const POSITIONS: usize = 8;

/// The most workgroups.
const GROUPS: usize = 2048;

impl CosineOps for Wgpu {
    fn cosine(&self, x: &Tensor, t: &Tensor, out: &mut Scalars, slot: usize, d: &mut Tensor) -> Result<()> {
        expect_shape("the targets of a cosine distance", x.shape(), t.shape())?;
        expect_shape("the gradient of a cosine distance", x.shape(), d.shape())?;
        let slot = out.slots(slot, 1)?;
        let mut entered = self.expect_vectors(x, [t, &*d], &[&out.buffer])?;
        let positions = x.shape().positions();
        let groups = positions.div_ceil(POSITIONS).clamp(1, GROUPS);
        let parameters = [extent(positions)?, extent(x.stride())?, extent(groups)?];
        entered.launch(&COSINE, groups, &parameters, &[&x.buffer, &t.buffer, &d.buffer, &self.partial])?;
        self.reduce(&mut entered, groups, out, slot, 1.0)
    }
}
