//! What a session's image is held to, which several sessions may share.

use std::fmt;
use std::iter::repeat;
use std::sync::Arc;

use crate::check::{bad, sorted};
use crate::mask::Guide;
use crate::measure::Measure;
use crate::objective::{LayerWeight, largest, own_part};
use crate::ops::Padding;
use crate::passes::{Passes, PassesPlan, Seen};
use crate::planning::WHOLE;
use crate::reduce::Alone;
use crate::statistics::Statistic;
use crate::tiles::Grid;
use crate::{Acc, Backend, Image, Mask, Network, Pooling, Result, SessionBuilder, Style};

/// The features of a content picture and the statistics of style pictures, computed once by
/// [`SessionBuilder::targets`](crate::SessionBuilder::targets): given to further sessions on the same network, with
/// other weights, layers among those here, starts and so on, they save the pictures' passes through the network.
pub struct Targets<B: Backend> {
    pub(crate) network: Arc<Network<B>>,
    pub(crate) pooling: Pooling,
    pub(crate) padding: Padding,
    pub(crate) content: Option<ContentTargets<B>>,
    pub(crate) style: Option<StyleTargets<B>>,
    /// What they were computed from, for a session's manifest.
    pub(crate) described: String,
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

/// Style layers, and what styles give there.
type Styles<B> = (Vec<StyleLayer<B>>, Vec<Region<B>>);

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

impl<B: Backend> SessionBuilder<B> {
    /// Computes the targets of the pictures given, for sessions with other settings: see
    /// [`with_targets`](SessionBuilder::with_targets). The pictures are taken whole: a
    /// [memory limit](SessionBuilder::memory_limit) is one of sessions.
    ///
    /// # Errors
    /// As [`build`](SessionBuilder::build).
    pub fn targets(&self) -> Result<Arc<Targets<B>>> {
        if self.content.is_none() && self.styles.is_empty() {
            return Err(bad("targets are of pictures: give a content or a style picture"));
        }
        self.check_layers()?;
        let content = self.content.clone().filter(|_| !self.content_layers.is_empty());
        let content = content.map(|image| {
            let layers = self.content_features(image.clone(), WHOLE)?;
            Ok(ContentTargets { image, layers })
        });
        let styled = !self.styles.is_empty() && !self.style_layers.is_empty();
        let style = styled.then(|| {
            let (layers, regions) = self.style_regions(self.styles.clone(), &[])?;
            Ok(StyleTargets { image: self.styles[0].image.clone(), layers, regions })
        });
        let (content, style) = (content.transpose()?, style.transpose()?);
        let described = self.targets_described();
        let (network, pooling, padding) = (Arc::clone(&self.network), self.pooling, self.padding);
        Ok(Arc::new(Targets { network, pooling, padding, content, style, described }))
    }

    /// The content layers' features of a picture.
    pub(crate) fn content_features(&self, image: Image, grid: Grid) -> Result<Vec<(String, Arc<B::Tensor>)>> {
        let positions = self.positions(&self.content_layers)?;
        let taps = sorted(positions.clone());
        let plan = self.content_passes(image.shape(), grid)?;
        let features = features(&self.network, image, plan, taps.len())?;
        let layer = |(l, p): (&LayerWeight, &usize)| {
            let at = taps.iter().position(|t| t == p)?;
            Some((l.layer.clone(), Arc::clone(features.get(at)?)))
        };
        Ok(self.content_layers.iter().zip(&positions).filter_map(layer).collect())
    }

    /// What styles give, in their parts of the result; each picture goes when it has been looked at.
    pub(crate) fn style_regions(&self, styles: Vec<Style>, grids: &[Grid]) -> Result<Styles<B>> {
        let layers = self.own_style_layers()?;
        let positions = sorted(layers.iter().map(|l| l.position).collect());
        let taps: Vec<_> = layers.iter().filter_map(|l| positions.iter().position(|&p| p == l.position)).collect();
        let total: f64 = styles.iter().filter(|s| s.mask.is_none()).map(|s| s.share).sum();
        let (mut free, mut masked) = (vec![], vec![]);
        for (style, grid) in styles.into_iter().zip(grids.iter().copied().chain(repeat(WHOLE))) {
            let Style { image, share, mask, region } = style;
            let plan = self.style_passes(image.shape(), &layers, region.is_none(), grid)?;
            let values = measure(&self.network, image, region.as_ref(), &layers, &taps, plan)?;
            match mask {
                None => free.push((share / total, values)),
                mask => masked.push(Region { mask, share, values: values.into_iter().map(Arc::new).collect() }),
            }
        }
        if !free.is_empty() {
            masked.insert(0, Region { mask: None, share: 1.0, values: mean(self.network.backend(), &free)? });
        }
        Ok((layers, masked))
    }
}

/// Forward passes over a picture that keep nothing but what is taken at the taps.
struct Look<B: Backend> {
    passes: Passes<B>,
    image: B::Tensor,
    workspace: B::Workspace,
    /// A tile's own features.
    own: Option<B::Tensor>,
}

impl<B: Backend> Look<B> {
    fn new(network: &Network<B>, image: Image, plan: PassesPlan) -> Result<Self> {
        let backend = network.backend();
        let image = network.upload_owned(image)?;
        let workspace = backend.workspace(plan.workspace(backend))?;
        let own = plan.room(backend).map(|shape| backend.features(shape)).transpose()?;
        Ok(Self { passes: Passes::new(backend, plan)?, image, workspace, own })
    }

    /// Feeds a tile forward; `at_tap` is told of its own features, in a tensor by themselves where there are others.
    fn at(
        &mut self,
        network: &Network<B>,
        tile: usize,
        mut at_tap: impl FnMut(&Seen<'_, B>, &B::Tensor, &mut B::Workspace) -> Result<()>,
    ) -> Result<()> {
        let Self { passes, image, workspace, own } = self;
        passes.forward(network, image, tile, workspace, |seen, workspace| {
            let window = seen.window.map(|w| w.here);
            let features = own_part(network.backend(), seen.features, window, own.as_mut())?;
            at_tap(seen, features, workspace)
        })
    }
}

/// Bytes that passes over a picture take beside it.
pub(crate) fn look_bytes<B: Backend>(backend: &B, plan: &PassesPlan) -> usize {
    let own = plan.room(backend).map_or(0, |s| backend.features_bytes(s));
    [plan.bytes(backend), plan.workspace(backend), own].into_iter().fold(0, usize::saturating_add)
}

/// The whole features of a picture at each tap.
pub(crate) fn features<B: Backend>(
    network: &Network<B>,
    image: Image,
    plan: PassesPlan,
    taps: usize,
) -> Result<Vec<Arc<B::Tensor>>> {
    let backend = network.backend();
    let whole = |tap| backend.features(plan.features(tap));
    let mut all = (0..taps).map(whole).collect::<Result<Vec<_>>>()?;
    let tiles = plan.tiles.len();
    let mut look = Look::new(network, image, plan)?;
    for tile in 0..tiles {
        look.at(network, tile, |seen, features, _| match seen.window {
            None => backend.copy(features, &mut all[seen.tap]),
            Some(window) => backend.window_bwd(features, window.whole.at(), Acc::Add, &mut all[seen.tap]),
        })?;
    }
    Ok(all.into_iter().map(Arc::new).collect())
}

/// The values of each layer's statistic on one picture, or on a part of it; `taps[i]` is the tap of layer `i`.
pub(crate) fn measure<B: Backend>(
    network: &Network<B>,
    image: Image,
    region: Option<&Mask>,
    layers: &[StyleLayer<B>],
    taps: &[usize],
    plan: PassesPlan,
) -> Result<Vec<Vec<B::Tensor>>> {
    let backend = network.backend();
    let shape = image.shape();
    let measure = |(layer, &tap): (&StyleLayer<B>, &usize)| {
        let pools = network.pools_before(layer.position);
        let guide = |mask| Guide::new(backend, mask, shape, pools, &layer.name, plan.own(tap));
        let guides = region.map(guide).transpose()?.unwrap_or_default();
        Measure::new(backend, &plan, tap, &layer.statistic, guides, 1)
    };
    let mut measures = layers.iter().zip(taps).map(measure).collect::<Result<Vec<_>>>()?;
    let shapes = largest(backend, measures.iter().flat_map(|m| m.scratch().iter().cloned()));
    let mut scratch = shapes.into_iter().map(|s| backend.tensor(s)).collect::<Result<Vec<_>>>()?;
    let tiles = plan.tiles.len();
    let mut look = Look::new(network, image, plan)?;
    for tile in 0..tiles {
        look.at(network, tile, |seen, features, workspace| {
            let mut here = measures.iter_mut().filter(|m| m.tap == seen.tap);
            here.try_for_each(|m| m.forward(backend, seen, features, &mut scratch, workspace))
        })?;
        measures.iter_mut().try_for_each(|m| m.add(backend, tile))?;
    }
    measures.iter_mut().try_for_each(|m| m.finish(backend, &Alone))?;
    Ok(measures.into_iter().map(|m| m.values).collect())
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
