//! Mean and standard deviation of each channel: far fewer numbers than a Gram matrix, without correlations between channels
//! (Li et al. 2017, "Demystifying Neural Style Transfer", matching of batch normalisation statistics; AdaIN's style).
//!
//! ```text
//! v = (mean F, deviation F)      E = 1/N sum ((mean - mean_s)^2 + (deviation - deviation_s)^2)
//! ```
//!
//! Adjoint: that of [`crate::backend::ops::MomentsOps`].

use crate::backend::Backend;
use crate::backend::shape::{Acc, Shape};
use crate::error::Result;
use crate::loss::statistics::statistic::{Scratch, Statistic, misfit};
use crate::loss::term::{Additivity, Site};

/// Mean and standard deviation of each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Moments;

impl<B: Backend> Statistic<B> for Moments {
    fn identity(&self) -> String {
        "moments".into()
    }

    fn additivity(&self) -> Additivity {
        Additivity::Statistics
    }

    fn takes_masks(&self) -> bool {
        true
    }

    fn scale(&self, features: Shape) -> f64 {
        2.0 / features.channels as f64
    }

    fn values(&self, features: Shape) -> Vec<Shape> {
        vec![Shape::new(features.channels, 1, 1); 2]
    }

    fn scratch(&self, _features: Shape, _guided: bool) -> Vec<Shape> {
        vec![]
    }

    /// Replaces the deviation by the mean square, `d^2 + m^2`.
    fn additive(&self, values: &mut [Vec<f64>]) {
        let [mean, deviation] = values else { return };
        deviation.iter_mut().zip(&*mean).for_each(|(d, m)| *d = *d * *d + m * m);
    }

    fn restored(&self, sums: &mut [Vec<f64>]) {
        let [mean, square] = sums else { return };
        square.iter_mut().zip(&*mean).for_each(|(s, m)| *s = (*s - m * m).max(0.0).sqrt());
    }

    fn forward(&self, at: &Site<'_, B>, values: &mut [B::Tensor], _scratch: Scratch<'_, B>) -> Result<()> {
        let [mean, deviation] = values else { return Err(misfit()) };
        at.backend.moments(at.features, at.guide.map(|guide| &guide.weights), mean, Some(deviation))
    }

    fn backward(
        &self,
        at: &Site<'_, B>,
        values: &[B::Tensor],
        dvalues: &[B::Tensor],
        acc: Acc,
        dfeatures: &mut B::Tensor,
        _scratch: Scratch<'_, B>,
    ) -> Result<()> {
        let ([mean, deviation], [dmean, ddeviation]) = (values, dvalues) else { return Err(misfit()) };
        let weights = at.guide.map(|guide| &guide.weights);
        at.backend.moments_bwd(at.features, weights, mean, dmean, Some((deviation, ddeviation)), acc, dfeatures)
    }
}
