//! Patches and their nearest neighbours in the painting (Li and Wand 2016, "Combining Markov Random Fields and
//! Convolutional Neural Networks for Image Synthesis", equations 2 and 3).
//!
//! ```text
//! v = F      E = 1/(s^2 N M) sum_p |F_p - t_q(p)|^2,  q(p) = arg max_q <F_p, t_q> / |t_q|      patches of s x s positions
//! ```
//!
//! Adjoint, with the neighbours held: see [`NearestOps`](crate::backend::ops::NearestOps).
//!
//! Departure from the paper: it searches for neighbours among rotated and scaled patches too.

use crate::backend::Backend;
use crate::backend::ops::nearest::expect_patches;
use crate::backend::shape::{Acc, Shape};
use crate::error::Result;
use crate::loss::statistics::copied::{copy, copy_bwd, map, of_as_many, ones};
use crate::loss::statistics::statistic::{Compared, Scratch, Statistic, misfit};
use crate::loss::term::Site;

/// Patches and their nearest neighbours in the painting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patches {
    /// The side of a patch in positions of the layer, `s`.
    pub side: usize,
}

impl Default for Patches {
    fn default() -> Self {
        Self { side: 3 }
    }
}

impl Patches {
    /// The shape of the neighbours of a layer's patches.
    fn found(self, features: Shape) -> Shape {
        let patches = |n: usize| n.saturating_add(1).saturating_sub(self.side);
        Shape::new(1, patches(features.height), patches(features.width))
    }
}

impl<B: Backend> Statistic<B> for Patches {
    fn identity(&self) -> String {
        format!("patches of {}", self.side)
    }

    fn smallest(&self) -> usize {
        self.side
    }

    fn blends(&self) -> bool {
        false
    }

    fn scale(&self, features: Shape) -> f64 {
        2.0 / (self.side.saturating_mul(self.side)).saturating_mul(features.len()) as f64
    }

    fn values(&self, features: Shape) -> Vec<Shape> {
        vec![features]
    }

    fn constants(&self, features: Shape) -> Vec<Shape> {
        vec![map(features)]
    }

    fn constant_values(&self, features: Shape) -> Vec<Vec<f32>> {
        vec![ones(features)]
    }

    fn scratch(&self, _features: Shape, _guided: bool) -> Vec<Shape> {
        vec![]
    }

    fn workspace(&self, backend: &B, features: Shape) -> usize {
        backend.nearest_workspace(features, self.side)
    }

    /// The neighbours, and room for the difference from them.
    fn kept(&self, features: Shape) -> Vec<Shape> {
        vec![self.found(features), features]
    }

    fn prepare(
        &self,
        backend: &B,
        features: Shape,
        targets: &[B::Tensor],
        _constants: &[B::Tensor],
    ) -> Result<Vec<B::Tensor>> {
        let [target] = targets else { return Err(misfit()) };
        let found = expect_patches(features, backend.shape(target), self.side)?;
        Ok(vec![backend.tensor(found)?, backend.tensor(features)?])
    }

    fn distance(
        &self,
        Compared { backend, values, targets, kept }: Compared<'_, B>,
        scalars: &mut B::Scalars,
        slot: usize,
        scratch: Scratch<'_, B>,
    ) -> Result<()> {
        let ([value], [target], [found, difference]) = (values, targets, kept) else { return Err(misfit()) };
        backend.nearest(value, target, self.side, found, scratch.workspace)?;
        backend.nearest_distance(value, target, self.side, found, scalars, slot, difference)
    }

    fn distance_bwd(&self, of: Compared<'_, B>, scale: f32, dvalues: &mut [B::Tensor]) -> Result<()> {
        let ([_, difference], [dvalue]) = (of.kept, dvalues) else { return Err(misfit()) };
        of.backend.combine(&[(f64::from(scale), &*difference)], dvalue)
    }

    /// As if the neighbours were average patches of the painting.
    fn at_zero(&self, backend: &B, features: Shape, targets: &[B::Tensor], _constants: &[B::Tensor]) -> Result<f64> {
        Ok((self.side * self.side) as f64 * of_as_many(backend, features, targets)?)
    }

    fn forward(&self, at: &Site<'_, B>, values: &mut [B::Tensor], scratch: Scratch<'_, B>) -> Result<()> {
        copy(at, values, scratch)
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
        copy_bwd(at, dvalues, acc, dfeatures, scratch)
    }
}
