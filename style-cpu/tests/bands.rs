//! A picture so wide that its first convolutions run in bands, against the same picture in one piece.

use style_core::backend::Backend;
use style_core::backend::ops::{Conv2d, Conv2dOps, Part, Rows};
use style_core::statistics::{Gram, Statistic};
use style_core::{
    AdamOptions, ConvLayer, Image, InputSpace, Layer, LayerWeight, Losses, Mask, Model, Network, Optimizer, Pooling,
    Session, Style,
};
use style_cpu::{Convolution, Cpu, Precision};
use testkit::{Observed, Reference, Rng};

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

/// One style, two, several in parts of the result, one of them from a part of its picture, or one with max pools.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Styles {
    One,
    Two,
    Masked,
    Pooled,
}

/// The styles, the rows of tiles, the height, and the channels of the first features.
type Job = (Styles, usize, usize, usize);

/// Values that differ in every row and column.
fn mask(name: &str, width: usize, height: usize) -> Mask {
    let mut rng = Rng::new(name);
    Mask::new(width, height, (0..width * height).map(|_| (0.5 + 0.5 * rng.unit()) as f32).collect()).unwrap()
}

/// Losses and image gradient at a random image, and the memory of the activations.
fn evaluate<B: Backend>(
    backend: B,
    statistic: impl Statistic<B> + 'static,
    (styles, tiles, height, channels): Job,
) -> (Losses, Vec<f32>, usize) {
    let mut rng = Rng::new("bands");
    let layers = vec![
        conv("conv1_1", 3, channels, &mut rng),
        conv("conv1_2", channels, channels, &mut rng),
        Layer::Pool { name: "pool1".into() },
        conv("conv2_1", channels, 8, &mut rng),
    ];
    let network = Network::new(backend, &Model::new("wide", InputSpace::CAFFE, layers).unwrap()).unwrap();
    let builder = Session::builder(network)
        .content(picture("content", WIDTH, height))
        .content_layers(vec![LayerWeight::new("conv2_1", 1.0)])
        .style_layers(vec![LayerWeight::new("conv1_1", 1.0), LayerWeight::new("conv2_1", 1.0)])
        .statistic(statistic)
        .tiles(tiles, 1)
        .optimizer(Optimizer::Adam(AdamOptions::default()));
    let builder = match styles {
        Styles::One => builder.style(picture("style", 40, 30)),
        Styles::Pooled => builder.style(picture("style", 40, 30)).pooling(Pooling::Max),
        Styles::Two => builder.style(picture("style", 40, 30)).style(Style::new(picture("other", 30, 30)).share(2.0)),
        Styles::Masked => builder
            .style(Style::new(picture("style", WIDTH, 30)).mask(mask("there", 50, 61)).region(mask("of it", 70, 30)))
            .style(Style::new(picture("other", 40, 30)).mask(mask("elsewhere", WIDTH, 20)).share(2.0)),
    };
    let activations = builder.plan().unwrap().activations;
    let (losses, gradient) = builder.build().unwrap().evaluate(&picture("image", WIDTH, height)).unwrap();
    (losses, gradient, activations)
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// How far a gradient is off.
fn off(got: &[f32], want: &[f32]) -> f64 {
    let error = norm(got.iter().zip(want).map(|(a, b)| f64::from(a - b)));
    error / norm(want.iter().map(|&g| f64::from(g)))
}

#[test]
fn a_picture_in_bands_has_the_losses_and_the_gradient_of_the_whole() {
    for way in [Convolution::Planned, Convolution::Direct, Convolution::Winograd6] {
        let all = [Styles::One, Styles::Two, Styles::Masked, Styles::Pooled].map(|styles| (styles, 1));
        for (styles, tiles) in all.into_iter().chain([(Styles::Masked, 2)]) {
            let what = format!("{way:?}, {styles:?}, {tiles} tiles");
            let job = (styles, tiles, HEIGHT, 16);
            let cpu = |threads| Cpu::builder().threads(threads).convolution(way).build().unwrap();
            let (want, gradient, whole) = evaluate(cpu(2), Observed::new(|_| ()), job);
            let (losses, got, bands) = evaluate(cpu(2), Gram::default(), job);
            assert_eq!(bands < whole, way != Convolution::Direct, "{what}: {bands} bytes in bands, {whole} whole");
            assert_eq!(losses.content(), want.content(), "{what}: the forward pass differs");
            let ratio = losses.style() / want.style();
            assert!((ratio - 1.0).abs() < 1e-6, "{what}: style loss {} instead of {}", losses.style(), want.style());
            let error = off(&got, &gradient);
            assert!(error < 2e-6, "{what}: the gradient is off by {error:.1e}");
            assert_eq!(
                evaluate(cpu(1), Gram::default(), job),
                (losses, got, bands),
                "{what}: the result depends on the number of threads"
            );
        }
    }
}

/// Against the reference backend, which computes in `f64`, in one piece.
#[test]
fn masks_several_styles_and_max_pools_in_bands_are_those_of_the_reference() {
    for styles in [Styles::Two, Styles::Masked, Styles::Pooled] {
        let (want, gradient, _) = evaluate(Reference, Observed::new(|_| ()), (styles, 1, 30, 5));
        let (losses, got, _) = evaluate(Cpu::new().unwrap(), Gram::default(), (styles, 1, 30, 5));
        for (name, got, want) in
            [("style", losses.style(), want.style()), ("content", losses.content(), want.content())]
        {
            assert!((got / want - 1.0).abs() < 1e-5, "{styles:?}: {name} loss {got} instead of {want}");
        }
        // Rounding puts a few of the values near zero on its other side, where a gate is closed.
        let error = off(&got, &gradient);
        assert!(error < 3e-3, "{styles:?}: the gradient is off by {error:.1e}");
    }
}

/// A session plans the workspace of the largest part, and a smaller one must not need more.
#[test]
fn more_rows_need_no_less_workspace() {
    let exact = Cpu::builder().threads(3).build().unwrap();
    let rounded = Cpu::builder().threads(3).precision(Precision::Bf16).build().ok();
    for cpu in [Some(exact), rounded].into_iter().flatten() {
        for (channels, width) in
            [([3, 64], 64), ([64, 64], 1399), ([64, 128], 848), ([128, 128], 700), ([256, 272], 500)]
        {
            let op = Conv2d::new(channels[0], channels[1], 400, width);
            let workspace = |end| {
                let all = Rows::all(op.input());
                cpu.conv2d_workspace(&Conv2d {
                    part: Some(Part { computed: Rows { start: 1, end }, x: all, y: all }),
                    ..op
                })
            };
            for rows in 2..op.height {
                assert!(workspace(rows) <= workspace(rows + 1), "{op:?}, {rows} rows");
            }
        }
    }
}
