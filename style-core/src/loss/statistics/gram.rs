//! The Gram matrix, the paper's style.
//!
//! ```text
//! v = F F^T / M                      E = 1/(4 N^2) sum (v - t)^2      (paper, equation 4; each picture its own M)
//! v = (T F)(T F)^T, sum_p T_p^2 = 1  guided (Gatys et al. 2017)
//! ```
//!
//! Adjoint: `dF = 1/M (dv + dv^T) F`, and `dF = T^2 (dv + dv^T) F`.

use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::backend::shape::{Acc, Shape};
use crate::error::Result;
use crate::loss::statistics::statistic::{Scratch, Statistic, misfit};
use crate::loss::term::{Additivity, Site};

/// The Gram matrix of the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Gram {
    /// The normalisation.
    pub norm: GramNorm,
}

/// The normalisation of a Gram matrix, which also sets the unit of its loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum GramNorm {
    /// By the number of positions: `E = 1/(4 N^2) sum (G/M - A/M_s)^2`, as in the paper.
    #[default]
    Positions,
    /// By the number of elements, with the mean of squares instead of the paper's factor: `E = 1/N^2 sum (G/(N M) - A/(N
    /// M_s))^2`, as in jcjohnson/neural-style and many successors.
    Elements,
}

impl Gram {
    fn divisor(self, features: Shape) -> f64 {
        match self.norm {
            GramNorm::Positions => 1.0,
            GramNorm::Elements => features.channels as f64,
        }
    }
}

impl<B: Backend> Statistic<B> for Gram {
    fn identity(&self) -> String {
        match self.norm {
            GramNorm::Positions => "gram".into(),
            GramNorm::Elements => "gram of elements".into(),
        }
    }

    fn additivity(&self) -> Additivity {
        Additivity::Positions
    }

    fn takes_masks(&self) -> bool {
        true
    }

    fn scale(&self, features: Shape) -> f64 {
        let square = (features.channels * features.channels) as f64;
        match self.norm {
            GramNorm::Positions => 1.0 / (2.0 * square),
            GramNorm::Elements => 2.0 / square,
        }
    }

    fn values(&self, features: Shape) -> Vec<Shape> {
        vec![Shape::gram(features.channels)]
    }

    fn scratch(&self, features: Shape, guided: bool) -> Vec<Shape> {
        if guided { vec![features] } else { vec![] }
    }

    fn forward(&self, at: &Site<'_, B>, values: &mut [B::Tensor], scratch: Scratch<'_, B>) -> Result<()> {
        let [value] = values else { return Err(misfit()) };
        gram(at, self.divisor(at.shape()), value, scratch)
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
        let [dvalue] = dvalues else { return Err(misfit()) };
        gram_bwd(at, self.divisor(at.shape()), dvalue, acc, dfeatures, scratch)
    }
}

/// `g = F F^T / (M divisor)`, or `(T F)(T F)^T / divisor`.
pub(super) fn gram<B: Backend>(
    at: &Site<'_, B>,
    divisor: f64,
    g: &mut B::Tensor,
    Scratch { tensors, workspace, .. }: Scratch<'_, B>,
) -> Result<()> {
    let Some(guide) = at.guide else {
        let scale = 1.0 / (at.shape().positions() as f64 * divisor);
        return at.backend.gram(at.features, at.rows, scale as f32, at.acc, g, workspace);
    };
    let [map, ..] = tensors else { return Err(misfit()) };
    at.backend.guide(at.features, &guide.root, 1.0, Acc::Store, map)?;
    at.backend.gram(map, at.rows, (1.0 / divisor) as f32, at.acc, g, workspace)
}

/// The adjoint of [`gram`].
pub(super) fn gram_bwd<B: Backend>(
    at: &Site<'_, B>,
    divisor: f64,
    dg: &B::Tensor,
    acc: Acc,
    dfeatures: &mut B::Tensor,
    Scratch { tensors, workspace, .. }: Scratch<'_, B>,
) -> Result<()> {
    let Some(guide) = at.guide else {
        let scale = 1.0 / (at.shape().positions() as f64 * divisor);
        return at.backend.gram_bwd(at.features, dg, scale as f32, acc, dfeatures, workspace);
    };
    let [map, ..] = tensors else { return Err(misfit()) };
    at.backend.gram_bwd(at.features, dg, (1.0 / divisor) as f32, Acc::Store, map, workspace)?;
    at.backend.guide(map, &guide.weights, 1.0, acc, dfeatures)
}
