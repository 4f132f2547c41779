//! From a picture, and to a picture: kernels/conv2d_picture.cu.

use style_core::Result;

use super::{Pass, Way, Weights};
use crate::context::Entered;
use crate::cuda::Cuda;
use crate::kernels::conv2d::PictureArgs;
use crate::ops::{acc_code, extent};
use crate::tensor::{FEW, Tensor};

/// From a picture, a block computes COLUMNS of a row and OUTS output channels; to a picture, ROWS and WIDE columns,
/// CHUNK channels at a time. These match conv2d_picture.cu.
const COLUMNS: usize = 64;
const OUTS: usize = 64;
const ROWS: usize = 16;
const WIDE: usize = 32;
const CHUNK: usize = 8;
/// Border positions onto which one block folds the ring.
const WARPS: usize = 4;

/// The number of positions on a picture's border.
fn border(height: usize, width: usize) -> usize {
    width * height.min(2) + height.saturating_sub(2) * width.min(2)
}

pub(super) const fn from_len(written: usize) -> usize {
    written.div_ceil(OUTS).saturating_mul(9 * FEW * OUTS)
}

pub(super) const fn to_len(read: usize) -> usize {
    read.div_ceil(CHUNK).saturating_mul(9 * CHUNK * FEW)
}

/// `[outs / 64][9 taps][4 channels][64 outs]`.
pub(super) fn pack_from(w: &Weights<'_>) -> Vec<f32> {
    let mut packed = Vec::with_capacity(from_len(w.written));
    for tile in 0..w.written.div_ceil(OUTS) {
        for (tap, i) in (0..9).flat_map(|tap| (0..FEW).map(move |i| (tap, i))) {
            packed.extend((0..OUTS).map(|o| w.at(tile * OUTS + o, i, tap)));
        }
    }
    packed
}

/// `[chunks of 8 channels][9 taps][8 channels][4 outs]`.
pub(super) fn pack_to(w: &Weights<'_>) -> Vec<f32> {
    let mut packed = Vec::with_capacity(to_len(w.read));
    for chunk in 0..w.read.div_ceil(CHUNK) {
        for (tap, i) in (0..9).flat_map(|tap| (0..CHUNK).map(move |i| (tap, chunk * CHUNK + i))) {
            packed.extend((0..FEW).map(|o| w.at(o, i, tap)));
        }
    }
    packed
}

impl Cuda {
    pub(super) fn convolve_picture(&self, entered: &Entered<'_>, pass: &Pass<'_>, way: Way, y: &Tensor) -> Result<()> {
        let args = PictureArgs {
            x: pass.x.address(),
            y: y.address(),
            filters: pass.filters.address(),
            bias: pass.bias.map_or(0, |b| b.address()),
            gate_in: pass.gate_in.map_or(0, |g| g.buffer.address()),
            gate_out: pass.ending.gate,
            height: extent(pass.height)?,
            width: extent(pass.width)?,
            x_channels: pass.x.shape().channels as u32,
            y_channels: extent(y.shape().channels)?,
            x_stride: pass.x.stride() as u32,
            y_stride: y.stride() as u32,
            x_type: pass.x.dtype as u32,
            y_type: y.dtype as u32,
            epilogue: pass.ending.code,
            acc: acc_code(pass.acc),
            replicate: u32::from(pass.replicate),
            padding: 0,
        };
        // SAFETY: the operands were checked to have the shapes of the convolution, and filters are padded to the
        // extents that a block reads; each thread writes only its own values, and for the ring, each warp writes only
        // the values of its position, in order after the rest.
        unsafe {
            if way == Way::FromPicture {
                let grid = [pass.width.div_ceil(COLUMNS), pass.height, y.shape().channels.div_ceil(OUTS)];
                self.kernels.conv2d_from_picture.launch(entered, grid, args)?;
            } else {
                let grid = [pass.width.div_ceil(WIDE), pass.height.div_ceil(ROWS), 1];
                self.kernels.conv2d_to_picture.launch(entered, grid, args)?;
            }
            if pass.folded {
                let border = border(pass.height, pass.width);
                self.kernels.conv2d_fold_picture.launch(entered, [border.div_ceil(WARPS), 1, 1], args)?;
            }
            Ok(())
        }
    }
}
