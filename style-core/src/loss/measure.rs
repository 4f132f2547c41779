//! A statistic of one layer's features, computed tile by tile, or band by band.

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::shape::{Acc, Rows, Shape};
use crate::distributed::Communicator;
use crate::error::Result;
use crate::loss::guide::Guide;
use crate::loss::scratch::shaped;
use crate::loss::statistics::statistic::{Scratch, Statistic, misfit};
use crate::loss::statistics::sums::Sums;
use crate::loss::term::Site;
use crate::pass::tiled::PassesPlan;

/// The statistic at a tap, and its values.
pub(crate) struct Measure<B: Backend> {
    pub(crate) tap: usize,
    pub(crate) statistic: Arc<dyn Statistic<B>>,
    /// The weights of the positions in each tile, if they are not uniform.
    guides: Vec<Guide<B>>,
    /// Room for a guide's rows of a band, if there are bands.
    of_band: Option<Guide<B>>,
    /// Each tile's share of the positions, or of the guide.
    pub(crate) shares: Vec<f64>,
    /// The values that a loss compares, followed by the statistic's others.
    pub(crate) values: Vec<B::Tensor>,
    /// The parts in which the features of each tile are seen, with the shapes of the scratch tensors that the statistic needs
    /// for each.
    parts: Vec<Vec<(Shape, Vec<Shape>)>>,
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
        let part = |shape: Shape| (shape, statistic.scratch(shape, !guides.is_empty()));
        let parts: Vec<Vec<_>> = plan.part_shapes(tap).map(|shapes| shapes.into_iter().map(part).collect()).collect();
        let of_band = plan.band_map(backend, tap).filter(|_| !guides.is_empty());
        Ok(Self {
            tap,
            parts,
            of_band: of_band.map(|shape| Guide::room(backend, shape)).transpose()?,
            constants: constants(backend, &statistic.constants(all), &statistic.constant_values(all))?,
            statistic: Arc::clone(statistic),
            guides,
            shares,
            sums: (plan.tiles.len() > 1 || processes > 1).then(|| Sums::new(&shapes)),
            values: shapes.into_iter().map(|s| backend.tensor(s)).collect::<Result<_>>()?,
        })
    }

    /// Shapes of the scratch tensors that it needs for each part.
    pub(crate) fn scratch(&self) -> impl Iterator<Item = &Vec<Shape>> {
        self.parts.iter().flatten().map(|(_, scratch)| scratch)
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
        let tensors = shaped(at.backend, scratch, of_part(&self.parts, at)?)?;
        let at = Site { guide: guide(&self.guides, &mut self.of_band, at)?, ..*at };
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
    pub(crate) fn finish(&mut self, backend: &B, communicator: &dyn Communicator) -> Result<()> {
        let Self { sums, statistic, values, .. } = self;
        sums.as_mut().map_or(Ok(()), |sums| sums.finish(backend, &**statistic, communicator, values))
    }

    /// `dfeatures (=|+=)` the gradient of a loss, given its gradient `dvalues` with respect to the tile's values.
    pub(crate) fn backward(
        &mut self,
        at: &Site<'_, B>,
        dvalues: &[B::Tensor],
        acc: Acc,
        dfeatures: &mut B::Tensor,
        scratch: &mut [B::Tensor],
        workspace: &mut B::Workspace,
    ) -> Result<()> {
        let tensors = shaped(at.backend, scratch, of_part(&self.parts, at)?)?;
        let at = Site { guide: guide(&self.guides, &mut self.of_band, at)?, ..*at };
        let scratch = Scratch { constants: &self.constants, tensors, workspace };
        self.statistic.backward(&at, &self.values, dvalues, acc, dfeatures, scratch)
    }
}

/// Shapes of the scratch tensors for the part at `at`.
fn of_part<'a, B: Backend>(parts: &'a [Vec<(Shape, Vec<Shape>)>], at: &Site<'_, B>) -> Result<&'a [Shape]> {
    let shape = at.backend.shape(at.features);
    let part = parts.get(at.tile).and_then(|parts| parts.iter().find(|(s, _)| *s == shape));
    part.map(|(_, scratch)| &scratch[..]).ok_or_else(misfit)
}

/// The weights of the positions at `at`: those of its tile, or their rows of a band.
fn guide<'a, B: Backend>(
    guides: &'a [Guide<B>],
    of_band: &'a mut Option<Guide<B>>,
    at: &Site<'_, B>,
) -> Result<Option<&'a Guide<B>>> {
    let height = at.backend.shape(at.features).height;
    match (guides.get(at.tile), of_band) {
        (Some(guide), Some(band)) if height < at.whole.height => {
            band.take(at.backend, guide, Rows { start: at.top, end: at.top + height })?;
            Ok(Some(band))
        }
        (guide, _) => Ok(guide),
    }
}
