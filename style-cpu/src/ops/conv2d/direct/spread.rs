//! To a planar tensor: with `j = (tap, w)`, one product of `9 W` columns computes `S[p, j] = sum_r B[r, j] x[r, p]`;
//! then `y[w, p] = sum_tap S[p + tap, (tap, w)]`, with additional terms of `S` at the border, where the ring around the
//! image is folded back. A product with only `W` columns would leave most lanes empty.

use style_core::backend::Acc;

use super::{Area, Item, Source, folds, load, write_planar};
use crate::gemm::{Gemm, Product, groups};
use crate::isa::Kernel;
use crate::simd::{LANES, Simd};
use crate::tensor::{Lanes, PLANAR, blocks};

/// Rows and columns per item; an item reads one more on each side.
pub(super) const BAND: usize = 8;
pub(super) const STRIP: usize = 54;
const POSITIONS: usize = (BAND + 2) * (STRIP + 2);

/// Vectors of scratch memory per item: the values it reads, and the product.
pub(super) fn scratch(read: usize, written: usize) -> usize {
    blocks(read).saturating_add(blocks(9 * written)).saturating_mul(POSITIONS)
}

pub(super) struct Spread<'a>(pub(super) Item<'a>);

impl Kernel for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, simd: S) {
        let Item { source, out_channels, panels, finish, area, scratch } = self.0;
        let (read, spread) = (blocks(source.shape.channels), blocks(9 * out_channels));
        let (across, n) = (area.columns.len() + 2, (area.rows.len() + 2) * (area.columns.len() + 2));
        let (x, s) = scratch.split_at_mut(read * n);
        copy(simd, source, &area, x);
        let (x, s): (&[f32], &mut [f32]) = (bytemuck::cast_slice(x), bytemuck::cast_slice_mut(s));
        let k = read * LANES;
        for block in (0..spread).step_by(S::PANELS) {
            let count = S::PANELS.min(spread - block);
            for rows in groups(n, S::ROWS) {
                let product = Product {
                    a: x[rows.start * LANES..].as_ptr(),
                    a_stride: n * LANES,
                    b: panels[block * k * LANES..].as_ptr(),
                    panel_stride: k * LANES,
                    k,
                    acc: Acc::Store,
                    c: s[(block * n + rows.start) * LANES..].as_mut_ptr(),
                    c_stride: n * LANES,
                };
                // SAFETY: `x` holds `n` positions of `read` blocks, `panels` holds `k` terms for each of the `spread`
                // blocks, and `s` holds `n` positions of each of them.
                unsafe { simd.multiply_positions(product, rows.len(), count) };
            }
        }
        // Offsets of the product's columns, relative to the position's first column.
        let mut offsets = [0; 9 * PLANAR];
        for (j, offset) in offsets.iter_mut().enumerate().take(9 * out_channels) {
            let tap = j / out_channels;
            *offset = (j / LANES * n + tap / 3 * across + tap % 3) * LANES + j % LANES;
        }
        let offsets = &offsets[..9 * out_channels];
        for (i, row) in area.rows.clone().enumerate() {
            for (j, column) in area.columns.clone().enumerate() {
                let at = &s[(i * across + j) * LANES..];
                let mut sums = [0.0f32; PLANAR];
                for taps in offsets.chunks_exact(out_channels) {
                    for (sum, &offset) in sums.iter_mut().zip(taps) {
                        *sum += at[offset];
                    }
                }
                if finish.folds_at(row, column) {
                    for (neighbour, tap) in folds(finish.shape, row, column) {
                        let at = &at[(neighbour / 3 * across + neighbour % 3) * LANES..];
                        for (w, sum) in sums.iter_mut().enumerate().take(out_channels) {
                            let column = tap * out_channels + w;
                            *sum += at[column / LANES * n * LANES + column % LANES];
                        }
                    }
                }
                // SAFETY: the position is in this item's area.
                unsafe { write_planar(finish, out_channels, row, column, &sums) };
            }
        }
    }
}

/// Copies the source around an area, gated, to `[blocks, rows + 2, columns + 2, 16]`; zero outside the image.
#[inline(always)]
fn copy<S: Simd>(simd: S, source: Source<'_>, area: &Area, to: &mut [Lanes]) {
    let across = area.columns.len() + 2;
    for (line, to) in to.chunks_exact_mut(across).enumerate() {
        let (block, r) = (line / (area.rows.len() + 2), line % (area.rows.len() + 2) + area.rows.start);
        for (i, to) in to.iter_mut().enumerate() {
            simd.put(load(simd, source, block, r, area.columns.start + i), &mut to.0);
        }
    }
}
