//! See [`style_core::backend::ops::GuideOps`] and kernels/guide.wgsl.

use style_core::Result;
use style_core::backend::ops::GuideOps;
use style_core::backend::{Acc, expect_shape};

use super::{acc_code, expect_map, extent};
use crate::backend::Wgpu;
use crate::kernels::GUIDE;
use crate::tensor::Tensor;

impl GuideOps for Wgpu {
    fn guide(&self, x: &Tensor, t: &Tensor, scale: f32, acc: Acc, y: &mut Tensor) -> Result<()> {
        expect_map(t, x)?;
        expect_shape("guided features", x.shape(), y.shape())?;
        let operands = [&x.buffer, &t.buffer, &y.buffer];
        let parameters = [extent(x.values())?, extent(x.stride())?, acc_code(acc), scale.to_bits()];
        self.enter(&operands)?.launch_for(&GUIDE, x.values(), &parameters, &operands)
    }
}
