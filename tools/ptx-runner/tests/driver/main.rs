//! The driver's functions through cudarc, checked against NVIDIA's "CUDA Driver API" reference.

#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "every call is unsafe; the pointers are to locals that outlive the calls"
)]

mod device;
mod faults;
mod graphs;
mod memory;
mod modules;
mod streams;

use std::ffi::{CString, c_void};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUcontext, CUdeviceptr, CUfunction, CUresult, CUstream};
use ptx_runner::{Configured, Device};

/// `add` adds v to the words from p on, one per thread; `far` stores out of bounds; `odd` stores at p + 1.
const PTX: &str = "
.version 7.0
.target sm_75
.address_size 64
.visible .entry add(.param .u64 p, .param .u32 v)
{
    .reg .b32 %r<7>;
    .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [p];
    ld.param.u32 %r1, [v];
    mov.u32 %r2, %tid.x;
    mov.u32 %r5, %ctaid.x;
    mov.u32 %r6, %ntid.x;
    mad.lo.s32 %r2, %r5, %r6, %r2;
    mul.wide.u32 %rd2, %r2, 4;
    add.s64 %rd3, %rd1, %rd2;
    ld.global.u32 %r3, [%rd3];
    add.s32 %r4, %r3, %r1;
    st.global.u32 [%rd3], %r4;
    ret;
}
.visible .entry far(.param .u64 p)
{
    .reg .b32 %r<2>;
    .reg .b64 %rd<2>;
    ld.param.u64 %rd1, [p];
    mov.u32 %r1, 7;
    st.global.u32 [%rd1+1048576], %r1;
    ret;
}
.visible .entry odd(.param .u64 p)
{
    .reg .b32 %r<2>;
    .reg .b64 %rd<2>;
    ld.param.u64 %rd1, [p];
    mov.u32 %r1, 7;
    st.global.u32 [%rd1+1], %r1;
    ret;
}
";

/// Exclusive use of a device, with a current context.
struct Gpu {
    context: CUcontext,
    _mine: Configured,
}

fn gpu(device: Device) -> Gpu {
    let mine = ptx_runner::configure(device).expect("the library is built with this test");
    result::init().unwrap();
    let context = unsafe { result::primary_ctx::retain(0) }.unwrap();
    unsafe { result::ctx::set_current(context) }.unwrap();
    Gpu { context, _mine: mine }
}

fn default_gpu() -> Gpu {
    gpu(Device::default())
}

fn load(ptx: &str) -> Result<sys::CUmodule, DriverError> {
    let text = CString::new(ptx).unwrap();
    unsafe { result::module::load_data(text.as_ptr().cast()) }
}

fn function(name: &str) -> CUfunction {
    let module = load(PTX).unwrap();
    unsafe { result::module::get_function(module, CString::new(name).unwrap()) }.unwrap()
}

fn launch(function: CUfunction, threads: u32, stream: CUstream, params: &mut [*mut c_void]) -> Result<(), DriverError> {
    unsafe { result::launch_kernel(function, (1, 1, 1), (threads, 1, 1), 0, stream, params) }
}

/// Runs `add` with `v` on 4 words.
fn add(function: CUfunction, mut at: CUdeviceptr, mut v: u32, stream: CUstream) {
    launch(function, 4, stream, &mut [(&raw mut at).cast(), (&raw mut v).cast()]).unwrap();
}

fn stream() -> CUstream {
    result::stream::create(result::stream::StreamKind::NonBlocking).unwrap()
}

/// Memory with these words, after waiting for the write.
fn words(values: &[u32]) -> CUdeviceptr {
    let at = unsafe { result::malloc_sync(size_of_val(values)) }.unwrap();
    unsafe { result::memcpy_htod_sync(at, values) }.unwrap();
    result::ctx::synchronize().unwrap();
    at
}

/// The four words at an address, waiting only for the default stream.
fn read(at: CUdeviceptr) -> [u32; 4] {
    let mut values = [0; 4];
    unsafe { result::memcpy_dtoh_sync(&mut values, at) }.unwrap();
    values
}

/// The code of an error and the driver's text.
fn error<T>(result: Result<T, DriverError>) -> (CUresult, String) {
    let e = result.map(|_| ()).expect_err("it should fail");
    (e.0, e.error_string().unwrap().to_str().unwrap().to_owned())
}

/// Checks that a call fails with a code and a text.
#[track_caller]
fn refused<T>(result: Result<T, DriverError>, code: CUresult, says: &str) {
    let (found, text) = error(result);
    assert_eq!(found, code, "{text}");
    assert!(text.contains(says), "{says:?} is not in {text:?}");
}
