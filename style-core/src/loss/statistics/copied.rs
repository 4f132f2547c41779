//! Statistics whose values are the features themselves.

use crate::backend::Backend;
use crate::backend::shape::{Acc, Shape};
use crate::error::Result;
use crate::loss::statistics::statistic::{Scratch, half_squares, misfit};
use crate::loss::term::Site;

/// A map of ones, to copy features of any type with.
pub(super) fn map(features: Shape) -> Shape {
    Shape { channels: 1, ..features }
}

/// Its values.
pub(super) fn ones(features: Shape) -> Vec<f32> {
    vec![1.0; features.positions()]
}

/// `value = F`.
pub(super) fn copy<B: Backend>(at: &Site<'_, B>, values: &mut [B::Tensor], scratch: Scratch<'_, B>) -> Result<()> {
    let ([value], [ones]) = (values, scratch.constants) else { return Err(misfit()) };
    at.backend.guide(at.features, ones, 1.0, Acc::Store, value)
}

/// `dF (=|+=) dvalue`.
pub(super) fn copy_bwd<B: Backend>(
    at: &Site<'_, B>,
    dvalues: &[B::Tensor],
    acc: Acc,
    dfeatures: &mut B::Tensor,
    scratch: Scratch<'_, B>,
) -> Result<()> {
    let ([dvalue], [ones]) = (dvalues, scratch.constants) else { return Err(misfit()) };
    at.backend.guide(dvalue, ones, 1.0, acc, dfeatures)
}

/// `1/2 sum t^2`, for as many positions as the image has.
pub(super) fn of_as_many<B: Backend>(backend: &B, features: Shape, targets: &[B::Tensor]) -> Result<f64> {
    let [target] = targets else { return Err(misfit()) };
    let positions = backend.shape(target).positions().max(1) as f64;
    Ok(half_squares(backend, targets)? * features.positions() as f64 / positions)
}
