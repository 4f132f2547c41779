//! The CPU backend: SIMD kernels with run-time dispatch, on threads that the embedding application controls.
//!
//! ```
//! use style_cpu::Cpu;
//!
//! let all_cores = Cpu::new()?;
//! let two = Cpu::builder().threads(2).build()?;
//! # Ok::<(), style_core::Error>(())
//! ```
//!
//! Its ops ([`style_core::backend::ops`]) can be used on their own. With the feature `ndarray`, [`Tensor`]s convert from
//! and to its arrays.
//!
//! Every result is bitwise identical for any number of threads: no sum is split by it, and each has
//! a fixed order. NEON, AVX2 and AVX-512 give the same bits too; the portable kernels round products before they add,
//! and agree with the others only up to rounding.

#[cfg(feature = "ndarray")]
mod arrays;
mod cpu;
mod gemm;
mod isa;
mod memory;
mod ops;
mod parallel;
mod precision;
mod simd;
mod storage;
mod tensor;

pub use cpu::{Convolution, Cpu, CpuBuilder};
pub use isa::Isa;
pub use ops::conv2d::Filter;
pub use precision::Precision;
pub use tensor::{Gate, Half, Scalars, Switches, Tensor, Workspace};
