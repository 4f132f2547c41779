//! Dot products, linear combinations, a factor from a scalar and Adam's update.

use style_core::backend::Shape;
use style_core::backend::ops::AdamStep;

use crate::Array;

/// `<a[i], b[j]>`, with `j` varying fastest.
#[must_use]
pub fn dots(a: &[&Array], b: &[&Array]) -> Vec<f64> {
    let mut out = Vec::new();
    for a in a {
        for b in b {
            out.push(a.dot(b));
        }
    }
    out
}

/// `sum_i c_i x_i`; `shape` is the result's.
#[must_use]
pub fn combine(shape: Shape, terms: &[(f64, &Array)]) -> Array {
    let mut y = Array::zeros(shape);
    for (c, x) in terms {
        y = y.zip(x, |y, x| y + c * x);
    }
    y
}

/// `s^power x`; zeros if `s` is not positive.
#[must_use]
pub fn scale_by(x: &Array, s: f64, power: f64) -> Array {
    if s > 0.0 { x.map(|x| s.powf(power) * x) } else { Array::zeros(x.shape) }
}

/// One Adam update; returns the new `(m, v, x)`.
#[must_use]
pub fn adam(step: &AdamStep, g: &Array, m: &Array, v: &Array, x: &Array) -> (Array, Array, Array) {
    let [rate, b1, b2, c2, eps] = [step.rate, step.beta1, step.beta2, step.correction2, step.epsilon].map(f64::from);
    let m = m.zip(g, |m, g| b1 * m + (1.0 - b1) * g);
    let v = v.zip(g, |v, g| b2 * v + (1.0 - b2) * g * g);
    let update = m.zip(&v, |m, v| rate * m / ((v / c2).sqrt() + eps));
    let x = x.zip(&update, |x, u| x - u);
    (m, v, x)
}
