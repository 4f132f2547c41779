//! Accumulates a picture's values from its tiles, on the host and in `f64`.

use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::distributed::Communicator;
use crate::error::Result;
use crate::loss::statistics::statistic::Statistic;

/// The sums of one statistic's values.
pub(crate) struct Sums {
    sums: Vec<Vec<f64>>,
    /// Values of the current tile, as read and as added.
    read: Vec<f32>,
    part: Vec<Vec<f64>>,
}

impl Sums {
    /// Zeros for values of these shapes.
    pub(crate) fn new(shapes: &[Shape]) -> Self {
        let sums: Vec<_> = shapes.iter().map(|s| vec![0.0; s.len()]).collect();
        let most = shapes.iter().map(Shape::len).max().unwrap_or(0);
        Self { part: sums.clone(), sums, read: vec![0.0; most] }
    }

    /// Size of [`new`](Self::new) in bytes.
    pub(crate) fn bytes(shapes: &[Shape]) -> usize {
        let most = shapes.iter().map(Shape::len).max().unwrap_or(0);
        shapes.iter().fold(most.saturating_mul(4), |bytes, s| bytes.saturating_add(s.len().saturating_mul(16)))
    }

    pub(crate) fn clear(&mut self) {
        self.sums.iter_mut().for_each(|s| s.fill(0.0));
    }

    /// Adds a tile's values, weighted by its share of the picture.
    pub(crate) fn add<B: Backend>(
        &mut self,
        backend: &B,
        statistic: &dyn Statistic<B>,
        share: f64,
        values: &[B::Tensor],
    ) -> Result<()> {
        for (value, part) in values.iter().zip(&mut self.part) {
            let read = &mut self.read[..part.len()];
            backend.download(value, read)?;
            part.iter_mut().zip(read).for_each(|(p, r)| *p = f64::from(*r));
        }
        statistic.additive(&mut self.part);
        for (sum, part) in self.sums.iter_mut().zip(&self.part) {
            sum.iter_mut().zip(part).for_each(|(s, p)| *s += share * p);
        }
        Ok(())
    }

    /// Writes the picture's values, once all processes have added theirs.
    pub(crate) fn finish<B: Backend>(
        &mut self,
        backend: &B,
        statistic: &dyn Statistic<B>,
        communicator: &dyn Communicator,
        values: &mut [B::Tensor],
    ) -> Result<()> {
        self.sums.iter_mut().try_for_each(|sum| communicator.sum(sum))?;
        statistic.restored(&mut self.sums);
        for (value, sum) in values.iter_mut().zip(&self.sums) {
            let write = &mut self.read[..sum.len()];
            write.iter_mut().zip(sum).for_each(|(w, s)| *w = *s as f32);
            backend.upload(write, value)?;
        }
        Ok(())
    }
}
