//! Communication between processes that paint one picture together.
//!
//! Each process evaluates some of the tiles and descends on some of the pixels, its share. An evaluation needs the sums of the
//! style layers' statistics. It computes the gradient of the pixels that the tiles see, and sends it to the processes that
//! descend on them. The optimiser's vectors are those of the share, and it needs the sums of its dot products. Then the processes
//! send each other their new pixels.

pub(crate) mod copies;
pub(crate) mod gradient;
pub(crate) mod share;

use std::fmt;
use std::ops::Range;

use crate::error::Result;

/// Connects the processes that paint one picture together.
///
/// Every process describes the same session, with the same pictures and settings, and passes its `Communicator` to it
/// ([`SessionBuilder::communicator`]). Each evaluates its share of the tiles and moves its share of the pixels. An evaluation sums
/// the statistics of the style layers (610 thousand values for the paper's five of VGG-19), the losses, and the dot products
/// of the optimiser. Each process sends the gradient of the pixels around its tiles to those that descend on them, and its new
/// pixels to all.
///
/// All processes [build](crate::SessionBuilder::build) or [resume](crate::SessionBuilder::resume) the session, [step],
/// [evaluate](crate::Session::evaluate) the same image and [set the same style weight](crate::Session::set_style_weight)
/// together. Each reads the image and makes checkpoints by itself.
///
/// The sums must be bit-identical in all processes, otherwise they take different steps: let one process add and send the
/// result to the others. A call fails in all processes or in none; it ends a step like a device error. After an error of a device,
/// which one process alone knows of, resume a checkpoint.
///
/// [step]: crate::Session::step
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
    /// process, also for this one. A slice is as long as the one that receives it.
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

/// The range of a process, if `count` tiles or pixels are shared: contiguous, since neighbouring tiles see the same pixels.
pub(crate) fn range(process: usize, processes: usize, count: usize) -> Range<usize> {
    let processes = processes.max(1);
    let cut = |i: usize| (count as u128 * i.min(processes) as u128 / processes as u128) as usize;
    cut(process)..cut(process.saturating_add(1))
}
