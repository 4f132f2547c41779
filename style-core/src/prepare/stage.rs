//! From a checked description to a session: the targets and all memory for the iterations.

use std::sync::Arc;

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::describe::builder::{Balance, SessionBuilder};
use crate::describe::init::Start;
use crate::describe::targets::{Region, StyleLayer};
use crate::error::{Result, bad};
use crate::image::Image;
use crate::loss::guide::{ContentGuide, Guide};
use crate::loss::losses::Weights;
use crate::loss::measure::Measure;
use crate::loss::objective::Objective;
use crate::loss::scratch::Rooms;
use crate::loss::terms::{ContentTerm, StyleTerm};
use crate::network::Network;
use crate::optim::Descent;
use crate::optim::adam::Carried;
use crate::optim::average::Average;
use crate::optim::point::Point;
use crate::pass::cancel::Cancel;
use crate::pass::tiled::{Passes, PassesPlan};
use crate::prepare::scales::ScalePlan;

impl<B: Backend> SessionBuilder<B> {
    /// Everything needed to paint one scale, given its description; `carried` is from the previous scale. Steps can be
    /// cancelled; so can this call if it is `cancellable`.
    pub(crate) fn stage(
        mut self,
        ScalePlan { checked, layout }: &ScalePlan<B>,
        carried: Option<Carried>,
        cancellable: bool,
    ) -> Result<Stage<B>> {
        let (network, shape) = (Arc::clone(&self.network), checked.shape);
        let backend = network.backend();
        let plan = self.picture_passes(checked, shape, layout.picture)?;
        let (scratch, dvalues) = (self.scratch(checked, &plan), Self::dvalues(checked, &plan));
        if !cancellable {
            self.cancel = Cancel::default();
        }

        // Creates the image and its descent first, so that each picture can be freed as soon as it has been evaluated.
        let start = Start {
            shape,
            content: self.content_image(),
            style: self.style_image(),
            noise: self.noise,
            ratio: self.chosen_noise_ratio(),
            mean: network.mean(),
            seed: self.seed,
        };
        let start = self.chosen_init().image(&start)?;
        self.init = None;
        let point = Point { x: network.upload_owned(start)?, g: backend.tensor(shape)? };
        let mut descent = Descent::new(backend, shape, &self.optimizer)?;
        descent.begin(backend, &point.x)?;
        carried.map_or(Ok(()), |carried| descent.carry_on(backend, &carried))?;
        let average = self.ema.map(|decay| Average::new(backend, shape, decay)).transpose()?;

        let looked_at = self.content.take().filter(|_| !self.content_layers.is_empty());
        let features =
            looked_at.map(|image| self.content_features(&checked.layers, image, layout.content)).transpose()?;
        let given = self.given.iter().find_map(|t| t.content.as_ref()).map(|c| &c.layers);
        let mut content = vec![];
        let places = checked.layers.content.iter().zip(&checked.content_taps);
        for (layer, (&position, &tap)) in self.content_layers.iter().zip(places) {
            let found = features.as_ref().or(given).and_then(|l| l.iter().find(|(name, _)| *name == layer.layer));
            let (_, target) = found.ok_or_else(|| bad(format!("there are no targets for {}", layer.layer)))?;
            let pools = network.pools_before(position);
            let guide = |mask| ContentGuide::new(backend, mask, shape, pools, plan.own(tap));
            let guides = self.content_mask.as_ref().map(guide).transpose()?.unwrap_or_default();
            content.push(ContentTerm { layer: layer.clone(), tap, target: Arc::clone(target), guides });
        }
        let styles = std::mem::take(&mut self.styles);
        let styled = !styles.is_empty() && !self.style_layers.is_empty();
        let regions = styled.then(|| self.style_regions(&checked.layers, styles, &layout.styles)).transpose()?;
        let given = self.given_style();
        let (mut style, processes) = (vec![], self.reduce.processes());
        for (index, (layer, &tap)) in checked.layers.style.iter().zip(&checked.style_taps).enumerate() {
            let (at, regions) = match (&regions, given) {
                (Some(regions), _) => (Some(index), regions),
                (None, Some(given)) => (given.layers.iter().position(|l| l.name == layer.name), &given.regions),
                (None, None) => continue,
            };
            let Some(at) = at else { continue };
            for region in regions {
                let values = &region.values[at];
                style.push(Self::style_term(&network, &plan, index, (layer, tap), values, region, processes)?);
            }
        }
        let weights = self.weights(&mut content, &mut style)?;

        let tensors = |shapes: Vec<Shape>| shapes.into_iter().map(|s| backend.tensor(s)).collect::<Result<Vec<_>>>();
        let own = |room| Ok([backend.features(room)?, backend.features(room)?, backend.features(room)?]);
        let rooms = Rooms {
            scratch: tensors(scratch)?,
            dvalues: tensors(dvalues)?,
            own: plan.room(backend).map(own).transpose()?,
        };
        let terms = content.len() * plan.tiles.len() + style.iter().map(|t| t.compared.len()).sum::<usize>();
        let objective = Objective {
            workspace: backend.workspace(plan.workspace(backend))?,
            passes: Passes::new(backend, plan)?,
            content,
            style_layers: self.style_layers,
            style,
            weights,
            rooms,
            scalars: backend.scalars(terms + 1)?,
            distances: vec![0.0; terms + 1],
            recording: B::Recording::default(),
            exchanged: zeros(if processes > 1 { shape.len() } else { 0 }, "a gradient")?,
            reduce: self.reduce,
        };
        Ok(Stage { objective, descent, point, average, evaluated: false })
    }

    fn style_term(
        network: &Network<B>,
        plan: &PassesPlan,
        index: usize,
        (layer, tap): (&StyleLayer<B>, usize),
        targets: &Arc<Vec<B::Tensor>>,
        region: &Region<B>,
        processes: usize,
    ) -> Result<StyleTerm<B>> {
        let backend = network.backend();
        let (statistic, features) = (&layer.statistic, plan.features(tap));
        let (image, pools) = (plan.picture(), network.pools_before(layer.position));
        let guide = |mask| Guide::new(backend, mask, image, pools, &layer.name, plan.own(tap));
        let guides = region.mask.as_ref().map(guide).transpose()?.unwrap_or_default();
        Ok(StyleTerm {
            layer: index,
            targets: Arc::clone(targets),
            compared: statistic.values(features),
            scale: statistic.scale(features),
            share: region.share * guides.first().map_or(1.0, |g| g.area),
            measure: Measure::new(backend, plan, tap, statistic, guides, processes)?,
        })
    }

    /// The weights of the total loss; adjusts those of the layers as required by [`Balance`].
    fn weights(&self, content: &mut [ContentTerm<B>], style: &mut [StyleTerm<B>]) -> Result<Weights> {
        let backend = self.network.backend();
        let len = |t: &ContentTerm<B>| backend.shape(&t.target).len() as f64;
        let first = content.first().map_or(1.0, len);
        let alpha = match self.balance {
            Balance::Sum(weight) => weight,
            Balance::Mean(weight) => {
                for term in content.iter_mut() {
                    term.layer.weight *= first / len(term);
                }
                2.0 * weight / first
            }
            Balance::Relative => {
                for term in content.iter_mut() {
                    term.layer.weight /= self.half_squares(std::slice::from_ref(&*term.target))?;
                }
                for term in style.iter_mut() {
                    term.scale = 1.0 / self.half_squares(&term.targets[..term.compared.len()])?;
                }
                CONTENT
            }
        };
        Ok(Weights { content: alpha, style: self.style_weight, tv: self.tv_weight, tv_kind: self.tv })
    }

    /// `1/2 sum t^2` of targets, the divisor of a relative loss; 1 if it is zero up to rounding.
    fn half_squares(&self, targets: &[B::Tensor]) -> Result<f64> {
        let backend = self.network.backend();
        let mut scalars = backend.scalars(targets.len())?;
        for (slot, target) in targets.iter().enumerate() {
            let mut zero = backend.tensor(backend.shape(target))?;
            backend.combine(&[], &mut zero)?;
            backend.half_squared_distance(target, &zero, &mut scalars, slot)?;
        }
        let mut squares = vec![0.0; targets.len()];
        backend.read_scalars(&scalars, &mut squares)?;
        let sum = squares.iter().sum::<f64>();
        Ok(if sum > 1e-12 { sum } else { 1.0 })
    }
}

/// Weight of the relative content loss at which a style strength of 1 looks balanced.
const CONTENT: f64 = 0.037;

/// The state of one scale.
pub(crate) struct Stage<B: Backend> {
    pub(crate) objective: Objective<B>,
    pub(crate) descent: Descent<B>,
    pub(crate) point: Point<B>,
    pub(crate) average: Option<Average<B>>,
    /// Whether the point has been evaluated.
    pub(crate) evaluated: bool,
}

impl<B: Backend> Stage<B> {
    pub(crate) fn image(&self, network: &Network<B>) -> Result<Image> {
        if let Some((sum, weight)) = self.average.as_ref().and_then(Average::mean) {
            return network.download(sum, weight);
        }
        network.download(self.descent.result(), 1.0)
    }
}
