//! The split of a convolution into blocks of tiles.

use style_core::backend::Shape;

use crate::cpu::{Convolution, Cpu};
use crate::precision::Precision;
use crate::simd::LANES;
use crate::tensor::blocks;

/// The split of a convolution; depends only on shapes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(super) width: usize,
    /// Channel blocks read and written.
    pub(super) read: usize,
    pub(super) written: usize,
    /// Outputs of a tile along one side: 4 or 6.
    pub(super) out: usize,
    pub(super) tiles_across: usize,
    pub(super) tiles: usize,
    /// Tiles per item.
    pub(super) block: usize,
    /// Capacity in tiles; odd, so that channel blocks do not map to the same cache lines.
    pub(super) stride: usize,
    /// Whether one item runs all stages of a block of tiles, after the filter transform.
    pub(super) fused: bool,
    /// Channel blocks that an item writes, if it does not run all.
    pub(super) group: usize,
    /// Values in a word of the transformed inputs and filters.
    pub(super) values: usize,
}

/// The most tiles of an item that runs all stages: its intermediate results stay in the second-level cache. This and the next
/// constants are for tiles of 4x4 and of 6x6 outputs.
const FUSED: [usize; 2] = [42, 20];

/// The most channel blocks, read and written, of such an item.
const FUSED_CHANNELS: usize = 16;

/// The most tiles of a block whose transformed inputs are shared by items, each with its own channels.
const SHARED: [usize; 2] = [126, 62];

/// The channel blocks that such an item writes.
const GROUP: [usize; 2] = [2, 1];

/// The least height and width for tiles of 6x6 outputs: smaller maps leave more of their tiles empty, and have fewer tiles to
/// transform filters for.
const SIX: usize = 48;

/// The channel blocks read for which such an item transforms filters at a time: they stay in the second-level cache.
pub(super) const PIECE: usize = 8;

impl Layout {
    /// The layout for computing `rows` of an image.
    pub(crate) fn new(cpu: &Cpu, source: Shape, out_channels: usize, rows: usize) -> Self {
        let Shape { channels, height, width } = source;
        let (read, written) = (blocks(channels), blocks(out_channels));
        let half = cpu.precision() == Precision::Bf16;
        let six = match cpu.convolution {
            Convolution::Winograd6 => true,
            // The larger tile magnifies rounding errors more.
            Convolution::Planned if half => false,
            Convolution::Planned => width.min(height) >= SIX,
            _ => false,
        };
        let out = if six { 6 } else { 4 };
        let tiles_across = width.div_ceil(out);
        let tiles = rows.div_ceil(out).saturating_mul(tiles_across);
        let fused = read.saturating_add(written) <= FUSED_CHANNELS;
        let of = usize::from(six);
        // With few tiles: enough items for several threads.
        let most = if fused { FUSED[of].min(tiles.div_ceil(8)) } else { SHARED[of] };
        // Blocks of equal size. The capacity is that of the largest, so that a part of the rows needs no more memory than all.
        let capacity = tiles.clamp(1, most.max(1));
        let block = tiles.div_ceil(tiles.div_ceil(capacity).max(1)).max(1);
        let (stride, values) = (capacity | 1, 1 + usize::from(half));
        Self { width, read, written, out, tiles_across, tiles, block, stride, fused, group: GROUP[of], values }
    }

    pub(crate) fn name(&self) -> &'static str {
        match (self.out, self.values) {
            (6, _) => "winograd F(6x6, 3x3)",
            (_, 1) => "winograd F(4x4, 3x3)",
            _ => "winograd F(4x4, 3x3) in bf16",
        }
    }

    pub(super) fn points(&self) -> usize {
        (self.out + 2) * (self.out + 2)
    }

    /// The size of a block's transformed inputs in vectors.
    pub(super) fn inputs(&self) -> usize {
        self.read.saturating_mul(self.points() * self.stride).div_ceil(self.values)
    }

    /// The size of the transformed filters that exist at a time, in vectors.
    pub(super) fn panels(&self) -> usize {
        let (written, read) = if self.fused { (self.written, self.read) } else { (self.group, PIECE.min(self.read)) };
        (read * LANES / self.values).saturating_mul(written).saturating_add(1).saturating_mul(self.points())
    }

    /// The size of what all items share, in vectors.
    pub(super) fn shared(&self) -> usize {
        if self.fused { self.panels() } else { self.inputs() }
    }

    /// The size of an item's own memory, in vectors.
    pub(super) fn scratch(&self) -> usize {
        let (others, written) = if self.fused { (self.inputs(), self.written) } else { (self.panels(), self.group) };
        written.saturating_mul(self.points() * self.stride).saturating_add(others)
    }

    /// Workspace size in vectors.
    pub(crate) fn workspace(&self, threads: usize) -> usize {
        self.shared().saturating_add(self.scratch().saturating_mul(threads))
    }
}
