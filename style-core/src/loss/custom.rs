//! Losses of your own: terms of the objective next to content, style and total variation.
//!
//! [`HostLoss`] is a function of one layer's features on plain slices; it is the simplest, but each evaluation copies
//! the features from the device and the gradient back. [`Loss`] describes a loss of any layers, or of the image, that
//! computes with the ops of the [`Backend`]; it creates a [`Term`] for each scale.

use std::sync::Arc;

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::ops::conv2d::Padding;
use crate::backend::ops::pool2d::Pooling;
use crate::backend::shape::{Acc, Shape};
use crate::error::Result;
use crate::image::Image;
use crate::loss::term::{Additivity, Buffers, Site, Term};
use crate::network::Network;
use crate::pass::cancel::Cancel;

/// Describes a loss of any layers, or of the image, that computes with the ops of the [`Backend`]. It creates a
/// [`Term`] for each scale. [`HostLoss`] is simpler, for a loss of one layer on plain slices.
pub trait Loss<B: Backend>: Send + Sync {
    /// The name of its term in [`Losses`](crate::Losses), unique in a session.
    fn name(&self) -> String;

    /// Identifies the loss and its parameters in checkpoints: two losses with the same identity must give the same
    /// values. Keep it short: use a hash for large parameters.
    fn identity(&self) -> String;

    /// The layers that it reads, in the order of [`Site::layer`]; none for a loss of the image itself, whose pixels are
    /// RGB in 8-bit units minus the network's mean colour.
    fn layers(&self) -> Vec<String>;

    /// How it is computed from tiles. Default: a picture with this loss cannot be tiled.
    fn additivity(&self) -> Additivity {
        Additivity::Whole
    }

    /// Checks what it will be used for, before anything is computed. Default: anything will do.
    ///
    /// # Errors
    /// Its own.
    fn check(&self, of: &Described<'_>) -> Result<()> {
        let _ = of;
        Ok(())
    }

    /// Memory that its term will hold, or that [`term`](Self::term) needs if that is more, in bytes; counted by
    /// [`plan`](crate::SessionBuilder::plan). Default: 0.
    fn bytes(&self, backend: &B, of: &Described<'_>) -> usize {
        let _ = (backend, of);
        0
    }

    /// Creates the term for pictures of one size: computes its targets and allocates its memory.
    ///
    /// # Errors
    /// Its own, and backend errors.
    fn term(&self, inputs: &Inputs<'_, B>) -> Result<Box<dyn Term<B>>>;
}

/// What a [`Loss`] is checked for, and its memory planned from.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    /// Shape of the image.
    pub image: Shape,
    /// Shape of the image's features at each of the loss's layers, or of the image.
    pub features: &'a [Shape],
    /// Whether there is a content picture.
    pub content: bool,
    /// Shapes of the style pictures.
    pub styles: &'a [Shape],
    /// Whether a style has a mask or a region.
    pub masked: bool,
    /// Whether the picture repeats without seams.
    pub seamless: bool,
}

/// What a [`Loss`] creates its term from: the pictures at one scale.
pub struct Inputs<'a, B: Backend> {
    /// The network, with its [backend](Network::backend).
    pub network: &'a Network<B>,
    /// The pooling of the session, for [`Network::features`].
    pub pooling: Pooling,
    /// The padding of the session, for [`Network::features`].
    pub padding: Padding,
    /// The content picture, if there is one.
    pub content: Option<&'a Image>,
    /// The style pictures.
    pub styles: &'a [&'a Image],
    /// Shape of the image.
    pub image: Shape,
    /// Shape of the features at each of the loss's layers, or of the image.
    pub features: Vec<Shape>,
    /// Number of tiles.
    pub tiles: usize,
    /// For a term that takes long to create: check it now and then.
    pub cancel: &'a Cancel,
}

/// A loss of one layer's features, computed on the host; see
/// [`SessionBuilder::loss_at`](crate::SessionBuilder::loss_at).
///
/// ```
/// use style_core::losses::HostLoss;
/// use style_core::backend::Shape;
///
/// /// Pulls all activations towards a value: `1/2 sum (f - level)^2`.
/// struct Level(f32);
///
/// impl HostLoss for Level {
///     fn name(&self) -> String {
///         "level".into()
///     }
///
///     fn identity(&self) -> String {
///         format!("level {}", self.0)
///     }
///
///     fn evaluate(&self, _shape: Shape, features: &[f32], gradient: &mut [f32]) -> f64 {
///         gradient.iter_mut().zip(features).for_each(|(g, f)| *g = f - self.0);
///         gradient.iter().map(|g| 0.5 * f64::from(*g).powi(2)).sum()
///     }
/// }
/// ```
pub trait HostLoss: Send + Sync {
    /// As [`Loss::name`].
    fn name(&self) -> String;

    /// As [`Loss::identity`].
    fn identity(&self) -> String;

    /// Returns the loss of `features`, row-major `[C, H, W]`, and writes its gradient with respect to them to
    /// `gradient`, which is zero on entry.
    fn evaluate(&self, shape: Shape, features: &[f32], gradient: &mut [f32]) -> f64;
}

/// A [`HostLoss`] at a layer.
pub(crate) struct AtLayer {
    pub(crate) layer: String,
    pub(crate) loss: Arc<dyn HostLoss>,
}

impl<B: Backend> Loss<B> for AtLayer {
    fn name(&self) -> String {
        self.loss.name()
    }

    fn identity(&self) -> String {
        format!("{} at {}", self.loss.identity(), self.layer)
    }

    fn layers(&self) -> Vec<String> {
        vec![self.layer.clone()]
    }

    fn bytes(&self, backend: &B, of: &Described<'_>) -> usize {
        let one = |&shape: &Shape| HostTerm::bytes(backend, shape).saturating_add(backend.features_bytes(shape));
        of.features.iter().map(one).fold(0, usize::saturating_add)
    }

    fn term(&self, inputs: &Inputs<'_, B>) -> Result<Box<dyn Term<B>>> {
        let (backend, shape) = (inputs.network.backend(), inputs.features[0]);
        let on_device = backend.features(shape)?;
        Ok(Box::new(HostTerm::new(backend, Arc::clone(&self.loss), shape, on_device)?))
    }
}

/// The term of a [`HostLoss`].
pub(crate) struct HostTerm<B: Backend> {
    loss: Arc<dyn HostLoss>,
    shape: Shape,
    features: Vec<f32>,
    gradient: Vec<f32>,
    /// The gradient on the device, and a map of ones to scale it with.
    on_device: B::Tensor,
    ones: B::Tensor,
    value: f64,
}

impl<B: Backend> HostTerm<B> {
    /// The term for features, or an image, of this shape; `on_device` is of their type.
    pub(crate) fn new(backend: &B, loss: Arc<dyn HostLoss>, shape: Shape, on_device: B::Tensor) -> Result<Self> {
        let mut ones = backend.tensor(Shape { channels: 1, ..shape })?;
        let mut one = zeros(shape.positions(), loss.name())?;
        one.fill(1.0);
        backend.upload(&one, &mut ones)?;
        let (features, gradient) = (zeros(shape.len(), loss.name())?, zeros(shape.len(), loss.name())?);
        Ok(Self { loss, shape, features, gradient, on_device, ones, value: 0.0 })
    }

    /// Memory that [`new`](Self::new) allocates, in bytes.
    pub(crate) fn bytes(backend: &B, shape: Shape) -> usize {
        let ones = backend.tensor_bytes(Shape { channels: 1, ..shape });
        ones.saturating_add(shape.len().saturating_mul(2 * size_of::<f32>()))
    }
}

impl<B: Backend> Term<B> for HostTerm<B> {
    fn on_host(&self) -> bool {
        true
    }

    fn forward(&mut self, at: &Site<'_, B>, _buffers: Buffers<'_, B>) -> Result<()> {
        at.backend.download(at.features, &mut self.features)?;
        self.gradient.fill(0.0);
        self.value = self.loss.evaluate(self.shape, &self.features, &mut self.gradient);
        at.backend.upload(&self.gradient, &mut self.on_device)
    }

    fn backward(
        &mut self,
        at: &Site<'_, B>,
        weight: f64,
        acc: Acc,
        dfeatures: &mut B::Tensor,
        _buffers: Buffers<'_, B>,
    ) -> Result<()> {
        at.backend.guide(&self.on_device, &self.ones, weight as f32, acc, dfeatures)
    }

    fn loss(&self, _scalars: &[f64]) -> f64 {
        self.value
    }
}
