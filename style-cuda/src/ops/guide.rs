//! See [`style_core::backend::ops::GuideOps`] and kernels/guide.cu.

use style_core::Result;
use style_core::backend::ops::GuideOps;
use style_core::backend::{Acc, expect_shape};

use super::{acc_code, expect_map};
use crate::cuda::Cuda;
use crate::kernels::guide::GuideArgs;
use crate::tensor::Tensor;

impl GuideOps for Cuda {
    fn guide(&self, x: &Tensor, t: &Tensor, scale: f32, acc: Acc, y: &mut Tensor) -> Result<()> {
        expect_map(t, x)?;
        expect_shape("guided features", x.shape(), y.shape())?;
        if x.values() == 0 {
            return Ok(());
        }
        let entered = self.enter(&[&x.buffer, &t.buffer, &y.buffer])?;
        let args = GuideArgs {
            x: x.address(),
            t: t.address(),
            y: y.address(),
            positions: x.shape().positions() as u64,
            stride: x.stride() as u32,
            x_type: x.dtype as u32,
            y_type: y.gradient(acc, self.precision),
            acc: acc_code(acc),
            scale,
            padding: 0,
        };
        // SAFETY: `t` has one value per position of the common shape of `x` and `y`; each thread accesses only its own
        // piece.
        unsafe {
            if x.is_few() {
                self.kernels.guide_few.launch_for(&entered, x.values(), args)
            } else {
                self.kernels.guide.launch_for(&entered, x.pieces(), args)
            }
        }
    }
}
