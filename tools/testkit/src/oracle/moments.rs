//! `mean[k] = sum_p t[p] x[k, p]`, `deviation[k] = sqrt(sum_p t[p] (x[k, p] - mean[k])^2)`, and their gradient.

use style_core::backend::Shape;

use crate::Array;

/// `sum_p t[p] v[p]`, or the mean without weights (zero for no values).
fn weighted_sum(values: &[f64], t: Option<&Array>) -> f64 {
    let mut sum = 0.0;
    for (p, value) in values.iter().enumerate() {
        sum += t.map_or(1.0, |t| t.data[p]) * value;
    }
    // A single division instead of M products with 1/M: the mean of equal values is then exactly their value.
    if t.is_none() && !values.is_empty() { sum / values.len() as f64 } else { sum }
}

/// Mean and standard deviation of each channel, both `[1, N, 1, 1]`.
#[must_use]
pub fn fwd(x: &Array, t: Option<&Array>) -> (Array, Array) {
    let (n, m) = (x.shape.channels, x.shape.positions());
    let (mut mean, mut deviation) = (Array::zeros(Shape::new(n, 1, 1)), Array::zeros(Shape::new(n, 1, 1)));
    for k in 0..n {
        let row = &x.data[k * m..(k + 1) * m];
        mean.data[k] = weighted_sum(row, t);
        let mut squares = vec![0.0; m];
        for p in 0..m {
            squares[p] = (row[p] - mean.data[k]).powi(2);
        }
        deviation.data[k] = weighted_sum(&squares, t).sqrt();
    }
    (mean, deviation)
}

/// `dx[k, p] = t[p] (dmean[k] + ddeviation[k] (x[k, p] - mean[k]) / deviation[k])`; `deviation` holds the value and its
/// gradient, and the term is zero if the value is.
#[must_use]
pub fn bwd(x: &Array, t: Option<&Array>, mean: &Array, dmean: &Array, deviation: Option<(&Array, &Array)>) -> Array {
    let m = x.shape.positions();
    let mut dx = Array::zeros(x.shape);
    for k in 0..x.shape.channels {
        for p in 0..m {
            let mut sum = dmean.data[k];
            if let Some((deviation, ddeviation)) = deviation
                && deviation.data[k] != 0.0
            {
                sum += ddeviation.data[k] * (x.data[k * m + p] - mean.data[k]) / deviation.data[k];
            }
            dx.data[k * m + p] = t.map_or(1.0 / m as f64, |t| t.data[p]) * sum;
        }
    }
    dx
}
