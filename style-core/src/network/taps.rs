//! Taps: the layers whose features a pass exposes.

/// Positions of layers in the chain, ascending and unique. The `i`-th is tap `i` of a pass.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Taps(Vec<usize>);

impl Taps {
    /// The taps at these positions, which may be in any order and repeat.
    pub(crate) fn new(positions: impl IntoIterator<Item = usize>) -> Self {
        let mut positions: Vec<_> = positions.into_iter().collect();
        positions.sort_unstable();
        positions.dedup();
        Self(positions)
    }

    /// The tap at a position.
    pub(crate) fn at(&self, position: usize) -> Option<usize> {
        self.0.binary_search(&position).ok()
    }

    pub(crate) fn positions(&self) -> &[usize] {
        &self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
