//! Features seen along directions, and compared in order along each: the sliced Wasserstein distance (Heitz, Vanhoey,
//! Chambon and Belcour 2021, "A Sliced Wasserstein Loss for Neural Texture Synthesis") and, along the channels themselves,
//! the histogram loss (Risser, Wilmot and Barnes 2017, "Stable and Controllable Neural Texture Synthesis and Style Transfer
//! Using Histogram Losses").
//!
//! ```text
//! v = U F, or F      E = 1/(N M) sum_k sum_i (x[k, i] - t[k, i])^2      x[k, ..] the values of row k of v, ascending
//! ```
//!
//! `U` has `N` rows, directions drawn uniformly from the sphere. The style's sorted values are cut
//! into `M` equal parts; the image's `i`th value is compared with `t[k, i]`, the mean of the `i`th part. The exact distance
//! also has the variance within the parts, which does not depend on the image.
//!
//! Departures: Heitz et al. draw new directions for each evaluation; here they are drawn once from a seed, so that the loss
//! is one function, as L-BFGS needs; the spatial tag is left out. Risser et al. remap values by histograms of 256 bins; this
//! is the limit of ever finer ones.
//!
//! Adjoint: `dF = U^T dv`, or `dv`, with `dv` from [`TransportOps`](crate::backend::ops::TransportOps).

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::shape::{Acc, Shape};
use crate::error::Result;
use crate::loss::statistics::copied::{copy, copy_bwd, map, of_as_many, ones};
use crate::loss::statistics::statistic::{Compared, Scratch, Statistic, misfit};
use crate::loss::term::Site;

/// The distribution of the features along directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sliced {
    /// Each channel by itself: the histogram loss.
    Channels,
    /// As many random directions as channels: the sliced Wasserstein distance.
    Random {
        /// The seed of the directions.
        seed: u64,
    },
}

/// `n` directions of the `n`-dimensional sphere, uniform by the Box-Muller transform.
fn directions(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut unit = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut normal = || (-2.0 * (1.0 - unit()).ln()).sqrt() * (std::f64::consts::TAU * unit()).cos();
    let mut all = Vec::with_capacity(n * n);
    for _ in 0..n {
        let row: Vec<f64> = (0..n).map(|_| normal()).collect();
        let length = row.iter().map(|v| v * v).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        all.extend(row.into_iter().map(|v| (v / length) as f32));
    }
    all
}

/// The means of equal parts of a list of values, which may divide a value.
fn means(values: &[f32], parts: &mut [f32]) {
    let (from, to) = (values.len() as u128, parts.len() as u128);
    // In units of 1 / (from to), value `j` covers `j to..(j + 1) to`, and part `i` covers `i from..(i + 1) from`.
    for (i, part) in parts.iter_mut().enumerate() {
        let (start, end) = (i as u128 * from, (i as u128 + 1) * from);
        let covered = start / to..end.div_ceil(to);
        let share = |j: u128| (end.min((j + 1) * to) - start.max(j * to)) as f64;
        let sum: f64 = covered.map(|j| share(j) * f64::from(values[j as usize])).sum();
        *part = (sum / from as f64) as f32;
    }
}

impl<B: Backend> Statistic<B> for Sliced {
    fn identity(&self) -> String {
        match self {
            Self::Channels => "histogram".into(),
            Self::Random { seed: 0 } => "sliced wasserstein".into(),
            Self::Random { seed } => format!("sliced wasserstein, seed {seed}"),
        }
    }

    fn blends(&self) -> bool {
        false
    }

    fn scale(&self, features: Shape) -> f64 {
        2.0 / features.len() as f64
    }

    fn values(&self, features: Shape) -> Vec<Shape> {
        vec![features]
    }

    fn constants(&self, features: Shape) -> Vec<Shape> {
        match self {
            Self::Channels => vec![map(features)],
            Self::Random { .. } => vec![Shape::gram(features.channels)],
        }
    }

    fn constant_values(&self, features: Shape) -> Vec<Vec<f32>> {
        match *self {
            Self::Channels => vec![ones(features)],
            Self::Random { seed } => vec![directions(features.channels, seed)],
        }
    }

    fn scratch(&self, _features: Shape, _guided: bool) -> Vec<Shape> {
        vec![]
    }

    fn workspace(&self, backend: &B, features: Shape) -> usize {
        backend.transport_workspace(features).max(backend.project_workspace(features.channels, features))
    }

    /// The targets in order, and room for the difference from them.
    fn kept(&self, features: Shape) -> Vec<Shape> {
        vec![features; 2]
    }

    fn prepare(
        &self,
        backend: &B,
        features: Shape,
        targets: &[B::Tensor],
        _constants: &[B::Tensor],
    ) -> Result<Vec<B::Tensor>> {
        let [target] = targets else { return Err(misfit()) };
        let (from, to) = (backend.shape(target).positions(), features.positions());
        let mut all = zeros(backend.shape(target).len(), "the values of a style picture")?;
        backend.download(target, &mut all)?;
        let mut parts = zeros(features.len(), "the values of a style picture")?;
        for (channel, parts) in all.chunks_exact_mut(from.max(1)).zip(parts.chunks_exact_mut(to.max(1))) {
            channel.sort_unstable_by(f32::total_cmp);
            means(channel, parts);
        }
        let mut kept = vec![backend.tensor(features)?, backend.tensor(features)?];
        backend.upload(&parts, &mut kept[0])?;
        Ok(kept)
    }

    fn distance(
        &self,
        Compared { backend, values, kept, .. }: Compared<'_, B>,
        scalars: &mut B::Scalars,
        slot: usize,
        scratch: Scratch<'_, B>,
    ) -> Result<()> {
        let ([value], [sorted, difference]) = (values, kept) else { return Err(misfit()) };
        backend.transport(value, sorted, scalars, slot, difference, scratch.workspace)
    }

    fn distance_bwd(&self, of: Compared<'_, B>, scale: f32, dvalues: &mut [B::Tensor]) -> Result<()> {
        let ([_, difference], [dvalue]) = (of.kept, dvalues) else { return Err(misfit()) };
        of.backend.combine(&[(f64::from(scale), &*difference)], dvalue)
    }

    fn at_zero(&self, backend: &B, features: Shape, targets: &[B::Tensor], _constants: &[B::Tensor]) -> Result<f64> {
        of_as_many(backend, features, targets)
    }

    fn forward(&self, at: &Site<'_, B>, values: &mut [B::Tensor], scratch: Scratch<'_, B>) -> Result<()> {
        match self {
            Self::Channels => copy(at, values, scratch),
            Self::Random { .. } => {
                let ([value], [matrix]) = (values, scratch.constants) else { return Err(misfit()) };
                at.backend.project(matrix, at.features, 1.0, value, scratch.workspace)
            }
        }
    }

    fn backward(
        &self,
        at: &Site<'_, B>,
        _values: &[B::Tensor],
        dvalues: &[B::Tensor],
        acc: Acc,
        dfeatures: &mut B::Tensor,
        scratch: Scratch<'_, B>,
    ) -> Result<()> {
        match self {
            Self::Channels => copy_bwd(at, dvalues, acc, dfeatures, scratch),
            Self::Random { .. } => {
                let ([dvalue], [matrix]) = (dvalues, scratch.constants) else { return Err(misfit()) };
                at.backend.project_bwd(matrix, dvalue, 1.0, acc, dfeatures, scratch.workspace)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_list_have_its_mean() {
        let values = [-3.0, -1.0, 0.5, 2.0, 7.0];
        for (count, wanted) in [
            (5, &[-3.0, -1.0, 0.5, 2.0, 7.0][..]),
            (1, &[1.1]),
            (2, &[-1.5, 3.7]),
            (10, &[-3.0, -3.0, -1.0, -1.0, 0.5, 0.5, 2.0, 2.0, 7.0, 7.0]),
        ] {
            let mut parts = vec![0.0; count];
            means(&values, &mut parts);
            for (part, wanted) in parts.iter().zip(wanted) {
                assert!((part - wanted).abs() < 1e-6, "{count}: {parts:?}");
            }
        }
    }
}
