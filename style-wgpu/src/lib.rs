//! The wgpu backend: one implementation for every GPU that Vulkan, Metal, DirectX 12 or a browser's WebGPU can use.
//!
//! ```no_run
//! let gpu = style_wgpu::Wgpu::new()?;
//! println!("{gpu:?}");
//! # Ok::<(), style_core::Error>(())
//! ```
//!
//! [`adapters`] lists the GPUs; [`Wgpu::builder`] selects one. A software driver computes on the CPU, more slowly than the CPU
//! backend, so it is used only if asked for ([`WgpuBuilder::software`]).
//!
//! The kernels are WGSL, in `kernels/`; wgpu checks and compiles them for the driver at their first use. Values are
//! `f32`, those of L-BFGS's history bf16; sums are pairs of `f32` that hold 48 bits (`kernels/pair.wgsl`), because WGSL has no `f64`.
//!
//! In a browser (wasm32-unknown-unknown) a call that waits for the device puts the stack aside until the device answers, so the
//! browser must have JSPI, and the call must come from a function that is exported with `#[wasm_bindgen(jspi)]`, as in
//! `style-web`. Nothing else may use the same `Wgpu` until that function returns.

#![forbid(unsafe_code)]

#[cfg(all(target_family = "wasm", not(target_os = "unknown")))]
compile_error!(
    "style-transfer-wgpu needs a browser where it is compiled to WebAssembly: build for wasm32-unknown-unknown, or leave the \
     feature `wgpu` out and use the CPU backend"
);

mod adapter;
mod backend;
mod buffer;
mod context;
mod kernels;
mod ops;
#[cfg(feature = "record")]
pub mod record;
mod storage;
mod tensor;
mod turn;
mod wait;

pub use adapter::{Adapter, AdapterKind, adapters};
pub use backend::{Convolution, Wgpu, WgpuBuilder};
pub use ops::conv2d::Filter;
pub use tensor::{Gate, Half, Scalars, Switches, Tensor, Workspace};
