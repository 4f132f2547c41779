//! The description of a session; `check.rs` has what is made of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::init::{Init, Noise};
use crate::objective::LayerWeight;
use crate::ops::Tv;
use crate::optim::Optimizer;
use crate::passes::Cancel;
use crate::reduce::{Alone, Reduce};
use crate::scale::Scale;
use crate::statistics::Statistic;
use crate::targets::Targets;
use crate::{Backend, Image, Mask, Network, Padding, Pooling, Style};

/// Describes a [`Session`](crate::Session); [`build`](SessionBuilder::build) checks it all. Defaults: the paper's
/// layers (content conv4_2; style conv1_1, conv2_1, conv3_1, conv4_1, conv5_1 with 1/5 each), average pooling, L-BFGS,
/// 300 iterations, start from the content picture, no total variation; [`preset`](SessionBuilder::preset) has others.
///
/// Without content layers it is texture synthesis, without style layers the reconstruction of a picture from features.
///
/// ```
/// use style_core::ops::Tv;
/// use style_core::{AdamOptions, Backend, Image, Init, LayerWeight, Network, Noise, Optimizer, Pooling, Session, Style};
/// # use style_core::{Result, SessionBuilder};
///
/// # fn describe<B: Backend>(network: std::sync::Arc<Network<B>>, photo: Image, swirls: Image, mosaic: Image) -> Result<()> {
/// let layers = |names: [&str; 2]| names.map(|name| LayerWeight::new(name, 0.5)).to_vec();
/// let repaint = Session::builder(network.clone())
///     .content(photo)
///     .style(swirls.clone())
///     .style(Style::new(mosaic).share(0.5))
///     .content_layers(layers(["conv3_2", "conv4_2"]))
///     .style_layers(layers(["conv1_1", "conv3_1"]))
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
/// let texture = Session::builder(network).style(swirls).content_layers(vec![]).init(Init::Noise).size(640, 480);
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
    pub(crate) content_layers: Vec<LayerWeight>,
    pub(crate) style_layers: Vec<LayerWeight>,
    pub(crate) statistic: Option<Arc<dyn Statistic<B>>>,
    pub(crate) layer_statistics: Vec<(String, Arc<dyn Statistic<B>>)>,
    pub(crate) balance: Balance,
    pub(crate) style_weight: f64,
    pub(crate) tv: Tv,
    pub(crate) tv_weight: f64,
    pub(crate) pooling: Pooling,
    pub(crate) padding: Padding,
    pub(crate) init: Option<Init>,
    pub(crate) noise: Noise,
    pub(crate) noise_ratio: Option<f32>,
    pub(crate) seed: u64,
    pub(crate) optimizer: Optimizer,
    pub(crate) iterations: usize,
    pub(crate) scales: Vec<Scale>,
    pub(crate) ema: Option<f64>,
    pub(crate) memory_limit: Option<usize>,
    pub(crate) tiles: Option<[usize; 2]>,
    pub(crate) reduce: Arc<dyn Reduce>,
    pub(crate) cancel: Cancel,
}

/// How content and style are weighed against each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Balance {
    /// Each layer's loss is relative to its target, and the style weight is a strength.
    Relative,
    /// The content weight multiplies `1/2 sum (F - P)^2`.
    Sum(f64),
    /// The content weight multiplies `mean (F - P)^2`.
    Mean(f64),
}

impl<B: Backend> SessionBuilder<B> {
    pub(crate) fn new(network: Arc<Network<B>>) -> Self {
        let style = [("conv1_1", 0.37), ("conv2_1", 0.37), ("conv3_1", 0.18), ("conv4_1", 0.07), ("conv5_1", 0.01)];
        Self {
            network,
            content: None,
            content_mask: None,
            styles: vec![],
            given: vec![],
            size: None,
            content_layers: vec![LayerWeight::new("conv4_2", 1.0)],
            style_layers: style.map(|(layer, weight)| LayerWeight::new(layer, weight)).into(),
            statistic: None,
            layer_statistics: vec![],
            balance: Balance::Relative,
            style_weight: 1.0,
            tv: Tv::default(),
            tv_weight: 0.0,
            pooling: Pooling::Average,
            padding: Padding::Replicate,
            init: None,
            noise: Noise::default(),
            noise_ratio: None,
            seed: 0,
            optimizer: Optimizer::default(),
            iterations: 300,
            scales: vec![],
            ema: None,
            memory_limit: None,
            tiles: None,
            reduce: Arc::new(Alone),
            cancel: Cancel::default(),
        }
    }

    /// The picture to repaint; its size is the result's.
    pub fn content(mut self, image: Image) -> Self {
        self.content = Some(image);
        self
    }

    /// Where the content is to be kept, and how much: each position's part of the content loss is multiplied by the
    /// mask there.
    ///
    /// ```
    /// # use style_core::{Backend, Mask, Result, SessionBuilder};
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
    /// again for several.
    pub fn style(mut self, style: impl Into<Style>) -> Self {
        self.styles.push(style.into());
        self
    }

    /// Takes the content's or the styles' part from targets that were computed before, instead of pictures; call it
    /// again for the other part. Pooling, padding, masks and statistics must be those that the targets were made with.
    ///
    /// ```
    /// # use style_core::{Backend, Image, LayerWeight, Network, Result, Session};
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

    /// The result's size, where no content picture gives it. Default the start picture's, or the first style picture's.
    pub fn size(mut self, width: usize, height: usize) -> Self {
        self.size = Some((width, height));
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

    /// What style layers are measured by, [`Gram`] unless said otherwise; see [`crate::statistics`].
    ///
    /// ```
    /// # use style_core::{Backend, SessionBuilder, statistics::{Covariance, Moments}};
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>) {
    /// let builder = builder.statistic(Covariance).statistic_at("conv1_1", Moments);
    /// # }
    /// ```
    pub fn statistic(mut self, statistic: impl Statistic<B> + 'static) -> Self {
        self.statistic = Some(Arc::new(statistic));
        self
    }

    /// What one style layer is measured by.
    pub fn statistic_at(mut self, layer: impl Into<String>, statistic: impl Statistic<B> + 'static) -> Self {
        self.layer_statistics.push((layer.into(), Arc::new(statistic)));
        self
    }

    /// How strongly the painting acts: 1 by default, 0 for none; a factor of two is a step that can be seen. It means the
    /// same for every size, network, statistic and painting, since each layer's loss is relative to its target:
    /// `content = sum_l w_l sum (F - P)^2 / sum P^2` and `E_l = sum (v - t)^2 / sum t^2`, `t` the statistic's values on the
    /// painting. Not in the paper, whose absolute losses [`content_weight`](Self::content_weight) and
    /// [`style_weight`](Self::style_weight) weigh.
    pub fn style_strength(mut self, strength: f64) -> Self {
        self.balance = Balance::Relative;
        self.style_weight = strength;
        self
    }

    /// Factor of the content loss `1/2 sum (F - P)^2` (the paper's alpha), which grows with the picture. It replaces
    /// [`style_strength`](Self::style_strength).
    pub fn content_weight(mut self, weight: f64) -> Self {
        if self.balance == Balance::Relative {
            self.style_weight = 1.0;
        }
        self.balance = Balance::Sum(weight);
        self
    }

    /// Factor of the mean `(F - P)^2`, as most peers have it, which does not grow with the picture. It is reported as a
    /// factor of `1/2 sum (F - P)^2` all the same, `2 / (N M)` times as large; where there are several content layers,
    /// `N M` is the first one's, and the weights of the others are made up for theirs. It replaces
    /// [`style_strength`](Self::style_strength).
    pub fn content_mean_weight(mut self, weight: f64) -> Self {
        if self.balance == Balance::Relative {
            self.style_weight = 1.0;
        }
        self.balance = Balance::Mean(weight);
        self
    }

    /// Factor of the style loss (the paper's beta). It replaces [`style_strength`](Self::style_strength); the content mean
    /// weight is 1/2 then, unless another is given.
    pub fn style_weight(mut self, weight: f64) -> Self {
        if self.balance == Balance::Relative {
            self.balance = Balance::Mean(0.5);
        }
        self.style_weight = weight;
        self
    }

    /// Which total variation. Default [`Tv::Squared`].
    pub fn tv(mut self, kind: Tv) -> Self {
        self.tv = kind;
        self
    }

    /// Factor of the image's total variation, in 8-bit units. Not in the paper; default 0.
    pub fn tv_weight(mut self, weight: f64) -> Self {
        self.tv_weight = weight;
        self
    }

    /// Which pooling the network uses. Default average, the paper's choice.
    pub fn pooling(mut self, pooling: Pooling) -> Self {
        self.pooling = pooling;
        self
    }

    /// What the first convolution reads outside the picture. Default zeros, the paper's choice. They stand for the mean
    /// colour, and the network sees a frame of it, which the image may answer with a frame of its own along its border;
    /// [`Padding::Replicate`] repeats the border pixels instead.
    pub fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// Where the image starts. Default the content picture, or noise where there is none.
    pub fn init(mut self, init: Init) -> Self {
        self.init = Some(init);
        self.noise_ratio = None;
        self
    }

    /// What the noise of the start is like. Default uniform, 64 to either side.
    pub fn noise(mut self, noise: Noise) -> Self {
        self.noise = noise;
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

    /// How many evaluations of loss and gradient [`Session::run`](crate::Session::run) makes. Default 300.
    pub fn iterations(mut self, iterations: usize) -> Self {
        self.iterations = iterations;
        self
    }

    /// Sizes to paint at before the result's own, coarsest first: [`Scale::pyramid`], say. Each starts from the image of the
    /// one before, on pictures resized to it, the style's by the same factor; Adam goes on with its moments. Weights mean at
    /// every scale what they mean at the result's size: those of sums ([`content_weight`](Self::content_weight) and most
    /// [total variations](Self::tv)) count each position or pixel as there. Default none, as in the paper.
    ///
    /// ```
    /// # use style_core::{Backend, Image, Scale, SessionBuilder};
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>, photo: Image) {
    /// let size = photo.width().max(photo.height());
    /// let builder = builder.content(photo).scales(Scale::pyramid(size, 60)).iterations(240);
    /// # }
    /// ```
    pub fn scales(mut self, scales: Vec<Scale>) -> Self {
        self.scales = scales;
        self
    }

    /// Makes the image a running mean of the accepted ones, of which each counts `decay` times as much as the next; without
    /// noise of the last steps, which Adam's have. (With the bias of the first steps corrected, as Adam does it.) Losses
    /// are those of the points themselves. Default none.
    pub fn ema(mut self, decay: f64) -> Self {
        self.ema = Some(decay);
        self
    }

    /// The most memory that the session may take, in bytes, the network's filters included: a picture that wants more is
    /// evaluated tile by tile, which takes longer ([`Plan::work`](crate::Plan::work)) and gives the same loss and gradient
    /// but for rounding. How many tiles that takes may depend on the number of threads, which have memory each, and with the
    /// tiles the last bits do; [`tiles`](Self::tiles) says it outright, and a session that is [resumed](Self::resume) keeps
    /// those that it had. Default none; on a device that tells what is free, that.
    ///
    /// ```
    /// # use style_core::{Backend, ErrorKind, Result, SessionBuilder};
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

    /// Into how many tiles the picture is cut at least: so many rows of so many columns, as far as it is large enough.
    /// Default one of one; see [`memory_limit`](Self::memory_limit).
    pub fn tiles(mut self, rows: usize, columns: usize) -> Self {
        self.tiles = Some([rows, columns]);
        self
    }

    /// Shares the tiles among processes, of which this is one; see [`Reduce`]. Default there is no other.
    pub fn reduce(mut self, reduce: Arc<dyn Reduce>) -> Self {
        self.reduce = reduce;
        self
    }

    /// A flag that another thread may raise, to end [`build`](Self::build), [`targets`](Self::targets) and
    /// [`step`](crate::Session::step) with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled): on the CPU within a part of an
    /// evaluation, which is the convolutions between two layers that are looked at, in a tile; pictures that are being resized
    /// and memory that is being taken are waited for, and on the way from one scale to the next what its pictures give. There is
    /// a checkpoint after a step that was cancelled as before; with the flag lowered it is done again, with the same bits, but
    /// not where [processes](Self::reduce) share the picture. Default none.
    ///
    /// ```
    /// # use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
    /// # use style_core::{Backend, SessionBuilder};
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>) {
    /// let cancel = Arc::new(AtomicBool::new(false));
    /// let builder = builder.cancel(Arc::clone(&cancel));
    /// // Behind a button:
    /// cancel.store(true, Ordering::Relaxed);
    /// # }
    /// ```
    pub fn cancel(mut self, flag: Arc<AtomicBool>) -> Self {
        self.cancel = Cancel(Some(flag));
        self
    }
}

impl<B: Backend> SessionBuilder<B> {
    /// The same without the pictures, their targets and scales.
    pub(crate) fn shallow(&self) -> Self {
        Self {
            network: Arc::clone(&self.network),
            content: None,
            content_mask: self.content_mask.clone(),
            styles: vec![],
            given: vec![],
            size: self.size,
            content_layers: self.content_layers.clone(),
            style_layers: self.style_layers.clone(),
            statistic: self.statistic.clone(),
            layer_statistics: self.layer_statistics.clone(),
            balance: self.balance,
            style_weight: self.style_weight,
            tv: self.tv,
            tv_weight: self.tv_weight,
            pooling: self.pooling,
            padding: self.padding,
            init: None,
            noise: self.noise,
            noise_ratio: self.noise_ratio,
            seed: self.seed,
            optimizer: self.optimizer,
            iterations: self.iterations,
            scales: vec![],
            ema: self.ema,
            memory_limit: self.memory_limit,
            tiles: self.tiles,
            reduce: Arc::clone(&self.reduce),
            cancel: self.cancel.clone(),
        }
    }
}

/// The network and targets are shared, the pictures are copied.
impl<B: Backend> Clone for SessionBuilder<B> {
    fn clone(&self) -> Self {
        Self {
            content: self.content.clone(),
            styles: self.styles.clone(),
            given: self.given.clone(),
            init: self.init.clone(),
            scales: self.scales.clone(),
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
