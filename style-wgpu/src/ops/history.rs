//! Vectors in half precision, which this backend stores as `f32`; see [`style_core::backend::ops::HistoryOps`].

use style_core::Result;
use style_core::backend::ops::{HistoryOps, VectorOps};
use style_core::backend::{Shape, Storage};

use crate::backend::Wgpu;
use crate::tensor::{Half, Scalars, Tensor};

impl HistoryOps for Wgpu {
    type Half = Half;

    fn half(&self, shape: Shape) -> Result<Half> {
        self.tensor(shape).map(Half)
    }

    fn half_bytes(&self, shape: Shape) -> usize {
        self.tensor_bytes(shape)
    }

    fn halve(&self, x: &Tensor, h: &mut Half) -> Result<()> {
        self.copy(x, &mut h.0)
    }

    fn restore(&self, h: &Half, x: &mut Tensor) -> Result<()> {
        self.copy(&h.0, x)
    }

    fn half_dots(&self, a: &[&Tensor], h: &[&Half], out: &mut Scalars, first: usize) -> Result<()> {
        let h: Vec<_> = h.iter().map(|h| &h.0).collect();
        self.dots(a, &h, out, first)
    }

    fn half_combine(&self, terms: &[(f64, &Half)], last: (f64, &Tensor), y: &mut Tensor) -> Result<()> {
        let terms: Vec<_> = terms.iter().map(|(c, h)| (*c, &h.0)).chain([last]).collect();
        self.combine(&terms, y)
    }
}
