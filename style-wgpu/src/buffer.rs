//! Device memory, counted and limited.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use style_core::{Error, ErrorKind, Result};

use crate::context::Context;
use crate::wait;

/// A buffer, and whether allocation failed for lack of memory. A buffer to write to is mapped.
pub(crate) fn create(device: &wgpu::Device, label: &str, size: u64, usage: wgpu::BufferUsages) -> (wgpu::Buffer, bool) {
    let mapped_at_creation = usage.contains(wgpu::BufferUsages::MAP_WRITE);
    let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation };
    let made = || device.create_buffer(&descriptor);
    let (buffer, error) = wait::caught(device, &[wgpu::ErrorFilter::OutOfMemory], made);
    (buffer, error.is_some())
}

/// Memory counted as allocated, until it is dropped.
struct Reserved {
    context: Arc<Context>,
    bytes: usize,
}

impl Reserved {
    /// Counts so many bytes, unless they exceed the memory limit; the error is what is free below it.
    fn new(context: &Arc<Context>, bytes: usize) -> std::result::Result<Self, usize> {
        let within = |sum: &usize| context.limit.is_none_or(|limit| *sum <= limit);
        let add = |allocated: usize| allocated.checked_add(bytes).filter(within);
        match context.allocated.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(Self { context: Arc::clone(context), bytes }),
            Err(allocated) => Err(context.limit.unwrap_or(usize::MAX).saturating_sub(allocated)),
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.context.allocated.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Device memory, freed on drop once no work uses it.
pub(crate) struct Buffer {
    pub(crate) handle: wgpu::Buffer,
    bytes: usize,
    reserved: Reserved,
}

impl Buffer {
    /// Allocates zeros.
    pub(crate) fn new(context: &Arc<Context>, bytes: usize, what: &str) -> Result<Self> {
        let refuse = |why: String| {
            let message = format!("{what} requires {bytes} bytes on {}, {why}", context.adapter);
            Error::new(ErrorKind::OutOfMemory, message)
        };
        // Kernels count with 32 bits.
        let most = context.limits.max_buffer_size.min(context.limits.max_storage_buffer_binding_size);
        let most = most.min(u64::from(u32::MAX) & !15);
        let rounded = size(bytes) as u64;
        if rounded > most {
            let advice = "use a smaller picture, or a memory limit, so that the picture is evaluated in tiles";
            return Err(refuse(format!("which accepts at most {most} in one buffer; {advice}")));
        }
        let reserved = Reserved::new(context, size(bytes)).map_err(|free| {
            refuse(format!("found {free} free below the memory limit; use a smaller picture or a higher limit"))
        })?;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let (mut handle, mut out_of_memory) = create(&context.device, what, rounded, usage);
        if out_of_memory {
            // Memory that was dropped is free once the device is done with it.
            context.enter()?.finish();
            (handle, out_of_memory) = create(&context.device, what, rounded, usage);
        }
        if out_of_memory {
            return Err(refuse("which it does not have; use a smaller picture or a memory limit".into()));
        }
        context.check()?;
        Ok(Self { handle, bytes, reserved })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn belongs_to(&self, context: &Arc<Context>) -> bool {
        Arc::ptr_eq(&self.reserved.context, context)
    }
}

#[cfg(target_family = "wasm")]
impl Drop for Buffer {
    fn drop(&mut self) {
        self.reserved.context.free(&self.handle);
    }
}

/// Bytes allocated for a buffer: whole groups of four values, at least one.
pub(crate) fn size(bytes: usize) -> usize {
    bytes.max(1).checked_next_multiple_of(16).unwrap_or(usize::MAX)
}
