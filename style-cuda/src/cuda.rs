//! The backend: a device, its kernels, a precision and a convolution algorithm.

use std::sync::Arc;
use std::time::Duration;

use style_core::backend::Storage;
use style_core::{Error, ErrorKind, Result};

use crate::context::{Buffer, Context, Event};
use crate::device::{Device, check_driver, devices};
use crate::kernels::set::{Kernels, TensorKernels};
use crate::kernels::vector::PARTIAL_BYTES;
use crate::precision::Precision;

/// A CUDA device with a dedicated stream; see [`style_core::backend::Storage`].
pub struct Cuda {
    pub(crate) context: Arc<Context>,
    pub(crate) kernels: Kernels,
    /// Present in half precision.
    pub(crate) tensor_kernels: Option<TensorKernels>,
    pub(crate) precision: Precision,
    pub(crate) convolution: Convolution,
    /// Scratch memory for the partial sums of reductions over blocks. Ops use it one at a time, because each holds the
    /// stream exclusively.
    pub(crate) partial: Buffer,
}

/// Builder for a [`Cuda`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct CudaBuilder {
    index: usize,
    name: Option<String>,
    precision: Precision,
    convolution: Convolution,
}

impl Cuda {
    /// Opens the first device, in `f32`.
    ///
    /// # Errors
    /// As for [`CudaBuilder::build`].
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// Returns a builder for choosing a device and a precision.
    pub fn builder() -> CudaBuilder {
        CudaBuilder::default()
    }

    /// The device in use.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.context.device
    }

    /// The number format of features.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Measures the device time of the work that `work` enqueues, from its first operation to its last, on the device's
    /// own clock. Waits for it to finish.
    ///
    /// # Errors
    /// The errors of `work` and of the device.
    pub fn time(&self, work: impl FnOnce() -> Result<()>) -> Result<Duration> {
        let start = Event::record(&self.context.enter()?)?;
        work()?;
        let entered = self.context.enter()?;
        let milliseconds = start.milliseconds_to(&Event::record(&entered)?, &entered)?;
        Ok(Duration::from_secs_f32(milliseconds.max(0.0) / 1e3))
    }
}

impl CudaBuilder {
    /// Uses the device with this index in [`devices`].
    pub fn device(mut self, index: usize) -> Self {
        (self.index, self.name) = (index, None);
        self
    }

    /// Uses the first device whose name contains this string, ignoring case: `h100`, for example.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the number format of features. Default: `f32`.
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

    /// Selects the algorithm for convolutions of features in `f32`; half precision has its own.
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
    /// `Unavailable` if there is no driver or device, or no such device, or if the driver is older than CUDA 11 or the
    /// device's compute capability is too low; `Unsupported`, with its compiler's message, if the driver rejects a
    /// kernel; `OutOfMemory`.
    pub fn build(self) -> Result<Cuda> {
        let all = devices()?;
        let device = match &self.name {
            None => all.get(self.index),
            Some(name) => all.iter().find(|d| d.name.to_lowercase().contains(&name.to_lowercase())),
        };
        let Some(device) = device else {
            let requested = self.name.map_or(format!("number {}", self.index), |name| format!("named \"{name}\""));
            let available: Vec<_> = all.iter().map(ToString::to_string).collect();
            let message = format!("no CUDA device {requested}; available devices: {}", available.join("; "));
            return Err(Error::new(ErrorKind::Unavailable, message));
        };
        check_driver()?;
        let (least, what) = match self.precision {
            Precision::F32 => ((7, 5), "this backend"),
            Precision::F16 | Precision::Bf16 => ((8, 0), "half precision"),
        };
        if device.compute_capability < least {
            let message = format!("{what} requires compute capability {}.{}, found {device}", least.0, least.1);
            let advice = if device.compute_capability >= (7, 5) { "Precision::F32" } else { "the CPU backend" };
            return Err(Error::new(ErrorKind::Unavailable, format!("{message}; use {advice}")));
        }
        let context = Context::new(device.clone())?;
        let kernels = Kernels::load(&context)?;
        let half = self.precision != Precision::F32;
        let tensor_kernels = half.then(|| TensorKernels::load(&context)).transpose()?;
        let partial = Buffer::new(&context, PARTIAL_BYTES, "a buffer for partial sums")?;
        Ok(Cuda { context, kernels, tensor_kernels, precision: self.precision, convolution: self.convolution, partial })
    }
}

impl std::fmt::Debug for Cuda {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cuda").field(&self.description()).finish()
    }
}

/// The algorithm for convolutions of features in `f32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Convolution {
    /// Winograd F(2x2, 3x3): 4 multiplications per output instead of 9.
    #[default]
    Planned,
    /// Direct: without Winograd's rounding, the strict mode.
    Direct,
}
