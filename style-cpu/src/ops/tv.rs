//! Total variation; see [`style_core::backend::ops::TvOps`].

use std::ops::Range;

use rayon::iter::IndexedParallelIterator;
use rayon::slice::ParallelSliceMut;
use style_core::backend::ops::{Tv, TvOps};
use style_core::backend::{Acc, Shape};
use style_core::{Error, ErrorKind, Result};

use crate::cpu::Cpu;
use crate::simd::LANES;
use crate::tensor::{Scalars, Tensor, expect_same};

/// The penalty of a difference.
#[derive(Clone, Copy)]
enum Penalty {
    /// `1/2 w d^2`, with `w` per direction: vertical, horizontal.
    Squares([f64; 2]),
    /// `|d|`.
    Absolute,
    /// `(v^2 + h^2)^(b/2)`.
    Power(f64),
    /// `w d^2`, with `w` for straight and diagonal neighbours.
    NinePoint([f64; 2]),
}

impl Penalty {
    fn of(kind: Tv, shape: Shape) -> Result<Self> {
        // 2/n, half of which turns a sum of n squares into their mean; without differences, the mean is zero.
        let mean = |n: usize| if n == 0 { 0.0 } else { 2.0 / n as f64 };
        Ok(match kind {
            Tv::Squared => Self::Squares([1.0, 1.0]),
            Tv::Absolute => Self::Absolute,
            Tv::Means => Self::Squares([
                mean(Shape { height: shape.height.saturating_sub(1), ..shape }.len()),
                mean(Shape { width: shape.width.saturating_sub(1), ..shape }.len()),
            ]),
            Tv::Power(b) => Self::Power(b.into()),
            Tv::NinePoint => {
                let Shape { channels, height, width } = shape;
                let [grown, across] = [height, width].map(|n| n.saturating_add(1));
                Self::NinePoint([mean(shape.len()) / 3.0, mean(Shape::new(channels, grown, across).len()) / 12.0])
            }
            _ => {
                let message = format!("total variation {kind:?} is not supported by this backend; choose another kind");
                return Err(Error::new(ErrorKind::Argument, message));
            }
        })
    }
}

/// The derivative of `Power`, `b (v^2 + h^2)^(b/2 - 1) (v, h)`; zero at its kink.
fn power_slope(b: f64, v: f64, h: f64) -> (f64, f64) {
    let squares = v * v + h * h;
    let factor = if squares == 0.0 { 0.0 } else { b * squares.powf(0.5 * b - 1.0) };
    (factor * v, factor * h)
}

/// `sum cost(a - b)`.
fn sum_of(a: &[f32], b: &[f32], cost: impl Fn(f64) -> f64) -> f64 {
    a.iter().zip(b).map(|(a, b)| cost(f64::from(a - b))).sum()
}

/// `b - a`.
fn difference(a: f32, b: f32) -> f64 {
    f64::from(b) - f64::from(a)
}

/// Extents of a tensor's rows in storage: a row holds `width` positions of `lanes` values each.
struct Rows {
    /// Values in a row.
    len: usize,
    /// The distance from a value to its right neighbour.
    lanes: usize,
    /// Rows in a plane (or channel block).
    height: usize,
}

impl Rows {
    fn of(x: &Tensor) -> Self {
        let lanes = if x.is_planar() { 1 } else { LANES };
        Self { len: x.shape().width.saturating_mul(lanes).max(1), lanes, height: x.shape().height }
    }

    /// Row `i` over all planes, with the rows above and below it in its plane.
    fn neighbours<'a>(&self, x: &'a [f32], i: usize) -> (Option<&'a [f32]>, &'a [f32], Option<&'a [f32]>) {
        let row = |i: usize| &x[i * self.len..][..self.len];
        let r = i % self.height;
        ((r > 0).then(|| row(i - 1)), row(i), (r + 1 < self.height).then(|| row(i + 1)))
    }
}

/// Values of a row whose gradient is computed at a time; at least [`LANES`].
const PIECE: usize = 256;

/// The gradient of `sum phi(d)` for some values of row `i`: up to four neighbours per value, weighted by direction.
fn separate(
    rows: &Rows,
    x: &[f32],
    i: usize,
    at: Range<usize>,
    slope: impl Fn(f32) -> f32,
    [v, h]: [f32; 2],
) -> [f32; PIECE] {
    let (above, here, below) = rows.neighbours(x, i);
    let mut gradient = [0.0; PIECE];
    let mut add = |from: usize, neighbours: &[f32], weight: f32| {
        let values = &here[from..at.end];
        let gradient = &mut gradient[from - at.start..];
        gradient.iter_mut().zip(values.iter().zip(neighbours)).for_each(|(g, (p, q))| *g += weight * slope(p - q));
    };
    let second = at.start.max(rows.lanes);
    add(at.start, above.map_or(&[], |above| &above[at.clone()]), v);
    add(second, &here[second - rows.lanes..], h);
    add(at.start, here.get(at.start + rows.lanes..).unwrap_or_default(), h);
    add(at.start, below.map_or(&[], |below| &below[at.clone()]), v);
    gradient
}

/// The gradient of `Power` for some values of row `i`. A value is the corner of one pair of differences and an end
/// point of up to two others.
fn powers(rows: &Rows, x: &[f32], i: usize, at: Range<usize>, b: f64) -> [f32; PIECE] {
    let (above, here, below) = rows.neighbours(x, i);
    let mut gradient = [0.0; PIECE];
    for c in at.start.saturating_sub(rows.lanes)..at.end.min(rows.len - rows.lanes) {
        let right = c + rows.lanes;
        if let Some(above) = above.filter(|_| c >= at.start) {
            let (v, _) = power_slope(b, difference(above[c], here[c]), difference(above[c], above[right]));
            gradient[c - at.start] += v as f32;
        }
        if let Some(below) = below {
            let (v, h) = power_slope(b, difference(here[c], below[c]), difference(here[c], here[right]));
            if c >= at.start {
                gradient[c - at.start] -= (v + h) as f32;
            }
            if right < at.end {
                gradient[right - at.start] += h as f32;
            }
        }
    }
    gradient
}

/// The neighbours of value `c` of row `i`, each with its weight: `nine` has those of straight and diagonal neighbours. Of
/// each pair, only the first if `once`.
fn nine(
    rows: &Rows,
    x: &[f32],
    i: usize,
    c: usize,
    [straight, diagonal]: [f64; 2],
    once: bool,
) -> impl Iterator<Item = (f64, f64)> {
    let (above, here, below) = rows.neighbours(x, i);
    let (first, last) = (c < rows.lanes, c + rows.lanes >= rows.len);
    // A pair along an edge of the picture is also the difference of two diagonals.
    let along = |edges: [bool; 2]| straight + 2.0 * diagonal * edges.map(f64::from).iter().sum::<f64>();
    let (vertical, horizontal) = (along([first, last]), along([above.is_none(), below.is_none()]));
    let (left, right) = ((!first).then(|| c - rows.lanes), (!last).then_some(c + rows.lanes));
    let all = [
        (Some(here), right, horizontal),
        (below, Some(c), vertical),
        (below, right, diagonal),
        (below, left, diagonal),
        (Some(here), left, horizontal),
        (above, Some(c), vertical),
        (above, right, diagonal),
        (above, left, diagonal),
    ];
    let value = f64::from(here[c]);
    let pair =
        move |(row, c, weight): (Option<&[f32]>, Option<usize>, f64)| Some((weight, value - f64::from(row?[c?])));
    all.into_iter().take(if once { 4 } else { 8 }).filter_map(pair)
}

impl TvOps for Cpu {
    fn tv(&self, kind: Tv, x: &Tensor, out: &mut Scalars, slot: usize) -> Result<()> {
        let (rows, values, penalty) = (Rows::of(x), x.values(), Penalty::of(kind, x.shape())?);
        let of_row = |i: usize| {
            let (_, here, below) = rows.neighbours(values, i);
            let (right, below) = (&here[rows.lanes..], below.unwrap_or_default());
            match penalty {
                Penalty::Squares([v, h]) => {
                    0.5 * (h * sum_of(here, right, |d| d * d) + v * sum_of(here, below, |d| d * d))
                }
                Penalty::NinePoint(weights) => {
                    let of = |c| nine(&rows, values, i, c, weights, true).map(|(w, d)| w * d * d).sum::<f64>();
                    (0..rows.len).map(of).sum()
                }
                Penalty::Absolute => sum_of(here, right, f64::abs) + sum_of(here, below, f64::abs),
                Penalty::Power(b) => {
                    let corners = here.iter().zip(right).zip(below);
                    let squares = corners
                        .map(|((&x, &right), &below)| difference(x, right).powi(2) + difference(x, below).powi(2));
                    squares.map(|squares| squares.powf(0.5 * b)).sum()
                }
            }
        };
        // The rows that start in a range of the values.
        out.sum(&self.threads, slot, 1, values.len(), |at, sums| {
            sums[0] += (at.start.div_ceil(rows.len)..at.end.div_ceil(rows.len)).map(of_row).sum::<f64>();
        })
    }

    fn tv_bwd(&self, kind: Tv, x: &Tensor, scale: f32, acc: Acc, dx: &mut Tensor) -> Result<()> {
        expect_same(x, dx)?;
        let (rows, values, penalty) = (Rows::of(x), x.values(), Penalty::of(kind, x.shape())?);
        self.threads.for_each_of(dx.values_mut().par_chunks_exact_mut(rows.len).enumerate(), |(i, dx)| {
            let sign = |d: f32| if d == 0.0 { 0.0 } else { d.signum() };
            for (piece, dx) in dx.chunks_mut(PIECE).enumerate() {
                let at = piece * PIECE..piece * PIECE + dx.len();
                let gradient = match penalty {
                    Penalty::Squares(weights) => separate(&rows, values, i, at, |d| d, weights.map(|w| w as f32)),
                    Penalty::Absolute => separate(&rows, values, i, at, sign, [1.0, 1.0]),
                    Penalty::Power(b) => powers(&rows, values, i, at, b),
                    Penalty::NinePoint(weights) => {
                        let of = |c| nine(&rows, values, i, c, weights, false).map(|(w, d)| 2.0 * w * d).sum::<f64>();
                        let mut gradient = [0.0; PIECE];
                        gradient.iter_mut().zip(at).for_each(|(g, c)| *g = of(c) as f32);
                        gradient
                    }
                };
                for (dx, gradient) in dx.iter_mut().zip(gradient) {
                    match acc {
                        Acc::Store => *dx = scale * gradient,
                        Acc::Add => *dx += scale * gradient,
                    }
                }
            }
        });
        Ok(())
    }
}
