//! One device with its queue, and the errors that it reports.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use style_core::{Error, ErrorKind, Result};

use crate::adapter::Adapter;
use crate::wait;

/// Dispatches that are submitted together. A driver may reset the device if one submission takes seconds.
pub(crate) const BATCH: usize = 64;

/// Bytes between the parameters of two dispatches: WebGPU's largest alignment.
pub(crate) const SLOT: usize = 256;

/// Workgroups along a dimension of a dispatch: WebGPU's limit.
pub(crate) const MOST_GROUPS: usize = 65_535;

/// A device, its queue and the work that is not yet submitted.
pub(crate) struct Context {
    pub(crate) adapter: Adapter,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) limits: wgpu::Limits,
    /// Held while an op records its work, so that its kernels run one after another and share scratch memory.
    pub(crate) turn: Mutex<Pending>,
    failure: Arc<Mutex<Option<Failure>>>,
    pub(crate) allocated: AtomicUsize,
    pub(crate) limit: Option<usize>,
    /// Buffers that were dropped while recorded work used them.
    #[cfg(target_family = "wasm")]
    dropped: Mutex<Vec<wgpu::Buffer>>,
}

/// An error that the device reported outside any call. It stays: what was computed since is lost.
struct Failure {
    kind: ErrorKind,
    message: String,
}

/// A kernel compiled for the device.
#[derive(Clone)]
pub(crate) struct Compiled {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
}

pub(crate) struct Dispatch {
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) operands: wgpu::BindGroup,
    pub(crate) offset: u32,
    pub(crate) groups: [u32; 2],
}

/// Work in order.
pub(crate) struct Pending {
    pub(crate) kernels: HashMap<&'static str, Compiled>,
    pub(crate) dispatches: Vec<Dispatch>,
    /// The operations of the long ones.
    pub(crate) operations: u64,
    /// The most workgroups in the first dimension of a dispatch. Tests reduce it.
    pub(crate) most_groups: usize,
    /// The parameters of the dispatches, and the buffer for them.
    pub(crate) parameters: Vec<u8>,
    pub(crate) on_device: wgpu::Buffer,
    /// All dispatches so far, for those who count them.
    #[cfg(feature = "record")]
    pub(crate) recorded: Vec<crate::record::Launch>,
}

/// An error of the device in use.
pub(crate) fn failed(kind: ErrorKind, what: &str) -> Error {
    let advice = match kind {
        ErrorKind::OutOfMemory => "use a smaller picture or a lower memory limit",
        _ => "restart from the last saved image, or use the CPU backend",
    };
    Error::new(kind, format!("{what}; {advice}"))
}

/// The error of an uncaptured wgpu error.
fn kind_of(error: &wgpu::Error) -> ErrorKind {
    match error {
        wgpu::Error::OutOfMemory { .. } => ErrorKind::OutOfMemory,
        wgpu::Error::Validation { .. } => ErrorKind::Unsupported,
        wgpu::Error::Internal { .. } => ErrorKind::DeviceLost,
    }
}

/// The error of a kernel that the driver does not compile. The device is still usable.
pub(crate) fn kind_of_rejection(error: &wgpu::Error) -> ErrorKind {
    match error {
        wgpu::Error::OutOfMemory { .. } => ErrorKind::OutOfMemory,
        wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => ErrorKind::Unsupported,
    }
}

fn keep(failure: &Mutex<Option<Failure>>, kind: ErrorKind, message: String) {
    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(Failure { kind, message });
}

impl Context {
    /// Opens a device with the largest buffers that the adapter offers, and WebGPU's default limits otherwise.
    pub(crate) fn new(adapter: Adapter, handle: &wgpu::Adapter, limit: Option<usize>) -> Result<Arc<Self>> {
        let offered = handle.limits();
        let wanted = compute_limits(&offered);
        if !wanted.check_limits(&offered) {
            let message = format!("adapter {adapter} lacks the compute limits of WebGPU; use the CPU backend");
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("style-transfer"),
            required_limits: wanted.clone(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = wait::device(handle, &descriptor).map_err(|e| {
            let message = format!("cannot open adapter {adapter}: {e}; update its driver, or use the CPU backend");
            Error::new(ErrorKind::Unavailable, message)
        })?;
        let failure = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&failure);
        wait::report(&device, move |e| keep(&kept, kind_of(&e), e.to_string()));
        let kept = Arc::clone(&failure);
        device.set_device_lost_callback(move |_, message| keep(&kept, ErrorKind::DeviceLost, message));
        let on_device = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("parameters"),
            size: (BATCH * SLOT) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let pending = Pending {
            kernels: HashMap::new(),
            dispatches: vec![],
            operations: 0,
            most_groups: MOST_GROUPS,
            parameters: vec![],
            on_device,
            #[cfg(feature = "record")]
            recorded: vec![],
        };
        let (turn, allocated) = (Mutex::new(pending), AtomicUsize::new(0));
        Ok(Arc::new(Self {
            adapter,
            device,
            queue,
            limits: wanted,
            turn,
            failure,
            allocated,
            limit,
            #[cfg(target_family = "wasm")]
            dropped: Mutex::default(),
        }))
    }

    /// Returns the error that the device has reported, if any.
    pub(crate) fn check(&self) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.as_ref().map_or(Ok(()), |f| {
            Err(failed(f.kind, &format!("the device {} reported an error: {}", self.adapter, f.message)))
        })
    }

    /// Frees a buffer, at the latest once what is recorded has been submitted.
    #[cfg(target_family = "wasm")]
    pub(crate) fn free(&self, buffer: &wgpu::Buffer) {
        match self.turn.try_lock() {
            Ok(pending) if pending.dispatches.is_empty() => wait::discard(buffer),
            _ => self.dropped.lock().unwrap_or_else(PoisonError::into_inner).push(buffer.clone()),
        }
    }

    /// Frees the buffers that were dropped. No recorded work may be left.
    #[cfg(target_family = "wasm")]
    pub(crate) fn discard(&self) {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner).drain(..).for_each(|buffer| wait::discard(&buffer));
    }

    /// What is left of the memory limit.
    pub(crate) fn free_memory(&self) -> Option<usize> {
        self.limit.map(|limit| limit.saturating_sub(self.allocated.load(Ordering::Relaxed)))
    }
}

/// WebGPU's default limits for compute; buffers as large as the adapter offers, and the adapter's own values for limits that only
/// drawing uses.
fn compute_limits(offered: &wgpu::Limits) -> wgpu::Limits {
    wgpu::Limits {
        max_bind_groups: 1,
        max_storage_buffers_per_shader_stage: 8,
        max_uniform_buffers_per_shader_stage: 1,
        max_dynamic_uniform_buffers_per_pipeline_layout: 1,
        max_compute_workgroup_storage_size: 16_384,
        max_compute_invocations_per_workgroup: 256,
        max_compute_workgroup_size_x: 256,
        max_compute_workgroups_per_dimension: MOST_GROUPS as u32,
        ..offered.clone()
    }
}
