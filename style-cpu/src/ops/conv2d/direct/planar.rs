//! From a planar tensor: `A[r, k]` of the product is pixel `r + v - 1` of line `(c, u)`, with `k = 9 c + 3 u + v`, so
//! the product reads a padded copy of the strip's lines, `[C, 3, columns + 2]`, in place.

use style_core::backend::ops::Padding;
use style_core::backend::{Acc, Shape};

use super::{Item, Source, folds, write_planar};
use crate::gemm::{Gemm, Product, groups};
use crate::isa::Kernel;
use crate::simd::LANES;
use crate::tensor::{PLANAR, blocks};

/// Columns per item: the lines, 3 per channel, are whole vectors long.
pub(super) const STRIP: usize = 16 * LANES - 2;
/// Vectors of scratch memory per item.
pub(super) const SCRATCH: usize = PLANAR * 3 * 16;

pub(super) struct Planar<'a>(pub(super) Item<'a>);

impl Kernel for Planar<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, simd: S) {
        let Item { source, out_channels, panels, finish, area, scratch } = self.0;
        let lines: &mut [f32] = bytemuck::cast_slice_mut(scratch);
        let (row, columns) = (area.rows.start, area.columns);
        let length = columns.len() + 2;
        copy(source, row, columns.start, length, lines);
        let k = 9 * source.shape.channels;
        let planar = out_channels <= PLANAR;
        let mut tile = [[[0.0f32; LANES]; LANES]; 2];
        for block in (0..blocks(out_channels)).step_by(S::PANELS) {
            let count = S::PANELS.min(blocks(out_channels) - block);
            for rows in groups(columns.len(), S::ROWS) {
                let product = Product {
                    a: lines[rows.start..].as_ptr(),
                    a_stride: length,
                    b: panels[block * k * LANES..].as_ptr(),
                    panel_stride: k * LANES,
                    k,
                    acc: Acc::Store,
                    c: tile.as_mut_ptr().cast(),
                    c_stride: LANES * LANES,
                };
                // SAFETY: there are three lines for each channel, each two longer than the strip; `panels` holds `k`
                // terms for each block and `tile` two panels of sixteen rows; the positions belong to this item alone.
                unsafe {
                    simd.multiply_pixels(product, rows.len(), count);
                    if finish.folded {
                        // Only between images, so there is one block.
                        for (r, values) in tile[0].iter_mut().enumerate().take(rows.len()) {
                            let (i, column) = (rows.start + r, columns.start + rows.start + r);
                            fold(source.shape, row, column, panels, &lines[i..], length, values);
                        }
                    }
                    for (p, tile) in tile.iter().enumerate().take(count) {
                        for (r, values) in tile.iter().enumerate().take(rows.len()) {
                            let column = columns.start + rows.start + r;
                            if planar {
                                write_planar(finish, out_channels, row, column, values);
                            } else {
                                finish.write(simd, block + p, row, column, simd.load(values.as_ptr()));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Adds the contributions that fall outside the image to a position of a planar tensor; its neighbours begin at
/// `lines`.
#[cold]
#[inline(never)]
fn fold(
    shape: Shape,
    row: usize,
    column: usize,
    panel: &[f32],
    lines: &[f32],
    length: usize,
    values: &mut [f32; LANES],
) {
    for (neighbour, tap) in folds(shape, row, column) {
        for c in 0..shape.channels {
            let x = lines[(3 * c + neighbour / 3) * length + neighbour % 3];
            let weights = &panel[(9 * c + tap) * LANES..];
            values.iter_mut().zip(weights).take(PLANAR).for_each(|(v, w)| *v += x * w);
        }
    }
}

/// Copies the lines above, at and below `row`, from one before `column` on; outside the image, zero or the nearest
/// pixel.
#[inline(always)]
fn copy(source: Source<'_>, row: usize, column: usize, length: usize, lines: &mut [f32]) {
    let Source { shape, held, values, gate, padding, .. } = source;
    let Shape { height, width, .. } = shape;
    for (i, line) in lines.chunks_exact_mut(length).enumerate().take(3 * shape.channels) {
        let (c, mut r) = (i / 3, row + i % 3);
        if padding == Padding::Replicate {
            r = r.clamp(1, height);
        }
        line.fill(0.0);
        if r == 0 || r > height {
            continue;
        }
        let start = (c * held.len() + r - 1 - held.start) * width;
        // Pixels `column - 1 ..` of the row, as far as they exist.
        let skipped = usize::from(column == 0);
        let first = start + column + skipped - 1;
        let count = (length - skipped).min(start + width - first);
        for (offset, to) in line[skipped..skipped + count].iter_mut().enumerate() {
            let at = first + offset;
            if gate.is_none_or(|g| g[at / LANES] >> (at % LANES) & 1 == 1) {
                *to = values[at];
            }
        }
        if padding == Padding::Replicate {
            if column == 0 {
                line[0] = line[1];
            }
            if column + length == width + 2 {
                line[length - 1] = line[length - 2];
            }
        }
    }
}
