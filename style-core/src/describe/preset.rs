//! The settings of well-known implementations, named after their authors: the same losses and the same start, for
//! comparable numbers and pictures.
//!
//! | preset | style loss of a layer | content loss | TV | descent |
//! |---|---|---|---|---|
//! | `gatys` | `1000 * 1/5 E` | `1/2 sum` | none | L-BFGS, 500, from noise |
//! | `stanford` | `(0.5, 1, 1.5, 3, 4) E` | `0.01/4 mean` | none | Adam 2, 300, from noise and content |
//! | `johnson` | `100 E'` | `5 mean` | `0.001` squared | L-BFGS without line search, 1000, from noise |
//! | `anishathalye` | `500 * 1/5 E'` | `5 mean` | `100` means | Adam 10, 1000, from noise |
//! | `gatys-pytorch` | `1000 E'` | `1 mean` | none | L-BFGS without line search, 500, from the content |
//! | `pystiche` | `1000 * 1/5 * 4 E` | `1 mean` | none | L-BFGS without line search, 500, from the content |
//! | `crowson` | `(256, 64, 16, 4, 1)/341 W` | `0.015 mean` | `0.1` nine points | Adam 5.1, coarse to fine, running mean |
//! | `cnnmrf` | `7.4, 3.7` patches | `20 mean` | `0.001` squared | as `johnson`, 100 at each of 3 sizes, from the content |
//! | `nnst` | `0.5` turned neighbours, the default's style loss | none | none | L-BFGS, 200 at each of 64, 128, 256 ... |
//! | `strotss` | relaxed EMD, `0.25` palette | `4` self-similarity | none | L-BFGS, 200 at each of 64, 128, 256 ... |
//!
//! `E` is the paper's `1/(4 N^2) sum (G/M - A/M_s)^2`, `E'` the mean square of `G/(N M)` ([`GramNorm::Elements`]) and `W`
//! the [`Wasserstein`](crate::statistics::Wasserstein) distance; these presets use layers conv4_2 and conv1_1 ... conv5_1. The
//! [`Patches`](crate::statistics::Patches) of `cnnmrf` are of conv3_1 and conv4_1, its content loss is of conv4_1. The
//! input format that a peer's weights expect (channel order, range, mean) comes with the weight file here. All pad with
//! zeros but `crowson`, which repeats the border. Differences from the peers: the total loss includes TV, where jcjohnson's
//! omits it; a point with a non-finite loss is never accepted; Crowson clamps the image after each step, here only the
//! result is clamped. The patches of `cnnmrf` have the weights that its authors' come to at 96 x 96 pixels, the first of their
//! three sizes, which decides on the layout; theirs grow with the number of positions.
//!
//! The last two are made of [`Neighbours`](crate::losses::Neighbours), and of [`RelaxedEmd`](crate::losses::RelaxedEmd),
//! [`SelfSimilarity`](crate::losses::SelfSimilarity) and [`Palette`](crate::losses::Palette); their pages list departures from
//! the papers. Their authors optimise a pyramid of the picture, by Adam and RMSprop; here it is the pixels, by L-BFGS. A cosine
//! does not see how strong a feature is, so pixels that only follow neighbours leave the range of colours. The authors of NNST
//! correct the colours afterwards and fill even areas with a last pass; here the default's style loss does both. STROTSS
//! halves the weight of the content with each scale, from 16 at 64 pixels; here it is that of 256 pixels throughout.
//!
//! The peers chose their weights for VGG-19. Absolute losses depend on the network and total variation does not, so their
//! balance shifts with another network: adjust [`SessionBuilder::tv_weight`] after the preset, or load a VGG-19.

use std::fmt;
use std::str::FromStr;

use crate::backend::Backend;
use crate::backend::ops::conv2d::Padding;
use crate::backend::ops::pool2d::Pooling;
use crate::backend::ops::tv::Tv;
use crate::describe::builder::SessionBuilder;
use crate::describe::init::{Noise, Start};
use crate::describe::scale::Scale;
use crate::describe::settings::{ContentWeight, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::loss::kind::LossKind;
use crate::loss::losses::StyleLayer;
use crate::loss::statistics::gram::GramNorm;
use crate::loss::statistics::kind::StatisticKind;
use crate::optim::Optimizer;
use crate::optim::adam::AdamOptions;
use crate::optim::lbfgs::LbfgsOptions;

/// A well-known set of settings, for [`SessionBuilder::preset`]; its [module](self) has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// Gatys, Ecker and Bethge 2015: equations 1, 4, 5 and 7 as published, alpha/beta = 1e-3, average pooling. (The paper
    /// does not state its optimiser, number of iterations or noise; these are ours.)
    Gatys,
    /// The TensorFlow assignment of Stanford's course.
    Stanford,
    /// jcjohnson/neural-style.
    Johnson,
    /// anishathalye/neural-style.
    Anishathalye,
    /// leongatys/PytorchNeuralStyleTransfer, its first stage.
    GatysPytorch,
    /// The library pystiche.
    Pystiche,
    /// crowsonkb/style-transfer-pytorch. Its weights are for torchvision's VGG-19, whose features are about 1/58 of the
    /// embedded network's. Its TV weight, 2 for an image in 0..=1, becomes 0.1 for 8-bit units and the larger features.
    Crowson,
    /// chuanli11/CNNMRF.
    Cnnmrf,
    /// nkolkin13/NeuralNeighborStyleTransfer.
    Nnst,
    /// nkolkin13/STROTSS.
    Strotss,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 10] = [
        Self::Gatys,
        Self::Stanford,
        Self::Johnson,
        Self::Anishathalye,
        Self::GatysPytorch,
        Self::Pystiche,
        Self::Crowson,
        Self::Cnnmrf,
        Self::Nnst,
        Self::Strotss,
    ];

    /// The name of the preset, such as `gatys-pytorch`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gatys => "gatys",
            Self::Stanford => "stanford",
            Self::Johnson => "johnson",
            Self::Anishathalye => "anishathalye",
            Self::GatysPytorch => "gatys-pytorch",
            Self::Pystiche => "pystiche",
            Self::Crowson => "crowson",
            Self::Cnnmrf => "cnnmrf",
            Self::Nnst => "nnst",
            Self::Strotss => "strotss",
        }
    }

    /// The long side of the preset's pictures, in pixels; `None` if it keeps the size of the photograph.
    #[must_use]
    pub const fn long_side(self) -> Option<usize> {
        match self {
            Self::Gatys | Self::Johnson | Self::GatysPytorch | Self::Crowson | Self::Nnst | Self::Strotss => Some(512),
            Self::Stanford => Some(333),
            Self::Cnnmrf => Some(384),
            Self::Pystiche => Some(500),
            Self::Anishathalye => None,
        }
    }

    /// The weight of each of `count` style layers other than the five of the table: 1 or `1/count`, as in the peer (for
    /// Stanford, the mean of its five weights).
    #[must_use]
    pub fn style_layer_weight(self, count: usize) -> f64 {
        match self {
            Self::Gatys | Self::Anishathalye | Self::Pystiche | Self::Crowson | Self::Nnst | Self::Strotss => {
                1.0 / count as f64
            }
            Self::Johnson | Self::GatysPytorch => 1.0,
            Self::Cnnmrf => 3.6864,
            Self::Stanford => 2.0,
        }
    }

    /// The preset's optimiser.
    #[must_use]
    pub fn optimizer(self) -> Optimizer {
        let adam = |learning_rate| Optimizer::Adam(AdamOptions { learning_rate, ..AdamOptions::default() });
        let lbfgs =
            |history| Optimizer::Lbfgs(LbfgsOptions { history, fixed_step: Some(1.0), ..LbfgsOptions::default() });
        match self {
            Self::Gatys | Self::Nnst | Self::Strotss => Optimizer::default(),
            Self::Stanford => adam(2.0),
            Self::Anishathalye => adam(10.0),
            Self::Crowson => Optimizer::Adam(AdamOptions { learning_rate: 5.1, beta2: 0.99, ..AdamOptions::default() }),
            Self::Johnson | Self::GatysPytorch | Self::Pystiche => lbfgs(100),
            Self::Cnnmrf => lbfgs(25),
        }
    }

    /// The preset's number of evaluations of loss and gradient.
    #[must_use]
    pub const fn iterations(self) -> usize {
        match self {
            Self::Gatys | Self::GatysPytorch | Self::Pystiche | Self::Crowson => 500,
            Self::Stanford => 300,
            Self::Cnnmrf => 100,
            Self::Nnst | Self::Strotss => 200,
            Self::Johnson | Self::Anishathalye => 1000,
        }
    }

    /// The sizes that the preset paints at before the final size, for a picture with this long side and this number of
    /// iterations at it: as many at each, in Crowson's twice as many at the first.
    #[must_use]
    pub fn scales(self, long_side: usize, iterations: usize) -> Vec<Scale> {
        match self {
            Self::Crowson => {
                let mut scales = Scale::pyramid(long_side, iterations);
                if let Some(first) = scales.first_mut() {
                    first.iterations = iterations.saturating_mul(2);
                }
                scales
            }
            Self::Cnnmrf | Self::Nnst | Self::Strotss => {
                let most = if self == Self::Cnnmrf { 2 } else { usize::MAX };
                let halves = (1..usize::BITS).map(|i| long_side >> i).take_while(|&size| size >= 64).take(most);
                let mut scales: Vec<_> = halves.map(|size| Scale { size, iterations, optimizer: None }).collect();
                scales.reverse();
                scales
            }
            _ => vec![],
        }
    }

    fn style_layer_weights(self) -> [f64; 5] {
        match self {
            Self::Crowson => [256.0, 64.0, 16.0, 4.0, 1.0].map(|weight| weight / 341.0),
            Self::Stanford => [0.5, 1.0, 1.5, 3.0, 4.0],
            other => [other.style_layer_weight(5); 5],
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|p| p.name() == s).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(ErrorKind::Argument, format!("no preset is called {s:?}; the presets are {names}"))
        })
    }
}

impl Preset {
    /// All settings of the preset.
    #[must_use]
    pub fn settings(self) -> Settings {
        let style = ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"];
        let base = Settings {
            content_layers: vec!["conv4_2".into()],
            style_layers: style.into_iter().zip(self.style_layer_weights()).map(StyleLayer::from).collect(),
            statistic: Some(StatisticKind::Gram(GramNorm::Positions)),
            pooling: Pooling::Max,
            padding: Padding::Zero,
            init: Some(Start::Noise),
            noise_ratio: Some(1.0),
            optimizer: self.optimizer(),
            iterations: self.iterations(),
            ..Settings::default()
        };
        let elements = Some(StatisticKind::Gram(GramNorm::Elements));
        let own_descent = Settings {
            content_layers: vec![],
            optimizer: self.optimizer(),
            iterations: self.iterations(),
            ..Settings::default()
        };
        let (content, no_noise) = (Some(Start::Content), Some(0.0));
        let (sum, mean) = (ContentWeight::Sum, ContentWeight::Mean);
        match self {
            Self::Gatys => Settings { content_weight: sum(1.0), style_weight: 1e3, pooling: Pooling::Average, ..base },
            Self::Stanford => Settings {
                content_weight: mean(0.01 / 4.0),
                pooling: Pooling::Average,
                noise: Noise::Uniform(20.0),
                noise_ratio: Some(0.6),
                ..base
            },
            Self::Johnson => Settings {
                statistic: elements,
                content_weight: mean(5.0),
                style_weight: 1e2,
                tv_weight: 1e-3,
                noise: Noise::Normal(0.001),
                ..base
            },
            Self::Anishathalye => Settings {
                statistic: elements,
                content_weight: mean(5.0),
                style_weight: 5e2,
                tv: Tv::Means,
                tv_weight: 1e2,
                noise: Noise::Normal(0.256),
                ..base
            },
            Self::GatysPytorch => Settings {
                statistic: elements,
                content_weight: mean(1.0),
                style_weight: 1e3,
                init: content,
                noise_ratio: no_noise,
                ..base
            },
            Self::Crowson => Settings {
                statistic: Some(StatisticKind::Wasserstein),
                content_weight: mean(0.015),
                tv: Tv::NinePoint,
                tv_weight: 0.1,
                padding: Padding::Replicate,
                init: content,
                noise_ratio: no_noise,
                running_mean: Some(0.99),
                ..base
            },
            Self::Cnnmrf => Settings {
                content_layers: vec!["conv4_1".into()],
                style_layers: [("conv3_1", 7.3728), ("conv4_1", 3.6864)].map(StyleLayer::from).into(),
                statistic: Some(StatisticKind::Patches),
                content_weight: mean(20.0),
                tv_weight: 1e-3,
                init: content,
                noise_ratio: no_noise,
                ..base
            },
            Self::Nnst => Settings { losses: vec![(LossKind::TurnedNeighbours, 0.5)], ..own_descent },
            Self::Strotss => Settings {
                style_layers: vec![],
                losses: vec![(LossKind::RelaxedEmd, 1.0), (LossKind::SelfSimilarity, 4.0), (LossKind::Palette, 0.25)],
                ..own_descent
            },
            Self::Pystiche => {
                let weights = (mean(1.0), 4e3);
                Settings {
                    content_weight: weights.0,
                    style_weight: weights.1,
                    init: content,
                    noise_ratio: no_noise,
                    ..base
                }
            }
        }
    }
}

impl<B: Backend> SessionBuilder<B> {
    /// Sets losses, pooling, padding, optimiser, iterations and start to those of a [`Preset`]; later calls override it.
    /// Seed, scales (for the preset's own, call [`Preset::scales`]), tolerance and `seamless` are kept; so is the running
    /// mean, if the preset has none.
    ///
    /// ```
    /// # use style_core::backend::Backend;
    /// # use style_core::{Preset, SessionBuilder};
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>) {
    /// let builder = builder.preset(Preset::Johnson).iterations(200);
    /// # }
    /// ```
    pub fn preset(mut self, preset: Preset) -> Self {
        let Settings { seed, scales, running_mean, seamless, tolerance, .. } = std::mem::take(&mut self.settings);
        self.start = None;
        let settings = preset.settings();
        let running_mean = settings.running_mean.or(running_mean);
        self.settings(Settings { seed, scales, running_mean, seamless, tolerance, ..settings })
    }
}
