//! The distance between a picture's style and a painting's, as a network sees it.

use std::path::Path;

use style_core::inspect::Features;
use style_core::{Image, Network, Padding, Pooling};
use style_cpu::Cpu;
use style_models::LoadOptions;

use crate::Failure;
use crate::common::embedded;

const LAYERS: [&str; 5] = ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"];
/// Both pictures are measured at full, half and quarter size; at smaller sizes, strokes and shapes appear as large to the
/// network as details at full size.
pub(super) const PARTS: [usize; 3] = [1, 2, 4];
/// The smallest side measured.
const SMALLEST: usize = 16;

/// The network that measures style.
pub(crate) struct Eye(Network<Cpu>);

impl Eye {
    /// With these weights, or the embedded ones.
    pub(crate) fn new(weights: Option<&Path>) -> Result<Self, Failure> {
        let weights = weights.map_or_else(embedded, |path| Ok(path.into()))?;
        let loaded = style_models::load(&weights, &LoadOptions::default())?;
        Ok(Self(Network::new(Cpu::new()?, loaded.model())?))
    }

    /// The relative distances of the Gram matrices at each of [`PARTS`], averaged over the layers.
    pub(super) fn distances(&self, result: &Image, painting: &Image) -> Result<[f64; PARTS.len()], Failure> {
        let mut distances = [0.0; PARTS.len()];
        for (distance, part) in distances.iter_mut().zip(PARTS) {
            let seen = |image: &Image| {
                let side = |n: usize| (n / part).max(SMALLEST);
                let small = image.resized(side(image.width()), side(image.height()))?;
                self.0.features(&small, &LAYERS, Pooling::Average, Padding::Replicate)
            };
            let of_layers =
                seen(result)?.iter().zip(&seen(painting)?).map(|(a, b)| relative(&gram(a), &gram(b))).sum::<f64>();
            *distance = of_layers / LAYERS.len() as f64;
        }
        Ok(distances)
    }
}

/// `F F^T / M`.
fn gram(features: &Features) -> Vec<f64> {
    let positions = features.shape.height * features.shape.width;
    let maps: Vec<&[f32]> = features.values.chunks_exact(positions).collect();
    let mut gram = vec![0.0; maps.len() * maps.len()];
    for (i, a) in maps.iter().enumerate() {
        for (j, b) in maps[..=i].iter().enumerate() {
            let value = dot(a, b) / positions as f64;
            gram[i * maps.len() + j] = value;
            gram[j * maps.len() + i] = value;
        }
    }
    gram
}

/// In eight partial sums, so that the compiler can vectorise.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks(8), b.chunks(8));
    for (a, b) in a.zip(b) {
        for (sum, (&a, &b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += f64::from(a) * f64::from(b);
        }
    }
    sums.iter().sum()
}

/// `sum (v - t)^2 / sum t^2`.
fn relative(values: &[f64], targets: &[f64]) -> f64 {
    let squares: f64 = values.iter().zip(targets).map(|(v, t)| (v - t).powi(2)).sum();
    squares / targets.iter().map(|t| t * t).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use style_core::backend::Shape;
    use testkit::Rng;

    use super::*;

    fn features(name: &str, change: impl Fn(f32) -> f32) -> Features {
        let shape = Shape::new(5, 6, 7);
        let mut rng = Rng::new(name);
        let values = (0..shape.len()).map(|_| change(rng.unit().abs() as f32)).collect();
        Features { layer: "conv1_1".into(), shape, values }
    }

    #[test]
    fn a_gram_matrix_is_the_mean_of_products() {
        let features = Features {
            layer: "conv1_1".into(),
            shape: Shape::new(2, 1, 9),
            values: [[1.0; 9], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]].concat(),
        };
        assert_eq!(gram(&features), [1.0, 4.0, 4.0, 204.0 / 9.0]);
    }

    #[test]
    fn the_distance_is_relative() {
        let painting = gram(&features("painting", |v| v));
        assert_eq!(relative(&painting, &painting), 0.0);
        // doubled features have fourfold Gram matrices
        let doubled = gram(&features("painting", |v| 2.0 * v));
        assert!((relative(&doubled, &painting) - 9.0).abs() < 1e-9);
        assert!((relative(&gram(&features("painting", |_| 0.0)), &painting) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_painting_has_its_own_style_wherever_its_strokes_are() -> Result<(), Failure> {
        let eye = Eye::new(None)?;
        let picture = |value: &dyn Fn(usize, usize) -> u8| {
            let bytes: Vec<u8> = (0..64 * 64).flat_map(|i| [value(i % 64, i / 64), 90, 40]).collect();
            Image::from_rgb8(64, 64, &bytes)
        };
        let stripes = |x: usize| if (x / 4).is_multiple_of(2) { 200 } else { 30 };
        let painting = picture(&|x, _| stripes(x))?;
        assert_eq!(eye.distances(&painting, &painting)?, [0.0; 3]);
        let moved = eye.distances(&picture(&|x, _| stripes(x + 4))?, &painting)?[0];
        let turned = eye.distances(&picture(&|_, y| stripes(y))?, &painting)?[0];
        let plain = eye.distances(&picture(&|_, _| 115)?, &painting)?[0];
        assert!(10.0 * moved < turned.min(plain), "{moved} {turned} {plain}");
        Ok(())
    }
}
