//! The content loss of a layer.
//!
//! ```text
//! l = 1/2 sum (F - P)^2          (paper, equation 1; P the content picture's features)
//! l = 1/2 sum m (F - P)^2        with a content mask m
//! ```
//!
//! Adjoint: `dF = F - P`, and `dF = m (F - P)`.

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::shape::Acc;
use crate::error::Result;
use crate::loss::guide::ContentGuide;
use crate::loss::scratch::{own_window, shaped};
use crate::loss::term::{Buffers, Site, Term};

/// Compares a layer's features with `target`.
pub(crate) struct Content<B: Backend> {
    /// The features of the whole content picture.
    pub(crate) target: Arc<B::Tensor>,
    /// Guides per tile, if the positions are not weighted uniformly.
    pub(crate) guides: Vec<ContentGuide<B>>,
    pub(crate) tiles: usize,
}

impl<B: Backend> Term<B> for Content<B> {
    /// One per tile.
    fn slots(&self) -> usize {
        self.tiles
    }

    fn forward(&mut self, at: &Site<'_, B>, buffers: Buffers<'_, B>) -> Result<()> {
        let Buffers { scalars, slot, scratch, target, .. } = buffers;
        let (backend, slot) = (at.backend, slot + at.tile);
        let target = own_window(backend, &self.target, at.window, target)?;
        let Some(guide) = self.guides.get(at.tile) else {
            return backend.half_squared_distance(at.features, target, scalars, slot);
        };
        let [f, p] = shaped(backend, scratch, &[at.whole; 2])? else { return Ok(()) };
        backend.guide(at.features, &guide.root, 1.0, Acc::Store, f)?;
        backend.guide(target, &guide.root, 1.0, Acc::Store, p)?;
        backend.half_squared_distance(f, p, scalars, slot)
    }

    fn backward(
        &mut self,
        at: &Site<'_, B>,
        weight: f64,
        acc: Acc,
        dfeatures: &mut B::Tensor,
        buffers: Buffers<'_, B>,
    ) -> Result<()> {
        let (backend, scale) = (at.backend, weight as f32);
        let target = own_window(backend, &self.target, at.window, buffers.target)?;
        let Some(guide) = self.guides.get(at.tile) else {
            return backend.half_squared_distance_bwd(at.features, target, scale, acc, dfeatures);
        };
        backend.guide(at.features, &guide.weights, scale, acc, dfeatures)?;
        backend.guide(target, &guide.weights, -scale, Acc::Add, dfeatures)
    }

    fn loss(&self, scalars: &[f64]) -> f64 {
        scalars.iter().sum()
    }
}
