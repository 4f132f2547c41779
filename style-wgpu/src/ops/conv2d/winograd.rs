//! Features to features by Winograd F(2x2, 3x3): kernels/conv2d_winograd.wgsl.

use style_core::Result;

use super::{BLOCK, Pass, reserved};
use crate::backend::Wgpu;
use crate::buffer::Buffer;
use crate::kernels::{CONV2D_WINOGRAD_INPUT, CONV2D_WINOGRAD_OUTPUT, CONV2D_WINOGRAD_PRODUCT};
use crate::ops::extent;
use crate::tensor::{Tensor, quads};
use crate::turn::Entered;

/// Points of a tile; and tiles that a workgroup multiplies, which blocks of tiles are rounded up to. Match conv2d_winograd.wgsl.
const POINTS: usize = 16;
const STRIP: usize = 128;

/// Tiles, or pairs of them, and groups of four channels of a workgroup that transforms; match conv2d_winograd.wgsl.
const TILES: usize = 32;
const QUADS: usize = 8;

/// Operations of such a workgroup: those of a tile of a channel, of which memory takes the time of some more.
const TRANSFORM: usize = 100 * TILES * QUADS * 4;

/// Values of packed filters: `[16][written / 64][read / 4][4][64]`.
pub(super) fn packed_len(read: usize, written: usize) -> usize {
    written.div_ceil(BLOCK).saturating_mul(quads(read)).saturating_mul(POINTS * 4 * BLOCK)
}

/// Packs `G g G'` of the filters of one direction, given as `at(written, read, tap)`, zero outside the channels.
pub(super) fn pack(read: usize, written: usize, at: impl Fn(usize, usize, usize) -> f32) -> Result<Vec<f32>> {
    let len = packed_len(read, written);
    let mut packed = reserved(len)?;
    packed.resize(len, 0.0);
    let apart = len / POINTS;
    for block in 0..written.div_ceil(BLOCK) {
        for i in 0..quads(read) * 4 {
            for o in 0..BLOCK {
                let points = transformed(std::array::from_fn(|tap| at(block * BLOCK + o, i, tap)));
                let first = (block * quads(read) * 4 + i) * BLOCK + o;
                packed.iter_mut().skip(first).step_by(apart).zip(points).for_each(|(to, point)| *to = point);
            }
        }
    }
    Ok(packed)
}

/// `G g G'` with `G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1]`.
fn transformed(g: [f32; 9]) -> [f32; POINTS] {
    let ends = |[a, b, c]: [f64; 3]| [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c];
    let column = |v: usize| ends([g[v], g[3 + v], g[6 + v]].map(f64::from));
    let columns = [column(0), column(1), column(2)];
    let rows: [[f64; 4]; 4] = std::array::from_fn(|u| ends(columns.map(|column| column[u])));
    std::array::from_fn(|point| rows[point / 4][point % 4] as f32)
}

/// How the tiles of a map are cut into blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Blocks {
    /// Tiles in a row, an even number.
    columns: usize,
    /// Tiles of the map.
    tiles: usize,
    /// Tiles of a block, whole strips.
    each: usize,
    /// Bytes of a tile's inputs and products.
    bytes: usize,
}

impl Blocks {
    /// Blocks of equal size that take at most so many bytes, or of one strip each.
    fn new(read: usize, written: usize, height: usize, width: usize, most: usize) -> Self {
        let columns = width.div_ceil(4).saturating_mul(2);
        let tiles = height.div_ceil(2).saturating_mul(columns);
        let bytes = quads(read).saturating_add(quads(written)).saturating_mul(POINTS * 16).max(1);
        let (strips, most) = (tiles.div_ceil(STRIP).max(1), (most / bytes / STRIP).max(1));
        let each = strips.div_ceil(strips.div_ceil(most)).saturating_mul(STRIP);
        Self { columns, tiles, each, bytes }
    }

    fn scratch(&self) -> usize {
        self.each.saturating_mul(self.bytes)
    }
}

/// Bytes of scratch memory, in both directions.
pub(super) fn workspace(read: usize, written: usize, height: usize, width: usize, most: usize) -> usize {
    Blocks::new(read, written, height, width, most).scratch()
}

impl Wgpu {
    /// The scratch memory is the last of the operands.
    pub(super) fn convolve_by_winograd(
        &self,
        entered: &mut Entered<'_>,
        pass: &Pass<'_>,
        y: &Tensor,
        operands: &[&Buffer],
    ) -> Result<()> {
        let (read, written) = (pass.x.shape().channels, y.shape().channels);
        let blocks = Blocks::new(read, written, pass.height, pass.width, self.winograd_bytes);
        let outs = written.div_ceil(BLOCK);
        let product = (2 * STRIP * BLOCK).saturating_mul(quads(read) * 4);
        for base in (0..blocks.tiles).step_by(blocks.each) {
            let tiles = blocks.each.min((blocks.tiles - base).next_multiple_of(STRIP));
            let mut parameters = pass.parameters(y, outs, blocks.columns, pass.acc)?.to_vec();
            parameters.extend([extent(base)?, extent(tiles)?]);
            let transforms = |quads: usize| quads.div_ceil(QUADS).saturating_mul(tiles / TILES);
            for (kernel, groups, each) in [
                (&CONV2D_WINOGRAD_INPUT, transforms(quads(read)), TRANSFORM),
                (&CONV2D_WINOGRAD_PRODUCT, (POINTS * tiles / STRIP).saturating_mul(outs), product),
                (&CONV2D_WINOGRAD_OUTPUT, transforms(quads(written)) / 2, TRANSFORM),
            ] {
                entered.launch_long(kernel, groups, (each, self.operations), &parameters, operands)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Y = A' [(G g G') . (B' d B)] A` equals the convolution for every unit filter and unit input.
    #[test]
    fn two_by_two_outputs_of_sixteen_products() {
        let forth = |[a, b, c, d]: [f32; 4]| [a - c, b + c, c - b, b - d];
        let back = |[a, b, c, d]: [f32; 4]| [a + b + c, b - c - d];
        for (tap, at) in (0..9).flat_map(|tap| (0..16).map(move |at| (tap, at))) {
            let mut g = [0.0; 9];
            g[tap] = 1.0;
            let u = transformed(g);
            let d = |r: usize, c: usize| f32::from(u8::from(r * 4 + c == at));
            let columns: [[f32; 4]; 4] = std::array::from_fn(|c| forth([d(0, c), d(1, c), d(2, c), d(3, c)]));
            let v: [[f32; 4]; 4] = std::array::from_fn(|r| forth(columns.map(|column| column[r])));
            let m: [[f32; 4]; 4] = std::array::from_fn(|r| std::array::from_fn(|c| u[r * 4 + c] * v[r][c]));
            let halves: [[f32; 2]; 4] = std::array::from_fn(|c| back([m[0][c], m[1][c], m[2][c], m[3][c]]));
            for (r, c) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let y = back(halves.map(|half| half[r]))[c];
                assert_eq!(y, d(r + tap / 3, c + tap % 3), "tap {tap}, input {at}, output {r} {c}");
            }
        }
    }

    #[test]
    fn blocks_have_equal_sizes_within_the_limit() {
        // 8 + 16 groups of channels, 16 points of 16 bytes: 6144 bytes a tile; 22 x 36 tiles, seven strips.
        let cut = |most| Blocks::new(32, 64, 43, 70, most);
        let strip = 6144 * STRIP;
        for (most, each) in [(usize::MAX, 896), (7 * strip, 896), (7 * strip - 1, 512), (3 * strip, 384), (0, 128)] {
            let blocks = cut(most);
            assert_eq!(blocks, Blocks { columns: 36, tiles: 792, each, bytes: 6144 }, "{most}");
            assert!(blocks.scratch() <= most.max(strip));
        }
        assert_eq!(Blocks::new(5, 5, 1, 1, usize::MAX), Blocks { columns: 2, tiles: 2, each: 128, bytes: 1024 });
        for absurd in [usize::MAX, usize::MAX / 2] {
            assert!(Blocks::new(absurd, 64, 43, 70, 1 << 25).scratch() > usize::MAX / 2);
            assert!(Blocks::new(32, 64, absurd, absurd, 1 << 25).scratch() <= 1 << 25);
        }
    }
}
