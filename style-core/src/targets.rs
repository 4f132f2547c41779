//! What a session's image is held to, which several sessions may share.

use std::fmt;
use std::sync::Arc;

use crate::chain::{Chain, ChainPlan, Tapped};
use crate::mask::Guide;
use crate::statistics::{Scratch, Site, Statistic};
use crate::{Acc, Backend, Image, Mask, Network, Pooling, Result, Shape};

/// The features of a content picture and the statistics of style pictures, computed once by
/// [`SessionBuilder::targets`](crate::SessionBuilder::targets): given to further sessions on the same network, with
/// other weights, layers among those here, starts and so on, they save the pictures' passes through the network.
pub struct Targets<B: Backend> {
    pub(crate) network: Arc<Network<B>>,
    pub(crate) pooling: Pooling,
    pub(crate) content: Option<ContentTargets<B>>,
    pub(crate) style: Option<StyleTargets<B>>,
}

/// A content picture's features.
pub(crate) struct ContentTargets<B: Backend> {
    pub(crate) image: Image,
    pub(crate) layers: Vec<(String, Arc<B::Tensor>)>,
}

/// What style pictures give.
pub(crate) struct StyleTargets<B: Backend> {
    /// The first of the pictures, for a start from it.
    pub(crate) image: Image,
    pub(crate) layers: Vec<StyleLayer<B>>,
    pub(crate) regions: Vec<Region<B>>,
}

/// A style layer and what it is measured by.
pub(crate) struct StyleLayer<B: Backend> {
    pub(crate) name: String,
    pub(crate) position: usize,
    pub(crate) statistic: Arc<dyn Statistic<B>>,
}

impl<B: Backend> Clone for StyleLayer<B> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), position: self.position, statistic: Arc::clone(&self.statistic) }
    }
}

/// A part of the result, and the values of each layer's statistic there.
pub(crate) struct Region<B: Backend> {
    pub(crate) mask: Option<Mask>,
    pub(crate) share: f64,
    pub(crate) values: Vec<Arc<Vec<B::Tensor>>>,
}

impl<B: Backend> fmt::Debug for Targets<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Targets")
            .field("network", &self.network)
            .field("content", &self.content.as_ref().map(|c| c.image.shape()))
            .field("style", &self.style.as_ref().map(|s| s.image.shape()))
            .finish_non_exhaustive()
    }
}

/// One forward pass that keeps nothing but what `at_tap` takes.
pub(crate) fn look<B: Backend>(
    network: &Network<B>,
    image: &Image,
    plan: ChainPlan,
    at_tap: impl FnMut(&Tapped<'_, B>, &mut B::Workspace) -> Result<()>,
) -> Result<()> {
    let backend = network.backend();
    let mut workspace = backend.workspace(plan.workspace())?;
    let mut chain = Chain::new(backend, plan)?;
    chain.forward(network, &network.upload(image)?, &mut workspace, at_tap)
}

/// The values of each layer's statistic on one picture, or on a part of it; `taps[i]` is the tap of layer `i`.
pub(crate) fn measure<B: Backend>(
    network: &Network<B>,
    image: &Image,
    region: Option<&Mask>,
    layers: &[StyleLayer<B>],
    taps: &[usize],
    plan: ChainPlan,
) -> Result<Vec<Vec<B::Tensor>>> {
    let backend = network.backend();
    let mut all: Vec<Vec<B::Tensor>> = layers.iter().map(|_| vec![]).collect();
    look(network, image, plan, |tapped, workspace| {
        let &Tapped { tap, features, rows, whole, first, .. } = tapped;
        for (layer, values) in layers.iter().zip(&mut all).zip(taps).filter(|(_, t)| **t == tap).map(|(l, _)| l) {
            let pools = network.pools_before(layer.position);
            let guide = region.map(|mask| Guide::new(backend, mask, image.shape(), pools, &layer.name)).transpose()?;
            let allocate =
                |shapes: Vec<Shape>| shapes.into_iter().map(|s| backend.tensor(s)).collect::<Result<Vec<_>>>();
            if first {
                *values = allocate(layer.statistic.values(whole))?;
            }
            let mut tensors = allocate(layer.statistic.scratch(whole, guide.is_some()))?;
            let acc = if first { Acc::Store } else { Acc::Add };
            let site = Site { backend, features, whole, rows, acc, guide: guide.as_ref() };
            layer.statistic.forward(&site, values, Scratch { tensors: &mut tensors, workspace })?;
        }
        Ok(())
    })?;
    Ok(all)
}

/// The mean of several pictures' values, by weights that sum to 1.
pub(crate) fn mean<B: Backend>(
    backend: &B,
    pictures: &[(f64, Vec<Vec<B::Tensor>>)],
) -> Result<Vec<Arc<Vec<B::Tensor>>>> {
    let layers = pictures.first().map_or(0, |(_, layers)| layers.len());
    let one = |layer: usize| {
        let values = pictures[0].1[layer].len();
        let value = |i: usize| {
            let terms: Vec<_> = pictures.iter().map(|(weight, layers)| (*weight, &layers[layer][i])).collect();
            let mut mean = backend.tensor(backend.shape(terms[0].1))?;
            backend.combine(&terms, &mut mean)?;
            Ok(mean)
        };
        Ok(Arc::new((0..values).map(value).collect::<Result<Vec<_>>>()?))
    };
    (0..layers).map(one).collect()
}

/// A copy of features on the device.
pub(crate) fn copied<B: Backend>(backend: &B, tensor: &B::Tensor) -> Result<B::Tensor> {
    let mut copy = backend.features(backend.shape(tensor))?;
    backend.copy(tensor, &mut copy)?;
    Ok(copy)
}
