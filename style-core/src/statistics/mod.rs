//! What "style" is taken to be: statistics of a layer's features that do not depend on where things are.
//!
//! A style layer's loss is `E = c/2 sum_i (v_i - t_i)^2`, `v` the statistic's values on the image and `t` those on the
//! style picture (of several, their mean). A [`Statistic`] says what `v` and `c` are, and how a gradient of the
//! values becomes one of the features; the rest of the library knows no more of it. The next one is one more file
//! beside these, here or in a crate of your own.

mod covariance;
mod gram;
mod moments;

use std::fmt;

pub use covariance::Covariance;
pub use gram::{Gram, GramNorm};
pub use moments::Moments;

use crate::mask::Guide;
use crate::ops::Rows;
use crate::{Acc, Backend, Error, ErrorKind, Result, Shape};

/// Where a statistic is taken.
pub struct Site<'a, B: Backend> {
    /// What computes.
    pub backend: &'a B,
    /// The features, `[1, N, H, W]`, or those of some rows where a picture is taken in bands.
    pub features: &'a B::Tensor,
    /// Shape of the features of the whole picture.
    pub whole: Shape,
    /// The rows of `features` that count: all of them, but for a band, which is told with its neighbours.
    pub rows: Rows,
    /// Whether the values are made or added to, as they are from the second band on.
    pub acc: Acc,
    /// Which positions count, where not all do equally.
    pub guide: Option<&'a Guide<B>>,
}

impl<B: Backend> Site<'_, B> {
    /// Shape of the features of the whole picture.
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

/// A statistic of features; see the [module](self).
pub trait Statistic<B: Backend>: Send + Sync + fmt::Debug {
    /// `c`, for features of this shape.
    fn scale(&self, features: Shape) -> f64;

    /// Shapes of the values; asked for, as the next, when a session is made and not in its steps.
    fn values(&self, features: Shape) -> Vec<Shape>;

    /// Shapes of the scratch tensors that either direction wants.
    fn scratch(&self, features: Shape, guided: bool) -> Vec<Shape>;

    /// Whether the values are sums over positions, and a gradient of the features depends on those of its own position
    /// alone. Then a large picture may be taken in bands: `forward` is called for each, and heeds [`Site::rows`] and
    /// [`Site::acc`]; `backward` is called for each, with some rows of the neighbours.
    fn is_sum(&self) -> bool {
        false
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
fn misfit() -> Error {
    Error::new(ErrorKind::Shape, "a statistic was given other values or scratch tensors than those it asks for")
}
