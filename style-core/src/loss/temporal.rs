//! The temporal loss: a frame of a video is held to the frame painted before it, where the scene has not changed (Ruder,
//! Dosovitskiy and Brox 2016, "Artistic style transfer for videos", equation 7).
//!
//! ```text
//! l = 1/D sum m (x - w)^2        x the image, w the frame painted before it, m the mask, D the number of values of x
//! ```
//!
//! Adjoint: `dx = 2/D m (x - w)`.
//!
//! In the paper `w` is warped along the optical flow, and the mask, 0 where the flow is unknown, follows from the flow. Here both
//! are the caller's: with a camera at rest, the previous frame as it is and a mask of what did not move.

use std::fmt;

use crate::alloc::collected;
use crate::backend::Backend;
use crate::backend::shape::{Acc, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::image::mask::Mask;
use crate::loss::custom::{Described, Inputs, Loss};
use crate::loss::term::{Buffers, Site, Term};
use crate::network::fingerprint::hash;

/// The name of the term.
const NAME: &str = "temporal";

/// Holds the image to the frame painted before it, where the mask is; for [`SessionBuilder::loss`](crate::SessionBuilder::loss).
///
/// ```
/// # use style_core::backend::Backend;
/// # use style_core::{Image, Init, Mask, Result, SessionBuilder, losses::Temporal};
/// # fn describe<B: Backend>(builder: SessionBuilder<B>, painted: Image, at_rest: Mask) -> SessionBuilder<B> {
/// let builder = builder.init(Init::Image(painted.clone())).loss(1e-4, Temporal { before: painted, mask: at_rest });
/// # builder
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct Temporal {
    /// The frame painted before, of the result's size; at smaller scales it is resized.
    pub before: Image,
    /// Where the scene is as it was: 1 holds the image to `before`, 0 leaves it free.
    pub mask: Mask,
}

impl fmt::Debug for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Temporal").field("before", &self.before.shape()).finish_non_exhaustive()
    }
}

impl<B: Backend> Loss<B> for Temporal {
    fn name(&self) -> String {
        NAME.into()
    }

    fn identity(&self) -> String {
        let size = format!("{}x{}", self.mask.width(), self.mask.height());
        format!("{NAME} {} in {size}", hash([self.before.pixels(), self.mask.values()]))
    }

    fn layers(&self) -> Vec<String> {
        vec![]
    }

    /// Its proportions must be those of the image.
    fn check(&self, of: &Described<'_>) -> Result<()> {
        let (found, expected) = (self.before.shape(), of.image);
        let along = |length: usize, other: usize| length as f64 / other as f64;
        let off = along(found.width, found.height) / along(expected.width, expected.height);
        // The sides of scales are rounded.
        let rounding = 1.0 + 1.0 / expected.width.min(expected.height).max(1) as f64;
        if (1.0 / rounding..=rounding).contains(&off) {
            return Ok(());
        }
        let message = format!(
            "the frame before, for the temporal loss, has {}x{} pixels, which are other proportions than the picture's {}x{}",
            found.width, found.height, expected.width, expected.height
        );
        Err(Error::new(ErrorKind::Shape, message))
    }

    fn bytes(&self, backend: &B, of: &Described<'_>) -> usize {
        let map = backend.tensor_bytes(Shape { channels: 1, ..of.image });
        backend.tensor_bytes(of.image).saturating_mul(3).saturating_add(map)
    }

    fn term(&self, inputs: &Inputs<'_, B>) -> Result<Box<dyn Term<B>>> {
        let (network, shape) = (inputs.network, inputs.image);
        let backend = network.backend();
        let (flat, values) = self.mask.at(shape.width, shape.height, 0)?;
        let mut mask = backend.tensor(flat)?;
        backend.upload(&collected(flat.len(), NAME, values.iter().map(|&v| v as f32))?, &mut mask)?;
        let before = if self.before.shape() == shape {
            network.upload(&self.before)?
        } else {
            network.upload_owned(self.before.resized(shape.width, shape.height)?)?
        };
        let (difference, held) = (backend.tensor(shape)?, backend.tensor(shape)?);
        Ok(Box::new(Held { before, mask, difference, held, size: shape.len() as f64 }))
    }
}

/// The loss at one size.
struct Held<B: Backend> {
    /// `w`.
    before: B::Tensor,
    /// `m`.
    mask: B::Tensor,
    /// `x - w`.
    difference: B::Tensor,
    /// `m (x - w)`.
    held: B::Tensor,
    /// `D`.
    size: f64,
}

impl<B: Backend> Term<B> for Held<B> {
    fn slots(&self) -> usize {
        1
    }

    fn forward(&mut self, at: &Site<'_, B>, buffers: Buffers<'_, B>) -> Result<()> {
        let Self { before, mask, difference, held, .. } = self;
        at.backend.combine(&[(1.0, at.features), (-1.0, before)], difference)?;
        at.backend.guide(difference, mask, 1.0, Acc::Store, held)?;
        at.backend.dots(&[difference], &[held], buffers.scalars, buffers.slot)
    }

    fn backward(
        &mut self,
        at: &Site<'_, B>,
        weight: f64,
        acc: Acc,
        dfeatures: &mut B::Tensor,
        _buffers: Buffers<'_, B>,
    ) -> Result<()> {
        at.backend.guide(&self.difference, &self.mask, (2.0 * weight / self.size) as f32, acc, dfeatures)
    }

    fn loss(&self, scalars: &[f64]) -> f64 {
        scalars.iter().sum::<f64>() / self.size
    }
}
