//! The description of a session; `check.rs` validates it.

use std::fmt;
use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::ops::conv2d::Padding;
use crate::backend::ops::pool2d::Pooling;
use crate::backend::ops::tv::Tv;
use crate::describe::init::{Init, Noise};
use crate::describe::scale::Scale;
use crate::describe::settings::{ContentWeight, Settings};
use crate::describe::style::Style;
use crate::describe::targets::Targets;
use crate::distributed::{Alone, Communicator};
use crate::image::Image;
use crate::image::mask::Mask;
use crate::loss::custom::{AtLayer, HostLoss, Loss};
use crate::loss::kind::LossKind;
use crate::loss::losses::{LayerWeight, StyleLayer};
use crate::loss::statistics::kind::StatisticKind;
use crate::loss::statistics::statistic::Statistic;
use crate::network::Network;
use crate::optim::Optimizer;
use crate::pass::cancel::Cancel;

/// Describes a [`Session`](crate::Session); [`build`](SessionBuilder::build) checks the description.
///
/// The defaults were chosen by eye:
///
/// | setting | default | the paper's ([`Preset::Gatys`](crate::Preset::Gatys)) |
/// |---|---|---|
/// | losses | relative to their targets, [`style_strength`](Self::style_strength) 1 | absolute, content 1 and style 1000 |
/// | content layer | conv4_2 | the same |
/// | style layers | conv1_1 0.37, conv2_1 0.37, conv3_1 0.18, conv4_1 0.07, conv5_1 0.01 | the same, 1/5 each |
/// | statistic | Gram matrix at conv1_1, covariance at the others | Gram matrix |
/// | pooling | average | the same |
/// | padding of the picture | its border pixels | zeros |
/// | start | the content picture with 20 % noise | noise |
/// | optimiser | L-BFGS, 300 iterations, one scale | not stated (here L-BFGS, 500 iterations) |
/// | total variation | none | the same |
///
/// Programs that paint pictures for people should also use [`Scale::coarse_to_fine`], which is off by default.
///
/// Without content layers a session synthesises a texture; without style layers it reconstructs a picture from its
/// features.
///
/// ```
/// use style_core::backend::ops::Tv;
/// use style_core::backend::Backend;
/// use style_core::{AdamOptions, Image, Init, Network, Noise, Optimizer, Pooling, Session, Style};
/// # use style_core::{Result, SessionBuilder};
///
/// # fn describe<B: Backend>(network: std::sync::Arc<Network<B>>, photo: Image, swirls: Image, mosaic: Image) -> Result<()> {
/// let repaint = Session::builder(network.clone())
///     .content(photo)
///     .style(swirls.clone())
///     .style(Style::new(mosaic).share(0.5))
///     .content_layers(["conv3_2", "conv4_2"])
///     .style_layers([("conv1_1", 0.5), ("conv3_1", 0.5)])
///     .content_mean_weight(1.0)
///     .style_weight(100.0)
///     .tv(Tv::Absolute)
///     .tv_weight(1e-3)
///     .pooling(Pooling::Max)
///     .noise(Noise::Normal(10.0))
///     .noise_ratio(0.1)
///     .seed(7)
///     .optimizer(Optimizer::Adam(AdamOptions::default()))
///     .iterations(500);
/// let bytes = repaint.plan()?.peak();
///
/// let texture = Session::builder(network).style(swirls).without_content().init(Init::Noise).size(640, 480);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct SessionBuilder<B: Backend> {
    pub(crate) network: Arc<Network<B>>,
    pub(crate) content: Option<Image>,
    pub(crate) content_mask: Option<Mask>,
    pub(crate) styles: Vec<Style>,
    pub(crate) given: Vec<Arc<Targets<B>>>,
    pub(crate) size: Option<(usize, usize)>,
    pub(crate) settings: Settings,
    /// The picture to start from.
    pub(crate) start: Option<Image>,
    /// Custom statistics.
    pub(crate) statistics: Vec<Arc<dyn Statistic<B>>>,
    /// Layers that were given a statistic and are not style layers.
    pub(crate) misplaced: Vec<String>,
    /// Losses that are not in the settings.
    pub(crate) losses: Vec<(f64, Arc<dyn Loss<B>>)>,
    pub(crate) memory_limit: Option<usize>,
    pub(crate) tiles: Option<[usize; 2]>,
    pub(crate) communicator: Arc<dyn Communicator>,
    pub(crate) cancel: Cancel,
}

impl<B: Backend> SessionBuilder<B> {
    pub(crate) fn new(network: Arc<Network<B>>) -> Self {
        Self {
            network,
            content: None,
            content_mask: None,
            styles: vec![],
            given: vec![],
            size: None,
            settings: Settings::default(),
            start: None,
            statistics: vec![],
            misplaced: vec![],
            losses: vec![],
            memory_limit: None,
            tiles: None,
            communicator: Arc::new(Alone),
            cancel: Cancel::default(),
        }
    }

    /// Replaces all settings, for example by those of a stored session. Layer names from other programs are accepted
    /// too. Pictures, [losses of your own](Self::loss) and a start picture are kept.
    pub fn settings(mut self, settings: Settings) -> Self {
        let own = |layer: &mut String| *layer = self.network.own_name(std::mem::take(layer));
        self.settings = settings;
        self.settings.content_layers.iter_mut().for_each(|l| own(&mut l.layer));
        self.settings.style_layers.iter_mut().for_each(|l| own(&mut l.layer));
        self.misplaced.clear();
        self
    }

    /// The settings as they are described so far. Pictures, a start picture and [losses of your own](Self::loss) are not
    /// among them.
    ///
    /// ```
    /// # use style_core::backend::Backend;
    /// # use style_core::SessionBuilder;
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>) {
    /// assert_eq!(builder.seed(7).current_settings().seed, 7);
    /// # }
    /// ```
    pub fn current_settings(&self) -> &Settings {
        &self.settings
    }

    /// The picture to repaint. It also sets the size of the result.
    pub fn content(mut self, image: Image) -> Self {
        self.content = Some(image);
        self
    }

    /// A mask for the content loss: each position's contribution is multiplied by the mask's value there.
    ///
    /// ```
    /// # use style_core::backend::Backend;
    /// # use style_core::{Mask, Result, SessionBuilder};
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>) -> Result<()> {
    /// let middle = Mask::new(3, 1, vec![0.2, 1.0, 0.2])?;
    /// let builder = builder.content_mask(middle);
    /// # Ok(())
    /// # }
    /// ```
    pub fn content_mask(mut self, mask: Mask) -> Self {
        self.content_mask = Some(mask);
        self
    }

    /// A picture to take the style from, of any size: an [`Image`], or a [`Style`] with a share and masks. Call it
    /// again to add more.
    pub fn style(mut self, style: impl Into<Style>) -> Self {
        self.styles.push(style.into());
        self
    }

    /// Uses precomputed targets instead of pictures, for the content or the styles; call it again for the other part.
    /// Pooling, padding, masks and statistics must match those the targets were computed with.
    ///
    /// ```
    /// # use style_core::backend::Backend;
    /// # use style_core::{Image, LayerWeight, Network, Result, Session};
    /// # fn sweep<B: Backend>(network: std::sync::Arc<Network<B>>, photo: Image, painting: Image) -> Result<()> {
    /// let targets = Session::builder(network.clone()).content(photo).style(painting).targets()?;
    /// for weight in [0.1, 1.0, 10.0] {
    ///     let mut session = Session::builder(network.clone()).with_targets(&targets).style_weight(weight).build()?;
    ///     // ...
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_targets(mut self, targets: &Arc<Targets<B>>) -> Self {
        self.given.push(Arc::clone(targets));
        self
    }

    /// The size of the result if there is no content picture. Default: the size of the start picture, or of the first
    /// style picture.
    pub fn size(mut self, width: usize, height: usize) -> Self {
        self.size = Some((width, height));
        self
    }

    /// The layers of the content loss and their weights `w_l`. Default: conv4_2 with weight 1. Names from other
    /// programs are accepted too: `relu4_2`, `block4_conv2` and `r42` are conv4_2.
    ///
    /// ```
    /// # use style_core::backend::Backend;
    /// # use style_core::SessionBuilder;
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>) {
    /// let builder = builder.content_layers(["conv4_2"]).style_layers([("conv1_1", 0.2), ("conv2_1", 0.8)]);
    /// # }
    /// ```
    pub fn content_layers(mut self, layers: impl IntoIterator<Item = impl Into<LayerWeight>>) -> Self {
        let own = |LayerWeight { layer, weight }| LayerWeight { layer: self.network.own_name(layer), weight };
        self.settings.content_layers = layers.into_iter().map(|layer| own(layer.into())).collect();
        self
    }

    /// No content loss: the session synthesises a texture.
    pub fn without_content(mut self) -> Self {
        self.settings.content_layers.clear();
        self
    }

    /// No style loss: the session reconstructs a picture from its features.
    pub fn without_style(mut self) -> Self {
        self.settings.style_layers.clear();
        self
    }

    /// The layers of the style loss and their weights `w_l`. Default: conv1_1 0.37, conv2_1 0.37, conv3_1 0.18, conv4_1
    /// 0.07, conv5_1 0.01. These suit relative losses: deep layers weigh little because their pooling grid shows in
    /// even areas.
    pub fn style_layers(mut self, layers: impl IntoIterator<Item = impl Into<StyleLayer>>) -> Self {
        let own = |layer: StyleLayer| StyleLayer { layer: self.network.own_name(layer.layer), ..layer };
        self.settings.style_layers = layers.into_iter().map(|layer| own(layer.into())).collect();
        self.misplaced.clear();
        self
    }

    /// The statistic of all style layers except those [set individually](Self::statistic_at); see
    /// [`crate::statistics`]. Default: the Gram matrix at the network's first convolution, where the means are the
    /// painting's colours, and the covariance at all others, which forms larger structures and leaves even areas alone.
    ///
    /// ```
    /// # use style_core::backend::Backend;
    /// # use style_core::{SessionBuilder, statistics::{Covariance, Moments}};
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>) {
    /// let builder = builder.statistic(Covariance).statistic_at("conv1_1", Moments);
    /// # }
    /// ```
    pub fn statistic(mut self, statistic: impl Statistic<B> + 'static) -> Self {
        self.settings.statistic = Some(self.kind_of(statistic));
        self
    }

    /// The statistic of one style layer. Call it after [`style_layers`](Self::style_layers).
    pub fn statistic_at(mut self, layer: impl Into<String>, statistic: impl Statistic<B> + 'static) -> Self {
        let layer = self.network.own_name(layer.into());
        let kind = self.kind_of(statistic);
        match self.settings.style_layers.iter_mut().find(|l| l.layer == layer) {
            Some(at) => at.statistic = Some(kind),
            None => self.misplaced.push(layer),
        }
        self
    }

    /// The statistic as a setting; keeps a custom one.
    fn kind_of(&mut self, statistic: impl Statistic<B> + 'static) -> StatisticKind {
        let kind = StatisticKind::from(statistic.identity());
        if let StatisticKind::Custom(identity) = &kind {
            self.statistics.retain(|other| other.identity() != *identity);
            self.statistics.push(Arc::new(statistic));
        }
        kind
    }

    /// Losses to add to the objective, by name, with their weights. Default: none.
    ///
    /// ```
    /// # use style_core::backend::Backend;
    /// # use style_core::{SessionBuilder, losses::LossKind};
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>) {
    /// let builder = builder.content_layers([] as [&str; 0]).losses([(LossKind::Neighbours, 0.05)]);
    /// # }
    /// ```
    pub fn losses(mut self, losses: impl IntoIterator<Item = (LossKind, f64)>) -> Self {
        self.settings.losses = losses.into_iter().collect();
        self
    }

    /// Adds a loss of your own to the objective, with this weight; see [`crate::losses`]. Its weight has the same value
    /// at every [scale](Self::scales). Masks do not apply to it.
    pub fn loss(mut self, weight: f64, loss: impl Loss<B> + 'static) -> Self {
        self.losses.push((weight, Arc::new(loss)));
        self
    }

    /// Adds a loss of one layer's features that is computed on the host, with this weight; see
    /// [`HostLoss`](crate::losses::HostLoss). The picture cannot be tiled.
    pub fn loss_at(mut self, layer: impl Into<String>, weight: f64, loss: impl HostLoss + 'static) -> Self {
        let layer = self.network.own_name(layer.into());
        self.losses.push((weight, Arc::new(AtLayer { layer, loss: Arc::new(loss) })));
        self
    }

    /// The strength of the style. Default: 1; 0 means no style, and doubling it makes a visible difference. Its effect
    /// is the same for every size, network, statistic and painting, because each layer's loss is relative to its
    /// target:
    ///
    /// ```text
    /// total = 0.037 sum_l w_l sum (F - P)^2 / sum P^2 + strength sum_l w_l sum (v - t)^2 / sum t^2
    /// ```
    ///
    /// where `v` are the values of the statistic on the image and `t` those on the painting. This is not in the paper;
    /// for the paper's absolute losses use [`content_weight`](Self::content_weight) and
    /// [`style_weight`](Self::style_weight).
    pub fn style_strength(mut self, strength: f64) -> Self {
        self.settings.content_weight = ContentWeight::Relative;
        self.settings.style_weight = strength;
        self
    }

    /// Factor of the absolute content loss `1/2 sum (F - P)^2` (the paper's alpha), which grows with the picture.
    /// Replaces [`style_strength`](Self::style_strength); the style weight then defaults to 1. Default: not used.
    pub fn content_weight(mut self, weight: f64) -> Self {
        if self.settings.content_weight == ContentWeight::Relative {
            self.settings.style_weight = 1.0;
        }
        self.settings.content_weight = ContentWeight::Sum(weight);
        self
    }

    /// Factor of the mean of `(F - P)^2`, as in most other implementations; it does not grow with the picture. The
    /// losses still report `1/2 sum (F - P)^2`, so the reported weight is the given one times `2 / (N M)`. With several
    /// content layers, `N M` is that of the first, and the weights of the others are corrected for theirs. Replaces
    /// [`style_strength`](Self::style_strength); the style weight then defaults to 1. Default: not used.
    pub fn content_mean_weight(mut self, weight: f64) -> Self {
        if self.settings.content_weight == ContentWeight::Relative {
            self.settings.style_weight = 1.0;
        }
        self.settings.content_weight = ContentWeight::Mean(weight);
        self
    }

    /// Factor of the absolute style loss (the paper's beta). Replaces [`style_strength`](Self::style_strength); without
    /// a content weight, the [content mean weight](Self::content_mean_weight) is then 1/2. Default: not used.
    pub fn style_weight(mut self, weight: f64) -> Self {
        if self.settings.content_weight == ContentWeight::Relative {
            self.settings.content_weight = ContentWeight::Mean(0.5);
        }
        self.settings.style_weight = weight;
        self
    }

    /// Whether the weights of losses are the norms of their gradients at first: the loss of each content and style layer, and each loss of your own, is
    /// divided by the norm of its gradient at a reference image `x_0`, the photograph with 20 % noise (without a photograph,
    /// noise), once at each scale:
    ///
    /// ```text
    /// total = sum_t w_t l_t(x) / |dl_t/dx (x_0)| + tv_weight tv(x)
    /// ```
    ///
    /// With relative losses, the weight of the content is then 1. This takes an evaluation for each layer and each loss of your
    /// own at the start of each scale. Layers then count as their weights say, whatever the
    /// network, the statistic and the painting. (jcjohnson/neural-style normalises the gradient at each evaluation instead;
    /// that is the gradient of no loss, so a line search would fail.) Default: no.
    pub fn balanced(mut self, balanced: bool) -> Self {
        self.settings.balanced = balanced;
        self
    }

    /// The form of the total variation. Default: [`Tv::Squared`].
    pub fn tv(mut self, kind: Tv) -> Self {
        self.settings.tv = kind;
        self
    }

    /// Factor of the image's total variation, in 8-bit units. Not in the paper. Default: 0.
    pub fn tv_weight(mut self, weight: f64) -> Self {
        self.settings.tv_weight = weight;
        self
    }

    /// The pooling of the network. Default: average, as in the paper.
    pub fn pooling(mut self, pooling: Pooling) -> Self {
        self.settings.pooling = pooling;
        self
    }

    /// Whether the result repeats without seams in both directions, as a texture for tiling does: the network sees the
    /// picture continued by itself on all sides. Then its sides must be multiples of 16 pixels if the deepest layer is in
    /// block 5 (8 in block 4, and so on), and an evaluation takes longer, because regions overlap. Total variation, the
    /// Laplacian and patches wider than one position do not reach across the seam. Not in the paper. Default: false.
    pub fn seamless(mut self, seamless: bool) -> Self {
        self.settings.seamless = seamless;
        self
    }

    /// How the first convolution pads the picture. Default: [`Padding::Replicate`], which repeats the border pixels.
    /// The paper's zeros stand for the mean colour: the network sees a frame of that colour, and the result tends to
    /// get a frame along its border.
    pub fn padding(mut self, padding: Padding) -> Self {
        self.settings.padding = padding;
        self
    }

    /// The start image. Default: the content picture with 20 % noise, or noise alone without a content picture. Setting
    /// it resets [`noise_ratio`](Self::noise_ratio) to the default for that start.
    pub fn init(mut self, init: Init) -> Self {
        let (start, image) = init.split();
        (self.settings.init, self.start) = (Some(start), image);
        self.settings.noise_ratio = None;
        self
    }

    /// The distribution of the noise in the start image. Default: uniform within 64 of the mean.
    pub fn noise(mut self, noise: Noise) -> Self {
        self.settings.noise = noise;
        self
    }

    /// The share of white noise in the start image, 0 to 1. Default: 0.2 for the default start, so that the style also
    /// takes hold in even areas, and proportionally less below a [strength](Self::style_strength) of 1; 0 for an
    /// explicit [`init`](Self::init), and 1 for [`Init::Noise`]. Call it after `init`.
    pub fn noise_ratio(mut self, ratio: f32) -> Self {
        self.settings.noise_ratio = Some(ratio);
        self
    }

    /// Seed of the noise; the same seed gives the same noise on every platform. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The optimiser. Default: L-BFGS.
    pub fn optimizer(mut self, optimizer: Optimizer) -> Self {
        self.settings.optimizer = optimizer;
        self
    }

    /// The number of evaluations of loss and gradient at the final size. Default: 300.
    pub fn iterations(mut self, iterations: usize) -> Self {
        self.settings.iterations = iterations;
        self
    }

    /// The sizes to paint at before the final size, coarsest first, for example from [`Scale::coarse_to_fine`]. Each
    /// scale starts from the image of the previous one, with all pictures resized by the same factor; Adam keeps its
    /// moments. Weights have the same effect at every scale: relative losses need no correction, and weights of sums
    /// ([`content_weight`](Self::content_weight) and most [total variations](Self::tv)) are rescaled. Default: none, as
    /// in the paper.
    ///
    /// ```
    /// # use style_core::backend::Backend;
    /// # use style_core::{Image, Scale, SessionBuilder};
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>, photo: Image) {
    /// let (scales, iterations) = Scale::coarse_to_fine(photo.width(), photo.height(), 80);
    /// let builder = builder.content(photo).scales(scales).iterations(iterations);
    /// # }
    /// ```
    pub fn scales(mut self, scales: Vec<Scale>) -> Self {
        self.settings.scales = scales;
        self
    }

    /// Makes the image a running mean of the accepted images, in which each counts `decay` times as much as the next.
    /// This removes the noise that Adam's last steps leave. (The bias of the first steps is corrected, as in Adam.)
    /// Losses are still those of the points themselves. Default: none.
    pub fn running_mean(mut self, decay: f64) -> Self {
        self.settings.running_mean = Some(decay);
        self
    }

    /// Ends a scale, as converged, where [`WINDOW`](crate::Settings::WINDOW) evaluations have lowered its loss by less than
    /// this fraction: [`GOOD`](crate::Settings::GOOD), say. The numbers of evaluations are then limits. A scale takes at
    /// least twice the window. Not in the paper. Default: none, all evaluations.
    pub fn tolerance(mut self, fraction: f64) -> Self {
        self.settings.tolerance = Some(fraction);
        self
    }

    /// The memory limit of the session in bytes, including the network's filters. A picture that needs more is
    /// evaluated tile by tile, which takes longer ([`Plan::work`](crate::Plan::work)) and gives the same loss and
    /// gradient up to rounding. The number of tiles may depend on the number of threads, as each needs memory, and the
    /// tiling affects the last bits. [`tiles`](Self::tiles) sets a minimum, and a [resumed](Self::resume) session keeps
    /// its tiling. On a device that reports its free memory, that is always a limit as well. Default: no other limit.
    ///
    /// ```
    /// # use style_core::backend::Backend;
    /// # use style_core::{ErrorKind, Result, SessionBuilder};
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>) -> Result<()> {
    /// match builder.memory_limit(2 << 30).plan() {
    ///     Ok(plan) => println!("{} bytes in {:?} tiles, {:.1} times the work", plan.peak(), plan.tiles, plan.work),
    ///     Err(e) => match e.kind() {
    ///         ErrorKind::MemoryExceeded { width, height, .. } => println!("{width} x {height} would fit"),
    ///         _ => return Err(e),
    ///     },
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// The minimum number of rows and columns of tiles, or as many as a small picture allows. Default: one of each; see
    /// [`memory_limit`](Self::memory_limit). If [processes](Self::communicator) share the picture, there are at least as many
    /// tiles as processes, if it is large enough.
    pub fn tiles(mut self, rows: usize, columns: usize) -> Self {
        self.tiles = Some([rows, columns]);
        self
    }

    /// Distributes the tiles and the pixels over several processes, of which this is one; see [`Communicator`]. Default: this
    /// process alone.
    pub fn communicator(mut self, communicator: Arc<dyn Communicator>) -> Self {
        self.communicator = communicator;
        self
    }

    /// A switch with which another thread ends [`build`](Self::build), [`targets`](Self::targets) and
    /// [`step`](crate::Session::step) with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled). On the CPU this takes
    /// at most one part of an evaluation: the convolutions between two tapped layers, in one tile. Resizing pictures,
    /// allocating memory, and evaluating the pictures of the next scale on the way to it are not interrupted. A
    /// checkpoint can still be made after a cancelled step. After [`Cancel::reset`], the step can be repeated with the
    /// same bits, but not if [processes](Self::communicator) share the picture. Default: none.
    ///
    /// ```
    /// # use style_core::backend::Backend;
    /// # use style_core::{Cancel, SessionBuilder};
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>) {
    /// let cancel = Cancel::new();
    /// let builder = builder.cancel(&cancel);
    /// // Behind a button:
    /// cancel.cancel();
    /// # }
    /// ```
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = cancel.clone();
        self
    }
}

impl<B: Backend> SessionBuilder<B> {
    /// All losses that are added to the objective, with their weights.
    pub(crate) fn all_losses(&self) -> Vec<(f64, Arc<dyn Loss<B>>)> {
        let by_name = self.settings.losses.iter().map(|&(kind, weight)| (weight, kind.built_in()));
        by_name.chain(self.losses.iter().cloned()).collect()
    }

    /// A copy without the pictures, their targets and scales.
    pub(crate) fn shallow(&self) -> Self {
        Self {
            network: Arc::clone(&self.network),
            content: None,
            content_mask: self.content_mask.clone(),
            styles: vec![],
            given: vec![],
            size: self.size,
            settings: Settings { init: None, scales: vec![], ..self.settings.clone() },
            start: None,
            statistics: self.statistics.clone(),
            misplaced: self.misplaced.clone(),
            losses: self.losses.clone(),
            memory_limit: self.memory_limit,
            tiles: self.tiles,
            communicator: Arc::clone(&self.communicator),
            cancel: self.cancel.clone(),
        }
    }
}

/// Shares the network and targets; copies the pictures.
impl<B: Backend> Clone for SessionBuilder<B> {
    fn clone(&self) -> Self {
        Self {
            content: self.content.clone(),
            styles: self.styles.clone(),
            given: self.given.clone(),
            settings: self.settings.clone(),
            start: self.start.clone(),
            ..self.shallow()
        }
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
