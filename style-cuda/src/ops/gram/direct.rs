//! Gram matrices of features of any type, in `f32`.

use style_core::Result;
use style_core::backend::ops::Rows;
use style_core::backend::{Acc, Shape};

use super::FinishArgs;
use crate::context::Entered;
use crate::cuda::Cuda;
use crate::kernels::gram::{GramArgs, SymmetricArgs};
use crate::ops::product::{Operand, spread_bytes, spread_extents};
use crate::ops::{acc_code, extent};
use crate::tensor::{Tensor, Workspace};

/// Rows and columns of a tile, and positions processed at a time; match gram.cu.
pub(super) const TILE: usize = 64;
const BATCH: usize = 32;

/// The positions per part, a multiple of the batch and at least 512, and the number of parts.
pub(super) fn parts(positions: usize) -> (usize, usize) {
    const MOST: usize = 128;
    let part = positions.div_ceil(MOST).max(512).next_multiple_of(BATCH);
    (part, positions.div_ceil(part).max(1))
}

/// The number of tiles on and above the diagonal.
pub(super) fn tiles(channels: usize) -> usize {
    let side = channels.div_ceil(TILE);
    side.saturating_mul(side + 1) / 2
}

/// The workspace of either direction in bytes.
pub(crate) fn workspace(shape: Shape) -> usize {
    if shape.positions() >= isize::MAX as usize || shape.channels >= 1 << 24 {
        return usize::MAX;
    }
    let forward = tiles(shape.channels).saturating_mul(parts(shape.positions()).1).saturating_mul(4 * TILE * TILE);
    forward.max(spread_bytes(shape.channels, shape.channels))
}

/// `g (=|+=) scale` times the sum of the partial tiles over the parts.
pub(super) fn finish(
    cuda: &Cuda,
    entered: &Entered<'_>,
    partial: u64,
    parts: usize,
    scale: f32,
    acc: Acc,
    g: &mut Tensor,
) -> Result<()> {
    let channels = g.shape().width;
    let tiles = tiles(channels);
    let args = FinishArgs {
        partial,
        g: g.address(),
        parts: parts as u32,
        tiles: extent(tiles)?,
        channels: extent(channels)?,
        acc: acc_code(acc),
        scale,
        padding: 0,
    };
    // SAFETY: the caller's kernel wrote one tile per part for each of `tiles`; `g` is channels by channels, and each
    // pair of its values belongs to one thread.
    unsafe { cuda.kernels.gram_finish.launch(entered, [tiles, TILE * TILE / 256, 1], args) }
}

impl Cuda {
    pub(super) fn gram_direct(
        &self,
        features: &Tensor,
        rows: Rows,
        scale: f32,
        acc: Acc,
        g: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let shape = features.shape();
        let counted = Shape::new(shape.channels, rows.len(), shape.width);
        let (part, parts) = parts(counted.positions());
        let tiles = tiles(shape.channels);
        let partial = workspace.at_least(tiles * parts * 4 * TILE * TILE)?;
        let entered = self.enter(&[&features.buffer, &g.buffer, &workspace.buffer])?;
        let bytes = if features.is_half() { 2 } else { 4 };
        let args = GramArgs {
            features: features.address() + (rows.start * shape.width * features.stride() * bytes) as u64,
            partial,
            positions: counted.positions() as u64,
            part: part as u64,
            channels: extent(shape.channels)?,
            stride: features.stride() as u32,
            dtype: features.dtype as u32,
            padding: 0,
        };
        // SAFETY: the rows belong to `features`, as the caller checked; the workspace has room for all partial tiles.
        unsafe { self.kernels.gram.launch(&entered, [tiles, parts, 1], args)? };
        finish(self, &entered, partial, parts, scale, acc, g)
    }

    pub(super) fn gram_bwd_direct(
        &self,
        features: &Tensor,
        dg: &Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let channels = features.shape().channels;
        let [rows, columns] = spread_extents(channels, channels);
        let s = workspace.at_least(spread_bytes(channels, channels))?;
        let entered = self.enter(&[&features.buffer, &dg.buffer, &dfeatures.buffer, &workspace.buffer])?;
        let symmetric = SymmetricArgs {
            dg: dg.address(),
            s,
            channels: extent(channels)?,
            columns: extent(columns)?,
            scale,
            padding: 0,
        };
        dfeatures.gradient(acc, self.precision);
        // SAFETY: the workspace has room for the symmetric matrix, of spread extents; `dfeatures` has the shape of
        // `features`.
        unsafe {
            self.kernels.gram_symmetric.launch_for(&entered, rows * columns, symmetric)?;
            self.times_spread(&entered, Operand::features(features), s, acc, Operand::features(dfeatures))
        }
    }
}
