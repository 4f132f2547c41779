//! The targets of a session; several sessions may share them.

use std::iter::repeat;
use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::shape::Acc;
use crate::describe::builder::SessionBuilder;
use crate::describe::style::Style;
use crate::describe::targets::{Region, ResolvedLayer};
use crate::distributed::Alone;
use crate::error::Result;
use crate::image::Image;
use crate::image::mask::Mask;
use crate::loss::guide::Guide;
use crate::loss::losses::LayerWeight;
use crate::loss::measure::Measure;
use crate::loss::scratch::{largest, own_window};
use crate::loss::term::Site;
use crate::network::Network;
use crate::pass::tiled::{Passes, PassesPlan, Seen};
use crate::pass::tiles::{Grid, WHOLE};
use crate::prepare::check::Layers;

impl<B: Backend> SessionBuilder<B> {
    /// The content layers' features of a picture.
    pub(crate) fn content_features(
        &self,
        layers: &Layers<B>,
        image: Image,
        grid: Grid,
    ) -> Result<Vec<(String, Arc<B::Tensor>)>> {
        let taps = layers.content_taps();
        let plan = self.content_passes(&taps, image.shape(), grid)?;
        let features = features(&self.network, image, plan, taps.len())?;
        let layer = |(l, &position): (&LayerWeight, &usize)| {
            let tap = taps.at(position)?;
            Some((l.layer.clone(), Arc::clone(features.get(tap)?)))
        };
        Ok(self.settings.content_layers.iter().zip(&layers.content).filter_map(layer).collect())
    }

    /// The targets of styles in their parts of the result; each picture is freed once it has been evaluated.
    pub(crate) fn style_regions(
        &self,
        layers: &Layers<B>,
        styles: Vec<Style>,
        grids: &[Grid],
    ) -> Result<Vec<Region<B>>> {
        let of_style = layers.style_taps();
        let taps: Vec<_> = layers.style.iter().filter_map(|l| of_style.at(l.position)).collect();
        let total: f64 = styles.iter().filter(|s| s.mask.is_none()).map(|s| s.share).sum();
        let (mut free, mut masked) = (vec![], vec![]);
        for (style, grid) in styles.into_iter().zip(grids.iter().copied().chain(repeat(WHOLE))) {
            let Style { image, share, mask, region } = style;
            let plan = self.style_passes(layers, image.shape(), grid)?;
            let values = measure(&self.network, image, region.as_ref(), &layers.style, &taps, plan)?;
            match mask {
                None => free.push((share / total, values)),
                mask => masked.push(Region { mask, share, values: values.into_iter().map(Arc::new).collect() }),
            }
        }
        if !free.is_empty() {
            masked.insert(0, Region { mask: None, share: 1.0, values: mean(self.network.backend(), &free)? });
        }
        Ok(masked)
    }
}

/// Forward passes over a picture that keep only the values taken at the taps.
struct Look<B: Backend> {
    passes: Passes<B>,
    image: B::Tensor,
    workspace: B::Workspace,
    /// A tile's own features.
    own: Option<B::Tensor>,
}

impl<B: Backend> Look<B> {
    /// With a workspace of at least `bytes`.
    fn new(network: &Network<B>, image: Image, plan: PassesPlan, bytes: usize) -> Result<Self> {
        let backend = network.backend();
        let image = network.upload_owned(image)?;
        let workspace = backend.workspace(plan.workspace(backend).max(bytes))?;
        let own = plan.room(backend).map(|shape| backend.features(shape)).transpose()?;
        Ok(Self { passes: Passes::new(backend, plan)?, image, workspace, own })
    }

    /// Runs a tile forward; `at_tap` receives its own features, in a separate tensor if the tensor holds others too.
    fn at(
        &mut self,
        network: &Network<B>,
        tile: usize,
        mut at_tap: impl FnMut(&Seen<'_, B>, &B::Tensor, &mut B::Workspace) -> Result<()>,
    ) -> Result<()> {
        let Self { passes, image, workspace, own } = self;
        passes.forward(network, image, tile, workspace, |seen, workspace| {
            let window = seen.window.map(|w| w.here);
            let features = own_window(network.backend(), seen.features, window, own.as_mut())?;
            at_tap(seen, features, workspace)
        })
    }
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
    let mut look = Look::new(network, image, plan, 0)?;
    for tile in 0..tiles {
        look.at(network, tile, |seen, features, _| match seen.window {
            None => backend.copy(features, &mut all[seen.tap]),
            Some(window) => backend.window_bwd(features, window.whole.at(), Acc::Add, &mut all[seen.tap]),
        })?;
    }
    Ok(all.into_iter().map(Arc::new).collect())
}

/// The values of each layer's statistic on one picture or a part of it; `taps[i]` is the tap of layer `i`.
pub(crate) fn measure<B: Backend>(
    network: &Network<B>,
    image: Image,
    region: Option<&Mask>,
    layers: &[ResolvedLayer<B>],
    taps: &[usize],
    plan: PassesPlan,
) -> Result<Vec<Vec<B::Tensor>>> {
    let backend = network.backend();
    let shape = image.shape();
    let measure = |(layer, &tap): (&ResolvedLayer<B>, &usize)| {
        let pools = network.pools_before(layer.position);
        let guide = |mask| Guide::new(backend, mask, shape, pools, &layer.name, plan.own(tap));
        let guides = region.map(guide).transpose()?.unwrap_or_default();
        Measure::new(backend, &plan, tap, &layer.statistic, guides, 1)
    };
    let mut measures = layers.iter().zip(taps).map(measure).collect::<Result<Vec<_>>>()?;
    let shapes = largest(backend, measures.iter().flat_map(|m| m.scratch().cloned()));
    let mut scratch = shapes.into_iter().map(|s| backend.tensor(s)).collect::<Result<Vec<_>>>()?;
    let tiles = plan.tiles.len();
    let wanted = layers.iter().zip(taps).map(|(l, &tap)| l.statistic.workspace(backend, plan.features(tap)));
    let wanted = wanted.fold(0, usize::max);
    let mut look = Look::new(network, image, plan, wanted)?;
    for tile in 0..tiles {
        look.at(network, tile, |seen, features, workspace| {
            let mut here = measures.iter_mut().filter(|m| m.tap == seen.tap);
            here.try_for_each(|m| m.forward(&Site::new(backend, seen, features, 0), &mut scratch, workspace))
        })?;
        measures.iter_mut().try_for_each(|m| m.add(backend, tile))?;
    }
    measures.iter_mut().try_for_each(|m| m.finish(backend, &Alone))?;
    Ok(measures.into_iter().map(|m| m.values).collect())
}

/// The mean of several pictures' values, with weights that sum to 1.
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
