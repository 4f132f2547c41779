//! What processes that paint one picture together tell each other.

use std::fmt;
use std::ops::Range;

use crate::error::Result;

/// Adds up, over the processes that paint one picture together, what each has computed of its tiles.
///
/// Every process describes the same session, with the same pictures and settings, and gives it its `Reduce`
/// ([`SessionBuilder::reduce`]). Each then evaluates its part of the tiles, and an evaluation adds up three things: the
/// statistics of the style layers (610 thousand values for the paper's five of VGG-19), the losses, and the gradient of
/// the picture. All else (the picture, the optimiser) every process does for itself, from the same sums.
///
/// The sums must have the same bits in all processes, else their pictures drift apart: let one process add, and tell the
/// others. An error ends a [`Session::step`] like one of the device.
///
/// [`Session::step`]: crate::Session::step
/// [`SessionBuilder::reduce`]: crate::SessionBuilder::reduce
pub trait Reduce: Send + Sync + fmt::Debug {
    /// Which of the processes this is, from 0 on.
    fn process(&self) -> usize;

    /// How many there are.
    fn processes(&self) -> usize;

    /// Replaces each value by its sum over all processes.
    ///
    /// # Errors
    /// `Unavailable` if another process is not there any more.
    fn sum(&self, values: &mut [f64]) -> Result<()>;

    /// The same for the gradient.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    fn sum_gradient(&self, values: &mut [f32]) -> Result<()>;
}

/// One process: nothing to add.
#[derive(Debug)]
pub(crate) struct Alone;

impl Reduce for Alone {
    fn process(&self) -> usize {
        0
    }

    fn processes(&self) -> usize {
        1
    }

    fn sum(&self, _: &mut [f64]) -> Result<()> {
        Ok(())
    }

    fn sum_gradient(&self, _: &mut [f32]) -> Result<()> {
        Ok(())
    }
}

/// Of so many tiles, those of this process: a run of neighbours, since these share pixels.
pub(crate) fn share(reduce: &dyn Reduce, tiles: usize) -> Range<usize> {
    let (process, processes) = (reduce.process(), reduce.processes().max(1));
    let cut = |i: usize| (tiles as u128 * i.min(processes) as u128 / processes as u128) as usize;
    cut(process)..cut(process.saturating_add(1))
}
