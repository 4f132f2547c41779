//! A statistic of one layer's features, computed tile by tile.

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::shape::{Acc, Shape};
use crate::distributed::Reduce;
use crate::error::Result;
use crate::loss::guide::Guide;
use crate::loss::scratch::shaped;
use crate::loss::statistics::statistic::{Scratch, Statistic};
use crate::loss::statistics::sums::Sums;
use crate::loss::term::Site;
use crate::pass::tiled::PassesPlan;

/// The statistic at a tap, and its values.
pub(crate) struct Measure<B: Backend> {
    pub(crate) tap: usize,
    pub(crate) statistic: Arc<dyn Statistic<B>>,
    /// The weights of the positions in each tile, if they are not uniform.
    guides: Vec<Guide<B>>,
    /// Each tile's share of the positions, or of the guide.
    pub(crate) shares: Vec<f64>,
    /// The values that a loss compares, followed by the statistic's others.
    pub(crate) values: Vec<B::Tensor>,
    /// Shapes of the scratch tensors that the statistic needs in each tile.
    scratch: Vec<Vec<Shape>>,
    /// What the statistic defines as constants.
    pub(crate) constants: Vec<B::Tensor>,
    /// Present if there are several tiles or several processes.
    sums: Option<Sums>,
}

/// Shapes of all values of a statistic: those that a loss compares, then the others.
pub(crate) fn values<B: Backend>(statistic: &dyn Statistic<B>, features: Shape) -> Vec<Shape> {
    let mut shapes = statistic.values(features);
    shapes.extend(statistic.others(features));
    shapes
}

/// Uploads constants.
fn constants<B: Backend>(backend: &B, shapes: &[Shape], values: &[Vec<f32>]) -> Result<Vec<B::Tensor>> {
    let upload = |(&shape, values): (&Shape, &Vec<f32>)| {
        let mut tensor = backend.tensor(shape)?;
        backend.upload(values, &mut tensor)?;
        Ok(tensor)
    };
    shapes.iter().zip(values).map(upload).collect()
}

impl<B: Backend> Measure<B> {
    pub(crate) fn new(
        backend: &B,
        plan: &PassesPlan,
        tap: usize,
        statistic: &Arc<dyn Statistic<B>>,
        guides: Vec<Guide<B>>,
        processes: usize,
    ) -> Result<Self> {
        let all = plan.features(tap);
        let shapes = values(&**statistic, all);
        let of_positions = |own: Shape| own.positions() as f64 / all.positions() as f64;
        let shares = if guides.is_empty() {
            plan.own_shapes(tap).map(of_positions).collect()
        } else {
            guides.iter().map(|guide| guide.share).collect()
        };
        Ok(Self {
            tap,
            scratch: plan.own_shapes(tap).map(|own| statistic.scratch(own, !guides.is_empty())).collect(),
            constants: constants(backend, &statistic.constants(all), &statistic.constant_values(all))?,
            statistic: Arc::clone(statistic),
            guides,
            shares,
            sums: (plan.tiles.len() > 1 || processes > 1).then(|| Sums::new(&shapes)),
            values: shapes.into_iter().map(|s| backend.tensor(s)).collect::<Result<_>>()?,
        })
    }

    /// Shapes of the scratch tensors that it needs.
    pub(crate) fn scratch(&self) -> &[Vec<Shape>] {
        &self.scratch
    }

    /// Discards the sums of other tiles.
    pub(crate) fn clear(&mut self) {
        self.sums.iter_mut().for_each(Sums::clear);
    }

    /// Measures a tile's own features, or a band of them.
    pub(crate) fn forward(
        &mut self,
        at: &Site<'_, B>,
        scratch: &mut [B::Tensor],
        workspace: &mut B::Workspace,
    ) -> Result<()> {
        if self.shares[at.tile] == 0.0 {
            return Ok(());
        }
        let tensors = shaped(at.backend, scratch, &self.scratch[at.tile])?;
        let at = Site { guide: self.guides.get(at.tile), ..*at };
        self.statistic.forward(&at, &mut self.values, Scratch { constants: &self.constants, tensors, workspace })
    }

    /// Adds a tile's values to the sums.
    pub(crate) fn add(&mut self, backend: &B, tile: usize) -> Result<()> {
        let Self { sums, statistic, shares, values, .. } = self;
        match sums {
            Some(sums) if shares[tile] > 0.0 => sums.add(backend, &**statistic, shares[tile], values),
            _ => Ok(()),
        }
    }

    /// Computes the values of the picture, once all tiles of all processes have been added.
    pub(crate) fn finish(&mut self, backend: &B, reduce: &dyn Reduce) -> Result<()> {
        let Self { sums, statistic, values, .. } = self;
        sums.as_mut().map_or(Ok(()), |sums| sums.finish(backend, &**statistic, reduce, values))
    }

    /// `dfeatures (=|+=)` the gradient of a loss, given its gradient `dvalues` with respect to the tile's values.
    pub(crate) fn backward(
        &self,
        at: &Site<'_, B>,
        dvalues: &[B::Tensor],
        acc: Acc,
        dfeatures: &mut B::Tensor,
        scratch: &mut [B::Tensor],
        workspace: &mut B::Workspace,
    ) -> Result<()> {
        let tensors = shaped(at.backend, scratch, &self.scratch[at.tile])?;
        let at = Site { guide: self.guides.get(at.tile), ..*at };
        let scratch = Scratch { constants: &self.constants, tensors, workspace };
        self.statistic.backward(&at, &self.values, dvalues, acc, dfeatures, scratch)
    }
}
