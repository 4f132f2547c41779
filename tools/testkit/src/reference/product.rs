//! Products with small dense matrices.

use style_core::Result;
use style_core::backend::ops::ProductOps;
use style_core::backend::{Acc, Shape, expect_shape};

use super::{Reference, Tensor, expect};
use crate::oracle::product as oracle;

/// Checks that a matrix maps the channels of `x` to those of `y`, at the same positions.
fn expect_projection(matrix: &Tensor, x: &Tensor, y: &Tensor) -> Result<()> {
    expect_shape("the matrix of a projection", Shape::new(1, y.shape.channels, x.shape.channels), matrix.shape)?;
    expect_shape("projected features", Shape { channels: y.shape.channels, ..x.shape }, y.shape)
}

impl ProductOps for Reference {
    fn product(&self, a: &Tensor, b: &Tensor, scale: f32, acc: Acc, c: &mut Tensor, _workspace: &mut ()) -> Result<()> {
        expect("the left matrix of a product", a.shape.channels == 1)?;
        expect_shape("the right matrix of a product", Shape::new(1, a.shape.width, b.shape.width), b.shape)?;
        expect_shape("a product", Shape::new(1, a.shape.height, b.shape.width), c.shape)?;
        c.set(acc, &oracle::product(&a.get(), &b.get(), f64::from(scale)));
        Ok(())
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
        _workspace: &mut (),
    ) -> Result<()> {
        expect_projection(matrix, features, y)?;
        y.set(Acc::Store, &oracle::project(&matrix.get(), &features.get(), f64::from(scale)));
        Ok(())
    }

    fn project_bwd(
        &self,
        matrix: &Tensor,
        dy: &Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Tensor,
        _workspace: &mut (),
    ) -> Result<()> {
        expect_projection(matrix, dfeatures, dy)?;
        dfeatures.set(acc, &oracle::project_bwd(&matrix.get(), &dy.get(), f64::from(scale)));
        Ok(())
    }

    fn project_workspace(&self, _rows: usize, _shape: Shape) -> usize {
        0
    }
}
