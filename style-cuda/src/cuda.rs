//! The backend: a device, its kernels, a precision and a way to convolve.

use std::sync::Arc;
use std::time::Duration;

use style_core::{Error, ErrorKind, Result, Storage};

use crate::context::{Buffer, Context, Event};
use crate::device::{Device, check_driver, devices};
use crate::kernels::set::{Kernels, TensorKernels};
use crate::kernels::vector::PARTIAL_BYTES;
use crate::precision::Precision;

/// A CUDA device with a stream of its own; see [`style_core::Storage`].
pub struct Cuda {
    pub(crate) context: Arc<Context>,
    pub(crate) kernels: Kernels,
    /// Under half precision.
    pub(crate) tensor_kernels: Option<TensorKernels>,
    pub(crate) precision: Precision,
    pub(crate) convolution: Convolution,
    /// What reductions over blocks pass through. Ops use it one at a time, since each has the stream to itself.
    pub(crate) partial: Buffer,
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
        check_driver()?;
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
        let partial = Buffer::new(&context, PARTIAL_BYTES, "room for sums")?;
        Ok(Cuda { context, kernels, tensor_kernels, precision: self.precision, convolution: self.convolution, partial })
    }
}

impl std::fmt::Debug for Cuda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cuda").field(&self.description()).finish()
    }
}

/// How convolutions of features in `f32` are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Convolution {
    /// By Winograd's F(2x2, 3x3): 4 multiplications an output instead of 9.
    #[default]
    Planned,
    /// Directly: without Winograd's rounding, the strict mode.
    Direct,
}
