//! Total variation of each kind, and its gradient `sum_d phi'(d) (e_to - e_from)`.

use style_core::backend::ops::Tv;

use crate::Array;

/// All pairs `[from, to]` of vertical neighbours and of horizontal neighbours, as indices into `data`.
fn pairs(x: &Array) -> (Vec<[usize; 2]>, Vec<[usize; 2]>) {
    let (mut vertical, mut horizontal) = (Vec::new(), Vec::new());
    for k in 0..x.shape.channels {
        for r in 0..x.shape.height {
            for c in 0..x.shape.width {
                if r + 1 < x.shape.height {
                    vertical.push([x.index(k, r, c), x.index(k, r + 1, c)]);
                }
                if c + 1 < x.shape.width {
                    horizontal.push([x.index(k, r, c), x.index(k, r, c + 1)]);
                }
            }
        }
    }
    (vertical, horizontal)
}

/// For each pixel with both neighbours: itself, the one below, and the one to the right.
fn corners(x: &Array) -> Vec<[usize; 3]> {
    let mut corners = Vec::new();
    for k in 0..x.shape.channels {
        for r in 1..x.shape.height {
            for c in 1..x.shape.width {
                corners.push([x.index(k, r - 1, c - 1), x.index(k, r, c - 1), x.index(k, r - 1, c)]);
            }
        }
    }
    corners
}

/// The pairs of diagonal neighbours in a picture with a border of repeated pixels.
fn diagonals(x: &Array) -> Vec<[usize; 2]> {
    let (h, w) = (x.shape.height as isize, x.shape.width as isize);
    let at = |k: usize, r: isize, c: isize| x.index(k, r.clamp(0, h - 1) as usize, c.clamp(0, w - 1) as usize);
    let mut pairs = Vec::new();
    for k in 0..x.shape.channels {
        for r in 0..if w > 0 { h + 1 } else { 0 } {
            for c in 0..if h > 0 { w + 1 } else { 0 } {
                pairs.push([at(k, r - 1, c - 1), at(k, r, c)]);
                pairs.push([at(k, r, c - 1), at(k, r - 1, c)]);
            }
        }
    }
    pairs
}

/// Total variation.
///
/// # Panics
/// If the oracle does not implement the kind.
#[must_use]
pub fn fwd(kind: Tv, x: &Array) -> f64 {
    let (vertical, horizontal) = pairs(x);
    let d = |from: usize, to: usize| x.data[to] - x.data[from];
    let sum_of = |pairs: &[[usize; 2]], phi: fn(f64) -> f64| pairs.iter().map(|&[a, b]| phi(d(a, b))).sum::<f64>();
    match kind {
        Tv::Squared => 0.5 * (sum_of(&vertical, |d| d * d) + sum_of(&horizontal, |d| d * d)),
        Tv::Absolute => sum_of(&vertical, f64::abs) + sum_of(&horizontal, f64::abs),
        Tv::Means => {
            let mean = |pairs: &[[usize; 2]]| match pairs.len() {
                0 => 0.0,
                n => sum_of(pairs, |d| d * d) / n as f64,
            };
            mean(&vertical) + mean(&horizontal)
        }
        Tv::Power(b) => {
            let mut sum = 0.0;
            for [here, below, right] in corners(x) {
                sum += (d(here, below).powi(2) + d(here, right).powi(2)).powf(f64::from(b) / 2.0);
            }
            sum
        }
        Tv::NinePoint => {
            let diagonal = diagonals(x);
            let mean = |pairs: &[[usize; 2]], n: usize| sum_of(pairs, |d| d * d) / n.max(1) as f64;
            let n = x.shape.len();
            2.0 * ((mean(&vertical, n) + mean(&horizontal, n)) / 3.0 + mean(&diagonal, diagonal.len() / 2) / 12.0)
        }
        kind => panic!("no oracle for {kind:?}"),
    }
}

/// The derivative with respect to each difference: from, to, and the slope.
fn slopes(kind: Tv, x: &Array) -> Vec<(usize, usize, f64)> {
    let (vertical, horizontal) = pairs(x);
    let d = |from: usize, to: usize| x.data[to] - x.data[from];
    let mut slopes = Vec::new();
    if let Tv::Power(b) = kind {
        let b = f64::from(b);
        for [here, below, right] in corners(x) {
            let (v, h) = (d(here, below), d(here, right));
            let squares = v * v + h * h;
            if squares > 0.0 {
                slopes.push((here, below, b * v * squares.powf(b / 2.0 - 1.0)));
                slopes.push((here, right, b * h * squares.powf(b / 2.0 - 1.0)));
            }
        }
        return slopes;
    }
    if kind == Tv::NinePoint {
        let diagonal = diagonals(x);
        let (n, m) = (x.shape.len() as f64, (diagonal.len() / 2) as f64);
        for (pairs, weight) in [(vertical, 2.0 / (3.0 * n)), (horizontal, 2.0 / (3.0 * n)), (diagonal, 1.0 / (6.0 * m))]
        {
            slopes.extend(pairs.into_iter().map(|[from, to]| (from, to, 2.0 * weight * d(from, to))));
        }
        return slopes;
    }
    for pairs in [vertical, horizontal] {
        for &[from, to] in &pairs {
            let d = d(from, to);
            let slope = match kind {
                Tv::Squared => d,
                Tv::Absolute if d == 0.0 => 0.0,
                Tv::Absolute => d.signum(),
                Tv::Means => 2.0 * d / pairs.len() as f64,
                kind => panic!("no oracle for {kind:?}"),
            };
            slopes.push((from, to, slope));
        }
    }
    slopes
}

/// `scale dtv/dx`.
#[must_use]
pub fn bwd(kind: Tv, x: &Array, scale: f64) -> Array {
    let mut dx = Array::zeros(x.shape);
    for (from, to, slope) in slopes(kind, x) {
        dx.data[to] += scale * slope;
        dx.data[from] -= scale * slope;
    }
    dx
}

/// The sum of the magnitudes of the terms that [`bwd`] sums.
#[must_use]
pub fn bwd_magnitudes(kind: Tv, x: &Array, scale: f64) -> Array {
    let mut magnitudes = Array::zeros(x.shape);
    for (from, to, slope) in slopes(kind, x) {
        magnitudes.data[to] += (scale * slope).abs();
        magnitudes.data[from] += (scale * slope).abs();
    }
    magnitudes
}
