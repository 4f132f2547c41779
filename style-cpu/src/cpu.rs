//! The backend: an instruction set, threads, a convolution algorithm and a precision.

use style_core::{Error, ErrorKind, Result};

use crate::isa::{Isa, Level};
use crate::parallel::Threads;
use crate::precision::Precision;

/// The CPU backend: an instruction set, threads, a convolution algorithm and a precision. Cheap to clone; clones share their
/// threads.
#[derive(Clone, Debug)]
pub struct Cpu {
    pub(crate) level: Level,
    pub(crate) threads: Threads,
    pub(crate) convolution: Convolution,
}

/// Builder for a [`Cpu`].
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct CpuBuilder {
    isa: Option<Isa>,
    threads: Option<usize>,
    ambient: bool,
    convolution: Convolution,
    precision: Precision,
}

impl Cpu {
    /// Uses the best available instruction set and one thread per core.
    ///
    /// # Errors
    /// `Unavailable` if the threads cannot be started.
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// Returns a builder for choosing the instruction set or the threads.
    pub fn builder() -> CpuBuilder {
        CpuBuilder::default()
    }

    /// The instruction set in use.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.level.isa()
    }

    /// The number format of the products of convolutions.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.level.precision()
    }

    /// The number of threads that run the ops.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.count()
    }
}

impl CpuBuilder {
    /// Uses this instruction set instead of the best one.
    pub fn isa(mut self, isa: Isa) -> Self {
        self.isa = Some(isa);
        self
    }

    /// Runs on a private pool of this many threads; with 1, on the calling thread alone. Default: one per core.
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = Some(count);
        self
    }

    /// Starts no threads: runs on the caller's current rayon pool (`ThreadPool::install`), or else on the global one.
    pub fn ambient_threads(mut self) -> Self {
        self.ambient = true;
        self
    }

    /// Selects the convolution algorithm; [`Convolution::Direct`] is the strict mode.
    ///
    /// ```
    /// use style_cpu::{Convolution, Cpu};
    ///
    /// let strict = Cpu::builder().convolution(Convolution::Direct).build()?;
    /// # Ok::<(), style_core::Error>(())
    /// ```
    pub fn convolution(mut self, convolution: Convolution) -> Self {
        self.convolution = convolution;
        self
    }

    /// Sets the number format of the products of convolutions.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Builds the backend.
    ///
    /// # Errors
    /// `Unavailable` if the processor lacks the instruction set or the precision, or the threads cannot be started;
    /// `Argument` if the number of threads is 0 or above 1024, if both kinds of threads are requested, or if bf16 is
    /// requested with an algorithm other than [`Convolution::Planned`].
    pub fn build(self) -> Result<Cpu> {
        let level = self.isa.unwrap_or_else(Isa::best).check(self.precision)?;
        if self.precision == Precision::Bf16 && self.convolution != Convolution::Planned {
            let message = format!("expected Convolution::Planned with bf16, found {:?}; use f32", self.convolution);
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let threads = match (self.ambient, self.threads) {
            (true, None) => Threads::Ambient,
            (false, None) => Threads::own(std::thread::available_parallelism().map_or(1, usize::from).min(1024))?,
            (false, Some(n)) if (1..=1024).contains(&n) => Threads::own(n)?,
            (false, Some(n)) => {
                return Err(Error::new(ErrorKind::Argument, format!("expected 1 to 1024 threads, found {n}")));
            }
            (true, Some(_)) => {
                let message = "`threads` and `ambient_threads` exclude each other; choose one";
                return Err(Error::new(ErrorKind::Argument, message));
            }
        };
        Ok(Cpu { level, threads, convolution: self.convolution })
    }
}

/// The algorithm for convolutions of more than four channels. With fewer, as for the image, all convolutions are
/// direct.
///
/// Winograd's algorithms need a quarter of the multiplications or fewer, and round differently: in `f32`, the features
/// of a VGG agree with direct convolution to 1e-5 to 3e-5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Convolution {
    /// Winograd, with the tile size chosen per shape.
    #[default]
    Planned,
    /// By definition, forming every product. About three times slower; filters take twice the memory.
    Direct,
    /// Winograd F(4x4, 3x3) for all shapes.
    Winograd4,
    /// Winograd F(6x6, 3x3) for all shapes.
    Winograd6,
}
