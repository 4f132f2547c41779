use style_core::Result;
use style_core::backend::{Acc, Backend, Shape};
use style_core::losses::{Additivity, Site};
use style_core::statistics::{Gram, Scratch, Statistic};

/// The Gram matrix, reporting each call to a test before running it. It does not declare itself a sum over positions, so
/// nothing is computed in bands.
pub struct Observed<F> {
    gram: Gram,
    called: F,
}

/// The direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Computes the values.
    Forward,
    /// Computes the gradient.
    Backward,
}

impl<F: Fn(Call) + Send + Sync> Observed<F> {
    /// Reports calls to `called`.
    pub fn new(called: F) -> Self {
        Self { gram: Gram::default(), called }
    }
}

impl<B: Backend, F: Fn(Call) + Send + Sync> Statistic<B> for Observed<F> {
    fn identity(&self) -> String {
        "reporting gram".into()
    }

    fn additivity(&self) -> Additivity {
        Additivity::Statistics
    }

    fn takes_masks(&self) -> bool {
        true
    }

    fn scale(&self, features: Shape) -> f64 {
        Statistic::<B>::scale(&self.gram, features)
    }

    fn values(&self, features: Shape) -> Vec<Shape> {
        Statistic::<B>::values(&self.gram, features)
    }

    fn scratch(&self, features: Shape, guided: bool) -> Vec<Shape> {
        Statistic::<B>::scratch(&self.gram, features, guided)
    }

    fn forward(&self, at: &Site<'_, B>, values: &mut [B::Tensor], scratch: Scratch<'_, B>) -> Result<()> {
        (self.called)(Call::Forward);
        self.gram.forward(at, values, scratch)
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
        (self.called)(Call::Backward);
        self.gram.backward(at, values, dvalues, acc, dfeatures, scratch)
    }
}
