//! The style loss of a layer: a [statistic](crate::statistics) of its features, compared with that of the style
//! pictures.
//!
//! ```text
//! l = share c d(v, t)        v the values on the image, t the targets, d = 1/2 sum (v - t)^2 unless the statistic has its own
//! ```
//!
//! Adjoint: `dv = share c dd/dv`, which the statistic propagates to `dF`. In a tile, `dv` is multiplied by the tile's
//! share of the positions.

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::shape::{Acc, Shape};
use crate::distributed::Communicator;
use crate::error::Result;
use crate::loss::measure::Measure;
use crate::loss::scratch::shaped;
use crate::loss::statistics::statistic::{Compared, Scratch};
use crate::loss::term::{Buffers, Site, Term};

/// A style at a layer: compares the values of a statistic with `targets`.
pub(crate) struct Style<B: Backend> {
    /// Measured on the image in the forward pass.
    pub(crate) measure: Measure<B>,
    /// Values of a style picture, or the mean of several.
    pub(crate) targets: Arc<Vec<B::Tensor>>,
    /// What the statistic keeps for the distance from them.
    pub(crate) kept: Vec<B::Tensor>,
    /// Shape of the whole picture's features.
    pub(crate) features: Shape,
    /// Shapes of the values that the loss compares, and of the scratch tensors for it.
    pub(crate) compared: Vec<Shape>,
    pub(crate) scratch: Vec<Shape>,
    /// The factor `c`.
    pub(crate) scale: f64,
    /// Factor of its loss, in addition to the layer's weight.
    pub(crate) share: f64,
}

impl<B: Backend> Term<B> for Style<B> {
    fn slots(&self) -> usize {
        self.measure.statistic.slots(self.features)
    }

    fn begin(&mut self) {
        self.measure.clear();
    }

    fn forward(&mut self, at: &Site<'_, B>, buffers: Buffers<'_, B>) -> Result<()> {
        self.measure.forward(at, buffers.scratch, buffers.workspace)
    }

    fn end_of_tile(&mut self, backend: &B, tile: usize) -> Result<()> {
        self.measure.add(backend, tile)
    }

    fn end(&mut self, backend: &B, communicator: &dyn Communicator, buffers: Buffers<'_, B>) -> Result<()> {
        self.measure.finish(backend, communicator)?;
        let Buffers { scalars, slot, workspace, scratch, .. } = buffers;
        let tensors = shaped(backend, scratch, &self.scratch)?;
        let Self { measure: Measure { statistic, values, constants, .. }, targets, kept, compared, .. } = self;
        let n = compared.len();
        let of = Compared { backend, values: &values[..n], targets: &targets[..n], kept };
        statistic.distance(of, scalars, slot, Scratch { constants, tensors, workspace })
    }

    fn backward(
        &mut self,
        at: &Site<'_, B>,
        weight: f64,
        acc: Acc,
        dfeatures: &mut B::Tensor,
        buffers: Buffers<'_, B>,
    ) -> Result<()> {
        let Buffers { workspace, scratch, dvalues, .. } = buffers;
        let scale = weight * self.share * self.scale * self.measure.shares[at.tile];
        let dvalues = shaped(at.backend, dvalues, &self.compared)?;
        let Self { measure: Measure { statistic, values, .. }, targets, kept, compared, .. } = self;
        let n = compared.len();
        let of = Compared { backend: at.backend, values: &values[..n], targets: &targets[..n], kept };
        statistic.distance_bwd(of, scale as f32, dvalues)?;
        self.measure.backward(at, dvalues, acc, dfeatures, scratch, workspace)
    }

    fn loss(&self, scalars: &[f64]) -> f64 {
        self.share * self.scale * self.measure.statistic.loss(scalars)
    }
}
