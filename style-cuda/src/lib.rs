//! The CUDA backend: the whole algorithm on an NVIDIA device, by kernels of this crate's own.
//!
//! ```
//! use style_cuda::Cuda;
//!
//! match Cuda::new() {
//!     Ok(cuda) => println!("{}", cuda.device()),
//!     Err(e) => println!("no CUDA: {e}"),
//! }
//! ```
//!
//! Building needs no CUDA toolkit, and running needs only NVIDIA's driver, of CUDA 11 or later. Its library is loaded on
//! the first call; where it is missing, that call gives an error. The kernels are CUDA C++ in `kernels/`, committed as PTX
//! beside it, which the driver compiles for its device when a [`Cuda`] is made.
//!
//! The image, the targets, the optimiser's vectors and the losses stay on the device; a few scalars come back in each
//! iteration, and nothing else waits for the device. From the third evaluation on, the device does all ops of an
//! evaluation from a graph that it recorded of the second.
//!
//! # Precision
//!
//! [`Precision::F32`] needs compute capability 7.5; the half precisions 8.0, for their tensor cores. The image, its
//! gradient, optimisers, Gram matrices and losses are `f32` in all of them, sums of losses `f64`.
//!
//! | | features, filters forward | gradients, filters backward | unit roundoffs |
//! |---|---|---|---|
//! | `F32` | `f32` | `f32` | 2^-24, 2^-24 |
//! | `F16` | `f16`, saturated at 65504 | `bf16`, which has the range of `f32`: nothing underflows | 2^-11, 2^-8 |
//! | `Bf16` | `bf16` | `bf16` | 2^-8, 2^-8 |

mod context;
mod device;
mod kernels;
mod ops;
mod recording;
mod tensor;

pub use device::{Device, devices};
pub use ops::{Convolution, Filter};
pub use recording::Recording;
pub use tensor::{Gate, Scalars, Switches, Tensor, Workspace};

use std::sync::Arc;
use std::time::Duration;

use half::f16;
use style_core::{Error, ErrorKind, Result, Shape, Storage};

use context::{Buffer, Context, Event};
use kernels::{Kernels, TensorKernels};
use tensor::DType;

/// What features and filters are held in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Precision {
    /// `f32` throughout.
    #[default]
    F32,
    /// Features in `f16`, their gradients in `bf16`, on tensor cores that add up in `f32`.
    F16,
    /// Both in `bf16`, for networks whose features are beyond 65504.
    Bf16,
}

/// A CUDA device with a stream of its own; see [`style_core::Storage`].
pub struct Cuda {
    context: Arc<Context>,
    kernels: Kernels,
    /// Under half precision.
    tensor_kernels: Option<TensorKernels>,
    precision: Precision,
    convolution: Convolution,
    /// What reductions over blocks pass through. Ops use it one at a time, since each has the stream to itself.
    partial: Buffer,
}

/// Settings of a [`Cuda`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct CudaBuilder {
    index: usize,
    name: Option<String>,
    precision: Precision,
    convolution: Convolution,
}

impl Cuda {
    /// The first device, in `f32`.
    ///
    /// # Errors
    /// As [`CudaBuilder::build`].
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// Chooses a device and a precision.
    pub fn builder() -> CudaBuilder {
        CudaBuilder::default()
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.context.device
    }

    /// What features are held in.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The time that the device takes for what `work` enqueues, from its first operation to its last, by the device's own
    /// clock; waits for it.
    ///
    /// # Errors
    /// What `work` and the device give.
    pub fn time(&self, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
        let start = Event::record(&self.context.enter()?)?;
        work()?;
        let entered = self.context.enter()?;
        let milliseconds = start.milliseconds_to(&Event::record(&entered)?, &entered)?;
        Ok(Duration::from_secs_f32(milliseconds.max(0.0) / 1e3))
    }
}

impl CudaBuilder {
    /// The device of this number in [`devices`].
    pub fn device(mut self, index: usize) -> Self {
        (self.index, self.name) = (index, None);
        self
    }

    /// The first device whose name contains this, in any case: `h100`, say.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What features are held in. Default: `f32`.
    ///
    /// ```no_run
    /// use style_cuda::{Cuda, Precision};
    ///
    /// let cuda = Cuda::builder().precision(Precision::F16).build()?;
    /// # Ok::<(), style_core::Error>(())
    /// ```
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Computes convolutions of features in `f32` in this way; half precision has one of its own.
    ///
    /// ```no_run
    /// use style_cuda::{Convolution, Cuda};
    ///
    /// let strict = Cuda::builder().convolution(Convolution::Direct).build()?;
    /// # Ok::<(), style_core::Error>(())
    /// ```
    pub fn convolution(mut self, convolution: Convolution) -> Self {
        self.convolution = convolution;
        self
    }

    /// Opens the device and compiles the kernels for it.
    ///
    /// # Errors
    /// `Unavailable` if there is no driver or device, no such device, if the driver is older than CUDA 11 or the device's
    /// compute capability is too low; `Unsupported`, with its compiler's words, if the driver refuses a kernel;
    /// `OutOfMemory`.
    pub fn build(self) -> Result<Cuda> {
        let all = devices()?;
        let device = match &self.name {
            None => all.get(self.index),
            Some(name) => all.iter().find(|d| d.name.to_lowercase().contains(&name.to_lowercase())),
        };
        let Some(device) = device else {
            let wanted = self.name.map_or(format!("number {}", self.index), |name| format!("named \"{name}\""));
            let there: Vec<_> = all.iter().map(ToString::to_string).collect();
            let message = format!("there is no CUDA device {wanted}; there are: {}", there.join("; "));
            return Err(Error::new(ErrorKind::Unavailable, message));
        };
        device::check_driver()?;
        let (least, what) = match self.precision {
            Precision::F32 => ((7, 5), "this backend"),
            Precision::F16 | Precision::Bf16 => ((8, 0), "half precision"),
        };
        if device.compute_capability < least {
            let message = format!("{what} wants compute capability {}.{}, and this is {device}", least.0, least.1);
            let advice = if device.compute_capability >= (7, 5) { "Precision::F32" } else { "the CPU backend" };
            return Err(Error::new(ErrorKind::Unavailable, format!("{message}; use {advice}")));
        }
        let context = Context::new(device.clone())?;
        let kernels = Kernels::load(&context)?;
        let half = self.precision != Precision::F32;
        let tensor_kernels = half.then(|| TensorKernels::load(&context)).transpose()?;
        let partial = Buffer::new(&context, ops::PARTIAL_BYTES, "room for sums")?;
        Ok(Cuda { context, kernels, tensor_kernels, precision: self.precision, convolution: self.convolution, partial })
    }
}

impl std::fmt::Debug for Cuda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cuda").field(&self.description()).finish()
    }
}

impl Storage for Cuda {
    type Tensor = Tensor;
    type Gate = Gate;
    type Switches = Switches;
    type Scalars = Scalars;
    type Workspace = Workspace;
    type Recording = Recording;

    fn description(&self) -> String {
        let precision = match self.precision {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Bf16 => "bf16",
        };
        format!("cuda ({}, {precision})", self.context.device.name)
    }

    fn repeat(
        &self,
        recording: &mut Recording,
        from: &Tensor,
        to: &mut Tensor,
        work: impl FnMut(&Tensor, &mut Tensor) -> Result<()>,
    ) -> Result<()> {
        recording.repeat(&self.context, from, to, work)
    }

    fn free_memory(&self) -> Option<usize> {
        self.context.free_memory()
    }

    fn tensor(&self, shape: Shape) -> Result<Tensor> {
        Tensor::new(&self.context, shape, DType::F32)
    }

    fn features(&self, shape: Shape) -> Result<Tensor> {
        Tensor::new(&self.context, shape, self.precision.activation())
    }

    fn unit_roundoffs(&self) -> [f64; 2] {
        let of = |dtype| match dtype {
            DType::F32 => 2f64.powi(-24),
            DType::F16 => 2f64.powi(-11),
            DType::Bf16 => 2f64.powi(-8),
        };
        [of(self.precision.activation()), of(self.precision.gradient())]
    }

    fn shape(&self, tensor: &Tensor) -> Shape {
        tensor.shape()
    }

    fn reshape(&self, tensor: &mut Tensor, shape: Shape) -> Result<()> {
        tensor.reshape(shape)
    }

    fn gate(&self, shape: Shape) -> Result<Gate> {
        Ok(Gate { buffer: Buffer::new(&self.context, Gate::bytes(shape), &format!("a gate of {shape}"))?, shape })
    }

    fn switches(&self, shape: Shape) -> Result<Switches> {
        let what = format!("switches of {shape}");
        Ok(Switches { buffer: Buffer::new(&self.context, Switches::bytes(shape), &what)?, shape })
    }

    fn reshape_gate(&self, gate: &mut Gate, shape: Shape) -> Result<()> {
        gate.reshape(shape)
    }

    fn reshape_switches(&self, switches: &mut Switches, shape: Shape) -> Result<()> {
        switches.reshape(shape)
    }

    fn scalars(&self, count: usize) -> Result<Scalars> {
        let what = format!("{count} scalars");
        Ok(Scalars { buffer: Buffer::new(&self.context, count.saturating_mul(8), &what)?, count })
    }

    fn workspace(&self, bytes: usize) -> Result<Workspace> {
        Ok(Workspace { buffer: Buffer::new(&self.context, bytes, "a workspace")? })
    }

    fn tensor_bytes(&self, shape: Shape) -> usize {
        Tensor::bytes(shape, DType::F32)
    }

    fn features_bytes(&self, shape: Shape) -> usize {
        Tensor::bytes(shape, self.precision.activation())
    }

    fn gate_bytes(&self, shape: Shape) -> usize {
        context::rounded(Gate::bytes(shape)).unwrap_or(usize::MAX)
    }

    fn switches_bytes(&self, shape: Shape) -> usize {
        context::rounded(Switches::bytes(shape)).unwrap_or(usize::MAX)
    }

    fn upload(&self, src: &[f32], dst: &mut Tensor) -> Result<()> {
        ops::expect_length(src.len(), dst)?;
        let entered = self.enter(&[&dst.buffer])?;
        if !dst.is_half() {
            return entered.upload(&dst.encode(src, |v| v), &mut dst.buffer);
        }
        dst.dtype = self.precision.activation();
        let value = if dst.dtype == DType::F16 { tensor::to_f16 } else { tensor::to_bf16 };
        entered.upload(&dst.encode(src, value), &mut dst.buffer)
    }

    fn download(&self, src: &Tensor, dst: &mut [f32]) -> Result<()> {
        ops::expect_length(dst.len(), src)?;
        let entered = self.enter(&[&src.buffer])?;
        if src.is_half() {
            let mut all = vec![f16::ZERO.to_bits(); src.values()];
            entered.download(&src.buffer, &mut all)?;
            src.decode(&all, dst, |v| tensor::from_half(src.dtype, v));
        } else {
            let mut all = vec![0f32; src.values()];
            entered.download(&src.buffer, &mut all)?;
            src.decode(&all, dst, |v| v);
        }
        Ok(())
    }

    fn read_scalars(&self, src: &Scalars, dst: &mut [f64]) -> Result<()> {
        src.slots(0, dst.len())?;
        self.enter(&[&src.buffer])?.download(&src.buffer, dst)
    }
}
