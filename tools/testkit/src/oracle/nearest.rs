//! Nearest neighbours of patches, and the distance from them.

use style_core::backend::Shape;
use style_core::backend::ops::expect_patches;

use crate::Array;

/// The patches of features of `shape`, as the shape of a map with one value a patch.
fn patches(shape: Shape, side: usize) -> Shape {
    expect_patches(shape, shape, side).expect("features with patches")
}

/// The values of the patch with this number.
fn patch(x: &Array, side: usize, number: usize) -> Vec<f64> {
    let columns = patches(x.shape, side).width;
    let (row, column) = (number / columns, number % columns);
    let mut values = Vec::new();
    for k in 0..x.shape.channels {
        for r in 0..side {
            for c in 0..side {
                values.push(x.at(k, row + r, column + c));
            }
        }
    }
    values
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The cosine of each patch of `x`, by row, with each of `y`; 0 where one of them is zero.
#[must_use]
pub fn cosines(x: &Array, y: &Array, side: usize) -> Array {
    let [of_x, of_y] = [x.shape, y.shape].map(|shape| patches(shape, side).len());
    let all = |x: &Array, count: usize| (0..count).map(|p| patch(x, side, p)).collect::<Vec<_>>();
    let norms = |all: &[Vec<f64>]| all.iter().map(|v| dot(v, v).sqrt()).collect::<Vec<_>>();
    let (xs, ys) = (all(x, of_x), all(y, of_y));
    let (x_norms, y_norms) = (norms(&xs), norms(&ys));
    let mut cosines = Array::zeros(Shape::new(1, of_x, of_y));
    for p in 0..of_x {
        for q in 0..of_y {
            let norm = x_norms[p] * y_norms[q];
            *cosines.at_mut(0, p, q) = if norm > 0.0 { dot(&xs[p], &ys[q]) / norm } else { 0.0 };
        }
    }
    cosines
}

/// `q(p)`, the patch of `y` with the largest cosine; of equal ones, the first.
#[must_use]
pub fn nearest(x: &Array, y: &Array, side: usize) -> Array {
    let cosines = cosines(x, y, side);
    let mut found = Array::zeros(patches(x.shape, side));
    for p in 0..cosines.shape.height {
        let mut best = 0;
        for q in 0..cosines.shape.width {
            if cosines.at(0, p, q) > cosines.at(0, p, best) {
                best = q;
            }
        }
        found.data[p] = best as f64;
    }
    found
}

/// `l = 1/2 sum_p |x_p - y_q(p)|^2`, and `d[k, i]`, the sum over the patches `p` that contain `i` of `x[k, i] - y[k, i - p
/// + q(p)]`. An entry of `found` that is no patch of `y` is read as the nearest number that is one.
#[must_use]
pub fn distance(x: &Array, y: &Array, side: usize, found: &Array) -> (f64, Array) {
    let of_y = patches(y.shape, side);
    assert_eq!(found.shape, patches(x.shape, side));
    let (mut sum, mut d) = (0.0, Array::zeros(x.shape));
    for row in 0..found.shape.height {
        for column in 0..found.shape.width {
            let q = found.at(0, row, column).round().clamp(0.0, (of_y.len() - 1) as f64) as usize;
            for k in 0..x.shape.channels {
                for r in 0..side {
                    for c in 0..side {
                        let of_neighbour = y.at(k, q / of_y.width + r, q % of_y.width + c);
                        let difference = x.at(k, row + r, column + c) - of_neighbour;
                        *d.at_mut(k, row + r, column + c) += difference;
                        sum += difference * difference;
                    }
                }
            }
        }
    }
    (0.5 * sum, d)
}
