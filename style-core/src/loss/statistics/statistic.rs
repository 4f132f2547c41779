//! The interface of a statistic.

use crate::backend::Backend;
use crate::backend::shape::{Acc, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::loss::term::{Additivity, Site};

/// Memory for one call of a statistic.
pub struct Scratch<'a, B: Backend> {
    /// What [`Statistic::constants`] defines.
    pub constants: &'a [B::Tensor],
    /// Tensors to use freely, of the shapes requested by [`Statistic::scratch`] or [`Statistic::distance_scratch`]; their
    /// contents are unspecified.
    pub tensors: &'a mut [B::Tensor],
    /// Workspace large enough for the ops on these features.
    pub workspace: &'a mut B::Workspace,
}

/// The image's values and the style's.
pub struct Compared<'a, B: Backend> {
    /// Compute backend.
    pub backend: &'a B,
    /// The image's values: those that are compared.
    pub values: &'a [B::Tensor],
    /// The style's values.
    pub targets: &'a [B::Tensor],
    /// What [`Statistic::prepare`] returned.
    pub kept: &'a mut [B::Tensor],
}

/// `1/2 sum t^2` of tensors.
///
/// # Errors
/// Backend errors.
pub fn half_squares<B: Backend>(backend: &B, targets: &[B::Tensor]) -> Result<f64> {
    let mut scalars = backend.scalars(targets.len())?;
    for (slot, target) in targets.iter().enumerate() {
        // Not a dot product: targets of a content loss are features, which may be half precision.
        let zero = backend.tensor(backend.shape(target))?;
        backend.half_squared_distance(target, &zero, &mut scalars, slot)?;
    }
    let mut squares = vec![0.0; targets.len()];
    backend.read_scalars(&scalars, &mut squares)?;
    Ok(squares.iter().sum())
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

    /// The smallest side that features may have, in positions; smaller ones are an error. Default: 1.
    fn smallest(&self) -> usize {
        1
    }

    /// Whether the values of several style pictures can be averaged. If not, several styles without masks are an error.
    /// Default: yes.
    fn blends(&self) -> bool {
        true
    }

    /// Shapes of tensors that do not change, passed on as [`Scratch::constants`]. Default: none.
    fn constants(&self, features: Shape) -> Vec<Shape> {
        let _ = features;
        vec![]
    }

    /// The contents of the constants, each row-major `[C, H, W]`. Default: none.
    fn constant_values(&self, features: Shape) -> Vec<Vec<f32>> {
        let _ = features;
        vec![]
    }

    /// Workspace that it needs for features of this shape beyond that of the Gram matrix, in bytes. Default: none.
    fn workspace(&self, backend: &B, features: Shape) -> usize {
        let _ = (backend, features);
        0
    }

    /// Shapes of the scratch tensors that either direction needs for features of this shape: those of the whole picture, of
    /// one tile, or of one band.
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

    /// The number of scalars that [`distance`](Self::distance) writes. Default: one per compared value.
    fn slots(&self, features: Shape) -> usize {
        self.values(features).len()
    }

    /// Tensors that [`distance`](Self::distance) needs besides the values, created once per target for the image's features:
    /// what it derives from the targets, and room for what [`distance_bwd`](Self::distance_bwd) needs. Default: none.
    ///
    /// # Errors
    /// Backend errors.
    fn prepare(
        &self,
        backend: &B,
        features: Shape,
        targets: &[B::Tensor],
        constants: &[B::Tensor],
    ) -> Result<Vec<B::Tensor>> {
        let _ = (backend, features, targets, constants);
        Ok(vec![])
    }

    /// Shapes of the tensors that [`prepare`](Self::prepare) returns. Default: none.
    fn kept(&self, features: Shape) -> Vec<Shape> {
        let _ = features;
        vec![]
    }

    /// Shapes of the scratch tensors of [`distance`](Self::distance). Default: none.
    fn distance_scratch(&self, features: Shape) -> Vec<Shape> {
        let _ = features;
        vec![]
    }

    /// Writes the scalars that [`loss`](Self::loss) computes the distance from, beginning at `slot`. Default: `1/2 sum (v -
    /// t)^2` of each value.
    ///
    /// # Errors
    /// Backend errors.
    fn distance(
        &self,
        of: Compared<'_, B>,
        scalars: &mut B::Scalars,
        slot: usize,
        scratch: Scratch<'_, B>,
    ) -> Result<()> {
        let _ = scratch;
        let mut pairs = of.values.iter().zip(of.targets).zip(slot..);
        pairs.try_for_each(|((value, target), slot)| of.backend.half_squared_distance(value, target, scalars, slot))
    }

    /// The distance, before the factor `c`, from its scalars. Default: their sum.
    fn loss(&self, scalars: &[f64]) -> f64 {
        scalars.iter().sum()
    }

    /// `dvalues = scale ddistance/dvalues`. Default: `scale (v - t)`.
    ///
    /// # Errors
    /// Backend errors.
    fn distance_bwd(&self, of: Compared<'_, B>, scale: f32, dvalues: &mut [B::Tensor]) -> Result<()> {
        let mut pairs = of.values.iter().zip(of.targets).zip(dvalues);
        pairs.try_for_each(|((value, target), dvalue)| {
            of.backend.half_squared_distance_bwd(value, target, scale, Acc::Store, dvalue)
        })
    }

    /// The distance of zeros from the targets, by which a relative loss is divided. Default: `1/2 sum t^2`.
    ///
    /// # Errors
    /// Backend errors.
    fn at_zero(&self, backend: &B, features: Shape, targets: &[B::Tensor], constants: &[B::Tensor]) -> Result<f64> {
        let _ = (features, constants);
        half_squares(backend, targets)
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
pub(crate) fn misfit() -> Error {
    Error::new(ErrorKind::Shape, "a statistic received values or scratch tensors of other shapes than it requested")
}
