//! One convolution: its shape, its operands, and the expected result.

use std::fmt;
use std::str::FromStr;

use crate::Failure;

#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}x{}", self.in_channels, self.out_channels, self.height, self.width)
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<usize>> = text.split('x').map(|n| n.parse().ok().filter(|n| *n > 0)).collect();
        match numbers.as_deref() {
            Some(&[in_channels, out_channels, height, width]) => Ok(Self { in_channels, out_channels, height, width }),
            _ => Err(format!("expected INxOUTxHEIGHTxWIDTH, found {text:?}")),
        }
    }
}

/// Random operands in -1..1.
pub(crate) struct Case {
    pub(crate) shape: Shape,
    /// `[I, H, W]`
    pub(crate) x: Vec<f32>,
    /// `[O, I, 3, 3]`
    pub(crate) filters: Vec<f32>,
    /// `[O]`
    pub(crate) bias: Vec<f32>,
    /// Gradient of the output, `[O, H, W]`.
    pub(crate) gradient: Vec<f32>,
}

impl Case {
    pub(crate) fn new(shape: Shape) -> Self {
        let mut state = 1;
        let mut random = |count: usize| (0..count).map(|_| random(&mut state)).collect();
        let Shape { in_channels, out_channels, height, width } = shape;
        Self {
            shape,
            x: random(in_channels * height * width),
            filters: random(out_channels * in_channels * 9),
            bias: random(out_channels),
            gradient: random(out_channels * height * width),
        }
    }

    /// The filters `[I, O, 3, 3]` of backward-data as a convolution: transposed, and rotated by 180 degrees.
    pub(crate) fn turned_filters(&self) -> Vec<f32> {
        let Shape { in_channels, out_channels, .. } = self.shape;
        let mut turned = Vec::with_capacity(self.filters.len());
        for i in 0..in_channels {
            for o in 0..out_channels {
                turned.extend(self.filters[(o * in_channels + i) * 9..][..9].iter().rev());
            }
        }
        turned
    }

    /// y[o, p] = bias[o] + sum over i and taps t of filters[o, i, t] x[i, p + t - 1], with zeros outside.
    pub(crate) fn forward(&self) -> Vec<f64> {
        let positions = self.shape.height * self.shape.width;
        let mut y: Vec<f64> = self.bias.iter().flat_map(|b| std::iter::repeat_n(f64::from(*b), positions)).collect();
        self.each_product(|y_at, x_at, filter| y[y_at] += filter * f64::from(self.x[x_at]));
        y
    }

    /// dx[i, p + t - 1] = sum over o and taps t of filters[o, i, t] dy[o, p]: the derivative of the above.
    pub(crate) fn backward(&self) -> Vec<f64> {
        let mut dx = vec![0.0; self.x.len()];
        self.each_product(|y_at, x_at, filter| dx[x_at] += filter * f64::from(self.gradient[y_at]));
        dx
    }

    /// Calls a function with the index of an output, the index of an input inside the picture, and the filter value for both.
    fn each_product(&self, mut call: impl FnMut(usize, usize, f64)) {
        let Shape { in_channels, height, width, .. } = self.shape;
        for (at, &filter) in self.filters.iter().enumerate() {
            let (o, i, dy, dx) = (at / 9 / in_channels, at / 9 % in_channels, at % 9 / 3, at % 3);
            for row in 0..height {
                for column in 0..width {
                    let (x_row, x_column) = (row + dy, column + dx); // of the padded input
                    if (1..=height).contains(&x_row) && (1..=width).contains(&x_column) {
                        let x_at = (i * height + x_row - 1) * width + x_column - 1;
                        call((o * height + row) * width + column, x_at, f64::from(filter));
                    }
                }
            }
        }
    }
}

/// |found - expected| / |expected|, in l2.
pub(crate) fn relative_error(expected: &[f64], found: &[f32]) -> Result<f64, Failure> {
    if expected.len() != found.len() {
        return Err(format!("expected {} values, found {}", expected.len(), found.len()).into());
    }
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut expected.iter().zip(found).map(|(e, f)| e - f64::from(*f)));
    Ok(difference / norm(&mut expected.iter().copied()))
}

/// Random numbers in -1..1, by Knuth's linear congruential generator.
fn random(state: &mut u64) -> f32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f32 / (1 << 23) as f32 - 1.0
}
