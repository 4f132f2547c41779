//! See [`style_core::backend::ops::NearestOps`] and kernels/nearest.wgsl.
//!
//! Workgroups compare 64 patches of `x` with a part of the patches of `y`; the workspace holds the best of each part. A dispatch
//! compares some tiles of each part, because drivers limit the time of a dispatch.

use style_core::Result;
use style_core::backend::ops::{NearestOps, expect_patches};
use style_core::backend::{Shape, expect_shape};

use super::{extent, parts};
use crate::backend::Wgpu;
use crate::kernels::{NEAREST, NEAREST_DISTANCE, NEAREST_PICK};
use crate::tensor::{Scalars, Tensor, Workspace};

/// Patches of a tile, and channels of a batch; match nearest.wgsl.
const TILE: usize = 64;
const BATCH: usize = 16;

/// Steps of the innermost loop in a dispatch, about: lavapipe ends loops after 65 536 turns.
const STEPS: usize = 30_000;

/// The most parts of the patches of `y`: about 512 workgroups fill a device.
fn most_parts(patches: usize) -> usize {
    (512 / patches.div_ceil(TILE).max(1)).max(1)
}

/// The size in bytes of the best of so many parts.
fn best_bytes(patches: usize, parts: usize) -> usize {
    patches.saturating_mul(parts).saturating_mul(8)
}

impl NearestOps for Wgpu {
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
        workspace.at_least(best_bytes(patches, parts))?;
        let mut entered = self.enter(&[&x.buffer, &y.buffer, &found.buffer, &workspace.buffer])?;
        let channels = x.shape().channels;
        let steps = side.saturating_mul(side).saturating_mul(channels.div_ceil(BATCH)).saturating_mul(BATCH + 2);
        let groups = patches.div_ceil(TILE) * parts;
        // Operations of a workgroup at a tile.
        let each =
            side.saturating_mul(side).saturating_mul(channels.next_multiple_of(BATCH)).saturating_mul(2 * TILE * TILE);
        let tiles_of_work = self.operations / (each as u64).saturating_mul(groups as u64).max(1);
        let at_a_time = (STEPS / steps.max(1)).min(usize::try_from(tiles_of_work).unwrap_or(usize::MAX)).max(1);
        let mut begin = 0;
        while begin < part && parts > 0 {
            let end = (begin + at_a_time).min(part);
            let extents = [
                channels,
                x.stride(),
                y.stride(),
                side,
                x.shape().width,
                of_x.width,
                patches,
                y.shape().width,
                of_y.width,
                of_y.positions(),
                part,
                begin,
                end,
                tiles,
            ];
            let parameters = extents.into_iter().map(extent).collect::<Result<Vec<_>>>()?;
            let work = (each.saturating_mul(end - begin), self.operations);
            entered.launch_long(&NEAREST, groups, work, &parameters, &[&x.buffer, &y.buffer, &workspace.buffer])?;
            begin = end;
        }
        let parameters = [extent(parts)?, extent(patches)?];
        entered.launch_for(&NEAREST_PICK, patches, &parameters, &[&workspace.buffer, &found.buffer])
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
        let mut entered = self.enter(&[&x.buffer, &y.buffer, &found.buffer, &out.buffer, &d.buffer])?;
        let parts = parts(x.values());
        let extents = [
            x.values(),
            x.shape().channels,
            x.stride(),
            y.stride(),
            side,
            x.shape().width,
            of_x.height,
            of_x.width,
            y.shape().width,
            of_y.width,
            of_y.positions() - 1,
            parts,
        ];
        let parameters = extents.into_iter().map(extent).collect::<Result<Vec<_>>>()?;
        let operands = [&x.buffer, &y.buffer, &found.buffer, &d.buffer, &self.partial];
        entered.launch(&NEAREST_DISTANCE, parts, &parameters, &operands)?;
        self.reduce(&mut entered, parts, out, slot, 0.5)
    }

    fn nearest_workspace(&self, x: Shape, side: usize) -> usize {
        let patches = expect_patches(x, Shape { height: side, width: side, ..x }, side).map_or(0, |s| s.positions());
        best_bytes(patches, most_parts(patches))
    }
}
