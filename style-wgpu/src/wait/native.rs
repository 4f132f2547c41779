//! The thread waits.

use std::sync::Arc;

use pollster::block_on;

/// What to do where there is no adapter.
pub(crate) const NO_ADAPTER: &str =
    "no GPU driver for Vulkan, Metal or DirectX 12 was found; install the GPU's driver, or use the CPU backend";

pub(crate) fn adapters(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    block_on(instance.enumerate_adapters(wgpu::Backends::all()))
}

pub(crate) fn device(
    adapter: &wgpu::Adapter,
    descriptor: &wgpu::DeviceDescriptor<'_>,
) -> Result<(wgpu::Device, wgpu::Queue), String> {
    block_on(adapter.request_device(descriptor)).map_err(|e| e.to_string())
}

/// Has errors that no call returns told to `handler`.
pub(crate) fn report(device: &wgpu::Device, handler: impl Fn(wgpu::Error) + Send + Sync + 'static) {
    device.on_uncaptured_error(Arc::new(handler));
}

/// What `make` returns, and the first of the errors of these kinds that it causes.
pub(crate) fn caught<T>(
    device: &wgpu::Device,
    kinds: &[wgpu::ErrorFilter],
    make: impl FnOnce() -> T,
) -> (T, Option<wgpu::Error>) {
    let scopes: Vec<_> = kinds.iter().map(|&kind| device.push_error_scope(kind)).collect();
    let made = make();
    // All scopes end, in reverse order.
    let errors: Vec<_> = scopes.into_iter().rev().map(|scope| block_on(scope.pop())).collect();
    (made, errors.into_iter().flatten().next())
}

/// Waits for all that was submitted, and for buffers that were to be mapped before.
pub(crate) fn finish(device: &wgpu::Device, _queue: &wgpu::Queue) -> Result<(), String> {
    device.poll(wgpu::PollType::wait_indefinitely()).map(|_| ()).map_err(|e| e.to_string())
}

/// Frees a buffer that no recorded work uses. Here dropping it does.
pub(crate) fn discard(_buffer: &wgpu::Buffer) {}
