//! Between blocked tensors: a strip of positions is gathered with its neighbours, `[9 blocks, positions, 16]`, and
//! multiplied by the filters.

use style_core::backend::Acc;

use super::{Item, Source, load};
use crate::gemm::{Gemm, Product, groups};
use crate::isa::Kernel;
use crate::simd::{LANES, Simd};
use crate::tensor::{Lanes, blocks};

/// Columns per item.
pub(super) const STRIP: usize = 56;

/// Vectors of scratch memory per item.
pub(super) fn scratch(read: usize) -> usize {
    blocks(read).saturating_mul(9 * STRIP)
}

pub(super) struct Gathered<'a>(pub(super) Item<'a>);

impl Kernel for Gathered<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, simd: S) {
        let Item { source, out_channels, panels, finish, area, scratch } = self.0;
        let (row, columns) = (area.rows.start, area.columns);
        let n = columns.len();
        gather(simd, source, row, columns.start, n, scratch);
        let a: &[f32] = bytemuck::cast_slice(scratch);
        let k = 9 * blocks(source.shape.channels) * LANES;
        let mut tile = [[[0.0f32; LANES]; LANES]; 2];
        for block in (0..blocks(out_channels)).step_by(S::PANELS) {
            let count = S::PANELS.min(blocks(out_channels) - block);
            for rows in groups(n, S::ROWS) {
                let product = Product {
                    a: a[rows.start * LANES..].as_ptr(),
                    a_stride: n * LANES,
                    b: panels[block * k * LANES..].as_ptr(),
                    panel_stride: k * LANES,
                    k,
                    acc: Acc::Store,
                    c: tile.as_mut_ptr().cast(),
                    c_stride: LANES * LANES,
                };
                // SAFETY: the gathered values hold `n` rows for each sixteen terms, `panels` holds `k` terms for each
                // block, and `tile` two panels of sixteen rows; the strip's positions belong to this item alone.
                unsafe {
                    simd.multiply_positions(product, rows.len(), count);
                    for (p, tile) in tile.iter().enumerate().take(count) {
                        for (r, values) in tile.iter().enumerate().take(rows.len()) {
                            let v = simd.load(values.as_ptr());
                            finish.write(simd, block + p, row, columns.start + rows.start + r, v);
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn gather<S: Simd>(simd: S, source: Source<'_>, row: usize, column: usize, n: usize, to: &mut [Lanes]) {
    let nb = blocks(source.shape.channels);
    for tap in 0..9 {
        for i in 0..n {
            for block in 0..nb {
                let v = load(simd, source, block, row + tap / 3, column + i + tap % 3);
                simd.put(v, &mut to[(tap * nb + block) * n + i].0);
            }
        }
    }
}
