//! Shapes, and how results are written.

use crate::error::{Error, ErrorKind, Result};

/// Shape of a tensor, `[N, C, H, W]` with N = 1: one picture at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// C: channels, the feature maps of a layer.
    pub channels: usize,
    /// H: rows.
    pub height: usize,
    /// W: columns.
    pub width: usize,
}

impl Shape {
    /// `[1, channels, height, width]`.
    #[must_use]
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// Shape of the Gram matrix of `channels` feature maps: `[1, 1, channels, channels]`.
    #[must_use]
    pub const fn gram(channels: usize) -> Self {
        Self::new(1, channels, channels)
    }

    /// M = H W, the positions of a feature map.
    #[must_use]
    pub const fn positions(&self) -> usize {
        self.height.saturating_mul(self.width)
    }

    /// C H W; `usize::MAX` where that overflows, which no allocation survives.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.channels.saturating_mul(self.positions())
    }

    /// Whether a dimension is zero.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[1, {}, {}, {}]", self.channels, self.height, self.width)
    }
}

/// What an op does with its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acc {
    /// `dst = value`; the old contents are never read.
    Store,
    /// `dst += value`.
    Add,
}

/// Checks that a tensor has the shape that an op wants; for backends.
///
/// # Errors
/// `Shape`, naming `what`, the shape wanted and the one found.
pub fn expect_shape(what: &str, wanted: Shape, found: Shape) -> Result<()> {
    if wanted == found {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Shape, format!("{what} must have shape {wanted}, but has {found}")))
}

/// Some rows of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rows {
    /// The first.
    pub start: usize,
    /// One behind the last.
    pub end: usize,
}

impl Rows {
    /// All rows of a tensor.
    #[must_use]
    pub const fn all(shape: Shape) -> Self {
        Self { start: 0, end: shape.height }
    }

    /// How many they are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// These rows and `n` more at both ends, as far as a picture of `height` rows has them.
    #[must_use]
    pub const fn widened(self, n: usize, height: usize) -> Self {
        let end = self.end.saturating_add(n);
        Self { start: self.start.saturating_sub(n), end: if end < height { end } else { height } }
    }

    /// Whether all of `other` are among them.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}
