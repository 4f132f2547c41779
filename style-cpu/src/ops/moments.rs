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

/// The gradient of one channel, or of a block of them, by lanes; `L` as in [`Piecewise`].
#[derive(Clone, Copy)]
struct Slopes<const L: usize> {
    mean: [f32; L],
    dmean: [f32; L],
    /// The deviation's inverse, zero where the deviation is, and its gradient.
    deviation: Option<([f32; L], [f32; L])>,
}

impl<const L: usize> Slopes<L> {
    /// Those of plane `plane`.
    fn of(plane: usize, mean: &[f32], dmean: &[f32], deviation: Option<(&[f32], &[f32])>) -> Self {
        let lanes = |values: &[f32]| std::array::from_fn(|l| values[plane * L + l]);
        // The inverse of a subnormal number overflows: it counts as zero.
        let inverse = |v: f32| if v < f32::MIN_POSITIVE { 0.0 } else { 1.0 / v };
        let deviation = deviation.map(|(value, gradient)| (lanes(value).map(inverse), lanes(gradient)));
        Self { mean: lanes(mean), dmean: lanes(dmean), deviation }
    }
}

/// The gradient of a block of channels at some positions; `t` is the map of weights, or else `uniform` holds.
struct Gradient<'a> {
    x: &'a [f32],
    t: Option<&'a [f32]>,
    uniform: f32,
    slopes: Slopes<LANES>,
    acc: Acc,
    dx: &'a mut [f32],
}

impl Kernel for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { x, t, uniform, slopes: Slopes { mean, dmean, deviation }, acc, dx } = self;
        let (mean, dmean) = (simd.get(&mean), simd.get(&dmean));
        let (inverse, ddeviation) = deviation.unwrap_or_default();
        let (inverse, ddeviation) = (simd.get(&inverse), simd.get(&ddeviation));
        for (p, (dx, x)) in dx.as_chunks_mut().0.iter_mut().zip(x.as_chunks().0).enumerate() {
            let t = simd.splat(if let Some(t) = t { t[p] } else { uniform });
            let mut value = simd.mul(t, dmean);
            if deviation.is_some() {
                // Weighted first: t |x - mean| / deviation is at most sqrt(t), however small the deviation.
                let weighted = simd.mul(t, simd.sub(simd.get(x), mean));
                value = simd.fma(simd.mul(weighted, inverse), ddeviation, value);
            }
            if acc == Acc::Add {
                value = simd.add(value, simd.get(dx));
            }
            simd.put(value, dx);
        }
    }
}

/// The same of one channel of a planar tensor.
fn planar_gradient(x: &[f32], t: Option<&[f32]>, uniform: f32, slopes: Slopes<1>, acc: Acc, dx: &mut [f32]) {
    let Slopes { mean: [mean], dmean: [dmean], deviation } = slopes;
    for (p, (dx, x)) in dx.iter_mut().zip(x).enumerate() {
        let t = t.map_or(uniform, |t| t[p]);
        let of_deviation = deviation.map_or(0.0, |([inverse], [d])| t * (x - mean) * inverse * d);
        let value = t * dmean + of_deviation;
        *dx = if acc == Acc::Add { *dx + value } else { value };
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
        let uniform = 1.0 / x.shape().positions() as f32;
        let items = pieces(x).into_iter().zip(cut_mut(dx)).collect();
        self.threads.for_each_of(items, |(piece, dx)| {
            let (plane, t) = (piece.plane, t.map(|t| &t[piece.positions]));
            let features = &x.values()[piece.values];
            if x.is_planar() {
                planar_gradient(features, t, uniform, Slopes::of(plane, mean, dmean, deviation), acc, dx);
            } else {
                let slopes = Slopes::of(plane, mean, dmean, deviation);
                self.level.run(Gradient { x: features, t, uniform, slopes, acc, dx });
            }
        });
        Ok(())
    }
}
