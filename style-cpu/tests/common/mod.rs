//! A small network and pictures for tests of whole sessions.
#![allow(dead_code)] // each test uses a part

use style_core::{ConvLayer, Image, InputSpace, Layer, LayerWeight, Mask, Model};
use testkit::Rng;

/// The side of all pictures and masks, in pixels.
pub(crate) const SIDE: usize = 48;

fn values(name: &str, len: usize, middle: f32, scale: f64) -> Vec<f32> {
    let mut rng = Rng::new(name);
    (0..len).map(|_| middle + (scale * rng.unit()) as f32).collect()
}

fn conv(name: &str, in_channels: usize, out_channels: usize) -> Layer {
    let weight = values(name, 9 * in_channels * out_channels, 0.0, (6.0 / (9 * in_channels) as f64).sqrt());
    Layer::Conv(ConvLayer { name: name.into(), in_channels, out_channels, weight, bias: vec![1.0; out_channels] })
}

/// Four convolutions, two pools.
pub(crate) fn model() -> Model {
    let pool = |name: &str| Layer::Pool { name: name.into() };
    let layers = vec![
        conv("conv1_1", 3, 32),
        conv("conv1_2", 32, 16),
        pool("pool1"),
        conv("conv2_1", 16, 40),
        pool("pool2"),
        conv("conv3_1", 40, 32),
    ];
    Model::new("small", InputSpace::CAFFE, layers).unwrap()
}

pub(crate) fn picture(name: &str) -> Image {
    Image::from_planar(SIDE, SIDE, values(name, 3 * SIDE * SIDE, 127.5, 127.5)).unwrap()
}

pub(crate) fn mask(name: &str) -> Mask {
    Mask::new(SIDE, SIDE, values(name, SIDE * SIDE, 0.5, 0.5)).unwrap()
}

pub(crate) fn layers(list: &[&str]) -> Vec<LayerWeight> {
    list.iter().map(|&layer| LayerWeight::new(layer, 0.5)).collect()
}
