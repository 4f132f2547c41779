//! A session on a tiny random network, on the backend of the test kit.
#![allow(unreachable_pub, dead_code)] // each test file is a separate crate and uses a part

use style_core::{ConvLayer, Image, Init, InputSpace, Layer, LayerWeight, Model, Network, Session};
use testkit::{Reference, Rng};

pub const WIDTH: usize = 13;
pub const HEIGHT: usize = 9;

fn conv(name: &str, in_channels: usize, out_channels: usize, rng: &mut Rng) -> Layer {
    let scale = (2.0 / (9.0 * in_channels as f64)).sqrt();
    let weight = (0..9 * in_channels * out_channels).map(|_| (rng.unit() * 1.7 * scale) as f32).collect();
    Layer::Conv(ConvLayer { name: name.into(), in_channels, out_channels, weight, bias: vec![0.5; out_channels] })
}

fn picture(name: &str, width: usize, height: usize) -> Image {
    let mut rng = Rng::new(name);
    let pixels = (0..3 * width * height).map(|_| (127.5 + 127.5 * rng.unit()) as f32).collect();
    Image::from_planar(width, height, pixels).unwrap()
}

fn layers(list: &[(&str, f64)]) -> Vec<LayerWeight> {
    list.iter().map(|&(layer, weight)| LayerWeight { layer: layer.into(), weight }).collect()
}

/// Starts from noise, so that all losses are above zero.
pub fn session(iterations: usize) -> Session<Reference> {
    let mut rng = Rng::new("watched");
    let net = vec![
        conv("conv1_1", 3, 5, &mut rng),
        Layer::Pool { name: "pool1".into() },
        conv("conv2_1", 5, 6, &mut rng),
        conv("conv2_2", 6, 4, &mut rng),
    ];
    let model = Model::new("tiny", InputSpace::CAFFE, net).unwrap();
    Session::builder(Network::new(Reference, &model).unwrap())
        .content(picture("content", WIDTH, HEIGHT))
        .style(picture("style", 8, 10))
        .content_layers(layers(&[("conv2_2", 1.0)]))
        .style_layers(layers(&[("conv1_1", 0.5), ("conv2_1", 0.5)]))
        .content_weight(0.02)
        .style_weight(0.1)
        .tv_weight(1e-4)
        .init(Init::Noise)
        .iterations(iterations)
        .build()
        .unwrap()
}
