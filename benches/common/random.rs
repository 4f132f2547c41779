//! A VGG-19 and pictures for benches, with real shapes and random values, so that no weight file is needed. Speed does not
//! depend on the values, as long as activations neither vanish nor explode.

#![allow(dead_code)] // each bench uses a part

use std::sync::Arc;

use style_core::backend::Backend;
use style_core::{
    AdamOptions, ConvLayer, Image, InputSpace, Layer, LbfgsOptions, Model, Network, Optimizer, Preset, Result, Session,
    SessionBuilder,
};
use style_models::{Convolution, Vgg};
use testkit::Rng;

/// The deepest convolution that style transfer uses.
const LAST: &str = "conv5_1";

/// The convolutions of VGG-19 from `conv1_1` to `conv5_1`.
pub(crate) fn convolutions() -> Vec<Convolution> {
    let mut convolutions = Vgg::Vgg19.convolutions();
    convolutions.retain(|c| c.name.as_str() <= LAST);
    convolutions
}

/// Filters `[O, I, 3, 3]`, uniform with variance `2 / (9 I)` (He et al., 2015), which preserves
/// the scale of activations in a ReLU network.
pub(crate) fn he_weights(in_channels: usize, out_channels: usize, rng: &mut Rng) -> Vec<f32> {
    let bound = (6.0 / (9 * in_channels) as f64).sqrt();
    (0..out_channels * in_channels * 9).map(|_| (bound * rng.unit()) as f32).collect()
}

/// VGG-19 from `conv1_1` to `conv5_1` with random weights.
pub(crate) fn vgg19() -> Result<Model> {
    let mut rng = Rng::new("vgg19");
    let mut layers = vec![];
    for Convolution { name, block, index, in_channels, out_channels, .. } in convolutions() {
        if index == 1 && block > 1 {
            layers.push(Layer::Pool { name: format!("pool{}", block - 1) });
        }
        let weight = he_weights(in_channels, out_channels, &mut rng);
        layers.push(Layer::Conv(ConvLayer { name, in_channels, out_channels, weight, bias: vec![0.0; out_channels] }));
    }
    Model::new("VGG-19 with random weights", InputSpace::CAFFE, layers)
}

/// A square picture of noise; the same name gives the same noise.
pub(crate) fn picture(size: usize, name: &str) -> Result<Image> {
    let mut rng = Rng::new(name);
    Image::from_planar(size, size, (0..3 * size * size).map(|_| (127.5 + 127.5 * rng.unit()) as f32).collect())
}

/// Adam with default options.
pub(crate) fn adam() -> Optimizer {
    Optimizer::Adam(AdamOptions::default())
}

/// L-BFGS with default options.
pub(crate) fn lbfgs() -> Optimizer {
    Optimizer::Lbfgs(LbfgsOptions::default())
}

/// The measured session: the paper's layers, average pooling, a start from noise; content and style are square pictures of
/// the same size. It has no last step.
pub(crate) fn session<B: Backend>(
    network: impl Into<Arc<Network<B>>>,
    size: usize,
    by: Optimizer,
) -> Result<SessionBuilder<B>> {
    Ok(Session::builder(network)
        .preset(Preset::Gatys)
        .content(picture(size, "content")?)
        .style(picture(size, "style")?)
        .optimizer(by)
        .iterations(usize::MAX))
}
