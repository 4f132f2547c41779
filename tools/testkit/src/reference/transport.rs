//! Transport on a line.

use style_core::Result;
use style_core::backend::ops::TransportOps;
use style_core::backend::{Acc, Shape, expect_shape};

use super::{Reference, Tensor, slot};
use crate::oracle::transport as oracle;

impl TransportOps for Reference {
    fn transport(
        &self,
        x: &Tensor,
        t: &Tensor,
        out: &mut Vec<f64>,
        at: usize,
        d: &mut Tensor,
        _workspace: &mut (),
    ) -> Result<()> {
        expect_shape("the targets of transport", x.shape, t.shape)?;
        expect_shape("the differences of transport", x.shape, d.shape)?;
        let (l, differences) = oracle::transport(&x.get(), &t.get());
        *slot(out, at)? = l;
        d.set(Acc::Store, &differences);
        Ok(())
    }

    fn transport_workspace(&self, _shape: Shape) -> usize {
        0
    }
}
