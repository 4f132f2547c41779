//! `l(a, b) = 1/2 sum (a - b)^2`, and `da = dl (a - b)`.

use crate::Array;

/// `1/2 sum (a - b)^2`.
#[must_use]
pub fn half_squared_distance(a: &Array, b: &Array) -> f64 {
    assert_eq!(a.shape, b.shape);
    let mut sum = 0.0;
    for (a, b) in a.data.iter().zip(&b.data) {
        sum += (a - b) * (a - b);
    }
    0.5 * sum
}

/// `scale (a - b)`.
#[must_use]
pub fn half_squared_distance_bwd(a: &Array, b: &Array, scale: f64) -> Array {
    a.zip(b, |a, b| scale * (a - b))
}
