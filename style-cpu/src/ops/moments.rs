//! Mean and standard deviation; see [`style_core::backend::ops::MomentsOps`].
//!
//! The features are read from memory once. Each piece is summed and then, while still in the cache, its squared
//! distances from its own mean are summed. Pieces are combined as in Chan, Golub and LeVeque (1983, "Algorithms for
//! Computing the Sample Variance", equation 2.1), which avoids cancellation.

use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator};
use rayon::slice::ParallelSliceMut;
use style_core::Result;
use style_core::backend::ops::MomentsOps;
use style_core::backend::{Acc, Shape, expect_shape};

use super::{CHUNK, Piece, expect_map, for_each_piece};
use crate::cpu::Cpu;
use crate::gemm::Gemm;
use crate::isa::Kernel;
use crate::simd::LANES;
use crate::tensor::{Tensor, expect_same};

/// The most parts of a plane.
const PARTS: usize = 16;

/// Sums over some positions of `L` values each, with weights `t`, or with weight 1.
struct Piecewise<'a, const L: usize> {
    x: &'a [f32],
    t: Option<&'a [f32]>,
    /// Whether squares are requested.
    spread: bool,
}

#[derive(Clone, Copy)]
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

impl<const L: usize> Sums<L> {
    const NONE: Self = Self { weight: 0.0, values: [0.0; L], centre: [0.0; L], squares: [0.0; L] };

    /// The squared distances from another centre (the equation above, for one piece).
    fn squares_from(&self, l: usize, centre: f64) -> f64 {
        self.squares[l] + self.weight * (self.centre[l] - centre).powi(2)
    }

    /// The sums over the positions of both.
    fn join(&self, other: &Self) -> Self {
        let mut all = Self { weight: self.weight + other.weight, ..Self::NONE };
        for l in 0..L {
            all.values[l] = self.values[l] + other.values[l];
            all.centre[l] = if all.weight == 0.0 { 0.0 } else { all.values[l] / all.weight };
            all.squares[l] = self.squares_from(l, all.centre[l]) + other.squares_from(l, all.centre[l]);
        }
        all
    }
}

impl<const L: usize> Kernel for Piecewise<'_, L> {
    type Output = Sums<L>;

    #[inline(always)]
    fn run<S: Gemm>(self, _: S) -> Sums<L> {
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

/// Gradient coefficients of one channel, or of a channel block by lane; `L` as in [`Piecewise`].
#[derive(Clone, Copy)]
struct Slopes<const L: usize> {
    mean: [f32; L],
    dmean: [f32; L],
    /// The inverse deviation, zero where the deviation is zero, and its gradient.
    deviation: Option<([f32; L], [f32; L])>,
}

impl<const L: usize> Slopes<L> {
    /// The coefficients of plane `plane`.
    fn of(plane: usize, mean: &[f32], dmean: &[f32], deviation: Option<(&[f32], &[f32])>) -> Self {
        let lanes = |values: &[f32]| std::array::from_fn(|l| values[plane * L + l]);
        // The inverse of a subnormal number overflows, so such a deviation counts as zero.
        let inverse = |v: f32| if v < f32::MIN_POSITIVE { 0.0 } else { 1.0 / v };
        let deviation = deviation.map(|(value, gradient)| (lanes(value).map(inverse), lanes(gradient)));
        Self { mean: lanes(mean), dmean: lanes(dmean), deviation }
    }
}

/// The gradient of a channel block at some positions; `t` is the map of weights, or else `uniform` applies.
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
    fn run<S: Gemm>(self, simd: S) {
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

/// The same for one channel of a planar tensor.
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
        let (values, positions, spread) = (x.values(), x.shape().positions(), deviation.is_some());
        let whole = if t.is_some() { 1.0 } else { positions.max(1) as f64 };
        let chunk = CHUNK / L;
        let part = positions.div_ceil(PARTS).next_multiple_of(chunk).max(chunk);
        let sums_of = |plane: usize, at: std::ops::Range<usize>| {
            let (x, t) = (&values[(plane * positions + at.start) * L..][..at.len() * L], t.map(|t| &t[at]));
            self.level.run(Piecewise::<L> { x, t, spread })
        };
        // Mean and deviation of each lane of one plane.
        let moments_of = |plane: usize| {
            let mut parts = [Sums::<L>::NONE; PARTS];
            let used = &mut parts[..positions.div_ceil(part)];
            self.threads.for_each_of(used.par_iter_mut().enumerate(), |(i, sums)| {
                let part = i * part..positions.min((i + 1) * part);
                for start in part.clone().step_by(chunk) {
                    *sums = sums.join(&sums_of(plane, start..part.end.min(start + chunk)));
                }
            });
            let all = used.iter().fold(Sums::NONE, |all, sums| all.join(sums));
            let mean = all.values.map(|value| value / whole);
            (mean, std::array::from_fn::<_, L, _>(|l| (all.squares_from(l, mean[l]) / whole).sqrt()))
        };
        let put = |to: &mut [f32], from: &[f64]| to.iter_mut().zip(from).for_each(|(to, from)| *to = *from as f32);
        let means = mean.par_chunks_mut(L).enumerate();
        match deviation {
            None => self.threads.for_each_of(means, |(plane, mean)| put(mean, &moments_of(plane).0)),
            Some(deviation) => {
                self.threads.for_each_of(means.zip(deviation.par_chunks_mut(L)), |((plane, mean), deviation)| {
                    let moments = moments_of(plane);
                    put(mean, &moments.0);
                    put(deviation, &moments.1);
                });
            }
        }
    }
}

/// Checks the shapes of the weights and of the operands with one value per channel.
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
        // One value per channel, including padding: `[N, 1, 1]` has the layout of the channels in a vector of `x`.
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
        for_each_piece(&self.threads, dx, |Piece { plane, positions, at, values: dx }| {
            let (features, t) = (&x.values()[at], t.map(|t| &t[positions]));
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
