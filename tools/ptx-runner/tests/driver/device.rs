use cudarc::driver::sys::{CUdevice_attribute as Attribute, CUresult};
use cudarc::driver::{result, sys};
use ptx_runner::Device;

use super::{default_gpu, gpu, refused};

fn attribute(which: Attribute) -> i32 {
    unsafe { result::device::get_attribute(0, which) }.unwrap()
}

#[test]
fn it_is_what_was_asked_for() {
    let _gpu = gpu(Device { devices: 2, major: 7, minor: 5, driver: 11040, memory: 64 << 20, ..Device::default() });
    assert_eq!(result::device::get_count().unwrap(), 2);
    assert_eq!(result::device::get_name(1).unwrap(), "ptx-runner (no GPU)");
    assert_eq!(unsafe { result::device::total_mem(1) }.unwrap(), 64 << 20);
    assert_ne!(result::device::get_uuid(0).unwrap().bytes, result::device::get_uuid(1).unwrap().bytes);
    let mut version = 0;
    assert_eq!(unsafe { sys::cuDriverGetVersion(&mut version) }, CUresult::CUDA_SUCCESS);
    assert_eq!(version, 11040);
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR), 7);
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR), 5);
    // the row of 7.5 in "Technical Specifications per Compute Capability"
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR), 1024);
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR), 16);
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR), 64 << 10);
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_WARP_SIZE), 32);
    assert_eq!(attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X), i32::MAX);
    refused(result::device::get(2), CUresult::CUDA_ERROR_INVALID_DEVICE, "device 2 does not exist");
    refused(result::device::get(-1), CUresult::CUDA_ERROR_INVALID_DEVICE, "device -1 does not exist");
    let unknown = unsafe { result::device::get_attribute(0, Attribute::CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_WIDTH) };
    refused(unknown, CUresult::CUDA_ERROR_INVALID_VALUE, "not supported by ptx-runner");
}

#[test]
fn no_device_and_no_cu_init() {
    let _mine = ptx_runner::configure(Device { devices: 0, ..Device::default() }).unwrap();
    refused(result::init(), CUresult::CUDA_ERROR_NO_DEVICE, "no CUDA-capable device");
    drop(_mine);
    let _mine = ptx_runner::configure(Device::default()).unwrap();
    refused(result::device::get_count(), CUresult::CUDA_ERROR_NOT_INITIALIZED, "cuInit");
}

#[test]
fn errors_have_names_and_texts() {
    let _gpu = default_gpu();
    let e = result::DriverError(CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    assert_eq!(e.error_name().unwrap().to_str().unwrap(), "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED");
    assert_eq!(e.error_string().unwrap().to_str().unwrap(), "operation failed due to a previous error during capture");
    // "If the error code is not recognized, CUDA_ERROR_INVALID_VALUE will be returned and *pStr will be set to NULL"
    let other = result::DriverError(CUresult::CUDA_ERROR_TOO_MANY_PEERS);
    assert_eq!(other.error_string().unwrap_err().0, CUresult::CUDA_ERROR_INVALID_VALUE);
}

#[test]
fn all_who_retain_it_share_a_context() {
    let gpu = default_gpu();
    let again = unsafe { result::primary_ctx::retain(0) }.unwrap();
    assert_eq!(again, gpu.context);
    assert_eq!(result::ctx::get_current().unwrap(), Some(again));
    let at = unsafe { result::malloc_sync(16) }.unwrap();
    // one of two remains
    unsafe { result::primary_ctx::release(0) }.unwrap();
    unsafe { result::free_sync(at) }.unwrap();
    unsafe { result::primary_ctx::release(0) }.unwrap();
    refused(unsafe { result::malloc_sync(16) }, CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED, "destroyed");
    refused(unsafe { result::ctx::set_current(again) }, CUresult::CUDA_ERROR_INVALID_CONTEXT, "destroyed");
    refused(unsafe { result::primary_ctx::release(0) }, CUresult::CUDA_ERROR_INVALID_CONTEXT, "not retained");
    assert!(ptx_runner::leaks().unwrap().is_empty());
    // each thread has its own context
    let none = std::thread::spawn(|| (result::ctx::get_current().unwrap().is_none(), result::ctx::synchronize()));
    let (none, synchronised) = none.join().unwrap();
    assert!(none);
    assert_eq!(synchronised.unwrap_err().0, CUresult::CUDA_ERROR_INVALID_CONTEXT);
}

#[test]
fn leaks_are_reported() {
    let _gpu = default_gpu();
    let at = unsafe { result::malloc_sync(1000) }.unwrap();
    let host = unsafe { result::malloc_host(100, 0) }.unwrap();
    let stream = super::stream();
    let event = result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT).unwrap();
    let module = super::load(super::PTX).unwrap();
    let leaks = ptx_runner::leaks().unwrap();
    let expected = [
        format!("1000 bytes at {at:#x}"),
        format!("100 bytes of host memory at {:#x}", host as usize),
        "1 streams".into(),
        "1 modules".into(),
        "1 events".into(),
    ];
    assert_eq!(leaks, expected);
    unsafe {
        result::stream::destroy(stream).unwrap();
        result::event::destroy(event).unwrap();
        result::module::unload(module).unwrap();
        result::free_host(host).unwrap();
    }
    assert_eq!(ptx_runner::leaks().unwrap(), expected[..1]);
    // also after its context is gone
    unsafe { result::primary_ctx::release(0) }.unwrap();
    assert_eq!(ptx_runner::leaks().unwrap(), expected[..1]);
}
