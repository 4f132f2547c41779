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
//! Its ops ([`style_core::ops`]) can be used by themselves; [`Tensor`]s are made from and become `ndarray` arrays.
//!
//! Every result has the same bits whatever the number of threads: work is cut by shapes, and each sum has one order.
//! Between instruction sets results agree to rounding only.

mod cpu;
mod gemm;
mod isa;
mod memory;
mod ops;
mod parallel;
mod simd;
mod storage;
mod tensor;

pub use cpu::{Convolution, Cpu, CpuBuilder};
pub use isa::Isa;
pub use ops::conv2d::Filter;
pub use tensor::{Gate, Scalars, Switches, Tensor, Workspace};
