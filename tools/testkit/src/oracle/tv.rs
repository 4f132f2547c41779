//! `tv(x) = 1/2 sum (x[k, r+1, c] - x[k, r, c])^2 + 1/2 sum (x[k, r, c+1] - x[k, r, c])^2`, and its gradient.

use crate::Array;

/// Squared total variation.
#[must_use]
pub fn tv(x: &Array) -> f64 {
    let mut sum = 0.0;
    for k in 0..x.shape.channels {
        for r in 0..x.shape.height {
            for c in 0..x.shape.width {
                if r + 1 < x.shape.height {
                    sum += (x.at(k, r + 1, c) - x.at(k, r, c)).powi(2);
                }
                if c + 1 < x.shape.width {
                    sum += (x.at(k, r, c + 1) - x.at(k, r, c)).powi(2);
                }
            }
        }
    }
    0.5 * sum
}

/// `scale L x`, `(L x)[p] = sum over the up to four neighbours q of p of (x[p] - x[q])`.
#[must_use]
pub fn bwd(x: &Array, scale: f64) -> Array {
    let mut dx = Array::zeros(x.shape);
    for k in 0..x.shape.channels {
        for r in 0..x.shape.height {
            for c in 0..x.shape.width {
                let here = x.at(k, r, c);
                let mut sum = 0.0;
                if r > 0 {
                    sum += here - x.at(k, r - 1, c);
                }
                if r + 1 < x.shape.height {
                    sum += here - x.at(k, r + 1, c);
                }
                if c > 0 {
                    sum += here - x.at(k, r, c - 1);
                }
                if c + 1 < x.shape.width {
                    sum += here - x.at(k, r, c + 1);
                }
                *dx.at_mut(k, r, c) = scale * sum;
            }
        }
    }
    dx
}
