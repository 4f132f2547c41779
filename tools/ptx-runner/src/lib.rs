//! Runs this project's PTX kernels on the CPU, and checks what they do. **For tests only; it is no GPU.**
//!
//! [`install`] makes this crate's shared library the process's `libcuda.so`, so that what calls CUDA by cudarc calls it
//! instead; [`configure`] chooses what device it shows; [`launches`] and [`leaks`] tell what was done and left.
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
//! What passes here is not proven for a GPU. There is no timing, the sums of tensor cores may round otherwise, the
//! driver's compiler is not NVIDIA's, blocks share memory in one simple order, and calls that `driver` does not know are
//! absent. What fails here fails on a GPU too, or works there by luck.

mod client;
mod driver;
pub mod machine;
pub mod ptx;

pub use client::{Configured, InstallError, Launched, configure, forget_launches, install, launches, leaks};
pub use machine::{Counters, Fault, FaultKind, Launch, Memory, run};
pub use ptx::{Kernel, Module};

/// What the stand-in shows as its device, and how it behaves.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Device {
    /// How many there are, all alike.
    pub devices: u32,
    /// The compute capability.
    pub major: u32,
    /// Its minor version.
    pub minor: u32,
    /// The driver's version, as `cuDriverGetVersion` tells it: 12000 for CUDA 12.0.
    pub driver: u32,
    /// Memory of each in bytes.
    pub memory: u64,
    /// The launch, counted from 1, at which the device is lost; 0 for never.
    pub lost_at_launch: u64,
    /// Run about so many blocks of a launch and count for all, to price a launch and not to compute it; 0 for all.
    /// Memory starts as zeros then.
    pub sample: u64,
}

impl Default for Device {
    /// One of capability 8.0 with 8 GiB, and a driver of CUDA 12.0.
    fn default() -> Self {
        Self { devices: 1, major: 8, minor: 0, driver: 12000, memory: 8 << 30, lost_at_launch: 0, sample: 0 }
    }
}
