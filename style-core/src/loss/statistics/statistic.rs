//! The interface of a statistic.

use std::fmt;

use crate::backend::Backend;
use crate::backend::shape::{Acc, Rows, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::loss::guide::Guide;

/// Where a statistic is taken.
///
/// A large picture is taken tile by tile. Then `features`, `whole` and `guide` are of one tile, and so are the values that
/// `forward` computes; they are put together by [`Statistic::additive`]. `backward` is called for each tile, with the values
/// of the picture and with `dvalues` times the tile's share of all positions.
pub struct Site<'a, B: Backend> {
    /// What computes.
    pub backend: &'a B,
    /// The features, `[1, N, H, W]`, or those of some rows where a picture is taken in bands.
    pub features: &'a B::Tensor,
    /// Shape of the features of the whole picture, or of a tile.
    pub whole: Shape,
    /// The rows of `features` that count: all of them, but for a band, which is told with its neighbours.
    pub rows: Rows,
    /// Whether the values are made or added to, as they are from the second band on.
    pub acc: Acc,
    /// Which positions count, where not all do equally.
    pub guide: Option<&'a Guide<B>>,
}

impl<B: Backend> Site<'_, B> {
    /// Shape of the features of the whole picture, or of a tile.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.whole
    }
}

/// Tensors that a statistic may use as it likes during one call.
pub struct Scratch<'a, B: Backend> {
    /// Of the shapes that [`Statistic::scratch`] asked for; their contents are unspecified.
    pub tensors: &'a mut [B::Tensor],
    /// Large enough for the ops on these features.
    pub workspace: &'a mut B::Workspace,
}

/// A statistic of features; see [`crate::statistics`].
pub trait Statistic<B: Backend>: Send + Sync + fmt::Debug {
    /// `c`, for features of this shape.
    fn scale(&self, features: Shape) -> f64;

    /// Shapes of the values that are held to the style's; asked for, as the next, when a session is made and not in its
    /// steps.
    fn values(&self, features: Shape) -> Vec<Shape>;

    /// Shapes of values beside these, which are no part of the loss: what `backward` or [`additive`](Self::additive) want too.
    /// They follow the others wherever values are given.
    fn others(&self, features: Shape) -> Vec<Shape> {
        let _ = features;
        vec![]
    }

    /// Shapes of the scratch tensors that either direction wants.
    fn scratch(&self, features: Shape, guided: bool) -> Vec<Shape>;

    /// Whether the values are sums over positions, and a gradient of the features depends on those of its own position
    /// alone. Then a large picture may be taken in bands: `forward` is called for each, and heeds [`Site::rows`] and
    /// [`Site::acc`]; `backward` is called for each, with some rows of the neighbours.
    fn is_sum(&self) -> bool {
        false
    }

    /// Makes of the values of a part of the picture what can be added up over all parts, each times its share of the
    /// positions (or of the mask's weight). By default they are that already.
    fn additive(&self, values: &mut [Vec<f64>]) {
        let _ = values;
    }

    /// The inverse, for what was added up: the values of the picture.
    fn restored(&self, sums: &mut [Vec<f64>]) {
        let _ = sums;
    }

    /// Computes the values.
    ///
    /// # Errors
    /// What the backend gives.
    fn forward(&self, at: &Site<'_, B>, values: &mut [B::Tensor], scratch: Scratch<'_, B>) -> Result<()>;

    /// `dfeatures (=|+=) (dvalues/dfeatures)^T dvalues`; `values` are those of the forward pass.
    ///
    /// # Errors
    /// What the backend gives.
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

/// For a statistic that was given other tensors than it asked for.
pub(super) fn misfit() -> Error {
    Error::new(ErrorKind::Shape, "a statistic was given other values or scratch tensors than those it asks for")
}
