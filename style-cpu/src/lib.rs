//! The CPU backend: SIMD kernels with run-time dispatch, on threads that the embedding application controls.
//!
//! ```
//! use style_cpu::Cpu;
//!
//! let all_cores = Cpu::new()?;
//! let two = Cpu::builder().threads(2).build()?;
//! # Ok::<(), style_core::Error>(())
//! ```
//!
//! Its ops ([`style_core::ops`]) can be used by themselves; [`Tensor`]s are made from and become `ndarray` arrays.
//!
//! Every result has the same bits whatever the number of threads: work is cut by shapes, and each sum has one order.
//! Between instruction sets results agree to rounding only.

mod gemm;
mod memory;
mod ops;
mod parallel;
mod simd;
mod tensor;

pub use ops::{Convolution, Filter};
use parallel::Threads;
pub use simd::Isa;
use simd::Level;
use style_core::{Error, ErrorKind, Result, Shape, Storage};
pub use tensor::{Gate, Scalars, Switches, Tensor, Workspace};

/// The CPU backend: an instruction set, threads, and a way to convolve. Cheap to clone; clones share their threads.
#[derive(Clone, Debug)]
pub struct Cpu {
    level: Level,
    threads: Threads,
    convolution: Convolution,
}

/// Describes a [`Cpu`].
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct CpuBuilder {
    isa: Option<Isa>,
    threads: Option<usize>,
    ambient: bool,
    convolution: Convolution,
}

impl Cpu {
    /// The best instruction set there is, on a thread for each core.
    ///
    /// # Errors
    /// `Unavailable` if the threads cannot be started.
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// To choose the instruction set or the threads.
    pub fn builder() -> CpuBuilder {
        CpuBuilder::default()
    }

    /// The instruction set in use.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.level.isa()
    }

    /// How many threads run the ops.
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

    /// Runs on so many threads of the backend's own; with 1, on the calling thread alone. Default: one a core.
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = Some(count);
        self
    }

    /// Runs on the rayon pool that the caller is in (`ThreadPool::install`), or else the global one, and starts no
    /// threads.
    pub fn ambient_threads(mut self) -> Self {
        self.ambient = true;
        self
    }

    /// Computes convolutions in this way; [`Convolution::Direct`] is the strict mode.
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

    /// The backend.
    ///
    /// # Errors
    /// `Unavailable` if the processor lacks the instruction set or the threads cannot be started; `Argument` if the
    /// number of threads is 0 or above 1024, or both kinds of threads are asked for.
    pub fn build(self) -> Result<Cpu> {
        let level = self.isa.unwrap_or_else(Isa::best).check()?;
        let threads = match (self.ambient, self.threads) {
            (true, None) => Threads::Ambient,
            (false, None) => Threads::own(std::thread::available_parallelism().map_or(1, usize::from).min(1024))?,
            (false, Some(n)) if (1..=1024).contains(&n) => Threads::own(n)?,
            (false, Some(n)) => {
                return Err(Error::new(ErrorKind::Argument, format!("threads must be 1 to 1024, but are {n}")));
            }
            (true, Some(_)) => {
                let message = "threads of the backend's own and ambient threads exclude each other";
                return Err(Error::new(ErrorKind::Argument, message));
            }
        };
        Ok(Cpu { level, threads, convolution: self.convolution })
    }
}

impl Storage for Cpu {
    type Tensor = Tensor;
    type Gate = Gate;
    type Switches = Switches;
    type Scalars = Scalars;
    type Workspace = Workspace;
    type Recording = ();

    fn description(&self) -> String {
        let n = self.threads();
        format!("cpu ({}, {n} thread{})", self.isa().name(), if n == 1 { "" } else { "s" })
    }

    fn within<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.threads.within(work)
    }

    fn tensor(&self, shape: Shape) -> Result<Tensor> {
        Tensor::new(shape)
    }

    fn shape(&self, tensor: &Tensor) -> Shape {
        tensor.shape()
    }

    fn reshape(&self, tensor: &mut Tensor, shape: Shape) -> Result<()> {
        tensor.reshape(shape)
    }

    fn gate(&self, shape: Shape) -> Result<Gate> {
        Gate::new(shape)
    }

    fn switches(&self, shape: Shape) -> Result<Switches> {
        Switches::new(shape)
    }

    fn reshape_gate(&self, gate: &mut Gate, shape: Shape) -> Result<()> {
        gate.reshape(shape)
    }

    fn reshape_switches(&self, switches: &mut Switches, shape: Shape) -> Result<()> {
        switches.reshape(shape)
    }

    fn scalars(&self, count: usize) -> Result<Scalars> {
        let partial = memory::zeroed_vec(count.saturating_mul(tensor::PARTS), "sums")?;
        Ok(Scalars { values: memory::zeroed_vec(count, "scalars")?, partial })
    }

    fn workspace(&self, bytes: usize) -> Result<Workspace> {
        Ok(Workspace { memory: memory::zeroed(bytes.div_ceil(size_of::<tensor::Lanes>()), "a workspace")? })
    }

    fn tensor_bytes(&self, shape: Shape) -> usize {
        Tensor::bytes(shape)
    }

    fn gate_bytes(&self, shape: Shape) -> usize {
        Gate::bytes(shape)
    }

    fn switches_bytes(&self, shape: Shape) -> usize {
        Gate::bytes(shape).saturating_mul(2)
    }

    fn upload(&self, src: &[f32], dst: &mut Tensor) -> Result<()> {
        dst.upload(src)
    }

    fn download(&self, src: &Tensor, dst: &mut [f32]) -> Result<()> {
        src.download(dst)
    }

    fn read_scalars(&self, src: &Scalars, dst: &mut [f64]) -> Result<()> {
        let values = src.values.get(..dst.len()).ok_or_else(|| {
            Error::new(ErrorKind::Shape, format!("{} scalars were asked of {}", dst.len(), src.values.len()))
        })?;
        dst.copy_from_slice(values);
        Ok(())
    }
}
