//! 2x2 windows, stride 2: `y = 1/4 sum x` or `y = max x`, and their adjoints.

use style_core::Pooling;
use style_core::backend::ops::Pool2d;

use crate::Array;

/// The elements `(u, v)` of a window in row-major order, as numbered by switches.
const WINDOW: [(usize, usize); 4] = [(0, 0), (0, 1), (1, 0), (1, 1)];

/// `y = pool(x)`, and for each output the element of its window that a max pool selected.
#[must_use]
pub fn fwd(op: &Pool2d, x: &Array) -> (Array, Vec<u8>) {
    assert_eq!(x.shape, op.input());
    let mut y = Array::zeros(op.output());
    let mut switches = Vec::new();
    for k in 0..op.channels {
        for r in 0..op.height / 2 {
            for c in 0..op.width / 2 {
                let window = WINDOW.map(|(u, v)| x.at(k, 2 * r + u, 2 * c + v));
                let mut taken = 0;
                for n in 1..4 {
                    if window[n] > window[taken] {
                        taken = n;
                    }
                }
                switches.push(taken as u8);
                *y.at_mut(k, r, c) = match op.pooling {
                    Pooling::Average => (window[0] + window[1] + window[2] + window[3]) / 4.0,
                    Pooling::Max => window[taken],
                };
            }
        }
    }
    (y, switches)
}

/// `dx = pool^T dy`; zero in a dropped row or column.
#[must_use]
pub fn bwd(op: &Pool2d, dy: &Array, switches: &[u8]) -> Array {
    assert_eq!(dy.shape, op.output());
    let mut dx = Array::zeros(op.input());
    for k in 0..op.channels {
        for r in 0..op.height / 2 {
            for c in 0..op.width / 2 {
                for (n, (u, v)) in WINDOW.into_iter().enumerate() {
                    *dx.at_mut(k, 2 * r + u, 2 * c + v) = match op.pooling {
                        Pooling::Average => dy.at(k, r, c) / 4.0,
                        Pooling::Max if usize::from(switches[dy.index(k, r, c)]) == n => dy.at(k, r, c),
                        Pooling::Max => 0.0,
                    };
                }
            }
        }
    }
    dx
}
