//! Products with their mistakes, based on the reference backend.

use style_core::Result;
use style_core::backend::ops::ProductOps;
use style_core::backend::{Acc, Shape, Storage};

use crate::mutant::Mistake::*;
use crate::mutant::{Inner, Mutant, R, Tensor, made, read};

/// The transpose of a square matrix; others as they are.
fn turned(matrix: &Inner) -> Result<Inner> {
    let (shape, values) = (R.shape(matrix), read(matrix));
    let n = shape.width;
    let place = |i: usize| if shape.height == n { i % n * n + i / n } else { i };
    made(shape, &(0..values.len()).map(|i| values[place(i)]).collect::<Vec<_>>())
}

impl Mutant {
    fn factor(&self, scale: f32) -> f32 {
        if self.makes(ProductScaleIgnored) { 1.0 } else { scale }
    }
}

impl ProductOps for Mutant {
    fn product(&self, a: &Tensor, b: &Tensor, scale: f32, acc: Acc, c: &mut Tensor, ws: &mut ()) -> Result<()> {
        let (acc, scale) = (self.acc("product", acc), self.factor(scale));
        let right = if self.makes(ProductTransposed) { &turned(&b.inner)? } else { &b.inner };
        R.product(&a.inner, right, scale, acc, &mut c.inner, ws)?;
        self.spoil("product", a, c);
        Ok(())
    }

    fn product_workspace(&self, a: Shape, b: Shape) -> usize {
        R.product_workspace(a, b)
    }

    fn project(&self, matrix: &Tensor, x: &Tensor, scale: f32, y: &mut Tensor, ws: &mut ()) -> Result<()> {
        R.project(&matrix.inner, &x.inner, self.factor(scale), &mut y.inner, ws)?;
        self.spoil("product", x, y);
        Ok(())
    }

    fn project_bwd(
        &self,
        matrix: &Tensor,
        dy: &Tensor,
        scale: f32,
        acc: Acc,
        dx: &mut Tensor,
        ws: &mut (),
    ) -> Result<()> {
        let matrix = if self.makes(ProjectNotTransposed) { &turned(&matrix.inner)? } else { &matrix.inner };
        R.project_bwd(matrix, &dy.inner, self.factor(scale), self.acc("product", acc), &mut dx.inner, ws)?;
        self.spoil("product", dy, dx);
        Ok(())
    }

    fn project_workspace(&self, rows: usize, shape: Shape) -> usize {
        R.project_workspace(rows, shape)
    }
}
