//! Products with small dense matrices; see [`style_core::backend::ops::ProductOps`].
//!
//! The micro-kernel reads blocked operands, so the matrix is copied to panels, and so are the operands of a product of two
//! matrices, which are planar. A sum over more than [`DEPTH`] blocks of channels is cut, so that its panels stay in the
//! first-level cache.

use std::ops::Range;

use style_core::Result;
use style_core::backend::ops::ProductOps;
use style_core::backend::{Acc, Shape, expect_shape};

use crate::cpu::Cpu;
use crate::gemm::{Gemm, Product, groups};
use crate::isa::Kernel;
use crate::parallel::{Shared, Threads};
use crate::simd::LANES;
use crate::tensor::{Tensor, Workspace, blocks, expect_workspace, is_planar};

/// Positions per item.
const STRIP: usize = 252;
/// Channel blocks that are summed at a time.
const DEPTH: usize = 16;

/// `Y (=|+=) A X` for blocked `X` and `Y` and a matrix in panels.
pub(super) struct Mix<'a> {
    /// `[blocks of Y, 16 blocks of X, 16]`: element `[j / 16, k, j % 16]` is `A[j, k]`.
    pub(super) matrix: &'a [f32],
    pub(super) x: &'a [f32],
    pub(super) positions: usize,
    pub(super) x_blocks: usize,
    pub(super) y_blocks: usize,
    pub(super) acc: Acc,
}

/// A [`Mix`] for a strip of positions.
struct Strip<'a>(&'a Mix<'a>, Range<usize>, Shared<f32>);

impl Kernel for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, simd: S) {
        let Self(&Mix { matrix, x, positions, x_blocks, y_blocks, acc }, strip, y) = self;
        for column in (0..y_blocks).step_by(S::PANELS) {
            let panels = S::PANELS.min(y_blocks - column);
            for depth in (0..x_blocks).step_by(DEPTH) {
                for rows in groups(strip.len(), S::ROWS) {
                    let start = strip.start + rows.start;
                    // SAFETY: the rows are positions of `x` and `y`; only this strip writes its part of `y`.
                    unsafe {
                        let product = Product {
                            a: x[(depth * positions + start) * LANES..].as_ptr(),
                            a_stride: positions * LANES,
                            b: matrix[(column * x_blocks + depth) * LANES * LANES..].as_ptr(),
                            panel_stride: x_blocks * LANES * LANES,
                            k: DEPTH.min(x_blocks - depth) * LANES,
                            acc: if depth == 0 { acc } else { Acc::Add },
                            c: y.at((column * positions + start) * LANES),
                            c_stride: positions * LANES,
                        };
                        simd.multiply_positions(product, rows.len(), panels);
                    }
                }
            }
        }
    }
}

/// Runs a [`Mix`].
pub(super) fn mix(cpu: &Cpu, mix: &Mix<'_>, y: &mut [f32]) {
    let (m, y) = (mix.positions, Shared::new(y));
    cpu.threads.for_each(m.div_ceil(STRIP), |i| {
        cpu.level.run(Strip(mix, i * STRIP..m.min((i + 1) * STRIP), y));
    });
}

/// Writes blocks of columns, `[columns / 16, rows, 16]`, of a matrix given by its elements; zeros beyond `of` rows and
/// columns.
pub(super) fn panels(
    threads: &Threads,
    of: [usize; 2],
    rows: usize,
    panels: &mut [f32],
    element: impl Fn(usize, usize) -> f32 + Send + Sync,
) {
    let (count, to) = (panels.len() / (rows * LANES).max(1), Shared::new(panels));
    threads.for_each(count, |block| {
        // SAFETY: each block of columns has its own panel.
        let panel = unsafe { to.slice(block * rows * LANES, rows * LANES) };
        for (row, values) in panel.chunks_exact_mut(LANES).enumerate() {
            for (lane, value) in values.iter_mut().enumerate() {
                let column = block * LANES + lane;
                *value = if row < of[0] && column < of[1] { element(row, column) } else { 0.0 };
            }
        }
    });
}

/// Number of values in blocks of columns.
fn paneled(rows: usize, columns: usize) -> usize {
    blocks(columns).saturating_mul(LANES).saturating_mul(rows)
}

/// `[R, K]`, the matrix of a `[1, 1, R, K]` tensor.
fn matrix(what: &str, a: &Tensor) -> Result<[usize; 2]> {
    let Shape { height, width, .. } = a.shape();
    expect_shape(what, Shape::new(1, height, width), a.shape())?;
    Ok([height, width])
}

/// `y (=|+=) sum_n element(k, n) x[n]` at every position, if one of them is planar.
fn plain(element: impl Fn(usize, usize) -> f32, x: &Tensor, acc: Acc, y: &mut Tensor) {
    let (n, m, k) = (x.shape().channels, x.shape().positions(), y.shape().channels);
    let planar = y.is_planar();
    let at =
        |planar: bool, c: usize, p: usize| if planar { c * m + p } else { (c / LANES * m + p) * LANES + c % LANES };
    for (c, p) in (0..k).flat_map(|c| (0..m).map(move |p| (c, p))) {
        let sum: f32 = (0..n).map(|i| element(c, i) * x.values()[at(x.is_planar(), i, p)]).sum();
        let y = &mut y.values_mut()[at(planar, c, p)];
        *y = if acc == Acc::Add { *y + sum } else { sum };
    }
}

impl Cpu {
    /// `y (=|+=) A x` with the elements of `A`.
    fn mixed(
        &self,
        element: impl Fn(usize, usize) -> f32 + Send + Sync,
        x: &Tensor,
        acc: Acc,
        y: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let (n, k, positions) = (x.shape().channels, y.shape().channels, x.shape().positions());
        if x.is_planar() || y.is_planar() {
            plain(element, x, acc, y);
            return Ok(());
        }
        let (x_blocks, y_blocks) = (blocks(n), blocks(k));
        let memory: &mut [f32] = bytemuck::cast_slice_mut(&mut workspace.memory);
        let memory = expect_workspace(memory, paneled(x_blocks * LANES, k))?;
        panels(&self.threads, [n, k], x_blocks * LANES, memory, |row, column| element(column, row));
        mix(self, &Mix { matrix: memory, x: x.values(), positions, x_blocks, y_blocks, acc }, y.values_mut());
        Ok(())
    }
}

impl ProductOps for Cpu {
    fn product(
        &self,
        a: &Tensor,
        b: &Tensor,
        scale: f32,
        acc: Acc,
        c: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let [rows, inner] = matrix("the first matrix of a product", a)?;
        let columns = b.shape().width;
        expect_shape("the second matrix of a product", Shape::new(1, inner, columns), b.shape())?;
        expect_shape("a product", Shape::new(1, rows, columns), c.shape())?;
        let (x_blocks, y_blocks) = (blocks(inner), blocks(columns));
        let depth = x_blocks * LANES;
        let memory: &mut [f32] = bytemuck::cast_slice_mut(&mut workspace.memory);
        let sizes = [paneled(rows, inner), paneled(depth, columns), paneled(rows, columns)];
        let memory = expect_workspace(memory, sizes.iter().sum())?;
        let (x, rest) = memory.split_at_mut(sizes[0]);
        let (of_b, sums) = rest.split_at_mut(sizes[1]);
        let (a, b) = (a.values(), b.values());
        panels(&self.threads, [rows, inner], rows, x, |row, k| a[row * inner + k]);
        panels(&self.threads, [inner, columns], depth, of_b, |k, column| b[k * columns + column]);
        mix(self, &Mix { matrix: of_b, x, positions: rows, x_blocks, y_blocks, acc: Acc::Store }, sums);
        for (i, c) in c.values_mut().iter_mut().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let value =
                if inner == 0 { 0.0 } else { scale * sums[(column / LANES * rows + row) * LANES + column % LANES] };
            *c = if acc == Acc::Add { *c + value } else { value };
        }
        Ok(())
    }

    fn product_workspace(&self, a: Shape, b: Shape) -> usize {
        let depth = blocks(a.width).saturating_mul(LANES);
        let sizes = [paneled(a.height, a.width), paneled(depth, b.width), paneled(a.height, b.width)];
        sizes.into_iter().fold(0, usize::saturating_add).saturating_mul(size_of::<f32>())
    }

    fn project(
        &self,
        matrix: &Tensor,
        features: &Tensor,
        scale: f32,
        y: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let shape = features.shape();
        let [k, n] = self::matrix("the matrix of a projection", matrix)?;
        expect_shape("the features of a projection", Shape { channels: n, ..shape }, shape)?;
        expect_shape("a projection", Shape { channels: k, ..shape }, y.shape())?;
        let a = matrix.values();
        self.mixed(|k, i| scale * a[k * n + i], features, Acc::Store, y, workspace)
    }

    fn project_bwd(
        &self,
        matrix: &Tensor,
        dy: &Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let shape = dfeatures.shape();
        let [k, n] = self::matrix("the matrix of a projection", matrix)?;
        expect_shape("the gradient of features", Shape { channels: n, ..shape }, shape)?;
        expect_shape("the gradient of a projection", Shape { channels: k, ..shape }, dy.shape())?;
        let a = matrix.values();
        self.mixed(|channel, row| scale * a[row * n + channel], dy, acc, dfeatures, workspace)
    }

    fn project_workspace(&self, rows: usize, shape: Shape) -> usize {
        if is_planar(Shape { channels: rows, ..shape }) || is_planar(shape) {
            return 0;
        }
        let depth = |n: usize| blocks(n).saturating_mul(LANES);
        paneled(depth(shape.channels), rows).max(paneled(depth(rows), shape.channels)).saturating_mul(size_of::<f32>())
    }
}
