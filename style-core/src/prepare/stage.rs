//! From a checked description to a session: the targets and all memory for the iterations.

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::describe::builder::SessionBuilder;
use crate::describe::init::{Inputs, Start};
use crate::describe::settings::ContentWeight;
use crate::describe::targets::{Region, ResolvedLayer};
use crate::distributed::copies::Copies;
use crate::distributed::gradient::TileGradient;
use crate::distributed::share::Share;
use crate::error::{Result, bad};
use crate::image::Image;
use crate::loss::content::Content;
use crate::loss::custom::{self, Loss};
use crate::loss::guide::{ContentGuide, Guide};
use crate::loss::losses::{CONTENT, LayerWeight, Losses, STYLE, StyleLayer, TV};
use crate::loss::measure::Measure;
use crate::loss::objective::{Group, Objective, Placed};
use crate::loss::scratch::Shared;
use crate::loss::statistics::statistic::half_squares;
use crate::loss::style::Style;
use crate::loss::term::{Additivity, Term};
use crate::loss::tv::TotalVariation;
use crate::network::Network;
use crate::optim::Descent;
use crate::optim::adam::Carried;
use crate::optim::average::Average;
use crate::optim::point::{Point, Update};
use crate::pass::cancel::Cancel;
use crate::pass::tiled::{Passes, PassesPlan};
use crate::prepare::check::{Checked, NOISE_RATIO};
use crate::prepare::layout::Layout;
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
        let start = Inputs {
            shape,
            image: self.start.as_ref(),
            content: self.content_image(),
            style: self.style_image(),
            noise: self.settings.noise,
            ratio: self.chosen_noise_ratio(),
            mean: network.mean(),
            seed: self.settings.seed,
        };
        let reference = match (self.settings.balanced, start.content) {
            (false, _) => None,
            (true, Some(_)) => Some(Start::Content.image(&Inputs { ratio: NOISE_RATIO, ..start })?),
            (true, None) => Some(Start::Noise.image(&Inputs { ratio: 1.0, ..start })?),
        };
        let start = self.chosen_init().image(&start)?;
        self.start = None;
        let share = Share::new(Arc::clone(&self.communicator), shape);
        let processes = self.communicator.processes();
        let (mut point, mut copies) =
            (Point { x: network.upload_owned(start)?, g: backend.tensor(share.shape())? }, None);
        if processes > 1 {
            let mut own = backend.tensor(share.shape())?;
            let of_start = copies.insert(Copies::new(backend, share.clone(), point.x)?);
            of_start.cut(backend, &mut own)?;
            point.x = own;
        }
        let mut descent = Descent::new(backend, &share, &self.settings.optimizer)?;
        descent.begin(backend, &point.x)?;
        carried.map_or(Ok(()), |carried| descent.carry_on(backend, &carried, &share))?;
        let average = self.settings.running_mean.map(|decay| Average::new(backend, shape, decay)).transpose()?;

        let losses = self.custom_terms(checked, &plan)?;
        let content = self.content_terms(checked, layout, &plan)?;
        let style = self.style_terms(checked, layout, &plan)?;
        let groups = self.groups(checked, content, style, losses)?;
        let slots = groups.iter().flat_map(|g| &g.terms).map(|p| p.slots.len()).sum();

        let tensors = |shapes: Vec<Shape>| shapes.into_iter().map(|s| backend.tensor(s)).collect::<Result<Vec<_>>>();
        let own = |shape| Ok([backend.features(shape)?, backend.features(shape)?, backend.features(shape)?]);
        let shared = Shared {
            scratch: tensors(scratch)?,
            dvalues: tensors(dvalues)?,
            own: plan.room(backend).map(own).transpose()?,
        };
        let mut objective = Objective {
            workspace: backend.workspace(self.workspace(checked, &plan))?,
            passes: Passes::new(backend, plan)?,
            groups,
            shared,
            scalars: backend.scalars(slots)?,
            numbers: vec![0.0; slots],
            recording: B::Recording::default(),
            tile_gradient: None,
            communicator: Arc::clone(&self.communicator),
        };
        if processes > 1 {
            let seen = self.seen(&objective.passes.plan, processes);
            objective.passes.origin = seen[self.communicator.process()].at();
            objective.tile_gradient = Some(TileGradient::new(backend, share.clone(), seen)?);
        }
        if let Some(reference) = reference {
            objective.balance(&network, &network.upload_owned(reference)?, &mut point.g)?;
        }
        Ok(Stage { objective, descent, point, share, copies, average, evaluated: false })
    }

    /// The terms of the content layers; frees the content picture.
    fn content_terms(
        &mut self,
        checked: &Checked<B>,
        layout: &Layout,
        plan: &PassesPlan,
    ) -> Result<Vec<(LayerWeight, Content<B>)>> {
        let network = &self.network;
        let picture = self.content.take().filter(|_| !self.settings.content_layers.is_empty());
        let features =
            picture.map(|image| self.content_features(&checked.layers, image, layout.content)).transpose()?;
        let given = self.given.iter().find_map(|t| t.content.as_ref()).map(|c| &c.layers);
        let places = checked.layers.content.iter().zip(&checked.content_taps);
        let term = |(layer, (&position, &tap)): (&LayerWeight, (&usize, &usize))| {
            let found = features.as_ref().or(given).and_then(|l| l.iter().find(|(name, _)| *name == layer.layer));
            let (_, target) = found.ok_or_else(|| bad(format!("no targets for layer {}", layer.layer)))?;
            let pools = network.pools_before(position);
            let guide = |mask| ContentGuide::new(network.backend(), mask, plan.picture(), pools, plan.own(tap));
            let guides = self.content_mask.as_ref().map(guide).transpose()?.unwrap_or_default();
            Ok((layer.clone(), Content { target: Arc::clone(target), guides, tiles: plan.tiles.len() }))
        };
        self.settings.content_layers.iter().zip(places).map(term).collect()
    }

    /// The terms of the style layers, each with the index of its layer; frees the style pictures.
    fn style_terms(
        &mut self,
        checked: &Checked<B>,
        layout: &Layout,
        plan: &PassesPlan,
    ) -> Result<Vec<(usize, Style<B>)>> {
        let styles = std::mem::take(&mut self.styles);
        let styled = !styles.is_empty() && !self.settings.style_layers.is_empty();
        let regions = styled.then(|| self.style_regions(&checked.layers, styles, &layout.styles)).transpose()?;
        let given = self.given_style();
        let mut terms = vec![];
        for (index, (layer, &tap)) in checked.layers.style.iter().zip(&checked.style_taps).enumerate() {
            let (at, regions) = match (&regions, given) {
                (Some(regions), _) => (Some(index), regions),
                (None, Some(given)) => (given.layers.iter().position(|l| l.name == layer.name), &given.regions),
                (None, None) => continue,
            };
            let Some(at) = at else { continue };
            for region in regions {
                terms.push((index, self.style_term(plan, (layer, tap), &region.values[at], region)?));
            }
        }
        Ok(terms)
    }

    fn style_term(
        &self,
        plan: &PassesPlan,
        (layer, tap): (&ResolvedLayer<B>, usize),
        targets: &Arc<Vec<B::Tensor>>,
        region: &Region<B>,
    ) -> Result<Style<B>> {
        let (backend, processes) = (self.network.backend(), self.communicator.processes());
        let (statistic, features) = (&layer.statistic, plan.features(tap));
        let (image, pools) = (plan.picture(), self.network.pools_before(layer.position));
        let guide = |mask| Guide::new(backend, mask, image, pools, &layer.name, plan.own(tap));
        let guides = region.mask.as_ref().map(guide).transpose()?.unwrap_or_default();
        let share = region.share * guides.first().map_or(1.0, |g| g.area);
        let measure = Measure::new(backend, plan, tap, statistic, guides, processes)?;
        let compared = statistic.values(features);
        let kept = statistic.prepare(backend, features, &targets[..compared.len()], &measure.constants)?;
        Ok(Style {
            kept,
            targets: Arc::clone(targets),
            features,
            compared,
            scratch: statistic.distance_scratch(features),
            scale: statistic.scale(features),
            share,
            measure,
        })
    }

    /// The terms of custom losses.
    fn custom_terms(&self, checked: &Checked<B>, plan: &PassesPlan) -> Result<Vec<Box<dyn Term<B>>>> {
        let styles: Vec<_> = self.styles.iter().map(|s| &s.image).collect();
        let term = |(loss, taps): (&dyn Loss<B>, &Vec<usize>)| {
            let features: Vec<_> = taps.iter().map(|&tap| plan.features(tap)).collect();
            let features = if features.is_empty() { vec![plan.picture()] } else { features };
            loss.term(&custom::Inputs {
                network: &self.network,
                pooling: self.settings.pooling,
                padding: self.settings.padding,
                content: self.content_image(),
                styles: &styles,
                image: plan.picture(),
                features,
                tiles: plan.tiles.len(),
                cancel: &self.cancel,
            })
        };
        self.all_losses().iter().map(|(_, loss)| &**loss).zip(&checked.loss_taps).map(term).collect()
    }

    /// The groups of the objective: content, style, total variation and custom losses. Sets the weights as
    /// [`ContentWeight`] requires.
    fn groups(
        &self,
        checked: &Checked<B>,
        mut content: Vec<(LayerWeight, Content<B>)>,
        mut style: Vec<(usize, Style<B>)>,
        losses: Vec<Box<dyn Term<B>>>,
    ) -> Result<Vec<Group<B>>> {
        let alpha = self.weigh(&mut content, &mut style)?;
        let mut next = 0;
        let mut placed = |layer: usize, taps: Vec<usize>, additivity: Additivity, term: Box<dyn Term<B>>| {
            let slots = next..next + term.slots();
            next = slots.end;
            Placed { layer, taps, additivity, slots, term }
        };
        let mut groups = vec![];
        if !content.is_empty() {
            let layers = content.iter().map(|(layer, _)| layer.clone()).collect();
            let terms = content.into_iter().zip(&checked.content_taps).enumerate();
            let terms = terms
                .map(|(i, ((_, term), &tap))| placed(i, vec![tap], Additivity::Positions, Box::new(term)))
                .collect();
            groups.push(Group { name: CONTENT.into(), weight: alpha, layers, terms });
        }
        if !style.is_empty() {
            let at = |(i, term): (usize, Style<B>)| {
                placed(i, vec![checked.style_taps[i]], Additivity::Statistics, Box::new(term))
            };
            let terms = style.into_iter().map(at).collect();
            let layer = |l: &StyleLayer| LayerWeight::new(l.layer.clone(), l.weight);
            let (weight, layers) = (self.settings.style_weight, self.settings.style_layers.iter().map(layer).collect());
            groups.push(Group { name: STYLE.into(), weight, layers, terms });
        }
        let tv = Box::new(TotalVariation(self.settings.tv));
        let tv = vec![placed(0, vec![], Additivity::Positions, tv)];
        groups.push(Group { name: TV.into(), weight: self.settings.tv_weight, layers: vec![], terms: tv });
        for (((weight, loss), taps), term) in self.all_losses().iter().zip(&checked.loss_taps).zip(losses) {
            let terms = vec![placed(0, taps.clone(), loss.additivity(), term)];
            groups.push(Group { name: loss.name(), weight: *weight, layers: vec![], terms });
        }
        Ok(groups)
    }

    /// The weight of the content loss; adjusts those of the layers as required by [`ContentWeight`].
    fn weigh(&self, content: &mut [(LayerWeight, Content<B>)], style: &mut [(usize, Style<B>)]) -> Result<f64> {
        let backend = self.network.backend();
        let len = |term: &Content<B>| backend.shape(&term.target).len() as f64;
        let first = content.first().map_or(1.0, |(_, term)| len(term));
        let balanced = self.settings.balanced;
        Ok(match self.settings.content_weight {
            ContentWeight::Sum(weight) => weight,
            ContentWeight::Mean(weight) if balanced => weight,
            ContentWeight::Mean(weight) => {
                for (layer, term) in content.iter_mut() {
                    layer.weight *= first / len(term);
                }
                2.0 * weight / first
            }
            ContentWeight::Relative => {
                for (layer, term) in content.iter_mut().filter(|_| !balanced) {
                    layer.weight *= reciprocal(half_squares(backend, std::slice::from_ref(&*term.target))?);
                }
                for (_, term) in style.iter_mut() {
                    let targets = &term.targets[..term.compared.len()];
                    let Measure { statistic, constants, .. } = &term.measure;
                    term.scale = reciprocal(statistic.at_zero(backend, term.features, targets, constants)?);
                }
                if balanced { 1.0 } else { CONTENT_WEIGHT }
            }
        })
    }
}

/// The factor of a relative loss: 1 over its value at zero, or 1 if that is zero up to rounding.
fn reciprocal(at_zero: f64) -> f64 {
    if at_zero > 1e-12 { 1.0 / at_zero } else { 1.0 }
}

/// Weight of the relative content loss at which a style strength of 1 looks balanced.
const CONTENT_WEIGHT: f64 = 0.037;

/// The state of one scale.
pub(crate) struct Stage<B: Backend> {
    pub(crate) objective: Objective<B>,
    pub(crate) descent: Descent<B>,
    pub(crate) point: Point<B>,
    /// The pixels that `descent` and `point` have: all, unless processes share the picture.
    pub(crate) share: Share,
    /// The whole picture, if so.
    pub(crate) copies: Option<Copies<B>>,
    pub(crate) average: Option<Average<B>>,
    /// Whether the point has been evaluated.
    pub(crate) evaluated: bool,
}

impl<B: Backend> Stage<B> {
    pub(crate) fn image(&self, network: &Network<B>) -> Result<Image> {
        let (image, divisor) = shown(&self.average, &self.copies, &self.descent);
        network.download(image, divisor)
    }

    /// As above, but frees first what evaluations need.
    pub(crate) fn into_image(self, network: &Network<B>) -> Result<Image> {
        let Self { objective, point, descent, copies, average, .. } = self;
        drop((objective, point));
        let (image, divisor) = shown(&average, &copies, &descent);
        network.download(image, divisor)
    }

    /// Computes the losses and the gradient at the point.
    pub(crate) fn evaluate(&mut self, network: &Network<B>, losses: &mut Losses) -> Result<()> {
        let Self { objective, point, copies, .. } = self;
        let image = match copies {
            Some(copies) => copies.gather(network.backend(), &point.x)?,
            None => &point.x,
        };
        objective.evaluate(network, image, &mut point.g, losses)
    }

    /// Adds the result to the running mean, if there is one.
    pub(crate) fn add_to_average(&mut self, backend: &B) -> Result<()> {
        let Self { average, copies, descent, evaluated, .. } = self;
        // Not twice when the descent restarts from it.
        match average.as_mut().filter(|average| *evaluated || average.mean().is_none()) {
            Some(average) => average.add(backend, result(copies, descent)),
            None => Ok(()),
        }
    }

    /// Moves the point to the next one to evaluate.
    pub(crate) fn update(&mut self, backend: &B, loss: f64) -> Result<Update> {
        let Self { descent, point, copies, .. } = self;
        let updated = descent.update(backend, loss, point);
        let Some(copies) = copies else { return updated };
        match updated {
            Ok(update) if update.accepted => copies.accept(),
            Ok(_) => {}
            // A sum has failed, in all processes. L-BFGS begins again at the last accepted picture; Adam has not changed.
            Err(_) if matches!(descent, Descent::Lbfgs(_)) => {
                self.evaluated = false;
                descent.forget(backend, point)?;
                copies.cut(backend, &mut point.x)?;
                descent.begin(backend, &point.x)?;
            }
            Err(_) => {}
        }
        updated
    }
}

/// The last accepted point of the whole picture, or the start.
fn result<'a, B: Backend>(copies: &'a Option<Copies<B>>, descent: &'a Descent<B>) -> &'a B::Tensor {
    copies.as_ref().map_or(descent.result(), |copies| &copies.accepted)
}

/// The image of a stage, and what to divide it by.
fn shown<'a, B: Backend>(
    average: &'a Option<Average<B>>,
    copies: &'a Option<Copies<B>>,
    descent: &'a Descent<B>,
) -> (&'a B::Tensor, f64) {
    average.as_ref().and_then(Average::mean).unwrap_or_else(|| (result(copies, descent), 1.0))
}
