//! The description of a session: everything is checked here, once.

use std::fmt;
use std::sync::Arc;

use crate::chain::{Chain, ChainPlan};
use crate::init::Init;
use crate::objective::{ContentTerm, LayerWeight, Objective, StyleTerm, Weights};
use crate::optim::{Descent, Optimizer, Point};
use crate::{Acc, Backend, Error, ErrorKind, Image, Network, Plan, Pooling, Result, Session, Shape};

/// Describes a [`Session`]; [`build`](SessionBuilder::build) checks it all. Defaults: the paper's layers (content
/// conv4_2; style conv1_1, conv2_1, conv3_1, conv4_1, conv5_1 with 1/5 each), average pooling, L-BFGS, 300
/// iterations, start from the content picture, no total variation.
#[must_use]
pub struct SessionBuilder<B: Backend> {
    network: Arc<Network<B>>,
    content: Option<Image>,
    styles: Vec<(Image, f64)>,
    content_layers: Vec<LayerWeight>,
    style_layers: Vec<LayerWeight>,
    content_weight: Option<f64>,
    style_weight: f64,
    tv_weight: f64,
    pooling: Pooling,
    init: Init,
    noise_ratio: Option<f32>,
    seed: u64,
    optimizer: Optimizer,
    iterations: usize,
}

/// The checked parts of a description.
struct Checked<'a> {
    content: &'a Image,
    /// Positions in the chain of all layers used, ascending.
    taps: Vec<usize>,
    style_taps: Vec<usize>,
}

impl<B: Backend> SessionBuilder<B> {
    pub(crate) fn new(network: Arc<Network<B>>) -> Self {
        let style = ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"];
        Self {
            network,
            content: None,
            styles: vec![],
            content_layers: vec![LayerWeight { layer: "conv4_2".into(), weight: 1.0 }],
            style_layers: style.map(|l| LayerWeight { layer: l.into(), weight: 0.2 }).into(),
            content_weight: None,
            style_weight: 1.0,
            tv_weight: 0.0,
            pooling: Pooling::Average,
            init: Init::Content,
            noise_ratio: None,
            seed: 0,
            optimizer: Optimizer::default(),
            iterations: 300,
        }
    }

    /// The picture to repaint; its size is the result's.
    pub fn content(mut self, image: Image) -> Self {
        self.content = Some(image);
        self
    }

    /// A picture to take the style from, of any size. With several, each layer's target is the mean of their Gram
    /// matrices.
    pub fn style(self, image: Image) -> Self {
        self.style_blend(image, 1.0)
    }

    /// A style picture with its share in the mean of Gram matrices; shares are relative to each other.
    pub fn style_blend(mut self, image: Image, share: f64) -> Self {
        self.styles.push((image, share));
        self
    }

    /// Layers of the content loss and their weights `w_l`; replaces the default.
    pub fn content_layers(mut self, layers: Vec<LayerWeight>) -> Self {
        self.content_layers = layers;
        self
    }

    /// Layers of the style loss and their weights `w_l`; replaces the default.
    pub fn style_layers(mut self, layers: Vec<LayerWeight>) -> Self {
        self.style_layers = layers;
        self
    }

    /// Factor of the content loss (the paper's alpha), which is a sum over all features and so grows with the
    /// picture. By default `1 / (N M)` of the first content layer, which makes it a mean.
    pub fn content_weight(mut self, weight: f64) -> Self {
        self.content_weight = Some(weight);
        self
    }

    /// Factor of the style loss (the paper's beta). Default 1.
    pub fn style_weight(mut self, weight: f64) -> Self {
        self.style_weight = weight;
        self
    }

    /// Factor of the image's squared total variation, in 8-bit units. Not in the paper; default 0.
    pub fn tv_weight(mut self, weight: f64) -> Self {
        self.tv_weight = weight;
        self
    }

    /// Which pooling the network uses. Default average, the paper's choice.
    pub fn pooling(mut self, pooling: Pooling) -> Self {
        self.pooling = pooling;
        self
    }

    /// Where the image starts. Default the content picture.
    pub fn init(mut self, init: Init) -> Self {
        self.init = init;
        self
    }

    /// Share of white noise in the start image, 0 to 1. Default 0, and 1 for [`Init::Noise`].
    pub fn noise_ratio(mut self, ratio: f32) -> Self {
        self.noise_ratio = Some(ratio);
        self
    }

    /// Seed of the noise; the same seed gives the same noise everywhere. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How the image descends. Default L-BFGS.
    pub fn optimizer(mut self, optimizer: Optimizer) -> Self {
        self.optimizer = optimizer;
        self
    }

    /// How many evaluations of loss and gradient [`Session::run`] makes. Default 300.
    pub fn iterations(mut self, iterations: usize) -> Self {
        self.iterations = iterations;
        self
    }

    /// What the session will take, without allocating anything of it.
    ///
    /// # Errors
    /// As [`build`](SessionBuilder::build), but for those of the device.
    pub fn plan(&self) -> Result<Plan> {
        let checked = self.check()?;
        let backend = self.network.backend();
        let shape = checked.content.shape();
        let main = self.chain_plan(shape, &checked.taps, true)?;
        let style_plans = self.style_plans(&checked)?;
        let vector = backend.tensor_bytes(shape);
        let gram = |tap: &usize| main.tap_shape(*tap).map_or(0, |s| backend.tensor_bytes(Shape::gram(s.channels)));
        let grams = self.style_taps_in(&checked).iter().map(gram).fold(0, usize::saturating_add);
        let content = self.content_taps_in(&checked);
        let content = content.iter().filter_map(|tap| main.tap_shape(*tap)).map(|s| backend.tensor_bytes(s)).sum();
        let styles = self.styles.iter().zip(&style_plans);
        let styles = styles.map(|((image, _), plan)| {
            plan.bytes(backend).saturating_add(plan.workspace()).saturating_add(backend.tensor_bytes(image.shape()))
        });
        Ok(Plan {
            filters: self.network.bytes(),
            targets: grams.saturating_mul(2).saturating_add(content),
            style_pass: styles.max().unwrap_or(0).saturating_add(grams),
            activations: main.bytes(backend),
            workspace: main.workspace(),
            optimizer: vector.saturating_mul(self.optimizer.vectors()),
        })
    }

    /// Checks the description, computes the targets, and allocates all that the iterations need.
    ///
    /// # Errors
    /// `Argument` if a picture or layer is missing or unknown, or a number is out of its range; `Shape` if a picture is
    /// too small for the layers, or the start image has another size than the content; what the backend gives.
    pub fn build(self) -> Result<Session<B>> {
        let checked = self.check()?;
        let (network, backend) = (&self.network, self.network.backend());
        let shape = checked.content.shape();
        let mut style = self.style_terms(&checked)?;

        let plan = self.chain_plan(shape, &checked.taps, true)?;
        let widest = style.iter().map(|t| backend.shape(&t.target).width).max().unwrap_or(0);
        let dgram = backend.tensor(Shape::gram(widest))?;
        let mut workspace = backend.workspace(plan.workspace())?;
        let mut chain = Chain::new(backend, plan)?;
        let image = network.upload(checked.content)?;

        let mut content = vec![];
        chain.forward(network, &image, &mut workspace, |tap, features, _| {
            for (layer, &at) in self.content_layers.iter().zip(&self.content_taps_in(&checked)) {
                if at == tap {
                    let mut target = backend.tensor(backend.shape(features))?;
                    backend.copy(features, &mut target)?;
                    content.push(ContentTerm { layer: layer.clone(), tap, target });
                }
            }
            Ok(())
        })?;
        content.sort_by_key(|t| self.content_layers.iter().position(|l| *l == t.layer));
        style.sort_by_key(|t| self.style_layers.iter().position(|l| *l == t.layer));

        let features = content.first().map_or(1, |t| backend.shape(&t.target).len());
        let weights = Weights {
            content: self.content_weight.unwrap_or(1.0 / features as f64),
            style: self.style_weight,
            tv: self.tv_weight,
        };
        let painting = self.styles.first().map(|(image, _)| image);
        let start = self.init.image(checked.content, painting, self.noise(), network.mean(), self.seed)?;
        let point = Point { x: network.upload(&start)?, g: backend.tensor(shape)? };
        let descent = Descent::new(backend, shape, &self.optimizer)?;
        let scalars = backend.scalars(content.len() + style.len() + 1)?;
        let objective = Objective { chain, content, style, weights, dgram, scalars, workspace };
        Ok(Session::new(self.network, objective, descent, point, self.iterations))
    }

    /// Gram matrices of the style pictures: forward passes that keep nothing else.
    fn style_terms(&self, checked: &Checked<'_>) -> Result<Vec<StyleTerm<B>>> {
        let (network, backend) = (&self.network, self.network.backend());
        let total: f64 = self.styles.iter().map(|(_, share)| share).sum();
        let mut terms: Vec<StyleTerm<B>> = vec![];
        for ((image, share), plan) in self.styles.iter().zip(self.style_plans(checked)?) {
            let mut workspace = backend.workspace(plan.workspace())?;
            let mut chain = Chain::new(backend, plan)?;
            let x = network.upload(image)?;
            chain.forward(network, &x, &mut workspace, |style_tap, features, workspace| {
                let features_shape = backend.shape(features);
                let gram_shape = Shape::gram(features_shape.channels);
                let mut gram = backend.tensor(gram_shape)?;
                let scale = 1.0 / features_shape.positions() as f32;
                backend.gram(features, scale, Acc::Store, &mut gram, workspace)?;
                let position = checked.style_taps[style_tap];
                for (layer, &tap) in self.style_layers.iter().zip(&self.style_taps_in(checked)) {
                    if checked.taps[tap] != position {
                        continue;
                    }
                    let mut target = backend.tensor(gram_shape)?;
                    match terms.iter_mut().find(|t| t.layer == *layer) {
                        None => {
                            backend.combine(&[(share / total, &gram)], &mut target)?;
                            let gram = backend.tensor(gram_shape)?;
                            terms.push(StyleTerm { layer: layer.clone(), tap, gram, target });
                        }
                        Some(term) => {
                            backend.combine(&[(1.0, &term.target), (share / total, &gram)], &mut target)?;
                            term.target = target;
                        }
                    }
                }
                Ok(())
            })?;
        }
        Ok(terms)
    }

    fn chain_plan(&self, shape: Shape, taps: &[usize], backward: bool) -> Result<ChainPlan> {
        ChainPlan::new(&self.network, shape, taps, self.pooling, backward)
    }

    fn style_plans(&self, checked: &Checked<'_>) -> Result<Vec<ChainPlan>> {
        let plan = |(image, _): &(Image, f64)| {
            self.chain_plan(image.shape(), &checked.style_taps, false).map_err(|e| e.context("a style picture"))
        };
        self.styles.iter().map(plan).collect()
    }

    /// For each content layer, which of the taps it is.
    fn content_taps_in(&self, checked: &Checked<'_>) -> Vec<usize> {
        self.taps_in(&self.content_layers, checked)
    }

    /// For each style layer, which of the taps it is.
    fn style_taps_in(&self, checked: &Checked<'_>) -> Vec<usize> {
        self.taps_in(&self.style_layers, checked)
    }

    fn taps_in(&self, layers: &[LayerWeight], checked: &Checked<'_>) -> Vec<usize> {
        let tap = |l: &LayerWeight| {
            let position = self.network.position(&l.layer).ok()?;
            checked.taps.iter().position(|&t| t == position)
        };
        layers.iter().filter_map(tap).collect()
    }

    fn noise(&self) -> f32 {
        self.noise_ratio.unwrap_or(self.init.default_noise_ratio())
    }

    fn check(&self) -> Result<Checked<'_>> {
        let bad = |message: String| Error::new(ErrorKind::Argument, message);
        let content = self.content.as_ref().ok_or_else(|| bad("a session needs a content picture".into()))?;
        if self.styles.is_empty() && !self.style_layers.is_empty() {
            return Err(bad("a session with style layers needs a style picture".into()));
        }
        if self.content_layers.is_empty() && self.style_layers.is_empty() {
            return Err(bad("a session needs a content layer or a style layer".into()));
        }
        let weights = [
            ("content weight", self.content_weight.unwrap_or(1.0)),
            ("style weight", self.style_weight),
            ("total variation weight", self.tv_weight),
        ];
        let shares = self.styles.iter().map(|(_, share)| ("share of a style", *share));
        let layers = self.content_layers.iter().chain(&self.style_layers).map(|l| (l.layer.as_str(), l.weight));
        for (what, weight) in weights.into_iter().chain(shares).chain(layers) {
            if !(0.0..=1e30).contains(&weight) {
                return Err(bad(format!("the weight of a loss must lie in 0..=1e30, but {what} is {weight}")));
            }
        }
        if !self.styles.is_empty() && self.styles.iter().all(|(_, share)| *share == 0.0) {
            return Err(bad("the shares of the styles are all zero".into()));
        }
        if self.iterations == 0 {
            return Err(bad("a session needs at least one iteration".into()));
        }
        self.optimizer.check()?;
        self.init.check(content, self.noise())?;
        let positions = |layers: &[LayerWeight]| {
            for (i, l) in layers.iter().enumerate() {
                if layers[..i].iter().any(|k| k.layer == l.layer) {
                    return Err(bad(format!("layer {} is listed twice", l.layer)));
                }
            }
            layers.iter().map(|l| self.network.position(&l.layer)).collect::<Result<Vec<_>>>()
        };
        let mut style_taps = positions(&self.style_layers)?;
        let mut taps = positions(&self.content_layers)?;
        taps.extend(&style_taps);
        for list in [&mut style_taps, &mut taps] {
            list.sort_unstable();
            list.dedup();
        }
        let checked = Checked { content, taps, style_taps };
        self.chain_plan(content.shape(), &checked.taps, true).map_err(|e| e.context("the content picture"))?;
        self.style_plans(&checked)?;
        Ok(checked)
    }
}

impl<B: Backend> fmt::Debug for SessionBuilder<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBuilder")
            .field("network", &self.network)
            .field("content", &self.content.as_ref().map(Image::shape))
            .field("styles", &self.styles.len())
            .finish_non_exhaustive()
    }
}
