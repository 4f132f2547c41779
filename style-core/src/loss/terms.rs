//! The terms of the objective.

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::loss::guide::ContentGuide;
use crate::loss::losses::LayerWeight;
use crate::loss::measure::Measure;

/// A content layer: its features are held to `target`.
pub(crate) struct ContentTerm<B: Backend> {
    pub(crate) layer: LayerWeight,
    pub(crate) tap: usize,
    /// Of the whole picture.
    pub(crate) target: Arc<B::Tensor>,
    /// Of each tile, if not all positions count equally.
    pub(crate) guides: Vec<ContentGuide<B>>,
}

/// A style at a layer: the values of a statistic are held to `targets`.
pub(crate) struct StyleTerm<B: Backend> {
    /// Which of the style layers.
    pub(crate) layer: usize,
    /// Of the image, from the forward pass.
    pub(crate) measure: Measure<B>,
    /// Of a style picture, or the mean of several.
    pub(crate) targets: Arc<Vec<B::Tensor>>,
    /// Shapes of the values that the loss compares.
    pub(crate) compared: Vec<Shape>,
    /// The statistic's factor `c` at this layer.
    pub(crate) scale: f64,
    /// Factor of its loss beside the layer's weight.
    pub(crate) share: f64,
}

impl<B: Backend> StyleTerm<B> {
    /// The values that the loss compares, with what they are held to.
    pub(super) fn compared(&self) -> impl Iterator<Item = (&B::Tensor, &B::Tensor)> {
        self.measure.values.iter().zip(&*self.targets).take(self.compared.len())
    }
}
