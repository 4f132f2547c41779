//! The Wasserstein distance between features as normal distributions: how far one has to be moved to become the other
//! (Crowson 2021, style-transfer-pytorch).
//!
//! ```text
//! v = (S, m),  m = mean F,  S = F F^T / M - m m^T
//! E = 1/N (|m - m_s|^2 + trace U + trace T - 2 trace root(R U R)),  R = root(T)
//! U = S + e I + d |m|^2 I,  T = S_s + e I + d |m_s|^2 I
//! ```
//!
//! Adjoint: `dm = 2/N (m - m_s)`, `dS = 1/N (I - R Z R)` with `Z` the inverse of the root above, then that of the
//! [covariance](super::covariance).
//!
//! Roots are by coupled Newton-Schulz iterations, which give the root and its inverse together: with `a = |A|` (Frobenius),
//! `Y_0 = A / a` and `Z_0 = I`, each step computes `C = (3 I - Z Y) / 2`, `Y <- Y C` and `Z <- C Z`; `Y` tends to `root(A /
//! a)` and `Z` to its inverse. Like the author, it takes twelve steps: in `f32`, later ones would magnify the rounding
//! errors of eigenvalues near zero. Where those are below about `1e-4` of the norm, the root has not converged and is too
//! small, and so is its part of the gradient: on small pictures (53 x 37), the loss was 4 to 20 % above the true distance
//! and the gradient 18 to 26 % off (the author's, 21 to 30 %).
//!
//! `e` is `1e-4` times the mean variance of the style's features, which the author's `1e-4` amounts to for features whose
//! variance is near 1. Departure: the author has no `d`, which is `5e-6` and covers the rounding errors of `S` in `f32`.
//! Without it, the covariance of an even picture may have negative eigenvalues, and the iterations diverge. The
//! gradient treats this term as a constant.

use crate::backend::Backend;
use crate::backend::shape::{Acc, Shape};
use crate::error::Result;
use crate::loss::statistics::covariance::Covariance;
use crate::loss::statistics::statistic::{Compared, Scratch, Statistic, half_squares, misfit};
use crate::loss::term::{Additivity, Site};

/// Steps of a root.
const STEPS: usize = 12;
/// `e`, relative to the mean variance.
const EPSILON: f64 = 1e-4;
/// `d`.
const ROUNDING: f64 = 5e-6;

/// The Wasserstein distance between normal distributions with the features' means and covariances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Wasserstein;

/// The scalars of a distance.
#[derive(Clone, Copy)]
enum Slot {
    /// `1/2 |m - m_s|^2`
    Means,
    /// `trace S`
    Trace,
    /// `trace S_s`
    TargetTrace,
    /// The trace of the root.
    Root,
    /// The squared norm of the matrix under the root.
    Square,
    /// `|m|^2`
    Mean,
    /// `|m_s|^2`
    TargetMean,
    /// `N`
    Channels,
}

const SLOTS: usize = 8;

/// The root of the positive matrix in the first tensor, and its inverse, up to their scale: with `s` the scalar at `slot`,
/// `root = s^0.25 y` and `inverse = s^-0.25 z`. Returns `y`, `z` and the other two tensors.
fn root<'a, B: Backend>(
    backend: &B,
    identity: &B::Tensor,
    (scalars, slot): (&mut B::Scalars, usize),
    [mut y, mut z, mut next, c]: [&'a mut B::Tensor; 4],
    workspace: &mut B::Workspace,
) -> Result<[&'a mut B::Tensor; 4]> {
    backend.dots(&[&*y], &[&*y], scalars, slot)?;
    backend.scale_by(y, scalars, slot, -0.5, next)?;
    std::mem::swap(&mut y, &mut next);
    backend.copy(identity, z)?;
    for _ in 0..STEPS {
        backend.combine(&[(1.5, identity)], c)?;
        backend.product(z, y, -0.5, Acc::Add, c, workspace)?;
        backend.product(y, c, 1.0, Acc::Store, next, workspace)?;
        std::mem::swap(&mut y, &mut next);
        backend.product(c, z, 1.0, Acc::Store, next, workspace)?;
        std::mem::swap(&mut z, &mut next);
    }
    Ok([y, z, next, c])
}

impl<B: Backend> Statistic<B> for Wasserstein {
    fn identity(&self) -> String {
        "wasserstein".into()
    }

    fn additivity(&self) -> Additivity {
        Additivity::Statistics
    }

    fn takes_masks(&self) -> bool {
        true
    }

    fn scale(&self, features: Shape) -> f64 {
        1.0 / features.channels as f64
    }

    fn values(&self, features: Shape) -> Vec<Shape> {
        vec![Shape::gram(features.channels), Shape::new(features.channels, 1, 1)]
    }

    /// `I`.
    fn constants(&self, features: Shape) -> Vec<Shape> {
        vec![Shape::gram(features.channels)]
    }

    fn constant_values(&self, features: Shape) -> Vec<Vec<f32>> {
        let n = features.channels;
        vec![(0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 } else { 0.0 }).collect()]
    }

    fn scratch(&self, features: Shape, guided: bool) -> Vec<Shape> {
        Statistic::<B>::scratch(&Covariance, features, guided)
    }

    fn workspace(&self, backend: &B, features: Shape) -> usize {
        let matrix = Shape::gram(features.channels);
        backend.product_workspace(matrix, matrix)
    }

    fn additive(&self, values: &mut [Vec<f64>]) {
        Statistic::<B>::additive(&Covariance, values);
    }

    fn restored(&self, sums: &mut [Vec<f64>]) {
        Statistic::<B>::restored(&Covariance, sums);
    }

    fn forward(&self, at: &Site<'_, B>, values: &mut [B::Tensor], scratch: Scratch<'_, B>) -> Result<()> {
        Covariance.forward(at, values, scratch)
    }

    fn backward(
        &self,
        at: &Site<'_, B>,
        values: &[B::Tensor],
        dvalues: &[B::Tensor],
        acc: Acc,
        dfeatures: &mut B::Tensor,
        scratch: Scratch<'_, B>,
    ) -> Result<()> {
        let ([_, mean], [_, dmean]) = (values, dvalues) else { return Err(misfit()) };
        Covariance.backward(at, values, dvalues, acc, dfeatures, scratch)?;
        let weights = at.guide.map(|guide| &guide.weights);
        at.backend.moments_bwd(at.features, weights, mean, dmean, None, Acc::Add, dfeatures)
    }

    /// `R`, `e R` and room for `I - R Z R`.
    fn kept(&self, features: Shape) -> Vec<Shape> {
        vec![Shape::gram(features.channels); 3]
    }

    fn prepare(
        &self,
        backend: &B,
        features: Shape,
        targets: &[B::Tensor],
        constants: &[B::Tensor],
    ) -> Result<Vec<B::Tensor>> {
        let ([covariance, mean], [identity]) = (targets, constants) else { return Err(misfit()) };
        let matrix = Shape::gram(features.channels);
        let tensor = || backend.tensor(matrix);
        let (mut scalars, mut read) = (backend.scalars(2)?, [0.0; 2]);
        backend.dots(&[covariance], &[identity], &mut scalars, 0)?;
        backend.dots(&[mean], &[mean], &mut scalars, 1)?;
        backend.read_scalars(&scalars, &mut read)?;
        let epsilon = EPSILON * read[0].max(0.0) / features.channels as f64;
        let [mut y, mut z, mut next, mut c] = [tensor()?, tensor()?, tensor()?, tensor()?];
        backend.combine(&[(1.0, covariance), (epsilon + ROUNDING * read[1], identity)], &mut y)?;
        let mut workspace = backend.workspace(backend.product_workspace(matrix, matrix))?;
        let [root, ..] =
            root(backend, identity, (&mut scalars, 1), [&mut y, &mut z, &mut next, &mut c], &mut workspace)?;
        let mut kept = vec![tensor()?, tensor()?, tensor()?];
        let [of_target, small, _] = &mut kept[..] else { return Err(misfit()) };
        backend.scale_by(root, &scalars, 1, 0.25, of_target)?;
        backend.combine(&[(epsilon, &*of_target)], small)?;
        Ok(kept)
    }

    fn distance_scratch(&self, features: Shape) -> Vec<Shape> {
        vec![Shape::gram(features.channels); 4]
    }

    fn slots(&self, _features: Shape) -> usize {
        SLOTS
    }

    fn distance(
        &self,
        of: Compared<'_, B>,
        scalars: &mut B::Scalars,
        slot: usize,
        Scratch { constants, tensors, workspace }: Scratch<'_, B>,
    ) -> Result<()> {
        let Compared { backend, values: [covariance, mean], targets: [target, target_mean], kept } = of else {
            return Err(misfit());
        };
        let ([of_target, small, slope], [identity], [y, z, next, c]) = (kept, constants, tensors) else {
            return Err(misfit());
        };
        let at = |of: Slot| slot + of as usize;
        backend.half_squared_distance(mean, target_mean, scalars, at(Slot::Means))?;
        backend.dots(&[covariance, target], &[identity], scalars, at(Slot::Trace))?;
        backend.dots(&[mean], &[mean], scalars, at(Slot::Mean))?;
        backend.dots(&[target_mean], &[target_mean], scalars, at(Slot::TargetMean))?;
        backend.dots(&[identity], &[identity], scalars, at(Slot::Channels))?;
        backend.scale_by(of_target, scalars, at(Slot::Mean), 1.0, next)?;
        backend.combine(&[(1.0, &*small), (ROUNDING, &*next)], c)?;
        backend.product(covariance, of_target, 1.0, Acc::Add, c, workspace)?;
        backend.product(of_target, c, 1.0, Acc::Store, y, workspace)?;
        let square = at(Slot::Square);
        let [y, z, next, c] = root(backend, identity, (scalars, square), [y, z, next, c], workspace)?;
        backend.scale_by(y, scalars, square, 0.25, next)?;
        backend.dots(&[&*next], &[identity], scalars, at(Slot::Root))?;
        backend.scale_by(z, scalars, square, -0.25, next)?;
        backend.product(next, of_target, 1.0, Acc::Store, c, workspace)?;
        backend.copy(identity, slope)?;
        backend.product(of_target, c, -1.0, Acc::Add, slope, workspace)
    }

    fn loss(&self, scalars: &[f64]) -> f64 {
        let of = |slot: Slot| scalars[slot as usize];
        // The traces of what `U` and `T` have besides the covariances.
        let epsilon = 2.0 * EPSILON * of(Slot::TargetTrace).max(0.0);
        let rounding = ROUNDING * of(Slot::Channels) * (of(Slot::Mean) + of(Slot::TargetMean));
        let traces = of(Slot::Trace) + of(Slot::TargetTrace) + epsilon + rounding;
        2.0 * of(Slot::Means) + traces - 2.0 * of(Slot::Root)
    }

    fn distance_bwd(&self, of: Compared<'_, B>, scale: f32, dvalues: &mut [B::Tensor]) -> Result<()> {
        let Compared { backend, values: [_, mean], targets: [_, target_mean], kept: [_, _, slope] } = of else {
            return Err(misfit());
        };
        let [dcovariance, dmean] = dvalues else { return Err(misfit()) };
        backend.combine(&[(f64::from(scale), &*slope)], dcovariance)?;
        backend.half_squared_distance_bwd(mean, target_mean, 2.0 * scale, Acc::Store, dmean)
    }

    fn at_zero(&self, backend: &B, _features: Shape, of: &[B::Tensor], constants: &[B::Tensor]) -> Result<f64> {
        let ([target, mean], [identity]) = (of, constants) else { return Err(misfit()) };
        let (mut scalars, mut trace) = (backend.scalars(1)?, [0.0]);
        backend.dots(&[target], &[identity], &mut scalars, 0)?;
        backend.read_scalars(&scalars, &mut trace)?;
        Ok(trace[0] + 2.0 * half_squares(backend, std::slice::from_ref(mean))?)
    }
}
