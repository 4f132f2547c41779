//! Communication between processes that paint one picture together.
//!
//! Each process evaluates some of the tiles and descends on some of the pixels, its part. An evaluation needs the sums of the
//! style layers' statistics, and the gradient of each part from the processes whose tiles see its pixels. The optimiser's
//! vectors are those of the part, and it needs the sums of its dot products. The processes send each other their new pixels.

pub(crate) mod copies;
pub(crate) mod gradient;
pub(crate) mod part;

use std::fmt;
use std::ops::Range;

use crate::error::Result;

/// Connects the processes that paint one picture together.
///
/// Every process describes the same session, with the same pictures and settings, and passes its `Communicator` to it
/// ([`SessionBuilder::communicator`]). Each evaluates its share of the tiles and moves its share of the pixels. An evaluation sums
/// the statistics of the style layers (610 thousand values for the paper's five of VGG-19), the losses, and the dot products
/// of the optimiser; it exchanges the gradient of those pixels that the tiles of several processes see, and the new pixels, of
/// which each process holds a copy.
///
/// The sums must be bit-identical in all processes, otherwise they take different steps: let one process add and send the
/// result to the others. An error ends a [`Session::step`] like a device error.
///
/// [`Session::step`]: crate::Session::step
/// [`SessionBuilder::communicator`]: crate::SessionBuilder::communicator
pub trait Communicator: Send + Sync + fmt::Debug {
    /// Index of this process, starting at 0.
    fn process(&self) -> usize;

    /// Number of processes.
    fn processes(&self) -> usize;

    /// Replaces each value by its sum over all processes.
    ///
    /// # Errors
    /// `Unavailable` if another process has gone away.
    fn sum(&self, values: &mut [f64]) -> Result<()>;

    /// Sends `sent[q]` to each process `q`, and fills `received[q]` with what `q` sends to this one. There is a slice for each
    /// process, also for this one, and those that are sent are as long as those that receive them.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    fn exchange(&self, sent: &[&[f32]], received: &mut [&mut [f32]]) -> Result<()>;
}

/// A single process: nothing to sum.
#[derive(Debug)]
pub(crate) struct Alone;

impl Communicator for Alone {
    fn process(&self) -> usize {
        0
    }

    fn processes(&self) -> usize {
        1
    }

    fn sum(&self, _: &mut [f64]) -> Result<()> {
        Ok(())
    }

    fn exchange(&self, sent: &[&[f32]], received: &mut [&mut [f32]]) -> Result<()> {
        received.iter_mut().zip(sent).for_each(|(to, from)| to.copy_from_slice(from));
        Ok(())
    }
}

/// A process's share of `count` things: a contiguous range, since neighbouring tiles share pixels.
pub(crate) fn share(process: usize, processes: usize, count: usize) -> Range<usize> {
    let processes = processes.max(1);
    let cut = |i: usize| (count as u128 * i.min(processes) as u128 / processes as u128) as usize;
    cut(process)..cut(process.saturating_add(1))
}
