//! See [`style_core::ops::ReluOps`] and kernels/relu.cu.

use style_core::Result;
use style_core::ops::ReluOps;

use crate::Cuda;
use crate::kernels::Args;
use crate::tensor::Tensor;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct RectifyArgs {
    x: u64,
    pieces: u64,
    dtype: u32,
    padding: u32,
}

const _: () = assert!(size_of::<RectifyArgs>() == 24);
// SAFETY: as the struct Rectify of relu.cu.
unsafe impl Args for RectifyArgs {}

impl ReluOps for Cuda {
    fn rectify(&self, x: &mut Tensor) -> Result<()> {
        let entered = self.enter(&[&x.buffer])?;
        let args = RectifyArgs { x: x.address(), pieces: x.pieces() as u64, dtype: x.dtype as u32, padding: 0 };
        // SAFETY: a thread touches its own piece.
        unsafe { self.kernels.rectify.launch_for(&entered, x.pieces(), args) }
    }
}
