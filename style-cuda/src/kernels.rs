//! The kernels: PTX loaded once, a typed launcher each.

use std::ffi::{CString, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

use cudarc::driver::result;
use cudarc::driver::sys::{self, CUjit_option_enum, CUresult};
use style_core::{Error, ErrorKind, Result};

use crate::context::{Context, Entered, failed};
use crate::ops::{conv2d, gram, guide, loss, moments, pool2d, relu, tv, vector, window};

/// What a kernel takes: one value of plain data.
///
/// # Safety
/// The type is `repr(C)`, without padding, and of the layout of the struct that the kernel's source names.
pub(crate) unsafe trait Args: Copy {}

/// A function of a module.
pub(crate) struct Kernel<A> {
    function: sys::CUfunction,
    name: &'static str,
    threads: u32,
    args: PhantomData<fn(&A)>,
}

// SAFETY: a handle of the driver's, used only under `Entered`.
unsafe impl<A> Send for Kernel<A> {}
// SAFETY: as above.
unsafe impl<A> Sync for Kernel<A> {}

impl<A: Args> Kernel<A> {
    /// Threads of a block.
    pub(crate) fn threads(&self) -> usize {
        self.threads as usize
    }

    /// Enqueues the kernel on a grid of `[x, y, z]` blocks; none if an extent is zero.
    ///
    /// # Safety
    /// The pointers in `args` are null where the kernel allows it, or of buffers of this context with room for what the
    /// kernel reads and writes; what it writes, nothing else in `args` overlaps.
    pub(crate) unsafe fn launch(&self, entered: &Entered<'_>, grid: [usize; 3], mut args: A) -> Result<()> {
        if grid.contains(&0) {
            return Ok(());
        }
        let limits = [i32::MAX as usize, 65_535, 65_535];
        if grid.iter().zip(limits).any(|(&blocks, most)| blocks > most) {
            let message = format!("{} would take {grid:?} blocks, and a device runs {limits:?}", self.name);
            return Err(Error::new(ErrorKind::Shape, message + "; use a smaller picture"));
        }
        let [x, y, z] = grid.map(|blocks| blocks as c_uint);
        let mut params = [ptr::from_mut(&mut args).cast::<c_void>()];
        // SAFETY: the kernel takes one parameter of this layout, and the driver copies it before the call returns; the
        // rest is the caller's promise.
        unsafe {
            result::launch_kernel(self.function, (x, y, z), (self.threads, 1, 1), 0, entered.stream(), &mut params)
        }
        .map_err(|e| failed(&format!("launching {}", self.name), e))
    }

    /// One thread for each of `count` items.
    ///
    /// # Safety
    /// As [`launch`](Self::launch).
    pub(crate) unsafe fn launch_for(&self, entered: &Entered<'_>, count: usize, args: A) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.launch(entered, [count.div_ceil(self.threads()), 1, 1], args) }
    }
}

/// A module of the driver's.
struct Module {
    context: Arc<Context>,
    module: sys::CUmodule,
    file: &'static str,
}

// SAFETY: a handle of the driver's, used only under `Entered`.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    /// Has the driver compile PTX for its device; what its compiler says against it goes into the error.
    fn load(context: &Arc<Context>, file: &'static str, ptx: &str) -> Result<Self> {
        let _entered = context.enter()?;
        let source = CString::new(ptx).map_err(|e| broken(file, "holds a zero byte").with_source(e))?;
        let mut log = [0u8; 8192];
        let mut options =
            [CUjit_option_enum::CU_JIT_ERROR_LOG_BUFFER, CUjit_option_enum::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
        // A number stands in the place of a pointer, as the driver has it.
        let mut values = [log.as_mut_ptr().cast::<c_void>(), ptr::without_provenance_mut(log.len())];
        let mut module = ptr::null_mut();
        // SAFETY: two options with their values; the PTX ends with a zero; the log is as long as it says.
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
                let message = "NVIDIA's driver is too old for this program's kernels, which want one of CUDA 11 or later; \
                               update it, or use the CPU backend";
                Err(Error::new(ErrorKind::Unavailable, message).with_source(e))
            }
            Err(e) => {
                let told = String::from_utf8_lossy(&log);
                let told = told.trim_end_matches('\0').trim();
                Err(broken(file, &format!("is refused by NVIDIA's driver: {told}")).with_source(e))
            }
        }
    }

    fn kernel<A: Args>(&self, name: &'static str, threads: u32) -> Result<Kernel<A>> {
        let lacking = || broken(self.file, &format!("has no kernel {name}"));
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
            // SAFETY: nothing of the module runs after this, and its functions are dropped with it.
            let _ = unsafe {
                result::stream::synchronize(entered.stream()).and_then(|()| result::module::unload(self.module))
            };
        }
    }
}

fn broken(file: &str, what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the kernels of {file}.ptx cannot be used: it {what}"))
}

/// Modules, their kernels, what these take and with how many threads a block they run.
macro_rules! kernels {
    ($(#[$doc:meta])* $set:ident { $($file:literal { $($kernel:ident($args:ty, $threads:literal)),* $(,)? })* }) => {
        $(#[$doc])*
        pub(crate) struct $set {
            $($(pub(crate) $kernel: Kernel<$args>,)*)*
            _modules: Vec<Module>,
        }

        impl $set {
            pub(crate) fn load(context: &Arc<Context>) -> Result<Self> {
                let mut modules = vec![];
                $(
                    let ptx = include_str!(concat!("../kernels/", $file, ".ptx"));
                    let module = Module::load(context, $file, ptx)?;
                    $(let $kernel = module.kernel(stringify!($kernel), $threads)?;)*
                    modules.push(module);
                )*
                Ok(Self { $($($kernel,)*)* _modules: modules })
            }

            /// Each kernel with the bytes that it is given and the PTX that it is in.
            #[cfg(test)]
            fn sizes() -> Vec<(&'static str, usize, u32, &'static str)> {
                vec![$($((
                    stringify!($kernel),
                    size_of::<$args>(),
                    $threads,
                    include_str!(concat!("../kernels/", $file, ".ptx")),
                ),)*)*]
            }
        }
    };
}

kernels! {
    /// The kernels that every device runs.
    Kernels {
        "conv2d" { conv2d(conv2d::Conv2dArgs, 128) }
        "conv2d_winograd" { conv2d_winograd(conv2d::Conv2dArgs, 256) }
        "conv2d_picture" {
            conv2d_from_picture(conv2d::picture::PictureArgs, 128),
            conv2d_to_picture(conv2d::picture::PictureArgs, 128),
            conv2d_fold_picture(conv2d::picture::PictureArgs, 128),
        }
        "gram" {
            gram(gram::direct::GramArgs, 256),
            gram_finish(gram::FinishArgs, 256),
            gram_symmetric(gram::direct::SymmetricArgs, 256),
            gram_bwd(gram::direct::GramBwdArgs, 256),
        }
        "guide" { guide(guide::GuideArgs, 256), guide_few(guide::GuideArgs, 256) }
        "loss" {
            half_squared_distance(loss::DistanceArgs, 256),
            half_squared_distance_bwd(loss::DistanceBwdArgs, 256),
        }
        "moments" {
            moments_sum(moments::SumArgs, 256),
            moments_finish(moments::FinishArgs, 256),
            moments_bwd(moments::MomentsBwdArgs, 256),
            moments_bwd_few(moments::MomentsBwdArgs, 256),
        }
        "pool2d" {
            pool2d_fwd(pool2d::PoolArgs, 256),
            pool2d_bwd(pool2d::PoolArgs, 256),
            pool2d_fwd_few(pool2d::PoolArgs, 256),
            pool2d_bwd_few(pool2d::PoolArgs, 256),
        }
        "relu" { rectify(relu::RectifyArgs, 256) }
        "tv" { tv(tv::TvArgs, 256), tv_bwd(tv::TvArgs, 256) }
        "vector" {
            dots(vector::DotsArgs, 256),
            reduce(vector::ReduceArgs, 256),
            combine(vector::CombineArgs, 256),
            adam(vector::AdamArgs, 256),
        }
        "window" {
            window_fwd(window::WindowArgs, 256),
            window_bwd(window::WindowArgs, 256),
            window_fwd_few(window::WindowArgs, 256),
            window_bwd_few(window::WindowArgs, 256),
        }
    }
}

kernels! {
    /// The kernels for tensor cores, of compute capability 8.0.
    TensorKernels {
        "conv2d_tensor" {
            conv2d_f16(conv2d::Conv2dArgs, 128),
            conv2d_f16_narrow(conv2d::Conv2dArgs, 128),
            conv2d_f16_small(conv2d::Conv2dArgs, 128),
            conv2d_bf16(conv2d::Conv2dArgs, 128),
            conv2d_bf16_narrow(conv2d::Conv2dArgs, 128),
            conv2d_bf16_small(conv2d::Conv2dArgs, 128),
        }
        "gram_tensor" {
            gram_f16(gram::tensor::GramTensorArgs, 128),
            gram_bf16(gram::tensor::GramTensorArgs, 128),
            gram_filters(gram::tensor::FiltersArgs, 256),
            gram_bwd_bf16(conv2d::Conv2dArgs, 128),
            gram_bwd_bf16_narrow(conv2d::Conv2dArgs, 128),
            gram_bwd_bf16_small(conv2d::Conv2dArgs, 128),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_as_large_as_the_kernels_take_them() {
        for (kernel, bytes, threads, ptx) in [Kernels::sizes(), TensorKernels::sizes()].concat() {
            let parameter = format!(".b8 {kernel}_param_0[{bytes}]\n");
            assert!(ptx.contains(&parameter), "{kernel} does not take {bytes} bytes");
            let entry = &ptx[ptx.find(&format!(".entry {kernel}(")).unwrap()..];
            let bounds = entry.find(".maxntid").unwrap();
            assert!(entry[bounds..].starts_with(&format!(".maxntid {threads}, 1, 1\n")), "{kernel}: {threads} threads");
        }
    }
}
