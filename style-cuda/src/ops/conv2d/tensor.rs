//! Features to features in half precision, on tensor cores: kernels/conv2d_tensor.cu.

use style_core::{Error, ErrorKind, Result};

use super::{Pass, Weights};
use crate::Cuda;
use crate::context::Entered;
use crate::kernels::Args;
use crate::ops::{acc_code, extent};
use crate::tensor::{self, DType, Tensor};

#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct ConvTensorArgs {
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
    from_f16: u32,
}

const _: () = assert!(size_of::<ConvTensorArgs>() == 80);
// SAFETY: as the struct ConvTensor of conv2d_tensor.cu.
unsafe impl Args for ConvTensorArgs {}

/// What a block computes, and takes at a time; as in conv2d_tensor.cu.
const ROWS: usize = 8;
const OUTS: usize = 64;
const CHUNK: usize = 32;
/// Channels of a piece, which is 16 bytes.
const PIECE: usize = 8;

/// With fewer blocks than this of 16 columns, a device of a hundred multiprocessors is idle for the most part.
const FEW_BLOCKS: usize = 200;

/// Values of packed filters.
pub(super) const fn len(read: usize, written: usize) -> usize {
    let (tiles, chunks) = (written.div_ceil(OUTS), read.div_ceil(CHUNK));
    tiles.saturating_mul(chunks).saturating_mul(9 * CHUNK * OUTS)
}

/// `[outs / 64][chunks of 32 channels][9 taps][64 outs][32 channels]`; of out `o`, piece `j` is in the place
/// `j ^ (o / 2 % 4)`.
pub(super) fn pack(w: &Weights<'_>, dtype: DType) -> Vec<u16> {
    let value = if dtype == DType::F16 { tensor::to_f16 } else { tensor::to_bf16 };
    let mut packed = Vec::with_capacity(len(w.read, w.written));
    for tile in 0..w.written.div_ceil(OUTS) {
        for chunk in 0..w.read.div_ceil(CHUNK) {
            for (tap, o) in (0..9).flat_map(|tap| (0..OUTS).map(move |o| (tap, o))) {
                for piece in (0..CHUNK / PIECE).map(|place| place ^ (o / 2 % 4)) {
                    let first = chunk * CHUNK + piece * PIECE;
                    packed.extend((first..first + PIECE).map(|i| value(w.at(tile * OUTS + o, i, tap))));
                }
            }
        }
    }
    packed
}

impl Cuda {
    pub(super) fn convolve_tensor(&self, entered: &Entered<'_>, pass: &Pass<'_>, y: &Tensor) -> Result<()> {
        if !(pass.x.is_half() && y.is_half()) {
            let message =
                "a convolution in half precision is of features, from `Storage::features`, not of tensors in f32";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let args = ConvTensorArgs {
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
            from_f16: u32::from(pass.x.dtype == DType::F16 && y.dtype == DType::Bf16),
        };
        let Some(kernels) = &self.tensor_kernels else {
            return Err(Error::new(ErrorKind::Unsupported, "this device was opened without half precision"));
        };
        let [large, narrow, small] = match y.dtype {
            DType::F16 => [&kernels.conv2d_f16, &kernels.conv2d_f16_narrow, &kernels.conv2d_f16_small],
            DType::Bf16 | DType::F32 => [&kernels.conv2d_bf16, &kernels.conv2d_bf16_narrow, &kernels.conv2d_bf16_small],
        };
        let blocks = |columns: usize| pass.height.div_ceil(ROWS).saturating_mul(pass.width.div_ceil(columns));
        let tiles = y.shape().channels.div_ceil(OUTS);
        let (kernel, grid) = if blocks(16).saturating_mul(tiles) / 2 < FEW_BLOCKS {
            (small, [blocks(8), tiles, 1])
        } else if tiles % 2 == 1 {
            (narrow, [blocks(16), tiles, 1])
        } else {
            (large, [blocks(16), tiles / 2, 1])
        };
        // SAFETY: the operands were checked to have the shapes of the convolution, and filters and bias are padded to what
        // a block reads; a thread writes its own pieces.
        unsafe { kernel.launch(entered, grid, args) }
    }
}
