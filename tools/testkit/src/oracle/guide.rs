//! `y[k, p] = s t[p] x[k, p]`, its own adjoint.

use style_core::backend::Shape;

use crate::Array;

/// `y[k, p] = s t[p] x[k, p]`.
#[must_use]
pub fn guide(x: &Array, t: &Array, scale: f64) -> Array {
    assert_eq!(t.shape, Shape { channels: 1, ..x.shape });
    let mut y = Array::zeros(x.shape);
    for k in 0..x.shape.channels {
        for r in 0..x.shape.height {
            for c in 0..x.shape.width {
                *y.at_mut(k, r, c) = scale * t.at(0, r, c) * x.at(k, r, c);
            }
        }
    }
    y
}
