//! The interface of a statistic.

use std::fmt;

use crate::backend::Backend;
use crate::backend::shape::{Acc, Rows, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::loss::guide::Guide;

/// The features that a statistic is computed on.
///
/// A large picture is processed tile by tile. Then `features`, `whole` and `guide` belong to one tile, and so do the values
/// that `forward` computes; they are combined by [`Statistic::additive`]. `backward` is called for each tile, with the
/// values of the picture and with `dvalues` times the tile's share of all positions.
pub struct Site<'a, B: Backend> {
    /// Compute backend.
    pub backend: &'a B,
    /// The features, `[1, N, H, W]`, or some of their rows if the picture is processed in bands.
    pub features: &'a B::Tensor,
    /// Shape of the features of the whole picture, or of a tile.
    pub whole: Shape,
    /// The rows of `features` that count: all, except for a band, which includes neighbouring rows.
    pub rows: Rows,
    /// Whether to store the values or to accumulate, as from the second band on.
    pub acc: Acc,
    /// The weights of the positions, if they are not uniform.
    pub guide: Option<&'a Guide<B>>,
}

impl<B: Backend> Site<'_, B> {
    /// Shape of the features of the whole picture, or of a tile.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.whole
    }
}

/// Tensors that a statistic may use freely during one call.
pub struct Scratch<'a, B: Backend> {
    /// Tensors of the shapes requested by [`Statistic::scratch`]; their contents are unspecified.
    pub tensors: &'a mut [B::Tensor],
    /// Workspace large enough for the ops on these features.
    pub workspace: &'a mut B::Workspace,
}

/// A statistic of features; see [`crate::statistics`].
pub trait Statistic<B: Backend>: Send + Sync + fmt::Debug {
    /// `c`, for features of this shape.
    fn scale(&self, features: Shape) -> f64;

    /// Shapes of the values that are compared with the style's. This method and the next are called when a session is
    /// created, not in its steps.
    fn values(&self, features: Shape) -> Vec<Shape>;

    /// Shapes of additional values that are not part of the loss but that `backward` or [`additive`](Self::additive) need.
    /// They follow the compared values in every list of values.
    fn others(&self, features: Shape) -> Vec<Shape> {
        let _ = features;
        vec![]
    }

    /// Shapes of the scratch tensors that either direction needs.
    fn scratch(&self, features: Shape, guided: bool) -> Vec<Shape>;

    /// Whether the values are sums over positions and the gradient of each feature depends on the features of its own
    /// position only. A large picture may then be processed in bands: `forward` is called for each band and respects
    /// [`Site::rows`] and [`Site::acc`]; `backward` is called for each band, with some neighbouring rows.
    fn is_sum(&self) -> bool {
        false
    }

    /// Converts the values of a part of the picture to a form that is additive over all parts, each weighted by its share
    /// of the positions (or of the mask's weight). By default the values are already additive.
    fn additive(&self, values: &mut [Vec<f64>]) {
        let _ = values;
    }

    /// The inverse, applied to the sums: returns the values of the picture.
    fn restored(&self, sums: &mut [Vec<f64>]) {
        let _ = sums;
    }

    /// Computes the values.
    ///
    /// # Errors
    /// Backend errors.
    fn forward(&self, at: &Site<'_, B>, values: &mut [B::Tensor], scratch: Scratch<'_, B>) -> Result<()>;

    /// `dfeatures (=|+=) (dvalues/dfeatures)^T dvalues`; `values` are those of the forward pass.
    ///
    /// # Errors
    /// Backend errors.
    fn backward(
        &self,
        at: &Site<'_, B>,
        values: &[B::Tensor],
        dvalues: &[B::Tensor],
        acc: Acc,
        dfeatures: &mut B::Tensor,
        scratch: Scratch<'_, B>,
    ) -> Result<()>;
}

/// The error for a statistic that received other tensors than it requested.
pub(super) fn misfit() -> Error {
    Error::new(ErrorKind::Shape, "a statistic was given other values or scratch tensors than those it asks for")
}
