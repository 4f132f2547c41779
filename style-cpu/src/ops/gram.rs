//! The Gram matrix and its gradient; see [`style_core::ops::GramOps`].
//!
//! The sum over positions is cut into ranges of [`RANGE`] (one item each, for every block of rows), and within a
//! range into pieces of [`PIECE`], which are summed in `f32` in registers and added up in `f64`. Only blocks on and
//! above the diagonal are computed.

use rayon::iter::IndexedParallelIterator;
use rayon::slice::ParallelSliceMut;
use style_core::ops::GramOps;
use style_core::{Acc, Result, Shape, expect_shape};

use crate::Cpu;
use crate::gemm::{Product, groups};
use crate::parallel::Shared;
use crate::simd::{Kernel, LANES, Simd};
use crate::tensor::{Lanes, Tensor, Workspace, blocks, expect_same, expect_workspace};

/// Positions that one item sums up.
const RANGE: usize = 1 << 14;
/// Positions summed in `f32` at a stretch.
const PIECE: usize = 512;
/// Positions of one item of the gradient.
const STRIP: usize = 256;

/// Sums of one block of sixteen rows over one range of positions: `sums[16, 16 blocks]`.
struct Rows<'a> {
    features: &'a [f32],
    positions: usize,
    blocks: usize,
    block: usize,
    range: std::ops::Range<usize>,
    sums: &'a mut [f64],
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { features, positions, blocks, block, range, sums } = self;
        sums.fill(0.0);
        let offsets: [usize; PIECE / LANES] = std::array::from_fn(|i| i * LANES * LANES);
        let mut tile = [[[0.0f32; LANES]; LANES]; 2];
        for start in range.clone().step_by(PIECE) {
            let k = PIECE.min(range.end - start);
            for column in (block..blocks).step_by(S::PANELS) {
                let panels = S::PANELS.min(blocks - column);
                for row in (0..LANES).step_by(S::GRAM_ROWS) {
                    let product = Product {
                        a: features[(block * positions + start) * LANES + row..].as_ptr(),
                        offsets: &offsets[..k.div_ceil(LANES)],
                        b: features[(column * positions + start) * LANES..].as_ptr(),
                        panel_stride: positions * LANES,
                        k,
                        c: tile.as_mut_ptr().cast(),
                        c_stride: LANES * LANES,
                    };
                    // SAFETY: `start + k` is within the positions of each of the blocks that are read; `tile` has
                    // room for two panels of sixteen rows.
                    unsafe { simd.multiply_channels(product, panels) };
                    for (p, rows) in tile.iter().enumerate().take(panels) {
                        for (r, values) in rows.iter().enumerate().take(S::GRAM_ROWS) {
                            let sums = &mut sums[((row + r) * blocks + column + p) * LANES..][..LANES];
                            sums.iter_mut().zip(values).for_each(|(sum, &v)| *sum += f64::from(v));
                        }
                    }
                }
            }
        }
    }
}

/// `dF (=|+=) S F` at a strip of positions; `matrix` is S in panels, `[blocks, 16 blocks, 16]`.
struct Gradient<'a> {
    matrix: &'a [f32],
    features: &'a [f32],
    positions: usize,
    blocks: usize,
    strip: std::ops::Range<usize>,
    acc: Acc,
    gradient: Shared<f32>,
    offsets: &'a [usize],
}

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { matrix, features, positions, blocks, strip, acc, gradient, offsets } = self;
        let k = blocks * LANES;
        let mut tile = [[[0.0f32; LANES]; LANES]; 2];
        for column in (0..blocks).step_by(S::PANELS) {
            let panels = S::PANELS.min(blocks - column);
            for rows in groups(strip.len(), S::ROWS) {
                let start = strip.start + rows.start;
                let at = |p: usize| ((column + p) * positions + start) * LANES;
                // SAFETY: the rows are positions of the tensors; what is written belongs to this strip alone, or to
                // `tile`, which has room for two panels of sixteen rows.
                unsafe {
                    let (c, c_stride) = match acc {
                        Acc::Store => (gradient.at(at(0)), positions * LANES),
                        Acc::Add => (tile.as_mut_ptr().cast(), LANES * LANES),
                    };
                    let product = Product {
                        a: features[start * LANES..].as_ptr(),
                        offsets,
                        b: matrix[column * k * LANES..].as_ptr(),
                        panel_stride: k * LANES,
                        k,
                        c,
                        c_stride,
                    };
                    simd.multiply_positions(product, rows.len(), panels);
                    if acc == Acc::Add {
                        for (p, tile) in tile.iter().enumerate().take(panels) {
                            for (r, values) in tile.iter().enumerate().take(rows.len()) {
                                let to = gradient.at(at(p) + r * LANES);
                                simd.store(simd.add(simd.load(to), simd.load(values.as_ptr())), to);
                            }
                        }
                    }
                }
            }
        }
    }
}

impl GramOps for Cpu {
    fn gram(&self, features: &Tensor, scale: f32, acc: Acc, g: &mut Tensor, workspace: &mut Workspace) -> Result<()> {
        let shape = features.shape();
        expect_shape("a Gram matrix", Shape::gram(shape.channels), g.shape())?;
        let (n, m, f) = (shape.channels, shape.positions(), features.values());
        let mut put = |i: usize, j: usize, sum: f64| {
            let value = (f64::from(scale) * sum) as f32;
            let g = &mut g.values_mut()[i * n + j];
            *g = if acc == Acc::Add { *g + value } else { value };
        };
        if features.is_planar() {
            for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let (a, b) = (&f[i * m..][..m], &f[j * m..][..m]);
                put(i, j, a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum());
            }
            return Ok(());
        }
        let nb = blocks(n);
        let (ranges, len) = (m.div_ceil(RANGE), LANES * nb * LANES);
        let sums: &mut [f64] = bytemuck::cast_slice_mut(&mut workspace.memory);
        let sums = expect_workspace(sums, ranges * nb * len)?;
        self.threads.for_each_of(sums.par_chunks_exact_mut(len).enumerate(), |(i, sums)| {
            let (block, start) = (i % nb, i / nb * RANGE);
            let range = start..m.min(start + RANGE);
            self.level.run(Rows { features: f, positions: m, blocks: nb, block, range, sums });
        });
        for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
            // Below the diagonal the element is taken from its mirror image.
            let (row, column) = if i / LANES <= j / LANES { (i, j) } else { (j, i) };
            let at = |range: usize| sums[(range * nb + row / LANES) * len + row % LANES * nb * LANES + column];
            put(i, j, (0..ranges).map(at).sum());
        }
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
        let (matrix, offsets) =
            expect_workspace(&mut workspace.memory, k * nb + offset_vectors(nb))?.split_at_mut(k * nb);
        let (matrix, offsets): (&mut [f32], &mut [usize]) =
            (bytemuck::cast_slice_mut(matrix), bytemuck::cast_slice_mut(offsets));
        for (at, value) in matrix.iter_mut().enumerate() {
            let (row, column) = (at / LANES % k, at / LANES / k * LANES + at % LANES);
            *value = if row < n && column < n { symmetric(row, column) } else { 0.0 };
        }
        let offsets = &mut offsets[..nb];
        offsets.iter_mut().enumerate().for_each(|(block, offset)| *offset = block * m * LANES);
        let gradient = Shared::new(dfeatures.values_mut());
        self.threads.for_each(m.div_ceil(STRIP), |i| {
            let strip = i * STRIP..m.min((i + 1) * STRIP);
            let (matrix, offsets) = (&*matrix, &*offsets);
            self.level.run(Gradient { matrix, features: f, positions: m, blocks: nb, strip, acc, gradient, offsets });
        });
        Ok(())
    }

    fn gram_workspace(&self, shape: Shape) -> usize {
        let n = blocks(shape.channels).saturating_mul(LANES);
        let square = n.saturating_mul(n);
        let sums = shape.positions().div_ceil(RANGE).saturating_mul(square).saturating_mul(size_of::<f64>());
        let offsets = offset_vectors(blocks(shape.channels)).saturating_mul(size_of::<Lanes>());
        sums.max(square.saturating_mul(size_of::<f32>()).saturating_add(offsets))
    }
}

/// Vectors of workspace that the offsets of so many blocks take.
fn offset_vectors(blocks: usize) -> usize {
    blocks.saturating_mul(size_of::<usize>()).div_ceil(size_of::<Lanes>())
}
