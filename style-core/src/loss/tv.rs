//! The total variation of the image, as a term: see [`Tv`] for the equations and their adjoints. Not in the paper.

use crate::backend::Backend;
use crate::backend::ops::tv::Tv;
use crate::backend::shape::Acc;
use crate::error::Result;
use crate::loss::term::{Buffers, Site, Term};

/// The total variation of a kind.
pub(crate) struct TotalVariation(pub(crate) Tv);

impl<B: Backend> Term<B> for TotalVariation {
    fn slots(&self) -> usize {
        1
    }

    fn forward(&mut self, at: &Site<'_, B>, buffers: Buffers<'_, B>) -> Result<()> {
        at.backend.tv(self.0, at.features, buffers.scalars, buffers.slot)
    }

    fn backward(
        &mut self,
        at: &Site<'_, B>,
        weight: f64,
        acc: Acc,
        dfeatures: &mut B::Tensor,
        _buffers: Buffers<'_, B>,
    ) -> Result<()> {
        at.backend.tv_bwd(self.0, at.features, weight as f32, acc, dfeatures)
    }

    fn loss(&self, scalars: &[f64]) -> f64 {
        scalars.iter().sum()
    }
}
