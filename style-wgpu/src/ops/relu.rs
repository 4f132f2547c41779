//! See [`style_core::backend::ops::ReluOps`] and kernels/relu.wgsl.

use style_core::Result;
use style_core::backend::ops::ReluOps;

use super::extent;
use crate::backend::Wgpu;
use crate::kernels::RECTIFY;
use crate::tensor::Tensor;

impl ReluOps for Wgpu {
    fn rectify(&self, x: &mut Tensor) -> Result<()> {
        self.enter(&[&x.buffer])?.launch_for(&RECTIFY, x.values(), &[extent(x.values())?], &[&x.buffer])
    }
}
