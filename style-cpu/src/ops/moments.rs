//! Mean and standard deviation; see [`style_core::ops::MomentsOps`].
//!
//! The features are read from memory once: each piece is summed up, and then, while it is in the cache, its squared
//! distances from its own mean; the pieces are put together as Chan, Golub and LeVeque do (1983, "Algorithms for
//! Computing the Sample Variance", equation 2.1), which cancels nothing.

use style_core::ops::MomentsOps;
use style_core::{Acc, Result, Shape, expect_shape};

use super::{cut_mut, expect_map, pieces};
use crate::Cpu;
use crate::simd::{Kernel, LANES, Simd};
use crate::tensor::{Tensor, expect_same};

/// Sums over some positions of `L` values each, with the weights `t`, or 1 each.
struct Piecewise<'a, const L: usize> {
    x: &'a [f32],
    t: Option<&'a [f32]>,
    /// Whether squares are asked for.
    spread: bool,
}

struct Sums<const L: usize> {
    /// `sum t`.
    weight: f64,
    /// `sum t x`.
    values: [f64; L],
    /// `values / weight`.
    centre: [f64; L],
    /// `sum t (x - centre)^2`.
    squares: [f64; L],
}

impl<const L: usize> Kernel for Piecewise<'_, L> {
    type Output = Sums<L>;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> Sums<L> {
        let Self { x, t, spread } = self;
        let (mut weight, mut values, mut centre, mut squares) = (0.0, [0.0f64; L], [0.0f64; L], [0.0f64; L]);
        match t {
            None => {
                weight = (x.len() / L) as f64;
                for x in x.chunks_exact(L) {
                    for l in 0..L {
                        values[l] += f64::from(x[l]);
                    }
                }
            }
            Some(t) => {
                for (x, t) in x.chunks_exact(L).zip(t) {
                    let t = f64::from(*t);
                    weight += t;
                    for l in 0..L {
                        values[l] += t * f64::from(x[l]);
                    }
                }
            }
        }
        if !spread || weight == 0.0 {
            return Sums { weight, values, centre, squares };
        }
        for l in 0..L {
            centre[l] = values[l] / weight;
        }
        match t {
            None => {
                for x in x.chunks_exact(L) {
                    for l in 0..L {
                        let d = f64::from(x[l]) - centre[l];
                        squares[l] += d * d;
                    }
                }
            }
            Some(t) => {
                for (x, t) in x.chunks_exact(L).zip(t) {
                    let t = f64::from(*t);
                    for l in 0..L {
                        let d = f64::from(x[l]) - centre[l];
                        squares[l] += t * d * d;
                    }
                }
            }
        }
        Sums { weight, values, centre, squares }
    }
}

/// The gradient at some positions of `L` values each; `t` is the map of weights, or else `uniform` holds.
struct Gradient<'a, const L: usize> {
    x: &'a [f32],
    t: Option<&'a [f32]>,
    uniform: f32,
    mean: [f32; L],
    dmean: [f32; L],
    deviation: Option<([f32; L], [f32; L])>,
    acc: Acc,
    dx: &'a mut [f32],
}

impl<const L: usize> Kernel for Gradient<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { x, t, uniform, mean, dmean, deviation, acc, dx } = self;
        let (mut inverse, mut ddeviation) = ([0.0; L], [0.0; L]);
        if let Some((deviation, gradient)) = deviation {
            ddeviation = gradient;
            for l in 0..L {
                // The inverse of a subnormal number overflows: it counts as zero.
                inverse[l] = if deviation[l] < f32::MIN_POSITIVE { 0.0 } else { 1.0 / deviation[l] };
            }
        }
        for (p, (dx, x)) in dx.chunks_exact_mut(L).zip(x.chunks_exact(L)).enumerate() {
            let t = t.map_or(uniform, |t| t[p]);
            let mut value = [0.0; L];
            if deviation.is_some() {
                for l in 0..L {
                    // Weighted first: t |x - mean| / deviation is at most sqrt(t), however small the deviation.
                    value[l] = t * dmean[l] + ddeviation[l] * (t * (x[l] - mean[l]) * inverse[l]);
                }
            } else {
                for l in 0..L {
                    value[l] = t * dmean[l];
                }
            }
            match acc {
                Acc::Store => dx.copy_from_slice(&value),
                Acc::Add => {
                    for l in 0..L {
                        dx[l] += value[l];
                    }
                }
            }
        }
    }
}

impl Cpu {
    fn moments_lanes<const L: usize>(
        &self,
        x: &Tensor,
        t: Option<&[f32]>,
        mean: &mut [f32],
        deviation: Option<&mut [f32]>,
    ) {
        let (pieces, spread) = (pieces(x), deviation.is_some());
        let sums = self.threads.map(pieces.len(), |i| {
            let (x, t) = (&x.values()[pieces[i].values.clone()], t.map(|t| &t[pieces[i].positions.clone()]));
            self.level.run(Piecewise::<L> { x, t, spread })
        });
        let whole = if t.is_some() { 1.0 } else { x.shape().positions().max(1) as f64 };
        let mut means = vec![0.0f64; mean.len()];
        for (piece, sums) in pieces.iter().zip(&sums) {
            let means = &mut means[piece.plane * L..][..L];
            means.iter_mut().zip(&sums.values).for_each(|(mean, value)| *mean += value);
        }
        means.iter_mut().for_each(|mean| *mean /= whole);
        mean.iter_mut().zip(&means).for_each(|(dst, &mean)| *dst = mean as f32);
        let Some(deviation) = deviation else { return };
        let mut squares = vec![0.0f64; means.len()];
        for (piece, sums) in pieces.iter().zip(&sums) {
            for l in 0..L {
                let k = piece.plane * L + l;
                squares[k] += sums.squares[l] + sums.weight * (sums.centre[l] - means[k]).powi(2);
            }
        }
        deviation.iter_mut().zip(squares).for_each(|(dst, sum)| *dst = (sum / whole).sqrt() as f32);
    }

    #[allow(clippy::too_many_arguments)]
    fn moments_bwd_lanes<const L: usize>(
        &self,
        x: &Tensor,
        t: Option<&[f32]>,
        mean: &[f32],
        dmean: &[f32],
        deviation: Option<(&[f32], &[f32])>,
        acc: Acc,
        dx: &mut Tensor,
    ) {
        let uniform = 1.0 / x.shape().positions() as f32;
        let items = pieces(x).into_iter().zip(cut_mut(dx)).collect();
        self.threads.for_each_of(items, |(piece, dx)| {
            let lanes = |values: &[f32]| std::array::from_fn(|l| values[piece.plane * L + l]);
            self.level.run(Gradient::<L> {
                x: &x.values()[piece.values.clone()],
                t: t.map(|t| &t[piece.positions.clone()]),
                uniform,
                mean: lanes(mean),
                dmean: lanes(dmean),
                deviation: deviation.map(|(value, gradient)| (lanes(value), lanes(gradient))),
                acc,
                dx,
            });
        });
    }
}

/// Checks the weights, and what has one value a channel.
fn expect_operands(x: &Tensor, t: Option<&Tensor>, of_channels: &[&Tensor]) -> Result<()> {
    t.map_or(Ok(()), |t| expect_map(t, x))?;
    let wanted = Shape::new(x.shape().channels, 1, 1);
    of_channels.iter().try_for_each(|found| expect_shape("a moment of features", wanted, found.shape()))
}

impl MomentsOps for Cpu {
    fn moments(&self, x: &Tensor, t: Option<&Tensor>, mean: &mut Tensor, deviation: Option<&mut Tensor>) -> Result<()> {
        expect_operands(x, t, &[mean])?;
        if let Some(deviation) = &deviation {
            expect_operands(x, t, &[deviation])?;
        }
        // One value a channel, padding included: `[N, 1, 1]` lies as its channels do in a vector of `x`.
        let (t, mean, deviation) = (t.map(Tensor::values), mean.values_mut(), deviation.map(Tensor::values_mut));
        if x.is_planar() {
            self.moments_lanes::<1>(x, t, mean, deviation);
        } else {
            self.moments_lanes::<LANES>(x, t, mean, deviation);
        }
        Ok(())
    }

    fn moments_bwd(
        &self,
        x: &Tensor,
        t: Option<&Tensor>,
        mean: &Tensor,
        dmean: &Tensor,
        deviation: Option<(&Tensor, &Tensor)>,
        acc: Acc,
        dx: &mut Tensor,
    ) -> Result<()> {
        expect_operands(x, t, &[mean, dmean])?;
        if let Some((value, gradient)) = deviation {
            expect_operands(x, t, &[value, gradient])?;
        }
        expect_same(x, dx)?;
        let (t, mean, dmean) = (t.map(Tensor::values), mean.values(), dmean.values());
        let deviation = deviation.map(|(value, gradient)| (value.values(), gradient.values()));
        if x.is_planar() {
            self.moments_bwd_lanes::<1>(x, t, mean, dmean, deviation, acc, dx);
        } else {
            self.moments_bwd_lanes::<LANES>(x, t, mean, dmean, deviation, acc, dx);
        }
        Ok(())
    }
}
