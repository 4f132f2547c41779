//! Why the studio cannot do what it was asked.

use std::io;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of every fallible call in this crate. The message says what to do, and names no path of the machine unless the
/// caller gave it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request that is out of range or contradicts itself.
    #[error("{0}")]
    Invalid(String),
    /// Something that does not exist, or no longer.
    #[error("there is no such {0}; it may have been deleted, so reload the page")]
    Missing(&'static str),
    /// A request that does not suit the state of a job.
    #[error("{0}")]
    Conflict(String),
    /// A body above its limit.
    #[error("this is too large: at most {most} bytes are accepted; make the picture smaller")]
    TooLarge {
        /// The limit in bytes.
        most: usize,
    },
    /// The folder with the jobs cannot be read or written.
    #[error("{what}")]
    Store {
        /// What was attempted.
        what: String,
        /// The reason.
        source: io::Error,
    },
    /// The address cannot be served.
    #[error("cannot serve at {address}; choose another address with --port or --bind")]
    Bind {
        /// The address.
        address: std::net::SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// A picture is unusable, or painting failed.
    #[error(transparent)]
    Engine(#[from] style_transfer::Error),
}

impl Error {
    /// The message with its reasons, for a page.
    pub(crate) fn told(&self) -> String {
        let reasons = std::iter::successors(std::error::Error::source(self), |e| e.source());
        reasons.map(ToString::to_string).fold(self.to_string(), |told, reason| match told.contains(&reason) {
            true => told,
            false => format!("{told}: {reason}"),
        })
    }

    pub(crate) fn store(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Store { what, source }
    }
}
