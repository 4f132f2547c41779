//! The covariance of the features: the Gram matrix without the means, so that a layer's brightness and tint count less and
//! texture counts more. Not in the paper.
//!
//! ```text
//! v = F F^T / M - m m^T,  m = mean F      E = 1/(4 N^2) sum (v - t)^2
//! ```
//!
//! Adjoint: `dF = 1/M ((dv + dv^T) F - (dv + dv^T) m)`; guided, with the weights `T^2` in place of `1/M`.

use crate::backend::Backend;
use crate::backend::shape::{Acc, Rows, Shape};
use crate::error::Result;
use crate::loss::statistics::gram::{Gram, gram, gram_bwd};
use crate::loss::statistics::statistic::{Scratch, Statistic, misfit};
use crate::loss::term::{Additivity, Site};

/// The covariance matrix of the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Covariance;

impl<B: Backend> Statistic<B> for Covariance {
    fn identity(&self) -> String {
        "covariance".into()
    }

    fn additivity(&self) -> Additivity {
        Additivity::Statistics
    }

    fn takes_masks(&self) -> bool {
        true
    }

    fn scale(&self, features: Shape) -> f64 {
        Statistic::<B>::scale(&Gram::default(), features)
    }

    fn values(&self, features: Shape) -> Vec<Shape> {
        vec![Shape::gram(features.channels)]
    }

    /// The mean.
    fn others(&self, features: Shape) -> Vec<Shape> {
        vec![Shape::new(features.channels, 1, 1)]
    }

    fn scratch(&self, features: Shape, guided: bool) -> Vec<Shape> {
        let dmean = Shape::new(features.channels, 1, 1);
        if guided { vec![dmean, features] } else { vec![dmean] }
    }

    fn additive(&self, values: &mut [Vec<f64>]) {
        add_outer_square(values, 1.0);
    }

    fn restored(&self, sums: &mut [Vec<f64>]) {
        add_outer_square(sums, -1.0);
    }

    fn forward(&self, at: &Site<'_, B>, values: &mut [B::Tensor], scratch: Scratch<'_, B>) -> Result<()> {
        let ([value, mean], Scratch { constants, tensors: [_, maps @ ..], workspace }) = (values, scratch) else {
            return Err(misfit());
        };
        let weights = at.guide.map(|guide| &guide.weights);
        at.backend.moments(at.features, weights, mean, None)?;
        gram(at, 1.0, value, Scratch { constants, tensors: maps, workspace })?;
        // Treats the mean as features of one position: its Gram matrix is m m^T.
        at.backend.gram(mean, Rows::all(at.backend.shape(mean)), -1.0, Acc::Add, value, workspace)
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
        let ([_, mean], [dvalue, ..]) = (values, dvalues) else { return Err(misfit()) };
        let Scratch { constants, tensors: [dmean, maps @ ..], workspace } = scratch else { return Err(misfit()) };
        let weights = at.guide.map(|guide| &guide.weights);
        at.backend.gram_bwd(mean, dvalue, -1.0, Acc::Store, dmean, workspace)?;
        gram_bwd(at, 1.0, dvalue, acc, dfeatures, Scratch { constants, tensors: maps, workspace })?;
        at.backend.moments_bwd(at.features, weights, mean, dmean, None, Acc::Add, dfeatures)
    }
}

/// Computes `v + factor m m^T` in place, for a matrix and a mean.
fn add_outer_square(values: &mut [Vec<f64>], factor: f64) {
    let [matrix, mean] = values else { return };
    for (row, a) in matrix.chunks_mut(mean.len().max(1)).zip(&*mean) {
        row.iter_mut().zip(&*mean).for_each(|(v, b)| *v += factor * a * b);
    }
}
