//! Runs this project's PTX kernels on the CPU and checks them. **For tests only; it does not replace a GPU.**
//!
//! [`install`] makes this crate's shared library the process's `libcuda.so`, so that CUDA calls through cudarc reach it;
//! [`configure`] chooses the device; [`launches`] and [`leaks`] return completed launches and live objects.
//!
//! ```
//! use cudarc::driver::result;
//!
//! ptx_runner::install()?;
//! let _mine = ptx_runner::configure(ptx_runner::Device { major: 7, minor: 0, ..Default::default() })?;
//! result::init()?;
//! assert_eq!(result::device::get_name(result::device::get(0)?)?, "ptx-runner (no GPU)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Code that passes here may still fail on a GPU: there is no timing, tensor cores may round sums differently, NVIDIA's
//! compiler may behave differently, blocks share memory in one simple order, and calls missing from `driver` are absent.
//! Code that fails here fails on a GPU too, or works there by luck.

mod client;
mod driver;
pub mod machine;
pub mod ptx;

pub use client::{Configured, InstallError, Launched, configure, forget_launches, install, launches, leaks};
pub use machine::{Counters, Fault, FaultKind, Launch, Memory, run};
pub use ptx::{Kernel, Module};

/// The properties and behaviour of the simulated devices.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Device {
    /// The number of devices, all identical.
    pub devices: u32,
    /// The major version of the compute capability.
    pub major: u32,
    /// The minor version of the compute capability.
    pub minor: u32,
    /// The driver's version as returned by `cuDriverGetVersion`: 12000 for CUDA 12.0.
    pub driver: u32,
    /// Memory per device in bytes.
    pub memory: u64,
    /// The launch, counted from 1, at which the device is lost; 0 for never.
    pub lost_at_launch: u64,
    /// Runs only about this many blocks of a launch and scales the counters, to estimate the cost of a launch without
    /// computing it; 0 runs all. If set, memory starts as zeros.
    pub sample: u64,
}

impl Default for Device {
    /// One device of compute capability 8.0 with 8 GiB, and a driver for CUDA 12.0.
    fn default() -> Self {
        Self { devices: 1, major: 8, minor: 0, driver: 12000, memory: 8 << 30, lost_at_launch: 0, sample: 0 }
    }
}
