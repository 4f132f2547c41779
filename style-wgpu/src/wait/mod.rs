//! All that waits for a device.
//!
//! Natively the calling thread waits. In a browser the GPU answers by promises: there the stack of WebAssembly is put aside until
//! a promise settles (JSPI, JavaScript promise integration). Whoever calls must therefore be a function that is exported with
//! `#[wasm_bindgen(jspi)]`, and until it returns nothing else may be asked of the same device.

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(not(target_family = "wasm"))]
mod native;

#[cfg(target_family = "wasm")]
pub(crate) use browser::{NO_ADAPTER, adapters, caught, device, discard, finish, report};
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::{NO_ADAPTER, adapters, caught, device, discard, finish, report};
