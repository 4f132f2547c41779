//! The defaults and the presets, in one place; and how options override them.

use style_transfer::{AdamOptions, LayerWeight, LbfgsOptions, Optimizer, Pooling};

use crate::args::{Args, LayerArg, OptimizerName, PoolingName, Preset, Start};

/// What shapes the painting.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) content_layers: Vec<LayerWeight>,
    pub(crate) style_layers: Vec<LayerWeight>,
    /// `None`: 1 over the number of features, the library's default.
    pub(crate) content_weight: Option<f64>,
    pub(crate) style_weight: f64,
    pub(crate) tv_weight: f64,
    pub(crate) pooling: Pooling,
    pub(crate) optimizer: Optimizer,
    pub(crate) iterations: usize,
    pub(crate) start: Start,
    pub(crate) noise_ratio: f32,
}

impl Settings {
    /// Our own default, chosen by eye at 192 to 384 pixels: a style weight of 0.05 keeps more of the photograph and more
    /// grain, one of 20 paints broader and smoother; a TV weight of 1e-7 takes grain away, and sharpness with it.
    fn tuned() -> Self {
        Self {
            content_layers: vec![LayerWeight { layer: "conv4_2".into(), weight: 1.0 }],
            style_layers: even(["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"].map(String::from)),
            content_weight: None,
            style_weight: 1.0,
            tv_weight: 0.0,
            pooling: Pooling::Average,
            optimizer: Optimizer::default(),
            iterations: 300,
            start: Start::Content,
            noise_ratio: 0.0,
        }
    }

    /// The paper's: equations 1, 4, 5 and 7 as they stand, alpha/beta = 1e-3, from white noise.
    fn gatys() -> Self {
        Self {
            content_weight: Some(1.0),
            style_weight: 1e3,
            iterations: 500,
            start: Start::Noise,
            noise_ratio: 1.0,
            ..Self::tuned()
        }
    }

    /// The preset, then whatever was given.
    pub(crate) fn new(args: &Args) -> Self {
        let mut s = match args.preset {
            None => Self::tuned(),
            Some(Preset::Gatys) => Self::gatys(),
        };
        if let Some(layers) = &args.content_layers {
            s.content_layers = with_default(layers, 1.0);
        }
        if let Some(layers) = &args.style_layers {
            s.style_layers = with_default(layers, 1.0 / layers.len() as f64);
        }
        s.content_weight = args.content_weight.or(s.content_weight);
        s.style_weight = args.style_weight.unwrap_or(s.style_weight);
        s.tv_weight = args.tv_weight.unwrap_or(s.tv_weight);
        s.iterations = args.iterations.unwrap_or(s.iterations);
        s.pooling = match args.pooling {
            None => s.pooling,
            Some(PoolingName::Avg) => Pooling::Average,
            Some(PoolingName::Max) => Pooling::Max,
        };
        s.optimizer = match args.optimizer {
            None => s.optimizer,
            Some(OptimizerName::Lbfgs) => Optimizer::Lbfgs(LbfgsOptions::default()),
            Some(OptimizerName::Adam) => Optimizer::Adam(AdamOptions::default()),
        };
        if let Some(step) = args.learning_rate {
            match &mut s.optimizer {
                Optimizer::Lbfgs(o) => o.initial_step = step,
                Optimizer::Adam(o) => o.learning_rate = step,
                _ => {}
            }
        }
        if let Some(start) = &args.init {
            s.noise_ratio = if *start == Start::Noise { 1.0 } else { 0.0 };
            s.start = start.clone();
        }
        s.noise_ratio = args.noise_ratio.unwrap_or(s.noise_ratio);
        s
    }
}

/// Layers with equal weights that sum to 1.
fn even<const N: usize>(layers: [String; N]) -> Vec<LayerWeight> {
    layers.map(|layer| LayerWeight { layer, weight: 1.0 / N as f64 }).into()
}

fn with_default(layers: &[LayerArg], weight: f64) -> Vec<LayerWeight> {
    layers.iter().map(|l| LayerWeight { layer: l.name.clone(), weight: l.weight.unwrap_or(weight) }).collect()
}
