//! A small random network, pictures and a session, for tests of sessions.

#![allow(dead_code)] // each test uses a part

use approx::assert_relative_eq;
use style_core::{
    ConvLayer, Image, Init, InputSpace, Layer, LayerWeight, Model, Network, Preset, Session, SessionBuilder,
};
use testkit::{Reference, Rng};

fn conv(name: &str, in_channels: usize, out_channels: usize, rng: &mut Rng) -> Layer {
    let scale = (2.0 / (9.0 * in_channels as f64)).sqrt();
    let mut draw = |n: usize, scale: f64| (0..n).map(|_| (rng.unit() * 1.7 * scale) as f32).collect();
    let (weight, bias) = (draw(9 * in_channels * out_channels, scale), draw(out_channels, 5.0));
    Layer::Conv(ConvLayer { name: name.into(), in_channels, out_channels, weight, bias })
}

/// Two blocks of two convolutions, and one more convolution.
pub(crate) fn model(input: InputSpace) -> Model {
    let mut rng = Rng::new("session");
    let layers = vec![
        conv("conv1_1", 3, 5, &mut rng),
        conv("conv1_2", 5, 6, &mut rng),
        Layer::Pool { name: "pool1".into() },
        conv("conv2_1", 6, 7, &mut rng),
        conv("conv2_2", 7, 5, &mut rng),
        Layer::Pool { name: "pool2".into() },
        conv("conv3_1", 5, 6, &mut rng),
    ];
    Model::new("tiny", input, layers).unwrap()
}

pub(crate) fn network() -> Network<Reference> {
    Network::new(Reference, &model(InputSpace::CAFFE)).unwrap()
}

pub(crate) fn picture(name: &str, width: usize, height: usize) -> Image {
    let mut rng = Rng::new(name);
    let pixels = (0..3 * width * height).map(|_| (127.5 + 127.5 * rng.unit()) as f32).collect();
    Image::from_planar(width, height, pixels).unwrap()
}

pub(crate) fn layers(list: &[(&str, f64)]) -> Vec<LayerWeight> {
    list.iter().map(|&(layer, weight)| LayerWeight { layer: layer.into(), weight }).collect()
}

/// The paper's statistic, padding and start, and weights for a small network.
pub(crate) fn paper(builder: SessionBuilder<Reference>) -> SessionBuilder<Reference> {
    builder.preset(Preset::Gatys).init(Init::Content).content_mean_weight(0.5).style_weight(1.0)
}

pub(crate) fn builder() -> SessionBuilder<Reference> {
    described_on(network())
}

pub(crate) fn described_on(network: Network<Reference>) -> SessionBuilder<Reference> {
    paper(Session::builder(network))
        .content(picture("content", 13, 9))
        .style(picture("style", 8, 10))
        .content_layers(layers(&[("conv2_2", 1.0)]))
        .style_layers(layers(&[("conv1_1", 0.25), ("conv2_1", 0.5), ("conv3_1", 0.25)]))
}

/// A session on a picture of this size.
pub(crate) fn described(width: usize, height: usize) -> SessionBuilder<Reference> {
    paper(Session::builder(network()))
        .content(picture("content", width, height))
        .style(picture("style", 18, 21))
        .content_layers(layers(&[("conv2_2", 1.0)]))
        .style_layers(layers(&[("conv1_1", 0.25), ("conv2_1", 0.5), ("conv3_1", 0.25)]))
        .content_weight(0.01)
        .tv_weight(0.1)
}

/// Equal but for the rounding of sums in `f32`.
#[track_caller]
pub(crate) fn close(a: f64, b: f64) {
    assert_relative_eq!(a, b, epsilon = 2e-8, max_relative = 2e-5);
}

/// Compares directional derivatives of the total loss with finite differences along random directions.
pub(crate) fn differences(what: &str, session: &mut Session<Reference>) {
    let image = picture("image", 13, 9);
    let (_, gradient) = session.evaluate(&image).unwrap();
    let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
    let mut rng = Rng::new("direction");
    for _ in 0..5 {
        let direction: Vec<f32> = image.pixels().iter().map(|_| rng.unit() as f32).collect();
        let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
        let mut at = |t: f32| {
            let pixels = image.pixels().iter().zip(&direction).map(|(p, d)| p + t * d).collect();
            session.evaluate(&Image::from_planar(13, 9, pixels).unwrap()).unwrap().0.total
        };
        let h = 1.0 / 64.0;
        let difference = (at(h) - at(-h)) / (2.0 * f64::from(h));
        // Losses are sums of values stored in f32; their differences have a few digits less.
        assert!((slope - difference).abs() <= 1e-2 * norm, "{what}: slope {slope}, difference {difference}");
    }
}
