//! See [`style_core::backend::ops::ProductOps`] and kernels/product.wgsl.
//!
//! One kernel multiplies features, or a matrix with its rows as positions, by a matrix.

use style_core::Result;
use style_core::backend::ops::ProductOps;
use style_core::backend::{Acc, Shape, expect_shape};

use super::{acc_code, extent};
use crate::backend::Wgpu;
use crate::kernels::PRODUCT;
use crate::tensor::{Tensor, Workspace};

/// Rows and columns of a tile; matches product.wgsl.
const TILE: usize = 64;

/// A factor or a product: its positions, its channels at each, and values between positions.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    tensor: &'a Tensor,
    rows: usize,
    columns: usize,
    step: usize,
}

impl<'a> Operand<'a> {
    pub(super) fn features(tensor: &'a Tensor) -> Self {
        let shape = tensor.shape();
        Self { tensor, rows: shape.positions(), columns: shape.channels, step: tensor.stride() }
    }

    fn matrix(tensor: &'a Tensor) -> Self {
        let Shape { height, width, .. } = tensor.shape();
        Self { tensor, rows: height, columns: width, step: width }
    }
}

/// How the matrix on the right is read.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Reading {
    Plain,
    Transposed,
    /// With its transpose added.
    Symmetric,
}

impl Wgpu {
    /// `to (=|+=) scale x matrix` at every position.
    pub(super) fn times(
        &self,
        x: Operand<'_>,
        matrix: (&Tensor, Reading),
        scale: f32,
        acc: Acc,
        to: Operand<'_>,
    ) -> Result<()> {
        let (matrix, reading) = matrix;
        let operands = [&x.tensor.buffer, &matrix.buffer, &to.tensor.buffer];
        let mut entered = self.enter(&operands)?;
        let width = matrix.shape().width;
        let (row_step, column_step) = if reading == Reading::Transposed { (1, width) } else { (width, 1) };
        // The padding of features gets zeros.
        let written = to.step;
        let tiles = written.div_ceil(TILE);
        let extents = [x.rows, x.columns, to.columns, written, x.step, row_step, column_step, to.step];
        let mut parameters = extents.into_iter().map(extent).collect::<Result<Vec<_>>>()?;
        parameters.extend([u32::from(reading == Reading::Symmetric), acc_code(acc), scale.to_bits(), extent(tiles)?]);
        let groups = x.rows.div_ceil(TILE).saturating_mul(tiles);
        let each = x.columns.saturating_mul(2 * TILE * TILE);
        entered.launch_long(&PRODUCT, groups, (each, self.operations), &parameters, &operands)
    }
}

/// Checks that a matrix maps the channels of `x` to those of `y`, at the same positions.
fn expect_projection(matrix: &Tensor, x: &Tensor, y: &Tensor) -> Result<()> {
    let Shape { channels, .. } = y.shape();
    expect_shape("the matrix of a projection", Shape::new(1, channels, x.shape().channels), matrix.shape())?;
    expect_shape("projected features", Shape { channels, ..x.shape() }, y.shape())
}

impl ProductOps for Wgpu {
    fn product(
        &self,
        a: &Tensor,
        b: &Tensor,
        scale: f32,
        acc: Acc,
        c: &mut Tensor,
        _workspace: &mut Workspace,
    ) -> Result<()> {
        let (of_a, of_b) = (a.shape(), b.shape());
        expect_shape("the left matrix of a product", Shape { channels: 1, ..of_a }, of_a)?;
        expect_shape("the right matrix of a product", Shape::new(1, of_a.width, of_b.width), of_b)?;
        expect_shape("a product", Shape::new(1, of_a.height, of_b.width), c.shape())?;
        self.times(Operand::matrix(a), (b, Reading::Plain), scale, acc, Operand::matrix(c))
    }

    fn product_workspace(&self, _a: Shape, _b: Shape) -> usize {
        0
    }

    fn project(
        &self,
        matrix: &Tensor,
        features: &Tensor,
        scale: f32,
        y: &mut Tensor,
        _workspace: &mut Workspace,
    ) -> Result<()> {
        expect_projection(matrix, features, y)?;
        let factor = (matrix, Reading::Transposed);
        self.times(Operand::features(features), factor, scale, Acc::Store, Operand::features(y))
    }

    fn project_bwd(
        &self,
        matrix: &Tensor,
        dy: &Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Tensor,
        _workspace: &mut Workspace,
    ) -> Result<()> {
        expect_projection(matrix, dfeatures, dy)?;
        self.times(Operand::features(dy), (matrix, Reading::Plain), scale, acc, Operand::features(dfeatures))
    }

    fn project_workspace(&self, _rows: usize, _shape: Shape) -> usize {
        0
    }
}
