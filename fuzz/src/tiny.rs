//! A network and pictures for sessions that take a millisecond.

use style_core::{ConvLayer, Image, InputSpace, Layer, Model, Network};
use testkit::{Reference, Rng};

/// VGG's names, with this many channels each.
pub(crate) fn network(names: &[&str], channels: usize) -> Network<Reference> {
    let mut rng = Rng::new("fuzz");
    let mut layers = vec![];
    let mut from = 3;
    for name in names {
        let mut draw = |n: usize, scale: f64| (0..n).map(|_| (rng.unit() * scale) as f32).collect();
        layers.push(if name.starts_with("pool") {
            Layer::Pool { name: (*name).into() }
        } else {
            let (weight, bias) = (draw(9 * from * channels, 0.4), draw(channels, 5.0));
            let conv = ConvLayer { name: (*name).into(), in_channels: from, out_channels: channels, weight, bias };
            from = channels;
            Layer::Conv(conv)
        });
    }
    let model = Model::new("tiny", InputSpace::CAFFE, layers).expect("a model");
    Network::new(Reference, &model).expect("a network")
}

pub(crate) fn picture(name: &str, width: usize, height: usize) -> Image {
    let mut rng = Rng::new(name);
    let pixels = (0..3 * width * height).map(|_| (127.5 + 127.5 * rng.unit()) as f32).collect();
    Image::from_planar(width, height, pixels).expect("a picture")
}
