//! How one convolution is cut into blocks of tiles.

use style_core::Shape;

use crate::cpu::Convolution;
use crate::simd::LANES;
use crate::tensor::blocks;

/// How one convolution is cut up; from shapes alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(super) width: usize,
    /// Blocks of channels read and written.
    pub(super) read: usize,
    pub(super) written: usize,
    /// Outputs of a tile along one side: 4 or 6.
    pub(super) out: usize,
    pub(super) tiles_across: usize,
    pub(super) tiles: usize,
    /// Tiles of an item.
    pub(super) block: usize,
    /// Room for so many tiles; odd, lest blocks of channels fall on the same lines of the cache.
    pub(super) stride: usize,
    /// Whether all stages are done by one item.
    pub(super) fused: bool,
}

/// Most tiles of an item that does all stages: what is between them stays in the second level of cache.
const FUSED: usize = 42;

const FUSED_SIX: usize = 28;

/// Most blocks of channels, read and written, of such an item.
const FUSED_CHANNELS: usize = 16;

/// Most tiles of a block whose stages are shared.
const SHARED: usize = 126;

impl Layout {
    /// To compute `rows` of a picture.
    pub(crate) fn new(convolution: Convolution, source: Shape, out_channels: usize, rows: usize) -> Self {
        let Shape { channels, height, width } = source;
        let (read, written) = (blocks(channels), blocks(out_channels));
        let six = match convolution {
            Convolution::Winograd6 => true,
            // More channels make the transforms, whose tiles are larger, leave the cache; small maps waste tiles.
            Convolution::Planned => read.max(written) <= 4 && width.min(height) >= 48,
            _ => false,
        };
        let out = if six { 6 } else { 4 };
        let tiles_across = width.div_ceil(out);
        let tiles = rows.div_ceil(out).saturating_mul(tiles_across);
        let fused = read.saturating_add(written) <= FUSED_CHANNELS;
        let most = match (fused, six) {
            // Few tiles: items enough for several threads.
            (true, true) => FUSED_SIX.min(tiles.div_ceil(8)),
            (true, false) => FUSED.min(tiles.div_ceil(8)),
            (false, _) => SHARED,
        };
        let block = tiles.clamp(1, most.max(1));
        Self { width, read, written, out, tiles_across, tiles, block, stride: block | 1, fused }
    }

    pub(crate) fn name(&self) -> &'static str {
        if self.out == 6 { "winograd F(6x6, 3x3)" } else { "winograd F(4x4, 3x3)" }
    }

    pub(super) fn points(&self) -> usize {
        (self.out + 2) * (self.out + 2)
    }

    /// Vectors of a pass' transformed filters, `[points, written, 16 read, 16]`.
    pub(super) fn filters(&self) -> usize {
        self.read.saturating_mul(self.points() * LANES).saturating_mul(self.written)
    }

    /// Vectors of a block's transformed tiles, in and out.
    pub(super) fn scratch(&self) -> usize {
        self.read.saturating_add(self.written).saturating_mul(self.points() * self.stride)
    }

    /// Vectors of workspace.
    pub(crate) fn workspace(&self, threads: usize) -> usize {
        self.filters().saturating_add(self.scratch().saturating_mul(if self.fused { threads } else { 1 }))
    }
}
