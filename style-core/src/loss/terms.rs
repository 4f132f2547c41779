//! The terms of the objective.

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::loss::guide::ContentGuide;
use crate::loss::losses::LayerWeight;
use crate::loss::measure::Measure;

/// A content layer: compares its features with `target`.
pub(crate) struct ContentTerm<B: Backend> {
    pub(crate) layer: LayerWeight,
    pub(crate) tap: usize,
    /// Target of the whole picture.
    pub(crate) target: Arc<B::Tensor>,
    /// Guides per tile, if the positions are not weighted uniformly.
    pub(crate) guides: Vec<ContentGuide<B>>,
}

/// A style at a layer: compares the values of a statistic with `targets`.
pub(crate) struct StyleTerm<B: Backend> {
    /// Index of the style layer.
    pub(crate) layer: usize,
    /// Measured on the image in the forward pass.
    pub(crate) measure: Measure<B>,
    /// Values of a style picture, or the mean of several.
    pub(crate) targets: Arc<Vec<B::Tensor>>,
    /// Shapes of the values that the loss compares.
    pub(crate) compared: Vec<Shape>,
    /// The statistic's factor `c` at this layer.
    pub(crate) scale: f64,
    /// Factor of its loss, in addition to the layer's weight.
    pub(crate) share: f64,
}

impl<B: Backend> StyleTerm<B> {
    /// The compared values, each with its target.
    pub(super) fn compared(&self) -> impl Iterator<Item = (&B::Tensor, &B::Tensor)> {
        self.measure.values.iter().zip(&*self.targets).take(self.compared.len())
    }
}
