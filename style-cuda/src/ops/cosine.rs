//! See [`style_core::backend::ops::CosineOps`] and kernels/cosine.cu.

use style_core::Result;
use style_core::backend::expect_shape;
use style_core::backend::ops::CosineOps;

use super::extent;
use crate::cuda::Cuda;
use crate::kernels::cosine::CosineArgs;
use crate::kernels::vector::PARTIAL_BYTES;
use crate::tensor::{Scalars, Tensor};

/// Positions of a block at a time, one a warp; matches cosine.cu.
const WARPS: usize = 8;

/// The most blocks: a warp has a position at a time, so it takes more of them than other reductions to fill a device.
const BLOCKS: usize = 2048;

const _: () = assert!(8 * BLOCKS <= PARTIAL_BYTES);

impl CosineOps for Cuda {
    fn cosine(&self, x: &Tensor, t: &Tensor, out: &mut Scalars, slot: usize, d: &mut Tensor) -> Result<()> {
        expect_shape("the targets of a cosine distance", x.shape(), t.shape())?;
        expect_shape("the gradient of a cosine distance", x.shape(), d.shape())?;
        let slot = out.slots(slot, 1)?;
        let entered = self.expect_vectors(x, [t, &*d], &[&out.buffer])?;
        let blocks = x.shape().positions().div_ceil(WARPS).clamp(1, BLOCKS);
        let args = CosineArgs {
            x: x.address(),
            t: t.address(),
            d: d.address(),
            partial: self.partial.address(),
            positions: x.shape().positions() as u64,
            channels: extent(x.shape().channels)?,
            stride: extent(x.stride())?,
        };
        // SAFETY: all tensors are f32 and have one shape, and one warp writes the `d` of a position; there is room for
        // BLOCKS partial sums.
        unsafe { self.kernels.cosine.launch(&entered, [blocks, 1, 1], args)? };
        self.reduce(&entered, self.partial.address(), slot, 1, blocks, 1.0)
    }
}
