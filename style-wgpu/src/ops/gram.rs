//! See [`style_core::backend::ops::GramOps`] and kernels/gram.wgsl.
//!
//! The positions are split into parts by shape alone. Each tile on and above the diagonal is summed over each part, then over
//! the parts in a fixed order.

use style_core::backend::ops::{GramOps, Rows};
use style_core::backend::{Acc, Shape, expect_shape};
use style_core::{Error, ErrorKind, Result};

use super::product::{Operand, Reading};
use super::{acc_code, extent};
use crate::backend::Wgpu;
use crate::kernels::{GRAM, GRAM_FINISH};
use crate::tensor::{Tensor, Workspace};

/// Rows and columns of a tile, and positions processed at a time; match gram.wgsl.
const TILE: usize = 64;
const BATCH: usize = 16;

/// The positions per part, a multiple of the batch, and the number of parts.
fn parts(positions: usize) -> (usize, usize) {
    const MOST: usize = 128;
    let part = positions.div_ceil(MOST).clamp(512, 4096).next_multiple_of(BATCH);
    (part, positions.div_ceil(part).max(1))
}

/// The number of tiles on and above the diagonal.
fn tiles(channels: usize) -> usize {
    let side = channels.div_ceil(TILE);
    side.saturating_mul(side.saturating_add(1)) / 2
}

/// The size in bytes of the partial tiles.
fn partial_bytes(channels: usize, positions: usize) -> usize {
    tiles(channels).saturating_mul(parts(positions).1).saturating_mul(4 * TILE * TILE)
}

impl GramOps for Wgpu {
    fn gram(
        &self,
        features: &Tensor,
        rows: Rows,
        scale: f32,
        acc: Acc,
        g: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let shape = features.shape();
        expect_shape("a Gram matrix", Shape::gram(shape.channels), g.shape())?;
        if rows.start > rows.end || rows.end > shape.height {
            let message =
                format!("rows {} to {} are out of range for features with {} rows", rows.start, rows.end, shape.height);
            return Err(Error::new(ErrorKind::Shape, message));
        }
        let positions = Shape::new(1, rows.len(), shape.width).positions();
        let ((part, parts), tiles) = (parts(positions), tiles(shape.channels));
        workspace.at_least(partial_bytes(shape.channels, positions))?;
        let mut entered = self.enter(&[&features.buffer, &g.buffer, &workspace.buffer])?;
        let side = shape.channels.div_ceil(TILE);
        let extents =
            [rows.start * shape.width, positions, part, parts, shape.channels, features.stride(), side].map(extent);
        let parameters = extents.into_iter().collect::<Result<Vec<_>>>()?;
        let work = (2 * TILE * TILE * part, self.operations);
        let operands = [&features.buffer, &workspace.buffer];
        entered.launch_long(&GRAM, tiles.saturating_mul(parts), work, &parameters, &operands)?;
        let parameters = [extent(parts)?, extent(shape.channels)?, extent(side)?, acc_code(acc), scale.to_bits()];
        entered.launch(&GRAM_FINISH, tiles * (TILE * TILE / 256), &parameters, &[&workspace.buffer, &g.buffer])
    }

    fn gram_bwd(
        &self,
        features: &Tensor,
        dg: &Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Tensor,
        _workspace: &mut Workspace,
    ) -> Result<()> {
        expect_shape("the gradient of a Gram matrix", Shape::gram(features.shape().channels), dg.shape())?;
        expect_shape("the gradient of features", features.shape(), dfeatures.shape())?;
        let factor = (dg, Reading::Symmetric);
        self.times(Operand::features(features), factor, scale, acc, Operand::features(dfeatures))
    }

    fn gram_workspace(&self, shape: Shape) -> usize {
        partial_bytes(shape.channels, shape.positions())
    }
}
