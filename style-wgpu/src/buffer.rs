//! Device memory, counted and limited.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use style_core::{Error, ErrorKind, Result};

use crate::context::Context;

/// A buffer, and whether there was no memory for it.
pub(crate) fn create(device: &wgpu::Device, label: &str, size: u64, usage: wgpu::BufferUsages) -> (wgpu::Buffer, bool) {
    let scope = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
    let buffer = device.create_buffer(&descriptor);
    (buffer, pollster::block_on(scope.pop()).is_some())
}

/// Device memory, freed on drop once no work uses it.
pub(crate) struct Buffer {
    context: Arc<Context>,
    pub(crate) handle: wgpu::Buffer,
    bytes: usize,
}

impl Buffer {
    /// Allocates zeros.
    pub(crate) fn new(context: &Arc<Context>, bytes: usize, what: &str) -> Result<Self> {
        let refuse = |why: String| {
            let message = format!("{what} requires {bytes} bytes on {}, {why}", context.adapter);
            Error::new(ErrorKind::OutOfMemory, message)
        };
        let most = context.limits.max_buffer_size.min(context.limits.max_storage_buffer_binding_size);
        let rounded = size(bytes) as u64;
        if rounded > most {
            let advice = "use a smaller picture, or a memory limit, so that the picture is evaluated in tiles";
            return Err(refuse(format!("which accepts at most {most} in one buffer; {advice}")));
        }
        if let Some(free) = context.free_memory().filter(|&free| size(bytes) > free) {
            return Err(refuse(format!(
                "found {free} free below the memory limit; use a smaller picture or a higher limit"
            )));
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let (handle, mut out_of_memory) = create(&context.device, what, rounded, usage);
        let mut handle = handle;
        if out_of_memory {
            // Memory that was dropped is free once the device is done with it.
            let _ = context.device.poll(wgpu::PollType::wait_indefinitely());
            (handle, out_of_memory) = create(&context.device, what, rounded, usage);
        }
        if out_of_memory {
            return Err(refuse("which it does not have; use a smaller picture or a memory limit".into()));
        }
        context.check()?;
        context.allocated.fetch_add(size(bytes), Ordering::Relaxed);
        Ok(Self { context: Arc::clone(context), handle, bytes })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn belongs_to(&self, context: &Arc<Context>) -> bool {
        Arc::ptr_eq(&self.context, context)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.context.allocated.fetch_sub(size(self.bytes), Ordering::Relaxed);
    }
}

/// Bytes allocated for a buffer: whole groups of four values, at least one.
fn size(bytes: usize) -> usize {
    bytes.max(1).checked_next_multiple_of(16).unwrap_or(usize::MAX)
}
