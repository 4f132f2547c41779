//! Between blocked tensors: a strip of positions is gathered with its neighbours, `[9 blocks, positions, 16]`, and
//! multiplied by the filters.

use style_core::{Acc, Shape};

use super::{Area, Finish, Source};
use crate::gemm::{Product, groups};
use crate::simd::{Kernel, LANES, Simd};
use crate::tensor::{Lanes, blocks};

/// Columns of an item.
pub(super) const STRIP: usize = 56;

/// Vectors of an item's scratch memory.
pub(super) fn scratch(read: usize) -> usize {
    blocks(read).saturating_mul(9 * STRIP)
}

pub(super) struct Strip<'a> {
    pub(super) source: Source<'a>,
    pub(super) out_channels: usize,
    pub(super) panels: &'a [f32],
    pub(super) finish: Finish<'a>,
    pub(super) area: Area,
    pub(super) scratch: &'a mut [Lanes],
}

impl Kernel for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { source, out_channels, panels, finish, area, scratch } = self;
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
                // SAFETY: what was gathered holds `n` rows of each sixteen terms, `panels` `k` terms of each block,
                // `tile` two panels of sixteen rows; the strip's positions are this item's alone.
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
    let Source { shape, values, gate, .. } = source;
    let Shape { height, width, .. } = shape;
    let nb = blocks(shape.channels);
    for tap in 0..9 {
        // Counted from one before the picture.
        let r = row + tap / 3;
        for i in 0..n {
            let c = column + i + tap % 3;
            for block in 0..nb {
                let v = if r == 0 || c == 0 || r > height || c > width {
                    simd.splat(0.0)
                } else {
                    let vector = source.vector(block, r - 1, c - 1);
                    // SAFETY: sixteen values are read from a slice of as many.
                    let v = unsafe { simd.load(values[vector * LANES..][..LANES].as_ptr()) };
                    match gate {
                        None => v,
                        Some(gate) => simd.gate(gate[source.word(block, r - 1, c - 1)], v),
                    }
                };
                simd.put(v, &mut to[(tap * nb + block) * n + i].0);
            }
        }
    }
}
