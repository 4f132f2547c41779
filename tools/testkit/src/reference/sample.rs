//! Samples of features.

use style_core::Result;
use style_core::backend::ops::{SampleOps, Sparse, expect_sparse};
use style_core::backend::{Acc, Shape};

use super::{Reference, Tensor};
use crate::oracle::sample as oracle;

/// The rows of a matrix that fits operands of these shapes; `channels` are those of the narrow one.
fn rows(matrix: Sparse<'_, Tensor>, from: Shape, to: Shape, channels: usize, o: usize) -> Result<Vec<oracle::Row>> {
    let Sparse { offsets, columns, values } = matrix;
    expect_sparse([offsets.shape, columns.shape, values.shape], from, to, channels, o)?;
    Ok(oracle::rows(&offsets.get(), &columns.get(), &values.get(), from.positions()))
}

impl SampleOps for Reference {
    fn sample(&self, matrix: Sparse<'_, Tensor>, x: &Tensor, scale: f32, y: &mut Tensor, o: usize) -> Result<()> {
        let rows = rows(matrix, x.shape, y.shape, x.shape.channels, o)?;
        y.set(Acc::Store, &oracle::sample(&rows, &x.get(), f64::from(scale), &y.get(), o));
        Ok(())
    }

    fn sample_bwd(
        &self,
        transposed: Sparse<'_, Tensor>,
        dy: &Tensor,
        o: usize,
        scale: f32,
        acc: Acc,
        dx: &mut Tensor,
    ) -> Result<()> {
        let rows = rows(transposed, dy.shape, dx.shape, dx.shape.channels, o)?;
        dx.set(acc, &oracle::sample_bwd(&rows, &dy.get(), o, f64::from(scale), dx.shape));
        Ok(())
    }
}
