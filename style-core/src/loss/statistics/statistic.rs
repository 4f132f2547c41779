//! The interface of a statistic.

use crate::backend::Backend;
use crate::backend::shape::{Acc, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::loss::term::{Additivity, Site};

/// Tensors that a statistic may use freely during one call.
pub struct Scratch<'a, B: Backend> {
    /// Tensors of the shapes requested by [`Statistic::scratch`]; their contents are unspecified.
    pub tensors: &'a mut [B::Tensor],
    /// Workspace large enough for the ops on these features.
    pub workspace: &'a mut B::Workspace,
}

/// A statistic of features; see [`crate::statistics`].
///
/// A large picture is processed tile by tile. Then the features, their shape and the guide belong to one tile, and so do the
/// values that `forward` computes; they are combined as [`additivity`](Statistic::additivity) declares. `backward` is called
/// for each tile, with the values of the picture and with `dvalues` times the tile's share of all positions.
pub trait Statistic<B: Backend>: Send + Sync {
    /// Identifies the statistic and its parameters in messages and checkpoints, such as `gram`. Two statistics with the same
    /// identity must give the same values.
    fn identity(&self) -> String;

    /// How the values of a picture follow from those of its parts. Default: not at all, so that the picture cannot be
    /// tiled. With [`Additivity::Statistics`], by [`additive`](Statistic::additive) and [`restored`](Statistic::restored).
    /// With [`Additivity::Positions`], the values are sums over positions and the gradient of each feature depends on the
    /// features of its own position only. A large picture may then also be processed in bands: `forward` is called for each
    /// band and respects [`Site::rows`] and [`Site::acc`]; `backward` is called for each band, with some neighbouring rows.
    fn additivity(&self) -> Additivity {
        Additivity::Whole
    }

    /// Whether it respects [`Site::guide`]. If not, a style with a mask or a region is an error. Default: no.
    fn takes_masks(&self) -> bool {
        false
    }

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

    /// Converts the values of a part of the picture to a form that is additive over all parts, each weighted by its share
    /// of the positions (or of the mask's weight). By default the values are already additive.
    fn additive(&self, values: &mut [Vec<f64>]) {
        let _ = values;
    }

    /// The inverse, applied to the sums: returns the values of the picture.
    fn restored(&self, sums: &mut [Vec<f64>]) {
        let _ = sums;
    }

    /// Writes the distance of the image's values from the style's, before the factor `c`, to the scalars from `slot` on: one
    /// scalar per compared value, whose sum is the distance. Default: `1/2 sum (v - t)^2`.
    ///
    /// # Errors
    /// Backend errors.
    fn distance(
        &self,
        backend: &B,
        values: &[B::Tensor],
        targets: &[B::Tensor],
        scalars: &mut B::Scalars,
        slot: usize,
    ) -> Result<()> {
        let mut pairs = values.iter().zip(targets).zip(slot..);
        pairs.try_for_each(|((value, target), slot)| backend.half_squared_distance(value, target, scalars, slot))
    }

    /// `dvalues = scale ddistance/dvalues`. Default: `scale (v - t)`.
    ///
    /// # Errors
    /// Backend errors.
    fn distance_bwd(
        &self,
        backend: &B,
        values: &[B::Tensor],
        targets: &[B::Tensor],
        scale: f32,
        dvalues: &mut [B::Tensor],
    ) -> Result<()> {
        let mut pairs = values.iter().zip(targets).zip(dvalues);
        pairs.try_for_each(|((value, target), dvalue)| {
            backend.half_squared_distance_bwd(value, target, scale, Acc::Store, dvalue)
        })
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
