//! See [`style_core::backend::ops::NearestOps`] and kernels/nearest.cu.
//!
//! Blocks compare 64 patches of `x` with a part of the patches of `y`; the workspace holds the best of each part.

use style_core::Result;
use style_core::backend::ops::{NearestOps, expect_patches};
use style_core::backend::{Shape, expect_shape};

use super::{extent, parts};
use crate::cuda::Cuda;
use crate::kernels::nearest::{NearestArgs, NearestDistanceArgs, PickArgs};
use crate::tensor::{Scalars, Tensor, Workspace};

/// Patches of a tile; matches nearest.cu.
const TILE: usize = 64;

/// The most parts of the patches of `y`: about 512 blocks fill a device.
fn most_parts(patches: usize) -> usize {
    (512 / patches.div_ceil(TILE).max(1)).max(1)
}

/// The size in bytes of the best of so many parts.
fn best_bytes(patches: usize, parts: usize) -> usize {
    patches.saturating_mul(parts).saturating_mul(8)
}

impl NearestOps for Cuda {
    fn nearest(
        &self,
        x: &Tensor,
        y: &Tensor,
        side: usize,
        found: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let of_x = expect_patches(x.shape(), y.shape(), side)?;
        let of_y = expect_patches(y.shape(), y.shape(), side)?;
        expect_shape("the neighbours", of_x, found.shape())?;
        let (patches, tiles) = (of_x.positions(), of_y.positions().div_ceil(TILE));
        let part = tiles.div_ceil(most_parts(patches));
        // Without channels there is nothing to compare.
        let parts = if x.values() == 0 { 0 } else { tiles.div_ceil(part) };
        let best = workspace.at_least(best_bytes(patches, parts))?;
        let entered = self.enter(&[&x.buffer, &y.buffer, &found.buffer, &workspace.buffer])?;
        let args = NearestArgs {
            x: x.address(),
            y: y.address(),
            best,
            channels: extent(x.shape().channels)?,
            stride: extent(x.stride())?,
            side: extent(side)?,
            x_width: extent(x.shape().width)?,
            x_columns: extent(of_x.width)?,
            x_patches: extent(patches)?,
            y_width: extent(y.shape().width)?,
            y_columns: extent(of_y.width)?,
            y_patches: extent(of_y.positions())?,
            part: extent(part)?,
            x_type: x.dtype as u32,
            y_type: y.dtype as u32,
        };
        let pick = PickArgs { best, found: found.address(), parts: extent(parts)?, patches: args.x_patches };
        // SAFETY: both features have the patches that the arguments state; the workspace has room for the best of each
        // part, and `found` for one number per patch.
        unsafe {
            self.kernels.nearest.launch(&entered, [patches.div_ceil(TILE), parts, 1], args)?;
            self.kernels.nearest_pick.launch_for(&entered, patches, pick)
        }
    }

    fn nearest_distance(
        &self,
        x: &Tensor,
        y: &Tensor,
        side: usize,
        found: &Tensor,
        out: &mut Scalars,
        slot: usize,
        d: &mut Tensor,
    ) -> Result<()> {
        let of_x = expect_patches(x.shape(), y.shape(), side)?;
        let of_y = expect_patches(y.shape(), y.shape(), side)?;
        expect_shape("the neighbours", of_x, found.shape())?;
        expect_shape("the differences from neighbours", x.shape(), d.shape())?;
        let slot = out.slots(slot, 1)?;
        let entered = self.expect_vectors(d, [], &[&x.buffer, &y.buffer, &found.buffer, &out.buffer])?;
        let blocks = parts(x.stride().div_ceil(8).saturating_mul(x.shape().positions()));
        let args = NearestDistanceArgs {
            x: x.address(),
            y: y.address(),
            found: found.address(),
            d: d.address(),
            partial: self.partial.address(),
            positions: x.shape().positions() as u64,
            channels: extent(x.shape().channels)?,
            stride: extent(x.stride())?,
            side: extent(side)?,
            width: extent(x.shape().width)?,
            rows: extent(of_x.height)?,
            columns: extent(of_x.width)?,
            y_width: extent(y.shape().width)?,
            y_columns: extent(of_y.width)?,
            last: extent(of_y.positions() - 1)?,
            x_type: x.dtype as u32,
            y_type: y.dtype as u32,
            padding: 0,
        };
        // SAFETY: both features have the patches that the arguments state, `found` has one number per patch of `x`, and
        // `d` has the shape of `x`; there is room for PARTS partial sums.
        unsafe { self.kernels.nearest_distance.launch(&entered, [blocks, 1, 1], args)? };
        self.reduce(&entered, self.partial.address(), slot, 1, blocks, 0.5)
    }

    fn nearest_workspace(&self, x: Shape, side: usize) -> usize {
        let patches = expect_patches(x, Shape { height: side, width: side, ..x }, side).map_or(0, |s| s.positions());
        best_bytes(patches, most_parts(patches))
    }
}
