//! See [`style_core::backend::ops::ProductOps`] and kernels/product.cu.
//!
//! One kernel multiplies features, or a matrix with its rows as positions, by a matrix that is spread to whole tiles in the
//! workspace.

use style_core::Result;
use style_core::backend::ops::ProductOps;
use style_core::backend::{Acc, Shape, expect_shape};

use super::{acc_code, extent};
use crate::context::Entered;
use crate::cuda::Cuda;
use crate::kernels::product::{ProjectArgs, SpreadArgs};
use crate::tensor::{Tensor, Workspace};

/// Rows and columns of a tile, and rows of a batch; match product.cu.
const TILE: usize = 64;
const BATCH: usize = 32;

/// The extents of a spread matrix.
pub(super) const fn spread_extents(rows: usize, columns: usize) -> [usize; 2] {
    [rows.div_ceil(BATCH).saturating_mul(BATCH), columns.div_ceil(TILE).saturating_mul(TILE)]
}

/// Its size in bytes.
pub(super) const fn spread_bytes(rows: usize, columns: usize) -> usize {
    let [rows, columns] = spread_extents(rows, columns);
    rows.saturating_mul(columns).saturating_mul(4)
}

/// A factor or a product: its positions, and its channels at each.
#[derive(Clone, Copy)]
pub(super) struct Operand {
    address: u64,
    positions: usize,
    channels: usize,
    stride: usize,
    dtype: u32,
}

impl Operand {
    pub(super) fn features(tensor: &Tensor) -> Self {
        Self {
            address: tensor.address(),
            positions: tensor.shape().positions(),
            channels: tensor.shape().channels,
            stride: tensor.stride(),
            dtype: tensor.dtype as u32,
        }
    }

    fn matrix(tensor: &Tensor) -> Self {
        let Shape { height, width, .. } = tensor.shape();
        Self { positions: height, channels: width, stride: width, ..Self::features(tensor) }
    }
}

/// A matrix by which positions are multiplied, as it lies or transposed.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    tensor: &'a Tensor,
    transposed: bool,
    scale: f32,
}

impl Matrix<'_> {
    fn extents(self) -> [usize; 2] {
        let Shape { height, width, .. } = self.tensor.shape();
        if self.transposed { [width, height] } else { [height, width] }
    }

    fn bytes(self) -> usize {
        let [rows, columns] = self.extents();
        spread_bytes(rows, columns)
    }
}

impl Cuda {
    /// `to (=|+=) x s` at every position.
    ///
    /// # Safety
    /// Both operands must have the same positions, and `s` must be the address of a spread matrix of `x.channels` rows and
    /// `to.channels` columns.
    pub(super) unsafe fn times_spread(
        &self,
        entered: &Entered<'_>,
        x: Operand,
        s: u64,
        acc: Acc,
        to: Operand,
    ) -> Result<()> {
        let args = ProjectArgs {
            x: x.address,
            s,
            to: to.address,
            positions: x.positions as u64,
            channels: extent(x.channels)?,
            stride: extent(x.stride)?,
            s_columns: extent(spread_extents(x.channels, to.channels)[1])?,
            to_stride: extent(to.stride)?,
            x_type: x.dtype,
            to_type: to.dtype,
            acc: acc_code(acc),
            padding: 0,
        };
        let grid = [x.positions.div_ceil(TILE), to.channels.div_ceil(TILE), 1];
        // SAFETY: guaranteed by the caller; each value of `to` belongs to one thread.
        unsafe { self.kernels.project.launch(entered, grid, args) }
    }

    /// `to (=|+=) x matrix` at every position.
    ///
    /// # Safety
    /// Both operands must have the same positions, the matrix must have `x.channels` rows and `to.channels` columns, and
    /// `s` must be the address of `matrix.bytes()` bytes.
    unsafe fn times(
        &self,
        entered: &Entered<'_>,
        x: Operand,
        matrix: Matrix<'_>,
        s: u64,
        acc: Acc,
        to: Operand,
    ) -> Result<()> {
        let ([rows, columns], width) = (matrix.extents(), matrix.tensor.shape().width as u64);
        let (row_step, column_step) = if matrix.transposed { (1, width) } else { (width, 1) };
        let [s_rows, s_columns] = spread_extents(rows, columns);
        let args = SpreadArgs {
            matrix: matrix.tensor.address(),
            s,
            row_step,
            column_step,
            rows: extent(rows)?,
            columns: extent(columns)?,
            s_columns: extent(s_columns)?,
            scale: matrix.scale,
        };
        // SAFETY: guaranteed by the caller; each value of `s` belongs to one thread.
        unsafe {
            self.kernels.product_spread.launch_for(entered, s_rows * s_columns, args)?;
            self.times_spread(entered, x, s, acc, to)
        }
    }
}

/// Checks that a matrix maps the channels of `x` to those of `y`, at the same positions.
fn expect_projection(matrix: &Tensor, x: &Tensor, y: &Tensor) -> Result<()> {
    let Shape { channels, .. } = y.shape();
    expect_shape("the matrix of a projection", Shape::new(1, channels, x.shape().channels), matrix.shape())?;
    expect_shape("projected features", Shape { channels, ..x.shape() }, y.shape())
}

impl ProductOps for Cuda {
    fn product(
        &self,
        a: &Tensor,
        b: &Tensor,
        scale: f32,
        acc: Acc,
        c: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let (of_a, of_b) = (a.shape(), b.shape());
        expect_shape("the left matrix of a product", Shape { channels: 1, ..of_a }, of_a)?;
        expect_shape("the right matrix of a product", Shape::new(1, of_a.width, of_b.width), of_b)?;
        expect_shape("a product", Shape::new(1, of_a.height, of_b.width), c.shape())?;
        let matrix = Matrix { tensor: b, transposed: false, scale };
        let s = workspace.at_least(matrix.bytes())?;
        let entered = self.enter(&[&a.buffer, &b.buffer, &c.buffer, &workspace.buffer])?;
        // SAFETY: the shapes were checked, and the workspace has room for the spread matrix.
        unsafe { self.times(&entered, Operand::matrix(a), matrix, s, acc, Operand::matrix(c)) }
    }

    fn product_workspace(&self, _a: Shape, b: Shape) -> usize {
        spread_bytes(b.height, b.width)
    }

    fn project(
        &self,
        matrix: &Tensor,
        features: &Tensor,
        scale: f32,
        y: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        expect_projection(matrix, features, y)?;
        let factor = Matrix { tensor: matrix, transposed: true, scale };
        let s = workspace.at_least(factor.bytes())?;
        let entered = self.enter(&[&matrix.buffer, &features.buffer, &y.buffer, &workspace.buffer])?;
        // SAFETY: as in `product`.
        unsafe { self.times(&entered, Operand::features(features), factor, s, Acc::Store, Operand::features(y)) }
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
        expect_projection(matrix, dfeatures, dy)?;
        let factor = Matrix { tensor: matrix, transposed: false, scale };
        let s = workspace.at_least(factor.bytes())?;
        let entered = self.enter(&[&matrix.buffer, &dy.buffer, &dfeatures.buffer, &workspace.buffer])?;
        dfeatures.gradient(acc, self.precision);
        // SAFETY: as in `product`.
        unsafe { self.times(&entered, Operand::features(dy), factor, s, acc, Operand::features(dfeatures)) }
    }

    fn project_workspace(&self, rows: usize, shape: Shape) -> usize {
        spread_bytes(shape.channels, rows).max(spread_bytes(rows, shape.channels))
    }
}
