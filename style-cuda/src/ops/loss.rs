//! See [`style_core::backend::ops::LossOps`] and kernels/loss.cu.

use style_core::Result;
use style_core::backend::ops::LossOps;
use style_core::backend::{Acc, expect_shape};

use super::{acc_code, parts};
use crate::cuda::Cuda;
use crate::kernels::loss::{DistanceArgs, DistanceBwdArgs};
use crate::tensor::{Scalars, Tensor};

impl LossOps for Cuda {
    fn half_squared_distance(&self, a: &Tensor, b: &Tensor, out: &mut Scalars, slot: usize) -> Result<()> {
        expect_shape("the second operand of a distance", a.shape(), b.shape())?;
        let slot = out.slots(slot, 1)?;
        let entered = self.enter(&[&a.buffer, &b.buffer, &out.buffer])?;
        let blocks = parts(a.pieces());
        let args = DistanceArgs {
            a: a.address(),
            b: b.address(),
            partial: self.partial.address(),
            length: a.values() as u64,
            a_type: a.dtype as u32,
            b_type: b.dtype as u32,
        };
        // SAFETY: both tensors have one shape; there is room for PARTS partial sums.
        unsafe { self.kernels.half_squared_distance.launch(&entered, [blocks, 1, 1], args)? };
        self.reduce(&entered, self.partial.address(), slot, 1, blocks, 0.5)
    }

    fn half_squared_distance_bwd(&self, a: &Tensor, b: &Tensor, scale: f32, acc: Acc, da: &mut Tensor) -> Result<()> {
        expect_shape("the second operand of a distance", a.shape(), b.shape())?;
        expect_shape("the gradient of a distance", a.shape(), da.shape())?;
        let entered = self.enter(&[&a.buffer, &b.buffer, &da.buffer])?;
        let args = DistanceBwdArgs {
            a: a.address(),
            b: b.address(),
            da: da.address(),
            pieces: a.pieces() as u64,
            a_type: a.dtype as u32,
            b_type: b.dtype as u32,
            da_type: da.gradient(acc, self.precision),
            acc: acc_code(acc),
            scale,
            padding: 0,
        };
        // SAFETY: all tensors have one shape, and each thread accesses only its own piece of each.
        unsafe { self.kernels.half_squared_distance_bwd.launch_for(&entered, a.pieces(), args) }
    }
}
