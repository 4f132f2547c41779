//! A running mean of images: `a = decay a + (1 - decay) x`, divided by the same mean of ones, which corrects the bias of
//! the first images (as Adam does for its moments; crowsonkb/style-transfer-pytorch averages the same way).

use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, ErrorKind, Result};

pub(crate) struct Average<B: Backend> {
    decay: f64,
    sum: B::Tensor,
    next: B::Tensor,
    /// The sum of the weights in `sum`.
    weight: f64,
}

impl<B: Backend> Average<B> {
    pub(crate) fn new(backend: &B, shape: Shape, decay: f64) -> Result<Self> {
        Ok(Self { decay, sum: backend.tensor(shape)?, next: backend.tensor(shape)?, weight: 0.0 })
    }

    pub(crate) fn add(&mut self, backend: &B, x: &B::Tensor) -> Result<()> {
        backend.combine(&[(self.decay, &self.sum), (1.0 - self.decay, x)], &mut self.next)?;
        std::mem::swap(&mut self.sum, &mut self.next);
        self.weight = self.decay * self.weight + 1.0 - self.decay;
        Ok(())
    }

    pub(crate) fn save(&self, backend: &B, to: &mut Checkpoint) -> Result<()> {
        to.put("average.weight", &[self.weight]);
        to.put_tensor("average.sum", backend, &self.sum)
    }

    pub(crate) fn load(&mut self, backend: &B, from: &Checkpoint) -> Result<()> {
        self.weight = from.numbers("average.weight", 1)?[0];
        // At most one, up to rounding; and no image has negligible weight.
        if self.weight != 0.0 && !(1e-18..2.0).contains(&self.weight) {
            return Err(Error::new(ErrorKind::Checkpoint, "the checkpoint is damaged (average.weight)"));
        }
        from.tensor("average.sum", backend, &mut self.sum)
    }

    /// The weighted sum and its divisor; `None` before the first image.
    pub(crate) fn mean(&self) -> Option<(&B::Tensor, f64)> {
        (self.weight > 0.0).then_some((&self.sum, self.weight))
    }
}
