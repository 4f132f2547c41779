//! Cosine distances.

use style_core::Result;
use style_core::backend::ops::CosineOps;
use style_core::backend::{Acc, expect_shape};

use super::{Reference, Tensor, slot};
use crate::oracle::cosine as oracle;

impl CosineOps for Reference {
    fn cosine(&self, x: &Tensor, t: &Tensor, out: &mut Vec<f64>, at: usize, d: &mut Tensor) -> Result<()> {
        expect_shape("the targets of a cosine distance", x.shape, t.shape)?;
        expect_shape("the gradient of a cosine distance", x.shape, d.shape)?;
        let (l, gradient) = oracle::cosine(&x.get(), &t.get());
        *slot(out, at)? = l;
        d.set(Acc::Store, &gradient);
        Ok(())
    }
}
