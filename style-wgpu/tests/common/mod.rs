//! The adapter for the tests.

#![allow(dead_code)] // each test uses a part

use style_core::{ConvLayer, Image, InputSpace, Layer, Model};
use style_core::{Error, ErrorKind, Result};
use style_wgpu::{Convolution, Wgpu};
use testkit::Rng;

/// A part of the name of the adapter to test, lavapipe's `llvmpipe` or `swiftshader` for example: the tests fail if it is
/// missing. If the variable is not set, they take the best adapter there is, software drivers included, and are skipped without any.
const ADAPTER: &str = "STYLE_WGPU_ADAPTER";

/// The adapter for the tests; `Unavailable` if they are to be skipped.
pub(crate) fn wgpu() -> Result<Wgpu> {
    wgpu_with(Convolution::Planned)
}

/// The same with an algorithm for convolutions.
pub(crate) fn wgpu_with(convolution: Convolution) -> Result<Wgpu> {
    let builder = Wgpu::builder().software(true).convolution(convolution);
    match std::env::var(ADAPTER) {
        // Instances that are unavailable count as ignored.
        Ok(name) => builder.named(name).build().map_err(|e| Error::new(ErrorKind::Argument, format!("{ADAPTER}: {e}"))),
        Err(_) => builder.build(),
    }
}

/// The adapter; `None`, with a note, where there is none.
pub(crate) fn wgpu_or_skip() -> Option<Wgpu> {
    match wgpu() {
        Ok(wgpu) => Some(wgpu),
        Err(e) if e.kind() == ErrorKind::Unavailable => {
            eprintln!("SKIPPED: {e}");
            None
        }
        Err(e) => panic!("{e}"),
    }
}

/// The name of the adapter in the names of cases.
pub(crate) fn name() -> String {
    std::env::var(ADAPTER).unwrap_or_else(|_| "wgpu".into())
}

/// VGG-16's first three blocks with an eighth of the channels, with random weights.
pub(crate) fn model() -> Model {
    let mut rng = Rng::new("an eighth of VGG");
    let mut layers = vec![];
    let mut channels = 3;
    for (block, (width, convolutions)) in [(8, 2), (16, 2), (32, 3)].into_iter().enumerate() {
        for i in 1..=convolutions {
            let scale = (6.0 / (9.0 * channels as f64)).sqrt();
            let mut draw = |n: usize, scale: f64| (0..n).map(|_| (rng.unit() * scale) as f32).collect();
            let (weight, bias) = (draw(9 * channels * width, scale), draw(width, 5.0));
            let name = format!("conv{}_{i}", block + 1);
            layers.push(Layer::Conv(ConvLayer { name, in_channels: channels, out_channels: width, weight, bias }));
            channels = width;
        }
        layers.push(Layer::Pool { name: format!("pool{}", block + 1) });
    }
    Model::new("an eighth of VGG", InputSpace::CAFFE, layers).unwrap()
}

pub(crate) fn picture(name: &str, width: usize, height: usize) -> Image {
    let mut rng = Rng::new(name);
    let pixels = (0..3 * width * height).map(|_| (127.5 + 127.5 * rng.unit()) as f32).collect();
    Image::from_planar(width, height, pixels).unwrap()
}
