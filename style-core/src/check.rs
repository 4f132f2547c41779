//! From a description to a session: everything is checked here, once, before anything is computed.

use std::sync::Arc;

use crate::builder::ContentWeight;
use crate::chain::{Chain, ChainPlan};
use crate::init::Start;
use crate::mask::{ContentGuide, Guide};
use crate::objective::{ContentTerm, LayerWeight, Objective, StyleTerm, Weights, largest};
use crate::optim::{Descent, Point};
use crate::targets::{ContentTargets, Region, StyleLayer, StyleTargets, Targets, copied, look, mean, measure};
use crate::{Backend, Error, ErrorKind, Image, Init, Mask, Plan, Result, Session, SessionBuilder, Shape, Style};

/// The checked parts of a description.
struct Checked<B: Backend> {
    /// The image's.
    shape: Shape,
    /// Positions in the chain of all layers used, ascending.
    taps: Vec<usize>,
    /// For each content layer, which of the taps it is.
    content_taps: Vec<usize>,
    /// The style layers, and which of the taps each is.
    style_layers: Vec<StyleLayer<B>>,
    style_taps: Vec<usize>,
}

/// Whether all statistics at a position are sums, which can be taken in bands.
fn sums<B: Backend>(layers: &[StyleLayer<B>], position: usize) -> bool {
    layers.iter().filter(|l| l.position == position).all(|l| l.statistic.is_sum())
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Argument, message)
}

impl<B: Backend> SessionBuilder<B> {
    /// What the session will take, without allocating anything of it.
    ///
    /// # Errors
    /// As [`build`](SessionBuilder::build), but for those of the device.
    pub fn plan(&self) -> Result<Plan> {
        let checked = self.check()?;
        let backend = self.network.backend();
        let main = self.main_plan(&checked)?;
        let sum = |bytes: &mut dyn Iterator<Item = usize>| bytes.fold(0, usize::saturating_add);
        let tensors = |shapes: &[Shape]| sum(&mut shapes.iter().map(|&s| backend.tensor_bytes(s)));
        let vector = backend.tensor_bytes(checked.shape);
        let at = |tap: &usize| main.tap_shape(*tap).unwrap_or(checked.shape);
        let one_channel = |s: Shape| backend.tensor_bytes(Shape::new(1, s.height, s.width));

        let content = checked.content_taps.iter().map(at).map(|s| {
            let masked = if self.content_mask.is_some() { 2 * one_channel(s) + backend.tensor_bytes(s) } else { 0 };
            backend.features_bytes(s).saturating_add(masked)
        });
        let content = sum(&mut { content });
        let layers = || checked.style_layers.iter().zip(checked.style_taps.iter().map(at));
        let values = sum(&mut layers().map(|(layer, s)| tensors(&layer.statistic.values(s))));
        let regions = self.regions();
        let guides = sum(&mut layers().map(|(_, s)| 2 * one_channel(s)));
        let guided = regions.iter().filter(|(mask, _)| mask.is_some()).count();
        let of_regions = values.saturating_mul(2 * regions.len()).saturating_add(guides.saturating_mul(guided));

        let mut passes = vec![0];
        if let Some(image) = &self.content {
            let plan = self.content_plan(image)?;
            passes.push(plan.bytes(backend).saturating_add(plan.workspace()).saturating_add(vector));
        }
        for style in &self.styles {
            let plan = self.style_plan(&style.image, &checked.style_layers)?;
            let picture = backend.tensor_bytes(style.image.shape());
            let bytes = [plan.bytes(backend), plan.workspace(), picture, values.saturating_mul(self.styles.len())];
            passes.push(sum(&mut bytes.into_iter()));
        }
        let scratch = tensors(&self.scratch(&checked, &main)).saturating_add(tensors(&Self::dvalues(&checked, &main)));
        Ok(Plan {
            filters: self.network.bytes(),
            targets: content.saturating_add(of_regions),
            style_pass: passes.into_iter().max().unwrap_or(0),
            activations: main.bytes(backend).saturating_add(scratch),
            workspace: main.workspace(),
            optimizer: vector.saturating_mul(self.optimizer.vectors()),
            convolutions: main.convolutions(&self.network),
        })
    }

    /// Computes the targets of the pictures given, for sessions with other settings: see
    /// [`with_targets`](SessionBuilder::with_targets).
    ///
    /// # Errors
    /// As [`build`](SessionBuilder::build).
    pub fn targets(&self) -> Result<Arc<Targets<B>>> {
        if self.content.is_none() && self.styles.is_empty() {
            return Err(bad("targets are of pictures: give a content or a style picture"));
        }
        self.check_layers()?;
        self.compute_targets().map(Arc::new)
    }

    fn compute_targets(&self) -> Result<Targets<B>> {
        let network = Arc::clone(&self.network);
        let content = self.content.clone().filter(|_| !self.content_layers.is_empty());
        let content = content.map(|image| self.content_targets(image)).transpose()?;
        let styled = !self.styles.is_empty() && !self.style_layers.is_empty();
        let style = styled.then(|| self.style_targets()).transpose()?;
        Ok(Targets { network, pooling: self.pooling, content, style })
    }

    fn content_targets(&self, image: Image) -> Result<ContentTargets<B>> {
        let plan = self.content_plan(&image)?;
        let positions = self.positions(&self.content_layers)?;
        let taps = sorted(positions.clone());
        let mut features = vec![];
        look(&self.network, &image, plan, |tapped, _| {
            features.push(Arc::new(copied(self.network.backend(), tapped.features)?));
            Ok(())
        })?;
        let layer = |(l, p): (&LayerWeight, &usize)| {
            let at = taps.iter().position(|t| t == p)?;
            Some((l.layer.clone(), Arc::clone(features.get(at)?)))
        };
        let layers = self.content_layers.iter().zip(&positions).filter_map(layer).collect();
        Ok(ContentTargets { image, layers })
    }

    fn style_targets(&self) -> Result<StyleTargets<B>> {
        let layers = self.own_style_layers()?;
        let positions = sorted(layers.iter().map(|l| l.position).collect());
        let taps: Vec<_> = layers.iter().filter_map(|l| positions.iter().position(|&p| p == l.position)).collect();
        let values = |style: &Style| {
            let plan = self.style_plan(&style.image, &layers)?;
            measure(&self.network, &style.image, style.region.as_ref(), &layers, &taps, plan)
        };
        let mut regions = vec![];
        let (free, masked): (Vec<_>, Vec<_>) = self.styles.iter().partition(|s| s.mask.is_none());
        let total: f64 = free.iter().map(|s| s.share).sum();
        let free = free.into_iter().map(|s| Ok((s.share / total, values(s)?))).collect::<Result<Vec<_>>>()?;
        let backend = self.network.backend();
        if !free.is_empty() {
            regions.push(Region { mask: None, share: 1.0, values: mean(backend, &free)? });
        }
        for style in masked {
            let values = values(style)?.into_iter().map(Arc::new).collect();
            regions.push(Region { mask: style.mask.clone(), share: style.share, values });
        }
        let image = self.styles[0].image.clone();
        Ok(StyleTargets { image, layers, regions })
    }

    /// Checks the description, computes the targets that are not given, and allocates all that the iterations need.
    ///
    /// # Errors
    /// `Argument` if a picture or layer is missing or unknown, two settings contradict each other, or a number is out of
    /// its range; `Shape` if a picture is too small for the layers, or has another size than the others want;
    /// `OutOfMemory`, before any work, if a device has too little of it free, with the size that would fit; what the
    /// backend gives.
    pub fn build(self) -> Result<Session<B>> {
        let checked = self.check()?;
        let (network, backend, shape) = (&self.network, self.network.backend(), checked.shape);
        if let Some(free) = backend.free_memory() {
            self.plan()?.expect_to_fit(free, shape)?;
        }
        let own = self.compute_targets()?;
        let sources = || [&own].into_iter().chain(self.given.iter().map(|t| &**t));
        let content_source = sources().find_map(|t| t.content.as_ref());
        let style_source = sources().find_map(|t| t.style.as_ref());

        let plan = self.main_plan(&checked)?;
        let mut content = vec![];
        for (layer, &tap) in self.content_layers.iter().zip(&checked.content_taps) {
            let found = content_source.and_then(|c| c.layers.iter().find(|(name, _)| *name == layer.layer));
            let (_, target) = found.ok_or_else(|| bad(format!("there are no targets for {}", layer.layer)))?;
            let pools = network.pools_before(checked.taps[tap]);
            let guide = self.content_mask.as_ref();
            let guide = guide.map(|mask| ContentGuide::new(backend, mask, shape, pools, target)).transpose()?;
            content.push(ContentTerm { layer: layer.clone(), tap, target: Arc::clone(target), guide });
        }
        let mut style = vec![];
        if let Some(source) = style_source {
            for (index, (layer, &tap)) in checked.style_layers.iter().zip(&checked.style_taps).enumerate() {
                let Some(at) = source.layers.iter().position(|l| l.name == layer.name) else { continue };
                let features = plan.tap_shape(tap).unwrap_or(shape);
                for region in &source.regions {
                    style.push(self.style_term(&checked, index, (tap, features), &region.values[at], region)?);
                }
            }
        }
        let weights = self.weights(&mut content);

        let image_of_content = self.content.as_ref().or(content_source.map(|c| &c.image));
        let image_of_style = self.styles.first().map(|s| &s.image).or(style_source.map(|s| &s.image));
        let start = Start {
            shape,
            content: image_of_content,
            style: image_of_style,
            noise: self.noise,
            ratio: self.noise_ratio,
            mean: network.mean(),
            seed: self.seed,
        };
        let start = self.chosen_init().image(&start)?;

        let tensors = |shapes: Vec<Shape>| shapes.into_iter().map(|s| backend.tensor(s)).collect::<Result<Vec<_>>>();
        let scratch = tensors(self.scratch(&checked, &plan))?;
        let dvalues = tensors(Self::dvalues(&checked, &plan))?;
        let workspace = backend.workspace(plan.workspace())?;
        let chain = Chain::new(backend, plan)?;
        let point = Point { x: network.upload(&start)?, g: backend.tensor(shape)? };
        let descent = Descent::new(backend, shape, &self.optimizer)?;
        let terms = content.len() + style.iter().map(|t| t.values.len()).sum::<usize>();
        let (scalars, distances) = (backend.scalars(terms + 1)?, vec![0.0; terms + 1]);
        let style_layers = self.style_layers.clone();
        let recording = B::Recording::default();
        let objective = Objective {
            chain,
            content,
            style_layers,
            style,
            weights,
            scratch,
            dvalues,
            scalars,
            distances,
            workspace,
            recording,
        };
        Ok(Session::new(Arc::clone(&self.network), objective, descent, point, self.iterations))
    }

    fn style_term(
        &self,
        checked: &Checked<B>,
        index: usize,
        (tap, features): (usize, Shape),
        targets: &Arc<Vec<B::Tensor>>,
        region: &Region<B>,
    ) -> Result<StyleTerm<B>> {
        let (network, backend) = (&self.network, self.network.backend());
        let layer = &checked.style_layers[index];
        let pools = network.pools_before(layer.position);
        let guide = region.mask.as_ref();
        let guide = guide.map(|mask| Guide::new(backend, mask, checked.shape, pools, &layer.name)).transpose()?;
        let values = targets.iter().map(|t| backend.tensor(backend.shape(t))).collect::<Result<Vec<_>>>()?;
        let share = region.share * guide.as_ref().map_or(1.0, |g| g.area);
        let statistic = Arc::clone(&layer.statistic);
        Ok(StyleTerm {
            layer: index,
            tap,
            scale: statistic.scale(features),
            share,
            values,
            targets: Arc::clone(targets),
            value_shapes: statistic.values(features),
            scratch_shapes: statistic.scratch(features, guide.is_some()),
            statistic,
            guide,
        })
    }

    /// The weights of the total loss. For a mean of squares, each content layer's weight is made relative to the size
    /// of the first layer.
    fn weights(&self, content: &mut [ContentTerm<B>]) -> Weights {
        let backend = self.network.backend();
        let len = |t: &ContentTerm<B>| backend.shape(&t.target).len() as f64;
        let first = content.first().map_or(1.0, len);
        let alpha = match self.content_weight {
            ContentWeight::Sum(weight) => weight,
            ContentWeight::Mean(weight) => {
                for term in content.iter_mut() {
                    term.layer.weight *= first / len(term);
                }
                2.0 * weight / first
            }
        };
        Weights { content: alpha, style: self.style_weight, tv: self.tv_weight, tv_kind: self.tv }
    }

    /// Where the image starts.
    fn chosen_init(&self) -> Init {
        let default = if self.content_image().is_some() { Init::Content } else { Init::Noise };
        self.init.clone().unwrap_or(default)
    }

    fn content_image(&self) -> Option<&Image> {
        self.content.as_ref().or_else(|| self.given.iter().find_map(|t| t.content.as_ref()).map(|c| &c.image))
    }

    fn given_style(&self) -> Option<&StyleTargets<B>> {
        self.given.iter().find_map(|t| t.style.as_ref())
    }

    /// Masks and shares of the styles' terms at each layer.
    fn regions(&self) -> Vec<(Option<&Mask>, f64)> {
        if let Some(style) = self.given_style() {
            return style.regions.iter().map(|r| (r.mask.as_ref(), r.share)).collect();
        }
        let free = self.styles.iter().any(|s| s.mask.is_none()).then_some((None, 1.0));
        let masked = self.styles.iter().filter(|s| s.mask.is_some()).map(|s| (s.mask.as_ref(), s.share));
        free.into_iter().chain(masked).collect()
    }

    /// Shapes of the scratch tensors that the terms want.
    fn scratch(&self, checked: &Checked<B>, plan: &ChainPlan) -> Vec<Shape> {
        let guided = self.regions().iter().any(|(mask, _)| mask.is_some());
        let shape = |tap: &usize| plan.tap_shape(*tap).unwrap_or(checked.shape);
        let style = checked.style_layers.iter().zip(&checked.style_taps);
        let style = style.map(|(l, tap)| l.statistic.scratch(shape(tap), guided));
        let masked = checked.content_taps.iter().filter(|_| self.content_mask.is_some());
        largest(self.network.backend(), style.chain(masked.map(|tap| vec![shape(tap)])))
    }

    /// Shapes of the gradients of the style layers' values.
    fn dvalues(checked: &Checked<B>, plan: &ChainPlan) -> Vec<Shape> {
        let style = checked.style_layers.iter().zip(&checked.style_taps);
        let values = style.map(|(l, tap)| l.statistic.values(plan.tap_shape(*tap).unwrap_or(checked.shape)));
        let lists: Vec<_> = values.collect();
        (0..lists.iter().map(Vec::len).max().unwrap_or(0))
            .filter_map(|i| lists.iter().filter_map(|l| l.get(i)).max_by_key(|s| s.len()).copied())
            .collect()
    }

    fn chain_plan(&self, shape: Shape, taps: &[usize], backward: bool) -> Result<ChainPlan> {
        ChainPlan::new(&self.network, shape, taps, self.pooling, backward, None)
    }

    /// Of the image's passes.
    fn main_plan(&self, checked: &Checked<B>) -> Result<ChainPlan> {
        let Checked { shape, taps, content_taps, style_layers, .. } = checked;
        let free = self.regions().iter().all(|(mask, _)| mask.is_none());
        let content = |position| content_taps.iter().any(|&tap| taps[tap] == position);
        let in_bands = |position| free && !content(position) && sums(style_layers, position);
        ChainPlan::new(&self.network, *shape, taps, self.pooling, true, Some(&in_bands))
    }

    fn content_plan(&self, image: &Image) -> Result<ChainPlan> {
        let taps = sorted(self.positions(&self.content_layers)?);
        self.chain_plan(image.shape(), &taps, false).map_err(|e| e.context("the content picture"))
    }

    fn style_plan(&self, image: &Image, layers: &[StyleLayer<B>]) -> Result<ChainPlan> {
        let taps = sorted(layers.iter().map(|l| l.position).collect());
        self.chain_plan(image.shape(), &taps, false).map_err(|e| e.context("a style picture"))
    }

    /// Positions in the chain.
    fn positions(&self, layers: &[LayerWeight]) -> Result<Vec<usize>> {
        for (i, l) in layers.iter().enumerate() {
            if layers[..i].iter().any(|k| k.layer == l.layer) {
                return Err(bad(format!("layer {} is listed twice", l.layer)));
            }
        }
        layers.iter().map(|l| self.network.position(&l.layer)).collect()
    }

    /// The style layers with the statistics that were chosen.
    fn own_style_layers(&self) -> Result<Vec<StyleLayer<B>>> {
        let layer = |(l, position): (&LayerWeight, usize)| {
            let own = self.layer_statistics.iter().rev().find(|(name, _)| *name == l.layer);
            let statistic = Arc::clone(own.map_or(&self.statistic, |(_, statistic)| statistic));
            StyleLayer { name: l.layer.clone(), position, statistic }
        };
        Ok(self.style_layers.iter().zip(self.positions(&self.style_layers)?).map(layer).collect())
    }

    /// What can be said of layers and statistics without pictures.
    fn check_layers(&self) -> Result<()> {
        self.positions(&self.content_layers)?;
        self.positions(&self.style_layers)?;
        for (name, _) in &self.layer_statistics {
            if !self.style_layers.iter().any(|l| l.layer == *name) {
                return Err(bad(format!("a statistic is given for {name}, which is not among the style layers")));
            }
        }
        let free: Vec<_> = self.styles.iter().filter(|s| s.mask.is_none()).map(|s| s.share).collect();
        if !free.is_empty() && free.iter().all(|share| *share == 0.0) {
            return Err(bad("the shares of the styles are all zero"));
        }
        let shares = self.styles.iter().map(|s| ("the share of a style", s.share));
        let layers = self.content_layers.iter().chain(&self.style_layers).map(|l| (l.layer.as_str(), l.weight));
        let (ContentWeight::Sum(content) | ContentWeight::Mean(content)) = self.content_weight;
        let weights = [
            ("content weight", content),
            ("style weight", self.style_weight),
            ("total variation weight", self.tv_weight),
        ];
        for (what, weight) in weights.into_iter().chain(shares).chain(layers) {
            if !(0.0..=1e30).contains(&weight) {
                return Err(bad(format!("the weight of a loss must lie in 0..=1e30, but {what} is {weight}")));
            }
        }
        Ok(())
    }

    /// Targets that were given: of this network, made with these settings, and with all the layers wanted.
    fn check_given(&self) -> Result<()> {
        let parts = |of: &dyn Fn(&Targets<B>) -> bool| self.given.iter().filter(|t| of(t)).count();
        let content = parts(&|t| t.content.is_some()) + usize::from(self.content.is_some());
        let style = parts(&|t| t.style.is_some()) + usize::from(!self.styles.is_empty());
        for (what, count) in [("content", content), ("style", style)] {
            if count > 1 {
                return Err(bad(format!(
                    "the {what} is given {count} times: give a picture or targets that were computed before, not both"
                )));
            }
        }
        for targets in &self.given {
            if !Arc::ptr_eq(&targets.network, &self.network) {
                return Err(bad("the targets were computed on another network; compute them on this session's"));
            }
            if targets.pooling != self.pooling {
                let message =
                    format!("the targets were computed with {:?} pooling, not {:?}", targets.pooling, self.pooling);
                return Err(bad(message));
            }
            let lacks =
                |wanted: &[LayerWeight], there: Vec<&str>| match wanted.iter().find(|l| !there.contains(&&*l.layer)) {
                    None => Ok(()),
                    Some(l) => Err(bad(format!(
                        "the targets have no layer {}; they were computed for {}",
                        l.layer,
                        there.join(", ")
                    ))),
                };
            if let Some(content) = &targets.content {
                lacks(&self.content_layers, content.layers.iter().map(|(name, _)| name.as_str()).collect())?;
            }
            if let Some(style) = &targets.style {
                lacks(&self.style_layers, style.layers.iter().map(|l| l.name.as_str()).collect())?;
                if !self.layer_statistics.is_empty() {
                    return Err(bad("a layer's statistic cannot be chosen beside targets that were computed before"));
                }
            }
        }
        Ok(())
    }

    /// The image's shape.
    fn shape(&self) -> Result<Shape> {
        let content = self.content_image().map(Image::shape);
        let size = self.size.map(|(width, height)| Shape::new(3, height, width));
        if let (Some(content), Some(size)) = (content, size) {
            crate::expect_shape("the content picture, where a size is given too,", size, content)?;
        }
        let start = if let Some(Init::Image(image)) = &self.init { Some(image.shape()) } else { None };
        let style = || self.styles.first().map(|s| &s.image).or(self.given_style().map(|s| &s.image));
        let shape = content.or(size).or(start).or_else(|| style().map(Image::shape));
        let shape = shape.ok_or_else(|| bad("a session needs a content picture or a style picture"))?;
        if shape.is_empty() {
            return Err(Error::new(ErrorKind::Shape, format!("the result's size is {}x{}", shape.width, shape.height)));
        }
        Ok(shape)
    }

    fn check(&self) -> Result<Checked<B>> {
        if self.content_image().is_none() && !self.content_layers.is_empty() {
            return Err(bad(
                "a session with content layers needs a content picture; for a texture, give no content layers",
            ));
        }
        if self.styles.is_empty() && self.given_style().is_none() && !self.style_layers.is_empty() {
            return Err(bad("a session with style layers needs a style picture"));
        }
        if self.content_layers.is_empty() && self.style_layers.is_empty() {
            return Err(bad("a session needs a content layer or a style layer"));
        }
        if self.content_mask.is_some() && self.content_layers.is_empty() {
            return Err(bad("a content mask needs a content layer"));
        }
        if self.iterations == 0 {
            return Err(bad("a session needs at least one iteration"));
        }
        self.check_layers()?;
        self.check_given()?;
        if let crate::ops::Tv::Power(b) = self.tv
            && !(1.0..=4.0).contains(&b)
        {
            return Err(bad(format!("the exponent of the total variation must lie in 1..=4, but is {b}")));
        }
        self.optimizer.check()?;
        let shape = self.shape()?;
        self.chosen_init().check(shape, self.content_image().is_some(), self.noise, self.noise_ratio)?;

        let style_layers = match self.given_style() {
            None => self.own_style_layers()?,
            Some(given) => {
                let find = |l: &LayerWeight| given.layers.iter().find(|g| g.name == l.layer).cloned();
                self.style_layers.iter().filter_map(find).collect()
            }
        };
        let content = self.positions(&self.content_layers)?;
        let taps = sorted(content.iter().copied().chain(style_layers.iter().map(|l| l.position)).collect());
        let tap = |position: &usize| taps.iter().position(|t| t == position);
        let content_taps = content.iter().filter_map(tap).collect();
        let style_taps = style_layers.iter().filter_map(|l| tap(&l.position)).collect();
        self.chain_plan(shape, &taps, true).map_err(|e| e.context("the result"))?;
        if let Some(image) = &self.content {
            self.content_plan(image)?;
        }
        self.styles.iter().try_for_each(|s| self.style_plan(&s.image, &style_layers).map(drop))?;
        Ok(Checked { shape, taps, content_taps, style_layers, style_taps })
    }
}

fn sorted(mut positions: Vec<usize>) -> Vec<usize> {
    positions.sort_unstable();
    positions.dedup();
    positions
}
