//! Features to features in `f32`: kernels/conv2d.cu.

use style_core::Result;

use super::{Conv2dArgs, Pass, Weights};
use crate::context::Entered;
use crate::cuda::Cuda;
use crate::tensor::Tensor;

/// The extents that a block computes, and processes at a time; match conv2d.cu.
const ROWS: usize = 8;
const COLUMNS: usize = 16;
const OUTS: usize = 64;
const CHUNK: usize = 8;

/// The number of packed filter values.
pub(super) const fn len(read: usize, written: usize) -> usize {
    let (tiles, chunks) = (written.div_ceil(OUTS), read.div_ceil(CHUNK));
    tiles.saturating_mul(chunks).saturating_mul(9 * CHUNK * OUTS)
}

/// `[outs / 64][chunks][9 taps][8 channels][64 outs]`.
pub(super) fn pack(w: &Weights<'_>) -> Vec<f32> {
    let mut packed = Vec::with_capacity(len(w.read, w.written));
    for tile in 0..w.written.div_ceil(OUTS) {
        for chunk in 0..w.read.div_ceil(CHUNK) {
            for (tap, i) in (0..9).flat_map(|tap| (0..CHUNK).map(move |i| (tap, chunk * CHUNK + i))) {
                packed.extend((0..OUTS).map(|o| w.at(tile * OUTS + o, i, tap)));
            }
        }
    }
    packed
}

impl Cuda {
    pub(super) fn convolve_direct(&self, entered: &Entered<'_>, pass: &Pass<'_>, y: &Tensor) -> Result<()> {
        let tiles = pass.height.div_ceil(ROWS).saturating_mul(pass.width.div_ceil(COLUMNS));
        let grid = [tiles, y.shape().channels.div_ceil(OUTS), 1];
        // SAFETY: the operands were checked to have the shapes of the convolution, and filters and bias are padded to
        // the extents that a block reads; each thread writes only its own values.
        unsafe { self.kernels.conv2d.launch(entered, grid, Conv2dArgs::of(pass, y)?) }
    }
}
