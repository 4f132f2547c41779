//! How a studio is started.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The port that is taken if none is given, and if it is free.
pub(crate) const USUAL_PORT: u16 = 7478;

/// How a studio is started.
///
/// ```
/// use style_studio::Options;
///
/// let options = Options::new("out/studio");
/// assert!(options.bind.is_loopback());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where pictures and jobs are kept. It is made if it is not there.
    pub folder: PathBuf,
    /// The address to serve at: this machine alone, by default.
    pub bind: IpAddr,
    /// The port; by default 7478, or any if that one is taken.
    pub port: Option<u16>,
    /// Threads that paint; by default one per core.
    pub threads: Option<NonZeroUsize>,
    /// The largest picture file that is accepted, in bytes; 64 MiB by default.
    pub most_upload: usize,
    /// Pictures that the page offers to begin with.
    pub samples: Vec<Sample>,
}

impl Options {
    /// The defaults, with this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            bind: Ipv4Addr::LOCALHOST.into(),
            port: None,
            threads: None,
            most_upload: 64 << 20,
            samples: vec![],
        }
    }
}

/// A picture that the page offers to begin with.
#[derive(Clone, Debug)]
pub struct Sample {
    /// A short name for its button.
    pub name: String,
    /// A title with its author and licence.
    pub title: String,
    /// Whether it is a painting rather than a photograph.
    pub painting: bool,
    /// Its file.
    pub file: &'static [u8],
}
