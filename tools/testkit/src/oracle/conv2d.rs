//! `y[o, r, c] = b[o] + sum_{i,u,v} w[o, i, u, v] x[i, r + u - 1, c + v - 1]`, and its adjoint; outside the picture, `x` is
//! zero or the nearest pixel.

use style_core::backend::ops::{Conv2d, Padding};

use crate::Array;

/// Filters `[O, I, 3, 3]` and bias `[O]`.
#[derive(Clone, Debug)]
pub struct Weights {
    /// I.
    pub in_channels: usize,
    /// O.
    pub out_channels: usize,
    /// Row-major `[O, I, 3, 3]`.
    pub filters: Vec<f64>,
    /// `[O]`.
    pub bias: Vec<f64>,
}

impl Weights {
    /// `w[o, i, u, v]`.
    #[must_use]
    pub fn at(&self, o: usize, i: usize, u: usize, v: usize) -> f64 {
        self.filters[((o * self.in_channels + i) * 3 + u) * 3 + v]
    }

    /// Applies `f` to every filter value and every bias.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self {
            filters: self.filters.iter().map(|&v| f(v)).collect(),
            bias: self.bias.iter().map(|&v| f(v)).collect(),
            ..*self
        }
    }
}

/// The row or column nearest to `at - 1`.
fn near(at: usize, extent: usize) -> usize {
    at.max(1).min(extent) - 1
}

/// `W x + b`, before any ReLU.
#[must_use]
pub fn fwd(op: &Conv2d, x: &Array, w: &Weights) -> Array {
    assert_eq!(x.shape, op.input());
    let mut y = Array::zeros(op.output());
    for o in 0..op.out_channels {
        for r in 0..op.height {
            for c in 0..op.width {
                let mut sum = w.bias[o];
                for i in 0..op.in_channels {
                    for u in 0..3 {
                        for v in 0..3 {
                            sum += w.at(o, i, u, v)
                                * match op.padding {
                                    Padding::Zero => x.padded(i, r + u, c + v),
                                    Padding::Replicate => x.at(i, near(r + u, op.height), near(c + v, op.width)),
                                };
                        }
                    }
                }
                *y.at_mut(o, r, c) = sum;
            }
        }
    }
    y
}

/// `dx[i, r, c] = sum_{o,u,v} w[o, i, u, v] dy[o, r - u + 1, c - v + 1]`; with a repeated border, each `dy` contributes to
/// the pixels that it read.
#[must_use]
pub fn bwd(op: &Conv2d, dy: &Array, w: &Weights) -> Array {
    assert_eq!(dy.shape, op.output());
    let mut dx = Array::zeros(op.input());
    if op.padding == Padding::Replicate {
        for o in 0..op.out_channels {
            for r in 0..op.height {
                for c in 0..op.width {
                    for i in 0..op.in_channels {
                        for u in 0..3 {
                            for v in 0..3 {
                                let pixel = dx.at_mut(i, near(r + u, op.height), near(c + v, op.width));
                                *pixel += w.at(o, i, u, v) * dy.at(o, r, c);
                            }
                        }
                    }
                }
            }
        }
        return dx;
    }
    for i in 0..op.in_channels {
        for r in 0..op.height {
            for c in 0..op.width {
                let mut sum = 0.0;
                for o in 0..op.out_channels {
                    for u in 0..3 {
                        for v in 0..3 {
                            sum += w.at(o, i, u, v) * dy.padded(o, r + 2 - u, c + 2 - v);
                        }
                    }
                }
                *dx.at_mut(i, r, c) = sum;
            }
        }
    }
    dx
}

/// `max(0, x)`.
#[must_use]
pub fn relu(x: &Array) -> Array {
    x.map(|v| if v > 0.0 { v } else { 0.0 })
}

/// 1 where `x > 0`, 0 elsewhere.
#[must_use]
pub fn gate(x: &Array) -> Array {
    x.map(|v| if v > 0.0 { 1.0 } else { 0.0 })
}
