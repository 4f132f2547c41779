//! One error type for the whole workspace: a kind to match on, a message that says what to do.

use std::fmt;

pub(crate) fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Argument, message)
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, coarsely enough to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Two shapes that must agree do not, or a shape is empty or too large.
    Shape,
    /// A picture is too small for a layer of the network.
    TooSmall {
        /// The shortest side that would do, in pixels.
        least: usize,
    },
    /// A setting is out of its range, unknown, or contradicts another.
    Argument,
    /// The request is sensible, but this build or backend cannot serve it.
    Unsupported,
    /// A device, driver or library that was asked for is not there.
    Unavailable,
    /// Memory could not be had.
    OutOfMemory,
    /// A session does not fit into the memory that it may take, into however many tiles it is cut.
    MemoryExceeded {
        /// Bytes that it takes at least.
        needed: usize,
        /// Width of the largest picture of these proportions that fits; zero if none does.
        width: usize,
        /// And its height.
        height: usize,
    },
    /// The device stopped working while it was in use.
    DeviceLost,
    /// A weight file is damaged, incomplete, or of another network.
    Weights,
    /// A checkpoint is damaged, or of another session.
    Checkpoint,
    /// A picture is damaged or cannot be used.
    Image,
    /// Reading or writing a file failed.
    Io,
    /// A value that must be finite is NaN or infinite.
    NonFinite,
    /// The caller [wanted no more](crate::SessionBuilder::cancel).
    Cancelled,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shape => "shape",
            Self::TooSmall { .. } => "too small",
            Self::Argument => "argument",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::OutOfMemory => "out of memory",
            Self::MemoryExceeded { .. } => "memory exceeded",
            Self::DeviceLost => "device lost",
            Self::Weights => "weights",
            Self::Checkpoint => "checkpoint",
            Self::Image => "image",
            Self::Io => "input/output",
            Self::NonFinite => "non-finite value",
            Self::Cancelled => "cancelled",
        })
    }
}

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The error of every fallible call in this workspace.
///
/// Its message names what was expected, what was found, and what to do; [`Error::kind`] is for programs.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Source>,
}

impl Error {
    /// An error of `kind`, with a message for people.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same error, with what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error, its message led by where it happened: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// The same error, told together with another that followed.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.message = format!("{}; and then: {}", self.message, other.message);
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}
