//! What a session takes and how it computes, known before it starts.

use std::fmt;

use crate::{Error, ErrorKind, Result, Shape};

/// Bytes that a session takes on its device, and how its convolutions are computed, from shapes alone; see
/// [`crate::SessionBuilder::plan`].
///
/// Host memory beside it is a few copies of the pictures. `to_string()` makes a table of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The network's packed filters, shared by all sessions on it.
    pub filters: usize,
    /// Content features, style Gram matrices, and the image's own Gram matrices.
    pub targets: usize,
    /// The largest forward pass over a style picture; over before the iterations start.
    pub style_pass: usize,
    /// Activations at taps, gates, and the scratch tensors that all else passes through.
    pub activations: usize,
    /// Scratch memory of the ops.
    pub workspace: usize,
    /// The image, its gradient and the optimiser's vectors.
    pub optimizer: usize,
    /// The convolutions of an iteration.
    pub convolutions: Vec<PlannedConvolution>,
}

/// How the convolution of a layer is computed, forward and backward.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedConvolution {
    /// The layer.
    pub layer: String,
    /// The backend's name for it, `winograd F(4x4, 3x3)` for instance.
    pub algorithm: &'static str,
    /// Whether the average pool behind it is done by the same operation.
    pub pool_taken_in: bool,
}

impl Plan {
    /// The most that is held at any moment.
    #[must_use]
    pub fn peak(&self) -> usize {
        let iterating = [self.activations, self.workspace, self.optimizer].into_iter().fold(0, usize::saturating_add);
        self.filters.saturating_add(self.targets).saturating_add(iterating.max(self.style_pass))
    }
}

impl Plan {
    /// That what a session of a picture of `shape` takes beside the network fits into so many bytes. Nearly all of it grows
    /// with the picture's area.
    pub(crate) fn expect_to_fit(&self, free: usize, shape: Shape) -> Result<()> {
        let wanted = self.peak().saturating_sub(self.filters);
        if wanted <= free {
            return Ok(());
        }
        // What does not grow with the picture is a small part, and so is a twentieth.
        let side = 0.95 * (free as f64 / wanted as f64).sqrt();
        let fits = |extent: usize| (extent as f64 * side) as usize;
        let (width, height) = (fits(shape.width), fits(shape.height));
        let mib = |bytes: usize| bytes.div_ceil(1 << 20);
        let message = format!(
            "a session of {} x {} pixels wants {} MiB, and {} MiB of the device's memory are free; one of {width} x {height} \
             would fit, if its style pictures are no larger",
            shape.width,
            shape.height,
            mib(wanted),
            free >> 20,
        );
        Err(Error::new(ErrorKind::OutOfMemory, message))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("filters", self.filters),
            ("targets", self.targets),
            ("style pass", self.style_pass),
            ("activations", self.activations),
            ("workspace", self.workspace),
            ("optimizer", self.optimizer),
            ("peak", self.peak()),
        ];
        for (name, bytes) in parts {
            writeln!(f, "{name:<12}{:>10.1} MiB", bytes as f64 / f64::from(1 << 20))?;
        }
        for conv in &self.convolutions {
            let pool = if conv.pool_taken_in { ", with the pool behind it" } else { "" };
            writeln!(f, "{:<12}{}{pool}", conv.layer, conv.algorithm)?;
        }
        Ok(())
    }
}
