//! The memory and algorithms of a session, known before it starts.

use std::fmt;

use crate::pass::plan::PlannedConvolution;

/// The device memory of a session in bytes, and the algorithms of its convolutions, computed from shapes only; see
/// [`crate::SessionBuilder::plan`].
///
/// `to_string()` formats it as a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The network's packed filters, shared by all sessions on it.
    pub filters: usize,
    /// Content features, style Gram matrices, and the image's own Gram matrices.
    pub targets: usize,
    /// The largest forward pass over the content picture or a style picture, and the style pictures themselves; released
    /// before the iterations start.
    pub style_pass: usize,
    /// Activations at taps, gates, and the scratch tensors for all other values.
    pub activations: usize,
    /// Scratch memory of the ops.
    pub workspace: usize,
    /// The image, its gradient and the optimiser's vectors; if processes share the picture, also their copies of it and what
    /// they send to each other.
    pub optimizer: usize,
    /// The result on the host.
    pub pictures: usize,
    /// Number of rows and columns of tiles.
    pub tiles: [usize; 2],
    /// Cost relative to an untiled evaluation, if one process computed all tiles: 1 without tiles.
    pub work: f64,
    /// The convolutions of one iteration.
    pub convolutions: Vec<PlannedConvolution>,
}

impl Plan {
    /// The peak memory.
    #[must_use]
    pub fn peak(&self) -> usize {
        let always = [self.filters, self.targets, self.optimizer, self.pictures];
        let always = always.into_iter().fold(0, usize::saturating_add);
        always.saturating_add(self.activations.saturating_add(self.workspace).max(self.style_pass))
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
            ("pictures", self.pictures),
            ("peak", self.peak()),
        ];
        for (name, bytes) in parts {
            writeln!(f, "{name:<12}{:>10.1} MiB", bytes as f64 / f64::from(1 << 20))?;
        }
        let [rows, columns] = self.tiles;
        if rows * columns > 1 {
            writeln!(f, "{:<12}{rows} x {columns}, {:.2} times the work of one", "tiles", self.work)?;
        }
        for conv in &self.convolutions {
            let pool = if conv.pool_taken_in { ", with the pool behind it" } else { "" };
            writeln!(f, "{:<12}{}{pool}", conv.layer, conv.algorithm)?;
        }
        Ok(())
    }
}
