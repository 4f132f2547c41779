//! See [`style_core::backend::ops::LossOps`] and kernels/loss.wgsl.

use style_core::Result;
use style_core::backend::ops::LossOps;
use style_core::backend::{Acc, expect_shape};

use super::{acc_code, extent, parts};
use crate::backend::Wgpu;
use crate::kernels::{HALF_SQUARED_DISTANCE, HALF_SQUARED_DISTANCE_BWD};
use crate::tensor::{Scalars, Tensor};

impl LossOps for Wgpu {
    fn half_squared_distance(&self, a: &Tensor, b: &Tensor, out: &mut Scalars, slot: usize) -> Result<()> {
        expect_shape("the second operand of a distance", a.shape(), b.shape())?;
        let slot = out.slots(slot, 1)?;
        let mut entered = self.enter(&[&a.buffer, &b.buffer, &out.buffer])?;
        let parts = parts(a.values());
        let parameters = [extent(a.values())?, extent(parts)?];
        entered.launch(&HALF_SQUARED_DISTANCE, parts, &parameters, &[&a.buffer, &b.buffer, &self.partial])?;
        self.reduce(&mut entered, parts, out, slot, 0.5)
    }

    fn half_squared_distance_bwd(&self, a: &Tensor, b: &Tensor, scale: f32, acc: Acc, da: &mut Tensor) -> Result<()> {
        expect_shape("the second operand of a distance", a.shape(), b.shape())?;
        expect_shape("the gradient of a distance", a.shape(), da.shape())?;
        let operands = [&a.buffer, &b.buffer, &da.buffer];
        let parameters = [extent(a.values())?, acc_code(acc), scale.to_bits()];
        self.enter(&operands)?.launch_for(&HALF_SQUARED_DISTANCE_BWD, a.values(), &parameters, &operands)
    }
}
