//! Communication between processes that paint one picture together.

use std::fmt;
use std::ops::Range;

use crate::error::Result;

/// Sums the results of the tiles over the processes that paint one picture together.
///
/// Every process describes the same session, with the same pictures and settings, and passes its `Reduce` to it
/// ([`SessionBuilder::reduce`]). Each process then evaluates its part of the tiles, and each evaluation sums three things:
/// the statistics of the style layers (610 thousand values for the paper's five of VGG-19), the losses, and the gradient of
/// the picture. Every process computes all else (the picture, the optimiser) itself, from the same sums.
///
/// The sums must be bit-identical in all processes, otherwise their pictures diverge: let one process add and send the
/// result to the others. An error ends a [`Session::step`] like a device error.
///
/// [`Session::step`]: crate::Session::step
/// [`SessionBuilder::reduce`]: crate::SessionBuilder::reduce
pub trait Reduce: Send + Sync + fmt::Debug {
    /// Index of this process, starting at 0.
    fn process(&self) -> usize;

    /// Number of processes.
    fn processes(&self) -> usize;

    /// Replaces each value by its sum over all processes.
    ///
    /// # Errors
    /// `Unavailable` if another process has gone away.
    fn sum(&self, values: &mut [f64]) -> Result<()>;

    /// The same for the gradient.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    fn sum_gradient(&self, values: &mut [f32]) -> Result<()>;
}

/// A single process: nothing to sum.
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

/// This process's share of the tiles: a contiguous range, since neighbouring tiles share pixels.
pub(crate) fn share(reduce: &dyn Reduce, tiles: usize) -> Range<usize> {
    let (process, processes) = (reduce.process(), reduce.processes().max(1));
    let cut = |i: usize| (tiles as u128 * i.min(processes) as u128 / processes as u128) as usize;
    cut(process)..cut(process.saturating_add(1))
}
