//! The distance between the features and Grams of two models: a plain forward pass in f64, written for readability.

use image::RgbImage;
use style_core::{ChannelOrder, ConvLayer, InputSpace, Layer, Model};

/// Relative l2 errors at one tap.
pub(crate) struct Errors {
    pub(crate) tap: String,
    pub(crate) features: f64,
    pub(crate) gram: f64,
}

/// Channels of `height * width` values, row-major.
struct Features {
    channels: usize,
    height: usize,
    width: usize,
    values: Vec<f64>,
}

/// The errors of `other` against `reference` at every convolution, with average pooling.
pub(crate) fn measure(reference: &Model, other: &Model, picture: &RgbImage) -> Vec<Errors> {
    let (mut a, mut b) = (input(reference.input(), picture), input(other.input(), picture));
    let mut errors = Vec::new();
    for (layer_a, layer_b) in reference.layers().iter().zip(other.layers()) {
        (a, b) = (apply(layer_a, &a), apply(layer_b, &b));
        if let Layer::Conv(conv) = layer_a {
            let features = distance(&a.values, &b.values);
            let gram = distance(&gram(&a), &gram(&b));
            errors.push(Errors { tap: conv.name.clone(), features, gram });
        }
    }
    errors
}

fn input(space: &InputSpace, picture: &RgbImage) -> Features {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let mut values = Vec::with_capacity(3 * width * height);
    for c in 0..3 {
        let channel = if space.order == ChannelOrder::Rgb { c } else { 2 - c };
        let (range, mean, std) = (f64::from(space.range), f64::from(space.mean[c]), f64::from(space.std[c]));
        values.extend(picture.pixels().map(|p| (range * f64::from(p.0[channel]) / 255.0 - mean) / std));
    }
    Features { channels: 3, height, width, values }
}

fn apply(layer: &Layer, x: &Features) -> Features {
    match layer {
        Layer::Conv(conv) => convolve(conv, x),
        _ => average_pool(x),
    }
}

fn convolve(conv: &ConvLayer, x: &Features) -> Features {
    let (h, w) = (x.height, x.width);
    let mut values = Vec::with_capacity(conv.out_channels * h * w);
    for o in 0..conv.out_channels {
        let mut out = vec![f64::from(conv.bias[o]); h * w];
        for i in 0..conv.in_channels {
            let filter = &conv.weight[(o * conv.in_channels + i) * 9..][..9];
            let plane = &x.values[i * h * w..][..h * w];
            for (tap, &f) in filter.iter().enumerate() {
                // out[y][x] += f * plane[y + dy - 1][x + dx - 1], zero outside
                let (dy, dx, f) = (tap / 3, tap % 3, f64::from(f));
                let (from, to) = (usize::from(dx == 0), (w + 1 - dx).min(w));
                for y in usize::from(dy == 0)..(h + 1 - dy).min(h) {
                    let source = &plane[(y + dy - 1) * w..][..w];
                    for (out, s) in out[y * w + from..y * w + to].iter_mut().zip(&source[from + dx - 1..]) {
                        *out += f * s;
                    }
                }
            }
        }
        values.extend(out.into_iter().map(|v| v.max(0.0)));
    }
    Features { channels: conv.out_channels, height: h, width: w, values }
}

fn average_pool(x: &Features) -> Features {
    let (height, width) = (x.height / 2, x.width / 2);
    let mut values = Vec::with_capacity(x.channels * height * width);
    for plane in x.values.chunks_exact(x.height * x.width) {
        for y in 0..height {
            for column in 0..width {
                let at = 2 * y * x.width + 2 * column;
                values.push((plane[at] + plane[at + 1] + plane[at + x.width] + plane[at + x.width + 1]) / 4.0);
            }
        }
    }
    Features { channels: x.channels, height, width, values }
}

fn gram(x: &Features) -> Vec<f64> {
    let planes: Vec<&[f64]> = x.values.chunks_exact(x.height * x.width).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    planes.iter().flat_map(|a| planes.iter().map(move |b| dot(a, b))).collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / norm(&mut a.iter().copied())
}
