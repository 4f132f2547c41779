//! The backend and its settings.

use std::sync::Arc;

use style_core::backend::Storage;
use style_core::{Error, ErrorKind, Result};

use crate::adapter::{Adapter, AdapterKind, opened};
use crate::buffer::Buffer;
use crate::context::Context;
use crate::kernels::PARTIAL_BYTES;

/// The most operations of a dispatch. A GPU with 10^11 operations a second takes 0.4 seconds for them; drivers may reset a device
/// that does not answer for two.
const DISPATCH_OPERATIONS: u64 = 40_000_000_000;

/// Bytes of scratch memory that Winograd's transforms of a block of tiles take, at most, unless one strip of tiles needs more.
/// Less than a default binding (128 MiB), and little enough for the large caches of some GPUs; enough tiles to occupy others.
const WINOGRAD_BYTES: usize = 32 << 20;

/// The wgpu backend: one device and its queue.
pub struct Wgpu {
    pub(crate) context: Arc<Context>,
    /// Partial sums of reductions; an op holds the context's turn while it uses them.
    pub(crate) partial: Buffer,
    /// Bound in place of missing operands; never written.
    pub(crate) spare: Buffer,
    /// The most operations of a dispatch.
    pub(crate) operations: u64,
    pub(crate) convolution: Convolution,
    /// [`WINOGRAD_BYTES`]. Tests reduce it.
    pub(crate) winograd_bytes: usize,
}

/// The algorithm for convolutions of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Convolution {
    /// Winograd F(2x2, 3x3) for layers with so many channels that it pays, direct for the others.
    #[default]
    Planned,
    /// Direct: without Winograd's rounding, the strict mode.
    Direct,
    /// Winograd for all convolutions of features.
    Winograd,
}

/// Settings for [`Wgpu`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct WgpuBuilder {
    index: Option<usize>,
    name: Option<String>,
    software: bool,
    memory: Option<usize>,
    convolution: Convolution,
}

impl Wgpu {
    /// The best GPU: a discrete one before an integrated one; of equal ones the first.
    ///
    /// # Errors
    /// As [`WgpuBuilder::build`].
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// Settings.
    pub fn builder() -> WgpuBuilder {
        WgpuBuilder::default()
    }

    /// The adapter in use.
    #[must_use]
    pub fn adapter(&self) -> &Adapter {
        &self.context.adapter
    }
}

impl WgpuBuilder {
    /// Uses the adapter with this index in [`adapters`](crate::adapters); also a software driver.
    pub fn adapter(mut self, index: usize) -> Self {
        (self.index, self.name) = (Some(index), None);
        self
    }

    /// Uses the first adapter whose name contains this string, ignoring case: `radeon`, for example. Also a software driver.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        (self.index, self.name) = (None, Some(name.into()));
        self
    }

    /// Whether to use a software driver if there is no GPU. Default: no.
    pub fn software(mut self, allowed: bool) -> Self {
        self.software = allowed;
        self
    }

    /// Limits the device memory that is allocated, in bytes. Sessions tile pictures to fit into it. Default: no limit, because
    /// wgpu does not tell how much there is.
    ///
    /// ```no_run
    /// let gpu = style_wgpu::Wgpu::builder().memory(4 << 30).build()?;
    /// # Ok::<(), style_core::Error>(())
    /// ```
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Selects the algorithm for convolutions of features.
    ///
    /// ```no_run
    /// use style_wgpu::{Convolution, Wgpu};
    ///
    /// let strict = Wgpu::builder().convolution(Convolution::Direct).build()?;
    /// # Ok::<(), style_core::Error>(())
    /// ```
    pub fn convolution(mut self, convolution: Convolution) -> Self {
        self.convolution = convolution;
        self
    }

    /// Opens the device.
    ///
    /// # Errors
    /// `Unavailable` if there is no driver, no GPU or no such adapter, or if the device cannot be opened or lacks what the
    /// kernels require; `OutOfMemory`.
    pub fn build(self) -> Result<Wgpu> {
        let mut all = opened()?;
        let named =
            |(adapter, _): &(Adapter, _), name: &str| adapter.name.to_lowercase().contains(&name.to_lowercase());
        let chosen = match (&self.name, self.index) {
            (Some(name), _) => all.iter().position(|adapter| named(adapter, name)),
            (None, Some(index)) => Some(index).filter(|&index| index < all.len()),
            (None, None) => {
                let usable = |kind| self.software || kind != AdapterKind::Software;
                let candidates = all.iter().enumerate().filter(|(_, (adapter, _))| usable(adapter.kind));
                candidates.min_by_key(|(_, (adapter, _))| adapter.kind.rank()).map(|(i, _)| i)
            }
        };
        let Some(chosen) = chosen else {
            let list = all.iter().map(|(adapter, _)| adapter.to_string()).collect::<Vec<_>>().join("; ");
            let message = match (self.name, self.index) {
                (Some(name), _) => format!("no adapter named \"{name}\"; available adapters: {list}"),
                (None, Some(index)) => format!("no adapter number {index}; available adapters: {list}"),
                (None, None) => format!(
                    "no GPU was found, only software drivers ({list}); use the CPU backend, which is faster, or allow software \
                     drivers"
                ),
            };
            return Err(Error::new(ErrorKind::Unavailable, message));
        };
        let (adapter, handle) = all.swap_remove(chosen);
        Wgpu::on(adapter, &handle, self.memory, self.convolution)
    }
}

impl Wgpu {
    /// Opens the device of an adapter.
    pub(crate) fn on(
        adapter: Adapter,
        handle: &wgpu::Adapter,
        memory: Option<usize>,
        convolution: Convolution,
    ) -> Result<Self> {
        let context = Context::new(adapter, handle, memory)?;
        let partial = Buffer::new(&context, PARTIAL_BYTES, "a buffer for partial sums")?;
        let spare = Buffer::new(&context, 16, "a spare buffer")?;
        Ok(Self {
            context,
            partial,
            spare,
            operations: DISPATCH_OPERATIONS,
            convolution,
            winograd_bytes: WINOGRAD_BYTES,
        })
    }
}

impl std::fmt::Debug for Wgpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Wgpu").field(&self.description()).finish()
    }
}

#[cfg(test)]
impl Wgpu {
    /// An adapter for unit tests, as in tests/common.
    pub(crate) fn for_tests() -> Option<Self> {
        let mut builder = Self::builder().software(true);
        let name = std::env::var("STYLE_WGPU_ADAPTER").ok();
        if let Some(name) = &name {
            builder = builder.named(name);
        }
        match builder.build() {
            Ok(wgpu) => Some(wgpu),
            Err(e) if e.kind() == ErrorKind::Unavailable && name.is_none() => {
                eprintln!("SKIPPED: {e}");
                None
            }
            Err(e) => panic!("{e}"),
        }
    }
}
