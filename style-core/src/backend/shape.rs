//! Shapes, and the accumulation mode of results.

use crate::error::{Error, ErrorKind, Result};

/// Shape of a tensor, `[N, C, H, W]` with N = 1: one picture at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// C: channels, the number of feature maps of a layer.
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

    /// M = H W, the number of positions of a feature map.
    #[must_use]
    pub const fn positions(&self) -> usize {
        self.height.saturating_mul(self.width)
    }

    /// C H W; `usize::MAX` on overflow, so that any allocation fails.
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

/// How an op writes its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acc {
    /// `dst = value`; the old contents are not read.
    Store,
    /// `dst += value`.
    Add,
}

/// Checks that a tensor has the shape an op requires; for backends.
///
/// # Errors
/// `Shape`, naming `what`, the required shape and the actual one.
pub fn expect_shape(what: &str, wanted: Shape, found: Shape) -> Result<()> {
    if wanted == found {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Shape, format!("{what}: expected shape {wanted}, found {found}")))
}

/// A range of rows of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rows {
    /// The first row.
    pub start: usize,
    /// One past the last row.
    pub end: usize,
}

impl Rows {
    /// All rows of a tensor.
    #[must_use]
    pub const fn all(shape: Shape) -> Self {
        Self { start: 0, end: shape.height }
    }

    /// Number of rows.
    #[must_use]
    pub const fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether the range is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// These rows extended by `n` at both ends, clamped to a picture of `height` rows.
    #[must_use]
    pub const fn widened(self, n: usize, height: usize) -> Self {
        let end = self.end.saturating_add(n);
        Self { start: self.start.saturating_sub(n), end: if end < height { end } else { height } }
    }

    /// Whether the range contains all of `other`.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}
