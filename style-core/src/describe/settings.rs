//! The settings of a session as plain data: all that defines its result except the pictures and masks, the final size,
//! the network and custom losses.
//!
//! Presets are made of them, checkpoints hold them ([`Checkpoint::settings`](crate::Checkpoint::settings)), and
//! applications can store them, for example as JSON with serde.

use serde::{Deserialize, Serialize};

use crate::backend::ops::conv2d::Padding;
use crate::backend::ops::pool2d::Pooling;
use crate::backend::ops::tv::Tv;
use crate::describe::init::{Noise, Start};
use crate::describe::scale::Scale;
use crate::error::{Error, ErrorKind, Result};
use crate::loss::kind::LossKind;
use crate::loss::losses::{LayerWeight, StyleLayer};
use crate::loss::statistics::kind::StatisticKind;
use crate::optim::Optimizer;

/// The settings of a session, without pictures; each has the meaning of the [`SessionBuilder`](crate::SessionBuilder)
/// setter of the same name. A field missing from serialised settings takes its default value.
///
/// ```
/// use style_core::{Preset, Settings};
///
/// let settings = Settings { iterations: 200, ..Preset::Johnson.settings() };
/// let json = serde_json::to_string(&settings).unwrap();
/// assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings);
/// assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The layers of the content loss.
    pub content_layers: Vec<LayerWeight>,
    /// The layers of the style loss.
    pub style_layers: Vec<StyleLayer>,
    /// The statistic of the style layers that have none of their own; `None` stands for the default by layer.
    pub statistic: Option<StatisticKind>,
    /// Further losses and their weights.
    pub losses: Vec<(LossKind, f64)>,
    /// How content and style are balanced.
    pub content_weight: ContentWeight,
    /// The style strength if losses are relative, otherwise the style weight.
    pub style_weight: f64,
    /// Whether the weights of losses are the norms of their gradients at first.
    pub balanced: bool,
    /// The form of the total variation.
    pub tv: Tv,
    /// The weight of the total variation.
    pub tv_weight: f64,
    /// The pooling of the network.
    pub pooling: Pooling,
    /// How the first convolution pads the picture.
    pub padding: Padding,
    /// Whether the result repeats without seams.
    pub seamless: bool,
    /// The start image; `None` stands for the default start.
    pub init: Option<Start>,
    /// The distribution of the noise in the start image.
    pub noise: Noise,
    /// The share of noise in the start image; `None` stands for the default of that start.
    pub noise_ratio: Option<f32>,
    /// The seed of the noise.
    pub seed: u64,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// The number of evaluations at the final size.
    pub iterations: usize,
    /// The sizes to paint at before the final size.
    pub scales: Vec<Scale>,
    /// The decay of the running mean of the images; `None` for no mean.
    pub running_mean: Option<f64>,
    /// The fraction by which [`WINDOW`](Self::WINDOW) evaluations must lower the loss for a scale to go on; `None` for all
    /// its evaluations.
    pub tolerance: Option<f64>,
}

/// How content and style are balanced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContentWeight {
    /// Each layer's loss is relative to its target, and the style weight is a strength.
    Relative,
    /// A factor of the absolute content loss `1/2 sum (F - P)^2`.
    Sum(f64),
    /// A factor of `mean (F - P)^2`.
    Mean(f64),
}

impl Default for Settings {
    fn default() -> Self {
        let style = [("conv1_1", 0.37), ("conv2_1", 0.37), ("conv3_1", 0.18), ("conv4_1", 0.07), ("conv5_1", 0.01)];
        Self {
            content_layers: vec!["conv4_2".into()],
            style_layers: style.map(StyleLayer::from).into(),
            statistic: None,
            losses: vec![],
            content_weight: ContentWeight::Relative,
            style_weight: 1.0,
            balanced: false,
            tv: Tv::default(),
            tv_weight: 0.0,
            pooling: Pooling::Average,
            padding: Padding::Replicate,
            seamless: false,
            init: None,
            noise: Noise::default(),
            noise_ratio: None,
            seed: 0,
            optimizer: Optimizer::default(),
            iterations: 300,
            scales: vec![],
            running_mean: None,
            tolerance: None,
        }
    }
}

impl Settings {
    /// The number of evaluations over which the [tolerance](Self::tolerance) looks at the loss.
    pub const WINDOW: usize = 10;

    /// The [tolerance](Self::tolerance) at which a person hardly sees further changes.
    pub const GOOD: f64 = 0.05;

    /// The work of a session with a result of this long side, if no scale converges early, in evaluations at the final size.
    /// One at a smaller scale counts by its share of the pixels, because it takes about that share of the time.
    /// [`Progress`](crate::Progress) tells how much of it is done and left.
    #[must_use]
    pub fn work(&self, long_side: usize) -> f64 {
        self.work_from(0, long_side)
    }

    /// The work from this scale on; 0 after the final size.
    pub(crate) fn work_from(&self, scale: usize, long_side: usize) -> f64 {
        let coarse = self.scales.iter().map(|at| (at.iterations, at.work(long_side)));
        let all = coarse.chain([(self.iterations, 1.0)]);
        all.skip(scale).map(|(count, each)| count as f64 * each).sum()
    }

    /// Name and JSON value of each setting.
    pub(crate) fn fields(&self) -> Result<Vec<(String, String)>> {
        let failed = |e| Error::new(ErrorKind::Argument, "cannot serialise the settings").with_source(e);
        match serde_json::to_value(self).map_err(failed)? {
            serde_json::Value::Object(fields) => Ok(fields.into_iter().map(|(k, v)| (k, v.to_string())).collect()),
            _ => Ok(vec![]),
        }
    }

    /// The inverse.
    pub(crate) fn from_fields<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> serde_json::Result<Self> {
        let object = fields.map(|(name, json)| Ok((name.to_owned(), serde_json::from_str(json)?)));
        serde_json::from_value(serde_json::Value::Object(object.collect::<serde_json::Result<_>>()?))
    }
}
