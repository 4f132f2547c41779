//! A picture so wide that its first convolutions run in bands, against the same picture in one piece.

use style_core::statistics::{Gram, Statistic};
use style_core::{
    AdamOptions, ConvLayer, Image, InputSpace, Layer, LayerWeight, Losses, Model, Network, Optimizer, Session,
};
use style_cpu::{Convolution, Cpu};
use testkit::{Observed, Rng};

/// A row of sixteen channels is a quarter of a mebibyte: bands have 24 rows.
const WIDTH: usize = 4096;
const HEIGHT: usize = 61;

fn conv(name: &str, in_channels: usize, out_channels: usize, rng: &mut Rng) -> Layer {
    let bound = (6.0 / (9 * in_channels) as f64).sqrt();
    let weight = (0..9 * in_channels * out_channels).map(|_| (bound * rng.unit()) as f32).collect();
    Layer::Conv(ConvLayer { name: name.into(), in_channels, out_channels, weight, bias: vec![1.0; out_channels] })
}

fn picture(name: &str, width: usize, height: usize) -> Image {
    let mut rng = Rng::new(name);
    let pixels = (0..3 * width * height).map(|_| (127.5 + 127.5 * rng.unit()) as f32).collect();
    Image::from_planar(width, height, pixels).unwrap()
}

/// Losses and image gradient at a random image, and the memory of the activations.
fn evaluate(backend: Cpu, statistic: impl Statistic<Cpu> + 'static) -> (Losses, Vec<f32>, usize) {
    let mut rng = Rng::new("bands");
    let layers = vec![
        conv("conv1_1", 3, 16, &mut rng),
        conv("conv1_2", 16, 16, &mut rng),
        Layer::Pool { name: "pool1".into() },
        conv("conv2_1", 16, 8, &mut rng),
    ];
    let network = Network::new(backend, &Model::new("wide", InputSpace::CAFFE, layers).unwrap()).unwrap();
    let builder = Session::builder(network)
        .content(picture("content", WIDTH, HEIGHT))
        .style(picture("style", 40, 30))
        .content_layers(vec![LayerWeight::new("conv2_1", 1.0)])
        .style_layers(vec![LayerWeight::new("conv1_1", 1.0), LayerWeight::new("conv2_1", 1.0)])
        .statistic(statistic)
        .optimizer(Optimizer::Adam(AdamOptions::default()));
    let activations = builder.plan().unwrap().activations;
    let (losses, gradient) = builder.build().unwrap().evaluate(&picture("image", WIDTH, HEIGHT)).unwrap();
    (losses, gradient, activations)
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

#[test]
fn a_picture_in_bands_has_the_losses_and_the_gradient_of_the_whole() {
    for way in [Convolution::Planned, Convolution::Direct, Convolution::Winograd6] {
        let cpu = |threads| Cpu::builder().threads(threads).convolution(way).build().unwrap();
        let (want, gradient, whole) = evaluate(cpu(2), Observed::new(|_| ()));
        let (losses, got, bands) = evaluate(cpu(2), Gram::default());
        assert_eq!(bands < whole, way != Convolution::Direct, "{way:?}: {bands} bytes in bands, {whole} in one piece");
        assert_eq!(losses.content(), want.content(), "{way:?}: the forward pass differs");
        assert!(
            (losses.style() / want.style() - 1.0).abs() < 1e-6,
            "{way:?}: style loss {} instead of {}",
            losses.style(),
            want.style()
        );
        let error = norm(got.iter().zip(&gradient).map(|(a, b)| f64::from(a - b)));
        let error = error / norm(gradient.iter().map(|&g| f64::from(g)));
        assert!(error < 2e-6, "{way:?}: the gradient is off by {error:.1e}");
        assert_eq!(
            evaluate(cpu(1), Gram::default()),
            (losses, got, bands),
            "{way:?}: the result depends on the number of threads"
        );
    }
}
