//! `y[k, r, c] = x[k, a + r, b + c]`, and its adjoint.

use style_core::backend::Shape;

use crate::Array;

/// The window of `x` starting at `at`, with shape `shape`.
#[must_use]
pub fn fwd(x: &Array, at: [usize; 2], shape: Shape) -> Array {
    assert_eq!(x.shape.channels, shape.channels);
    let mut y = Array::zeros(shape);
    for k in 0..shape.channels {
        for r in 0..shape.height {
            for c in 0..shape.width {
                *y.at_mut(k, r, c) = x.at(k, at[0] + r, at[1] + c);
            }
        }
    }
    y
}

/// `dx` of `shape`, given the gradient of the window starting at `at`; zero outside.
#[must_use]
pub fn bwd(dy: &Array, at: [usize; 2], shape: Shape) -> Array {
    assert_eq!(dy.shape.channels, shape.channels);
    let mut dx = Array::zeros(shape);
    for k in 0..dy.shape.channels {
        for r in 0..dy.shape.height {
            for c in 0..dy.shape.width {
                *dx.at_mut(k, at[0] + r, at[1] + c) = dy.at(k, r, c);
            }
        }
    }
    dx
}
