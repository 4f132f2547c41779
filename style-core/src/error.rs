//! One error type for the whole workspace: a kind to match on, and a message that says what to do.

use std::fmt;

pub(crate) fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Argument, message)
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The category of an error, coarse enough to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Two shapes that must agree do not, or a shape is empty or too large.
    Shape,
    /// A picture is too small for a layer of the network.
    TooSmall {
        /// The minimum side length, in pixels.
        least: usize,
    },
    /// A setting is out of range, unknown, or contradicts another.
    Argument,
    /// The request is valid, but this build or backend does not support it.
    Unsupported,
    /// A requested device, driver or library is not available.
    Unavailable,
    /// An allocation failed.
    OutOfMemory,
    /// A session does not fit into its memory limit with any tiling.
    MemoryExceeded {
        /// The minimum required, in bytes.
        needed: usize,
        /// Width of the largest picture of these proportions that fits; zero if none does.
        width: usize,
        /// Height of that picture.
        height: usize,
    },
    /// The device stopped working while it was in use.
    DeviceLost,
    /// A weight file is damaged, incomplete, or for another network.
    Weights,
    /// A checkpoint is damaged, or belongs to another session.
    Checkpoint,
    /// A picture is damaged or cannot be used.
    Image,
    /// Reading or writing a file failed.
    Io,
    /// A value that must be finite is NaN or infinite.
    NonFinite,
    /// [Cancelled](crate::SessionBuilder::cancel) by the caller.
    Cancelled,
    /// The session or the job has finished; it can do no more.
    Finished,
    /// Code of the caller, such as an observer, panicked on the thread of a [job](crate::Job).
    Panicked,
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
            Self::Finished => "finished",
            Self::Panicked => "panicked",
        })
    }
}

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The error of every fallible call in this workspace.
///
/// The message says what was expected, what was found, and what to do; programs match on [`Error::kind`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Source>,
}

impl Error {
    /// An error of `kind` with a human-readable message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Adds the source of the error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Prefixes the message with where the error occurred: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// Appends the message of an error that followed.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.message = format!("{}; then also: {}", self.message, other.message);
        self
    }

    /// The category of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}
