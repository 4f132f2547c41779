//! Device enumeration.

use std::ffi::c_int;
use std::fmt;

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUdevice_attribute, CUresult};
use style_core::{Error, ErrorKind, Result};

/// A CUDA device, as its driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// The index in the driver's list, from 0. `CUDA_VISIBLE_DEVICES` hides and reorders devices.
    pub index: usize,
    /// The model name.
    pub name: String,
    /// The compute capability: major and minor version.
    pub compute_capability: (u32, u32),
    /// Total memory in bytes, whether free or not.
    pub total_memory: u64,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.compute_capability;
        let gib = self.total_memory as f64 / f64::from(1 << 30);
        write!(f, "{}: {} (compute capability {major}.{minor}, {gib:.1} GiB)", self.index, self.name)
    }
}

/// Lists the devices that the driver reports, at least one, in the driver's order.
///
/// # Errors
/// `Unavailable` if the driver's library is missing or is not the driver's, if the driver does not start, or if it
/// reports no device; `OutOfMemory` if the driver ran out of memory. The driver's error is the error's source.
pub fn devices() -> Result<Vec<Device>> {
    check_library()?;
    result::init().map_err(|e| failed("cannot initialise NVIDIA's driver", e))?;
    let count = result::device::get_count().map_err(|e| failed("cannot count the CUDA devices", e))?;
    if count <= 0 {
        return Err(no_device());
    }
    (0..count).map(device).collect()
}

/// Every driver function that this crate calls.
const FUNCTIONS: [&str; 38] = [
    "cuInit",
    "cuDriverGetVersion",
    "cuDeviceGetCount",
    "cuDeviceGet",
    "cuDeviceGetName",
    "cuDeviceGetAttribute",
    "cuDeviceTotalMem_v2",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2",
    "cuCtxSetCurrent",
    "cuCtxGetCurrent",
    "cuModuleLoadDataEx",
    "cuModuleGetFunction",
    "cuModuleUnload",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuStreamBeginCapture_v2",
    "cuStreamEndCapture",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuGraphDestroy",
    "cuGraphExecDestroy",
    "cuMemAlloc_v2",
    "cuMemFree_v2",
    "cuMemGetInfo_v2",
    "cuMemcpyHtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuMemsetD8Async",
    "cuLaunchKernel",
    "cuEventCreate",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuEventElapsedTime",
    "cuEventDestroy_v2",
    "cuGetErrorName",
    "cuGetErrorString",
];

/// Checks that the driver's library can be called: cudarc panics if the library or one of its functions is missing.
fn check_library() -> Result<()> {
    let name = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
    let advice = "install NVIDIA's driver, or use the CPU backend";
    // SAFETY: loading a library runs its initialisers; those of NVIDIA's driver require nothing of the caller. Only a
    // library in the system's search path and under the driver's name is loaded.
    if !unsafe { sys::is_culib_present() } {
        let message = format!("NVIDIA's driver library ({name}) is not installed; {advice}");
        return Err(Error::new(ErrorKind::Unavailable, message));
    }
    // SAFETY: as above; it does not panic, because the library was found just now.
    let library = unsafe { sys::culib() };
    for function in FUNCTIONS {
        // SAFETY: the symbol is only looked up, never called or read as this type, which is a pointer, as every symbol
        // is.
        if let Err(e) = unsafe { library.get::<unsafe extern "C" fn()>(function.as_bytes()) } {
            let message = format!("function {function} is missing from NVIDIA's driver library ({name}); {advice}");
            return Err(Error::new(ErrorKind::Unavailable, message).with_source(e));
        }
    }
    Ok(())
}

/// Checks that the driver supports the PTX version of the kernels, 7.0: CUDA 11.0 and later.
pub(crate) fn check_driver() -> Result<()> {
    let mut version = 0;
    // SAFETY: the function writes one number.
    unsafe { sys::cuDriverGetVersion(&mut version) }
        .result()
        .map_err(|e| failed("cannot query the version of NVIDIA's driver", e))?;
    if version >= 11_000 {
        return Ok(());
    }
    let (major, minor) = (version / 1000, version % 1000 / 10);
    let message = format!(
        "expected an NVIDIA driver for CUDA 11.0 or later, found CUDA {major}.{minor}; update the driver, or use the CPU \
         backend"
    );
    Err(Error::new(ErrorKind::Unavailable, message))
}

fn device(ordinal: c_int) -> Result<Device> {
    let describe = || {
        let handle = result::device::get(ordinal)?;
        // SAFETY: the handle is from `get`, and devices stay valid until the process ends.
        let attribute = |which| unsafe { result::device::get_attribute(handle, which) };
        Ok(Device {
            index: ordinal.unsigned_abs() as usize,
            name: result::device::get_name(handle)?,
            compute_capability: (
                attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?.unsigned_abs(),
                attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?.unsigned_abs(),
            ),
            // SAFETY: as above.
            total_memory: unsafe { result::device::total_mem(handle) }? as u64,
        })
    };
    describe().map_err(|e| failed(&format!("CUDA device {ordinal} does not respond"), e))
}

pub(crate) fn no_device() -> Error {
    let message = "NVIDIA's driver reports no CUDA device; check the card with nvidia-smi and CUDA_VISIBLE_DEVICES, or use \
                   the CPU backend";
    Error::new(ErrorKind::Unavailable, message)
}

/// Converts a driver error into the reason why a device cannot be used.
pub(crate) fn failed(what: &str, e: DriverError) -> Error {
    let error = match e.0 {
        CUresult::CUDA_ERROR_NO_DEVICE => no_device(),
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => Error::new(ErrorKind::OutOfMemory, format!("{what}: not enough memory")),
        CUresult::CUDA_ERROR_STUB_LIBRARY => {
            let message = "the toolkit's stub was loaded instead of NVIDIA's driver library; remove its folder from the \
                           library search path, or use the CPU backend";
            Error::new(ErrorKind::Unavailable, message)
        }
        _ => Error::new(
            ErrorKind::Unavailable,
            format!("{what}; check the device with nvidia-smi, or use the CPU backend"),
        ),
    };
    error.with_source(e)
}
