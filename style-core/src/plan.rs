//! What a session takes, known before it starts.

/// Bytes that a session takes on its device, from shapes alone; see [`crate::SessionBuilder::plan`].
///
/// Host memory beside it is a few copies of the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl Plan {
    /// The most that is held at any moment.
    #[must_use]
    pub fn peak(&self) -> usize {
        let iterating = [self.activations, self.workspace, self.optimizer].into_iter().fold(0, usize::saturating_add);
        self.filters.saturating_add(self.targets).saturating_add(iterating.max(self.style_pass))
    }
}
