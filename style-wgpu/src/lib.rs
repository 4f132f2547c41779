//! The wgpu backend: one implementation for every GPU that Vulkan, Metal or DirectX 12 can use.
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
//! The kernels are WGSL, in `kernels/`; wgpu checks and compiles them for the driver at their first use. All values are
//! `f32`; sums are pairs of `f32` that hold 48 bits (`kernels/pair.wgsl`), because WGSL has no `f64`.

#![forbid(unsafe_code)]

#[cfg(target_family = "wasm")]
compile_error!(
    "style-transfer-wgpu does not support WebAssembly yet: a browser returns results of its GPU later, while `Storage` waits for \
     them; leave the feature `wgpu` out and use the CPU backend"
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

pub use adapter::{Adapter, AdapterKind, adapters};
pub use backend::{Wgpu, WgpuBuilder};
pub use ops::conv2d::Filter;
pub use tensor::{Gate, Scalars, Switches, Tensor, Workspace};
