//! Features to features in `f32`: kernels/conv2d.cu.

use style_core::Result;

use super::{Pass, Weights};
use crate::Cuda;
use crate::context::Entered;
use crate::kernels::Args;
use crate::ops::{acc_code, extent};
use crate::tensor::Tensor;

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Conv2dArgs {
    x: u64,
    y: u64,
    filters: u64,
    bias: u64,
    gate_in: u64,
    gate_out: u64,
    height: u32,
    width: u32,
    x_stride: u32,
    y_stride: u32,
    epilogue: u32,
    acc: u32,
    pooled_in: u32,
    padding: u32,
}

const _: () = assert!(size_of::<Conv2dArgs>() == 80);
// SAFETY: as the struct Conv2d of conv2d.cu.
unsafe impl Args for Conv2dArgs {}

/// What a block computes, and takes at a time; as in conv2d.cu.
const ROWS: usize = 8;
const COLUMNS: usize = 16;
const OUTS: usize = 64;
const CHUNK: usize = 8;

/// Values of packed filters.
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
        let args = Conv2dArgs {
            x: pass.x.address(),
            y: y.address(),
            filters: pass.filters.address(),
            bias: pass.bias.map_or(0, |b| b.address()),
            gate_in: pass.gate_in.map_or(0, |g| g.buffer.address()),
            gate_out: pass.ending.gate,
            height: extent(pass.height)?,
            width: extent(pass.width)?,
            x_stride: pass.x.stride() as u32,
            y_stride: y.stride() as u32,
            epilogue: pass.ending.code,
            acc: acc_code(pass.acc),
            pooled_in: u32::from(pass.pooled_in),
            padding: 0,
        };
        let tiles = pass.height.div_ceil(ROWS).saturating_mul(pass.width.div_ceil(COLUMNS));
        let grid = [tiles, y.shape().channels.div_ceil(OUTS), 1];
        // SAFETY: the operands were checked to have the shapes of the convolution, and filters and bias are padded to what
        // a block reads; a thread writes its own values.
        unsafe { self.kernels.conv2d.launch(entered, grid, args) }
    }
}
