//! Adam (Kingma and Ba, 2015, algorithm 1).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alloc::{reserved, zeros};
use crate::backend::Backend;
use crate::backend::ops::vector::AdamStep;
use crate::backend::shape::Shape;
use crate::checkpoint::Checkpoint;
use crate::distributed::Communicator;
use crate::distributed::share::Share;
use crate::error::Result;
use crate::image::resample::resample;
use crate::optim::point::{Point, Update};

/// Hyperparameters of Adam.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamOptions {
    /// Learning rate, in 8-bit units (255 is white).
    pub learning_rate: f64,
    /// Decay rate of the first moment, the gradient's running mean.
    pub beta1: f64,
    /// Decay rate of the second moment, the squared gradient's running mean.
    pub beta2: f64,
    /// Added to the square root to avoid division by zero; must be positive as an `f32`.
    pub epsilon: f64,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self { learning_rate: 5.0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

/// The largest `|g|^2` for which no moment overflows, resampled or not: a pixel with infinite `v` would never move.
const MAX_SQUARE: f64 = f32::MAX as f64 / 4.0;

pub(crate) struct Adam<B: Backend> {
    options: AdamOptions,
    /// Sums over the processes that each have a share of the vectors.
    communicator: Arc<dyn Communicator>,
    /// The learning rate, including halvings.
    rate: f64,
    steps: i32,
    m: B::Tensor,
    v: B::Tensor,
    /// The last point with finite loss and gradient; initially the start.
    good: B::Tensor,
    square: B::Scalars,
}

/// Adam's state on the host, of the whole picture, for transfer to another size.
pub(crate) struct Carried {
    steps: i32,
    m: Vec<f32>,
    v: Vec<f32>,
}

impl Carried {
    /// Resamples the moments of each pixel from those around it. With more pixels, each has a smaller share of the
    /// gradient, but Adam's steps are scale-invariant: the moments of the two sizes differ by a factor only, which cancels.
    pub(crate) fn resized(self, from: Shape, to: Shape) -> Result<Self> {
        let shrunk = from.positions() as f64 / to.positions() as f64;
        let resized = |values: Vec<f32>, factor: f64, least: f32| {
            let mut all = reserved(to.len(), "the moments")?;
            for plane in values.chunks_exact(from.positions().max(1)) {
                let plane = resample(plane, (from.width, from.height), (to.width, to.height))?;
                all.extend(plane.into_iter().map(|v| (v * factor as f32).max(least)));
            }
            Ok(all)
        };
        let (m, v) = (resized(self.m, shrunk, f32::NEG_INFINITY)?, resized(self.v, shrunk * shrunk, 0.0)?);
        Ok(Self { steps: self.steps, m, v })
    }
}

impl<B: Backend> Adam<B> {
    pub(super) fn new(
        backend: &B,
        shape: Shape,
        options: AdamOptions,
        communicator: Arc<dyn Communicator>,
    ) -> Result<Self> {
        let [m, v, good] = [backend.tensor(shape)?, backend.tensor(shape)?, backend.tensor(shape)?];
        Ok(Self {
            options,
            communicator,
            rate: options.learning_rate,
            steps: 0,
            m,
            v,
            good,
            square: backend.scalars(1)?,
        })
    }

    pub(super) fn begin(&mut self, backend: &B, start: &B::Tensor) -> Result<()> {
        backend.copy(start, &mut self.good)
    }

    /// Restores the learning rate: a step too large for the old loss need not be for the new one.
    pub(super) fn forget(&mut self) {
        self.rate = self.options.learning_rate;
    }

    pub(super) fn update(&mut self, backend: &B, loss: f64, point: &mut Point<B>) -> Result<Update> {
        backend.dots(&[&point.g], &[&point.g], &mut self.square, 0)?;
        let mut square = [0.0];
        backend.read_scalars(&self.square, &mut square)?;
        self.communicator.sum(&mut square)?;
        let gradient_norm = square[0].sqrt();
        let update = Update { accepted: true, gradient_norm, step_length: 0.0, converged: gradient_norm == 0.0 };
        if !(loss.is_finite() && square[0] <= MAX_SQUARE) {
            // Return to the last good point, with half the learning rate and reset moments.
            self.rate *= 0.5;
            self.steps = 0;
            backend.combine(&[], &mut self.m)?;
            backend.combine(&[], &mut self.v)?;
            backend.copy(&self.good, &mut point.x)?;
            return Ok(Update { accepted: false, converged: self.rate < 1e-6, ..update });
        }
        backend.copy(&point.x, &mut self.good)?;
        self.steps = self.steps.saturating_add(1);
        let o = &self.options;
        let step = AdamStep {
            rate: (self.rate / (1.0 - o.beta1.powi(self.steps))) as f32,
            beta1: o.beta1 as f32,
            beta2: o.beta2 as f32,
            correction2: (1.0 - o.beta2.powi(self.steps)) as f32,
            epsilon: o.epsilon as f32,
        };
        backend.adam(&step, &point.g, &mut self.m, &mut self.v, &mut point.x)?;
        Ok(update)
    }

    pub(super) fn save(&self, backend: &B, to: &mut Checkpoint) -> Result<()> {
        to.note("adam.steps", self.steps);
        to.put("adam.rate", &[self.rate]);
        to.put_tensor("adam.m", backend, &self.m)?;
        to.put_tensor("adam.v", backend, &self.v)?;
        to.put_tensor("adam.good", backend, &self.good)
    }

    pub(super) fn load(&mut self, backend: &B, from: &Checkpoint) -> Result<()> {
        self.steps = from.noted("adam.steps")?;
        // Smaller than in the description if a step was not finite.
        self.rate = from.numbers("adam.rate", 1)?[0];
        from.tensor("adam.m", backend, &mut self.m)?;
        from.tensor("adam.v", backend, &mut self.v)?;
        from.tensor("adam.good", backend, &mut self.good)
    }

    pub(super) fn carried(&self, backend: &B, share: &Share) -> Result<Carried> {
        let read = |tensor| {
            let mut values = zeros(share.shape().len(), "the moments")?;
            backend.download(tensor, &mut values)?;
            share.gathered(values)
        };
        Ok(Carried { steps: self.steps, m: read(&self.m)?, v: read(&self.v)? })
    }

    pub(super) fn carry_on(&mut self, backend: &B, carried: &Carried, share: &Share) -> Result<()> {
        self.steps = carried.steps;
        backend.upload(&share.cut(&carried.m)?, &mut self.m)?;
        backend.upload(&share.cut(&carried.v)?, &mut self.v)
    }

    pub(super) fn result(&self) -> &B::Tensor {
        &self.good
    }
}
