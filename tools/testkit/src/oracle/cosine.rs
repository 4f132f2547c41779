//! The cosine distance of the features at each position from a target's.

use crate::Array;

/// `l = sum_p (1 - c_p)`, and `d_p = (c_p x_p / |x_p| - t_p / |t_p|) / |x_p|`. Where `x_p` or `t_p` is zero, `c_p = 0` and
/// `d_p = 0`.
#[must_use]
pub fn cosine(x: &Array, t: &Array) -> (f64, Array) {
    assert_eq!(x.shape, t.shape);
    let (mut l, mut d, positions) = (0.0, Array::zeros(x.shape), x.shape.positions());
    for p in 0..positions {
        let c = cosine_at(x, t, p);
        let (x_norm, t_norm) = (dot(x, x, p).sqrt(), dot(t, t, p).sqrt());
        l += 1.0 - c;
        if x_norm != 0.0 && t_norm != 0.0 {
            for i in (p..x.data.len()).step_by(positions) {
                d.data[i] = (c * x.data[i] / x_norm - t.data[i] / t_norm) / x_norm;
            }
        }
    }
    (l, d)
}

/// `c_p`.
#[must_use]
pub fn cosine_at(x: &Array, t: &Array, p: usize) -> f64 {
    let norms = dot(x, x, p).sqrt() * dot(t, t, p).sqrt();
    if norms == 0.0 { 0.0 } else { dot(x, t, p) / norms }
}

/// `<a_p, b_p>`.
fn dot(a: &Array, b: &Array, p: usize) -> f64 {
    let mut sum = 0.0;
    for i in (p..a.data.len()).step_by(a.shape.positions()) {
        sum += a.data[i] * b.data[i];
    }
    sum
}
