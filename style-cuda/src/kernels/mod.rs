//! The kernels: PTX loaded once, with a typed launcher per kernel.

pub(crate) mod conv2d;
pub(crate) mod cosine;
pub(crate) mod gram;
pub(crate) mod guide;
pub(crate) mod history;
pub(crate) mod loss;
pub(crate) mod moments;
pub(crate) mod nearest;
pub(crate) mod pool2d;
pub(crate) mod product;
pub(crate) mod relu;
pub(crate) mod sample;
pub(crate) mod set;
pub(crate) mod transport;
pub(crate) mod tv;
pub(crate) mod vector;
pub(crate) mod window;

use std::ffi::{CString, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

use cudarc::driver::result;
use cudarc::driver::sys::{self, CUjit_option_enum, CUresult};
use style_core::{Error, ErrorKind, Result};

use crate::context::{Context, Entered, failed};

/// The argument of a kernel: one value of plain data.
///
/// # Safety
/// The type must be `repr(C)`, without padding, and have the layout of the struct that the kernel's source names.
pub(crate) unsafe trait Args: Copy {}

/// A function in a module.
pub(crate) struct Kernel<A> {
    function: sys::CUfunction,
    name: &'static str,
    threads: u32,
    args: PhantomData<fn(&A)>,
}

// SAFETY: a driver handle, used only under `Entered`.
unsafe impl<A> Send for Kernel<A> {}
// SAFETY: as above.
unsafe impl<A> Sync for Kernel<A> {}

impl<A: Args> Kernel<A> {
    /// Threads per block.
    pub(crate) fn threads(&self) -> usize {
        self.threads as usize
    }

    /// Enqueues the kernel on a grid of `[x, y, z]` blocks; does nothing if an extent is zero.
    ///
    /// # Safety
    /// The pointers in `args` must be null where the kernel allows it, or point to buffers of this context with room
    /// for the data that the kernel reads and writes; nothing else in `args` may overlap the data that it writes.
    pub(crate) unsafe fn launch(&self, entered: &Entered<'_>, grid: [usize; 3], mut args: A) -> Result<()> {
        if grid.contains(&0) {
            return Ok(());
        }
        let limits = [i32::MAX as usize, 65_535, 65_535];
        if grid.iter().zip(limits).any(|(&blocks, most)| blocks > most) {
            let message = format!("{} requires {grid:?} blocks, but a device supports {limits:?}", self.name);
            return Err(Error::new(ErrorKind::Shape, message + "; use a smaller picture"));
        }
        let [x, y, z] = grid.map(|blocks| blocks as c_uint);
        let mut params = [ptr::from_mut(&mut args).cast::<c_void>()];
        // SAFETY: the kernel takes one parameter of this layout, and the driver copies it before the call returns; the
        // caller guarantees the rest.
        unsafe {
            result::launch_kernel(self.function, (x, y, z), (self.threads, 1, 1), 0, entered.stream(), &mut params)
        }
        .map_err(|e| failed(&format!("cannot launch {}", self.name), e))
    }

    /// Launches one thread per item, for `count` items.
    ///
    /// # Safety
    /// As for [`launch`](Self::launch).
    pub(crate) unsafe fn launch_for(&self, entered: &Entered<'_>, count: usize, args: A) -> Result<()> {
        // SAFETY: guaranteed by the caller.
        unsafe { self.launch(entered, [count.div_ceil(self.threads()), 1, 1], args) }
    }
}

/// A driver module.
struct Module {
    context: Arc<Context>,
    module: sys::CUmodule,
    file: &'static str,
}

// SAFETY: a driver handle, used only under `Entered`.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    /// Has the driver compile PTX for its device; the compiler's messages go into the error.
    fn load(context: &Arc<Context>, file: &'static str, ptx: &str) -> Result<Self> {
        let _entered = context.enter()?;
        let source = CString::new(ptx).map_err(|e| broken(file, "the PTX contains a zero byte").with_source(e))?;
        let mut log = [0u8; 8192];
        let mut options =
            [CUjit_option_enum::CU_JIT_ERROR_LOG_BUFFER, CUjit_option_enum::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
        // The driver expects this number in place of a pointer.
        let mut values = [log.as_mut_ptr().cast::<c_void>(), ptr::without_provenance_mut(log.len())];
        let mut module = ptr::null_mut();
        // SAFETY: two options with their values; the PTX ends with a zero; the log has the stated length.
        let loaded = unsafe {
            sys::cuModuleLoadDataEx(
                &mut module,
                source.as_ptr().cast(),
                options.len() as c_uint,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        match loaded.result() {
            Ok(()) => Ok(Self { context: Arc::clone(context), module, file }),
            Err(e) if e.0 == CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => {
                let message = "expected an NVIDIA driver for CUDA 11 or later, found an older one; update the driver, or use \
                               the CPU backend";
                Err(Error::new(ErrorKind::Unavailable, message).with_source(e))
            }
            Err(e) => {
                let log = String::from_utf8_lossy(&log);
                let log = log.trim_end_matches('\0').trim();
                Err(broken(file, &format!("NVIDIA's driver rejects it: {log}")).with_source(e))
            }
        }
    }

    fn kernel<A: Args>(&self, name: &'static str, threads: u32) -> Result<Kernel<A>> {
        let lacking = || broken(self.file, &format!("kernel {name} is missing"));
        let c_name = CString::new(name).map_err(|e| lacking().with_source(e))?;
        let _entered = self.context.enter()?;
        // SAFETY: the module is loaded.
        let function =
            unsafe { result::module::get_function(self.module, c_name) }.map_err(|e| lacking().with_source(e))?;
        Ok(Kernel { function, name, threads, args: PhantomData })
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Ok(entered) = self.context.enter() {
            // SAFETY: nothing in the module runs after this, and its functions are dropped with it.
            let _ = unsafe {
                result::stream::synchronize(entered.stream()).and_then(|()| result::module::unload(self.module))
            };
        }
    }
}

fn broken(file: &str, what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("cannot load the kernels of {file}.ptx: {what}"))
}
