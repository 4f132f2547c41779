//! See [`style_core::backend::ops::ReluOps`] and kernels/relu.cu.

use style_core::Result;
use style_core::backend::ops::ReluOps;

use crate::cuda::Cuda;
use crate::kernels::relu::RectifyArgs;
use crate::tensor::Tensor;

impl ReluOps for Cuda {
    fn rectify(&self, x: &mut Tensor) -> Result<()> {
        let entered = self.enter(&[&x.buffer])?;
        let args = RectifyArgs { x: x.address(), pieces: x.pieces() as u64, dtype: x.dtype as u32, padding: 0 };
        // SAFETY: each thread accesses only its own piece.
        unsafe { self.kernels.rectify.launch_for(&entered, x.pieces(), args) }
    }
}
