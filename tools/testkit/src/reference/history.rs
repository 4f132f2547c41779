//! Vectors in half precision, which are stored as `f32` here.

use style_core::Result;
use style_core::backend::ops::{HistoryOps, VectorOps};
use style_core::backend::{Shape, Storage};

use super::{Reference, Tensor};

impl HistoryOps for Reference {
    type Half = Tensor;

    fn half(&self, shape: Shape) -> Result<Tensor> {
        self.tensor(shape)
    }

    fn half_bytes(&self, shape: Shape) -> usize {
        self.tensor_bytes(shape)
    }

    fn halve(&self, x: &Tensor, h: &mut Tensor) -> Result<()> {
        self.copy(x, h)
    }

    fn restore(&self, h: &Tensor, x: &mut Tensor) -> Result<()> {
        self.copy(h, x)
    }

    fn half_dots(&self, a: &[&Tensor], h: &[&Tensor], out: &mut Vec<f64>, first: usize) -> Result<()> {
        self.dots(a, h, out, first)
    }

    fn half_combine(&self, terms: &[(f64, &Tensor)], last: (f64, &Tensor), y: &mut Tensor) -> Result<()> {
        self.combine(&[terms, &[last]].concat(), y)
    }
}
