//! The browser's promises are waited for by JSPI.
//!
//! Errors are taken from WebGPU itself: wgpu panics at errors of the kind `internal`.

use std::sync::mpsc;

use js_sys::futures::future_to_promise;
use js_sys::{Function, JsString, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

/// What to do where there is no adapter.
pub(crate) const NO_ADAPTER: &str = "the browser offers no GPU; use the CPU backend";

/// Puts the stack aside until the promise settles.
#[expect(deprecated, reason = "how wasm-bindgen says that its support of JSPI may change")]
fn settled(promise: &Promise) -> Result<JsValue, JsValue> {
    js_sys::futures::jspi_block_on_promise(promise)
}

/// What a future becomes; nothing if the browser ended it.
fn awaited<T: 'static>(future: impl Future<Output = T> + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    let promise = future_to_promise(async move {
        let _ = sender.send(future.await);
        Ok(JsValue::UNDEFINED)
    });
    settled(&promise).ok()?;
    receiver.try_recv().ok()
}

/// The adapter that the browser prefers; it offers no list.
pub(crate) fn adapters(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    let power_preference = wgpu::PowerPreference::HighPerformance;
    let asked = instance.request_adapter(&wgpu::RequestAdapterOptions { power_preference, ..Default::default() });
    awaited(asked).into_iter().flatten().collect()
}

pub(crate) fn device(
    adapter: &wgpu::Adapter,
    descriptor: &wgpu::DeviceDescriptor<'_>,
) -> Result<(wgpu::Device, wgpu::Queue), String> {
    let answer = awaited(adapter.request_device(descriptor)).ok_or("the browser does not answer")?;
    answer.map_err(|e| e.to_string())
}

/// An error of WebGPU, if the value is one.
fn error_of(value: &JsValue) -> Option<wgpu::Error> {
    let error = value.dyn_ref::<Object>()?;
    let message = Reflect::get(error, &"message".into()).ok().and_then(|text| text.as_string()).unwrap_or_default();
    let source = message.clone().into();
    Some(match String::from(error.constructor().name()).as_str() {
        "GPUOutOfMemoryError" => wgpu::Error::OutOfMemory { source },
        "GPUValidationError" => wgpu::Error::Validation { source, description: message },
        _ => wgpu::Error::Internal { source, description: message },
    })
}

/// Has errors that no call returns told to `handler`.
pub(crate) fn report(device: &wgpu::Device, handler: impl Fn(wgpu::Error) + 'static) {
    let Some(device) = device.as_webgpu() else { return };
    let heard = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
        let error = Reflect::get(&event, &"error".into());
        if let Some(error) = error.ok().and_then(|error| error_of(&error)) {
            handler(error);
        }
    });
    device.set_onuncapturederror(heard.into_js_value().dyn_ref::<Function>());
}

/// What `make` returns, and the first of the errors of these kinds that it causes.
pub(crate) fn caught<T>(
    device: &wgpu::Device,
    kinds: &[wgpu::ErrorFilter],
    make: impl FnOnce() -> T,
) -> (T, Option<wgpu::Error>) {
    let Some(device) = device.as_webgpu() else { return (make(), None) };
    let begin = |kind: &wgpu::ErrorFilter| {
        let name = match kind {
            wgpu::ErrorFilter::OutOfMemory => "out-of-memory",
            wgpu::ErrorFilter::Validation => "validation",
            wgpu::ErrorFilter::Internal => "internal",
        };
        let method = Reflect::get(device, &"pushErrorScope".into()).ok()?.dyn_into::<Function>().ok()?;
        method.call1(device, &JsString::from(name)).ok()
    };
    let begun = kinds.iter().filter(|kind| begin(kind).is_some()).count();
    let made = make();
    // All scopes end before one is waited for, so that nothing else is caught.
    let ended: Vec<Promise> = (0..begun).map(|_| device.pop_error_scope().unchecked_into()).collect();
    let errors: Vec<_> = ended.iter().filter_map(|scope| error_of(&settled(scope).ok()?)).collect();
    (made, errors.into_iter().next())
}

/// Waits for all that was submitted, and for buffers that were to be mapped before: WebGPU settles their promises first.
pub(crate) fn finish(_device: &wgpu::Device, queue: &wgpu::Queue) -> Result<(), String> {
    let Some(queue) = queue.as_webgpu() else { return Ok(()) };
    let done: Promise = queue.on_submitted_work_done().unchecked_into();
    settled(&done).map(|_| ()).map_err(|e| format!("{e:?}"))
}

/// Frees a buffer that no recorded work uses. Once dropped, it would wait for JavaScript's garbage collection.
pub(crate) fn discard(buffer: &wgpu::Buffer) {
    buffer.destroy();
}
