//! Features to features in half precision, on tensor cores: kernels/conv2d_tensor.cu and convolve.cuh.

use style_core::backend::Shape;
use style_core::{Error, ErrorKind, Result};

use super::{Conv2dArgs, Pass, Weights};
use crate::context::Entered;
use crate::cuda::Cuda;
use crate::tensor::{self, DType, Tensor};

/// The extents that a block computes, and processes at a time; match convolve.cuh.
const ROWS: usize = 8;
pub(crate) const OUTS: usize = 64;
pub(crate) const CHUNK: usize = 32;
/// Channels in a piece of 16 bytes.
const PIECE: usize = 8;

/// With fewer large blocks than this, most of a device with about a hundred multiprocessors would be idle.
const FEW_BLOCKS: usize = 100;

/// The output tile of a block: positions by output channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// 8 x 16 by 128.
    Large,
    /// 8 x 16 by 64.
    Narrow,
    /// 8 x 8 by 64.
    Small,
}

impl Variant {
    /// Selects the variant for an output of `shape`, with its grid of blocks.
    pub(crate) fn new(shape: Shape) -> (Self, [usize; 3]) {
        let blocks = |columns: usize| shape.height.div_ceil(ROWS).saturating_mul(shape.width.div_ceil(columns));
        let tiles = shape.channels.div_ceil(OUTS);
        if blocks(16).saturating_mul(tiles) / 2 < FEW_BLOCKS {
            (Self::Small, [blocks(8), tiles, 1])
        } else if tiles % 2 == 1 {
            (Self::Narrow, [blocks(16), tiles, 1])
        } else {
            (Self::Large, [blocks(16), tiles / 2, 1])
        }
    }
}

/// The number of packed filter values.
pub(super) const fn len(read: usize, written: usize) -> usize {
    let (tiles, chunks) = (written.div_ceil(OUTS), read.div_ceil(CHUNK));
    tiles.saturating_mul(chunks).saturating_mul(9 * CHUNK * OUTS)
}

/// `[outs / 64][chunks of 32 channels][9 taps][64 outs][32 channels]`; for output channel `o`, piece `j` is stored at
/// index `j ^ (o / 2 % 4)`.
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
                "expected features (from `Storage::features`) for a half-precision convolution, found tensors in f32";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let Some(kernels) = &self.tensor_kernels else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the backend was built without half precision; choose `Precision::F16` or `Bf16`",
            ));
        };
        let (variant, grid) = Variant::new(pass.shape(y));
        let kernel = match (y.dtype, variant) {
            (DType::F16, Variant::Large) => &kernels.conv2d_f16,
            (DType::F16, Variant::Narrow) => &kernels.conv2d_f16_narrow,
            (DType::F16, Variant::Small) => &kernels.conv2d_f16_small,
            (_, Variant::Large) => &kernels.conv2d_bf16,
            (_, Variant::Narrow) => &kernels.conv2d_bf16_narrow,
            (_, Variant::Small) => &kernels.conv2d_bf16_small,
        };
        // SAFETY: the operands were checked to have the shapes of the convolution, and filters and bias are padded to
        // the extents that a block reads; each thread writes only its own pieces.
        unsafe { kernel.launch(entered, grid, Conv2dArgs::of(pass, y)?) }
    }
}
