//! The device for the tests: a GPU if present, otherwise ptx-runner, which interprets the kernels on the CPU.

#![allow(dead_code)] // each test uses a part

use style_core::{ConvLayer, Image, InputSpace, Layer, Model};
use testkit::Rng;

/// `gpu`, or `ptx-runner` after installing it as the process's CUDA driver.
pub(crate) fn runs_on() -> &'static str {
    if style_cuda::devices().is_ok_and(|devices| !devices[0].name.contains("ptx-runner")) {
        return "gpu";
    }
    ptx_runner::install().unwrap_or_else(|e| panic!("{e}"));
    "ptx-runner"
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
