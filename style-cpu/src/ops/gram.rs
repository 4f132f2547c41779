//! The Gram matrix and its gradient; see [`style_core::backend::ops::GramOps`].
//!
//! The sum over positions is split into ranges of [`RANGE`], and each range into pieces of [`PIECE`]. A piece is summed
//! in `f32` in registers, and pieces are accumulated in `f64`. Only blocks on and above the diagonal are computed.

use std::ops::Range;

use style_core::backend::ops::{GramOps, Rows};
use style_core::backend::{Acc, Shape, expect_shape};
use style_core::{Error, ErrorKind, Result};

use super::product::{Mix, mix, panels};
use crate::cpu::Cpu;
use crate::gemm::{Gemm, Product};
use crate::isa::Kernel;
use crate::parallel::Shared;
use crate::simd::LANES;
use crate::tensor::{Tensor, Workspace, blocks, expect_same, expect_workspace};

/// Positions summed by one item.
const RANGE: usize = 1 << 14;
/// Row blocks of one item: each piece of a column is read once for all of them.
const GROUP: usize = 4;
/// Positions summed in `f32` at a time.
const PIECE: usize = 256;

/// The sums of a group of row blocks over one range of positions: `sums[16 group, 16 blocks]`.
struct Sums<'a> {
    features: &'a [f32],
    positions: usize,
    blocks: usize,
    group: Range<usize>,
    range: Range<usize>,
    sums: &'a mut [f64],
}

impl Kernel for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, simd: S) {
        let Self { features, positions, blocks, group, range, sums } = self;
        sums.fill(0.0);
        let mut tile = [[[0.0f32; LANES]; LANES]; 2];
        for start in range.clone().step_by(PIECE) {
            let k = PIECE.min(range.end - start);
            for column in (group.start..blocks).step_by(S::PANELS) {
                let panels = S::PANELS.min(blocks - column);
                for block in group.start..group.end.min(column + panels) {
                    for row in (0..LANES).step_by(S::GRAM_ROWS) {
                        let product = Product {
                            a: features[(block * positions + start) * LANES + row..].as_ptr(),
                            a_stride: LANES * LANES,
                            b: features[(column * positions + start) * LANES..].as_ptr(),
                            panel_stride: positions * LANES,
                            k,
                            acc: Acc::Store,
                            c: tile.as_mut_ptr().cast(),
                            c_stride: LANES * LANES,
                        };
                        // SAFETY: `start + k` is within the positions of each block read; `tile` has room for two
                        // panels of sixteen rows.
                        unsafe { simd.multiply_channels(product, panels) };
                        let first = (block - group.start) * LANES + row;
                        for (p, rows) in tile.iter().enumerate().take(panels) {
                            for (r, values) in rows.iter().enumerate().take(S::GRAM_ROWS) {
                                let sums = &mut sums[((first + r) * blocks + column + p) * LANES..][..LANES];
                                sums.iter_mut().zip(values).for_each(|(sum, &v)| *sum += f64::from(v));
                            }
                        }
                    }
                }
            }
        }
    }
}

impl GramOps for Cpu {
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
        if !Rows::all(shape).contains(rows) || rows.start > rows.end {
            let message = format!("rows {rows:?} are out of range for features with {} rows", shape.height);
            return Err(Error::new(ErrorKind::Shape, message));
        }
        if shape.channels == 0 {
            return Ok(());
        }
        let (n, m, f) = (shape.channels, shape.positions(), features.values());
        let taken = rows.start * shape.width..rows.end * shape.width;
        if features.is_planar() {
            for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let (a, b) = (&f[i * m..][taken.clone()], &f[j * m..][taken.clone()]);
                let sum: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                put(&mut g.values_mut()[i * n + j], acc, scale, sum);
            }
            return Ok(());
        }
        let nb = blocks(n);
        let (ranges, side) = (taken.len().div_ceil(RANGE), nb * LANES);
        let sums: &mut [f64] = bytemuck::cast_slice_mut(&mut workspace.memory);
        let sums = &mut expect_workspace(sums, ranges * side * side)?[..ranges * side * side];
        let (groups, to) = (nb.div_ceil(GROUP), Shared::new(sums));
        self.threads.for_each(ranges * groups, |i| {
            let (range, group) = (i / groups, i % groups * GROUP);
            let group = group..nb.min(group + GROUP);
            let start = taken.start + range * RANGE;
            let first = (range * side + group.start * LANES) * side;
            // SAFETY: each range has the sums of a whole matrix, in which each group has its own rows.
            let sums = unsafe { to.slice(first, group.len() * LANES * side) };
            let range = start..taken.end.min(start + RANGE);
            self.level.run(Sums { features: f, positions: m, blocks: nb, group, range, sums });
        });
        let (sums, g) = (&*sums, Shared::new(g.values_mut()));
        self.threads.for_each(nb, |block| {
            for (i, j) in (block * LANES..n.min((block + 1) * LANES)).flat_map(|i| (0..n).map(move |j| (i, j))) {
                // Below the diagonal, the element is copied from its mirror image.
                let (row, column) = if i / LANES <= j / LANES { (i, j) } else { (j, i) };
                let sum = (0..ranges).map(|range| sums[(range * side + row) * side + column]).sum();
                // SAFETY: the matrix has `n` rows, and these belong to this item.
                put(unsafe { &mut *g.at(i * n + j) }, acc, scale, sum);
            }
        });
        Ok(())
    }

    fn gram_bwd(
        &self,
        features: &Tensor,
        dg: &Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let shape = features.shape();
        expect_shape("the gradient of a Gram matrix", Shape::gram(shape.channels), dg.shape())?;
        expect_same(features, dfeatures)?;
        let (n, m, f, dg) = (shape.channels, shape.positions(), features.values(), dg.values());
        let symmetric = |i: usize, j: usize| scale * (dg[i * n + j] + dg[j * n + i]);
        if features.is_planar() {
            for (at, d) in dfeatures.values_mut().iter_mut().enumerate() {
                let (i, p) = (at / m, at % m);
                let sum = (0..n).map(|j| symmetric(i, j) * f[j * m + p]).sum::<f32>();
                *d = if acc == Acc::Add { *d + sum } else { sum };
            }
            return Ok(());
        }
        let nb = blocks(n);
        let k = nb * LANES;
        let matrix: &mut [f32] = bytemuck::cast_slice_mut(&mut workspace.memory);
        let matrix = expect_workspace(matrix, k * k)?;
        panels(&self.threads, [n, n], k, matrix, symmetric);
        mix(self, &Mix { matrix, x: f, positions: m, x_blocks: nb, y_blocks: nb, acc }, dfeatures.values_mut());
        Ok(())
    }

    fn gram_workspace(&self, shape: Shape) -> usize {
        let n = blocks(shape.channels).saturating_mul(LANES);
        let square = n.saturating_mul(n);
        let sums = shape.positions().div_ceil(RANGE).saturating_mul(square).saturating_mul(size_of::<f64>());
        sums.max(square.saturating_mul(size_of::<f32>()))
    }
}

fn put(g: &mut f32, acc: Acc, scale: f32, sum: f64) {
    let value = (f64::from(scale) * sum) as f32;
    *g = if acc == Acc::Add { *g + value } else { value };
}
