use std::ffi::c_void;
use std::ptr;

use cudarc::driver::sys::CUresult;
use cudarc::driver::{result, sys};
use ptx_runner::Device;

use super::{default_gpu, error, gpu, read, refused, stream, words};

#[test]
fn it_is_limited() {
    let _gpu = gpu(Device { memory: 64 << 20, ..Device::default() });
    let half = unsafe { result::malloc_sync(32 << 20) }.unwrap();
    assert_eq!(result::mem_get_info().unwrap(), (32 << 20, 64 << 20));
    refused(unsafe { result::malloc_sync(33 << 20) }, CUresult::CUDA_ERROR_OUT_OF_MEMORY, "34603008 bytes requested");
    let other = unsafe { result::malloc_sync(32 << 20) }.unwrap();
    refused(unsafe { result::malloc_sync(1) }, CUresult::CUDA_ERROR_OUT_OF_MEMORY, "in use");
    unsafe { result::free_sync(half) }.unwrap();
    unsafe { result::free_sync(other) }.unwrap();
    assert_eq!(result::mem_get_info().unwrap(), (64 << 20, 64 << 20));
    refused(unsafe { result::malloc_sync(0) }, CUresult::CUDA_ERROR_INVALID_VALUE, "0 bytes");
}

#[test]
fn frees_are_checked() {
    let _gpu = default_gpu();
    let at = unsafe { result::malloc_sync(16) }.unwrap();
    assert!(at.is_multiple_of(256));
    refused(unsafe { result::free_sync(at + 4) }, CUresult::CUDA_ERROR_INVALID_VALUE, "not an allocation");
    unsafe { result::free_sync(at) }.unwrap();
    refused(unsafe { result::free_sync(at) }, CUresult::CUDA_ERROR_INVALID_VALUE, "freed before");
    refused(unsafe { result::memcpy_htod_sync(at, &[1u32]) }, CUresult::CUDA_ERROR_INVALID_VALUE, "not within");
    let host = unsafe { result::malloc_host(16, 0) }.unwrap();
    unsafe { result::free_host(host) }.unwrap();
    refused(unsafe { result::free_host(host) }, CUresult::CUDA_ERROR_INVALID_VALUE, "freed");
}

#[test]
fn copies_and_fills() {
    let _gpu = default_gpu();
    let at = words(&[1, 2, 3, 4]);
    assert_eq!(read(at), [1, 2, 3, 4]);
    unsafe { result::memset_d8_sync(at + 4, 0xAB, 4) }.unwrap();
    assert_eq!(read(at), [1, 0xABAB_ABAB, 3, 4]);
    assert_eq!(unsafe { sys::cuMemsetD32_v2(at, 0x0102_0304, 2) }, CUresult::CUDA_SUCCESS);
    assert_eq!(read(at), [0x0102_0304, 0x0102_0304, 3, 4]);
    unsafe { result::memcpy_dtod_sync(at + 8, at, 8) }.unwrap();
    assert_eq!(read(at), [0x0102_0304; 4]);
    let stream = stream();
    assert_eq!(unsafe { sys::cuMemsetD32Async(at + 12, 5, 1, stream) }, CUresult::CUDA_SUCCESS);
    unsafe { result::memset_d8_async(at, 0, 1, stream) }.unwrap();
    unsafe { result::memcpy_dtod_async(at + 4, at, 4, stream) }.unwrap();
    unsafe { result::stream::synchronize(stream) }.unwrap();
    assert_eq!(read(at), [0x0102_0300, 0x0102_0300, 0x0102_0304, 5]);
}

#[test]
fn copies_are_checked_at_the_call() {
    let _gpu = default_gpu();
    let at = words(&[1, 2, 3, 4]);
    let mut out = [0u32; 5];
    refused(unsafe { result::memcpy_dtoh_sync(&mut out, at) }, CUresult::CUDA_ERROR_INVALID_VALUE, "20 bytes at");
    refused(unsafe { result::memcpy_htod_sync(at + 16, &[1u8]) }, CUresult::CUDA_ERROR_INVALID_VALUE, "1 bytes at");
    refused(unsafe { result::memset_d8_sync(at, 0, 17) }, CUresult::CUDA_ERROR_INVALID_VALUE, "17 bytes at");
    refused(unsafe { result::memcpy_dtod_sync(at, at + 8, 9) }, CUresult::CUDA_ERROR_INVALID_VALUE, "9 bytes at");
    let null: *mut c_void = ptr::null_mut();
    assert_eq!(unsafe { sys::cuMemcpyDtoH_v2(null, at, 4) }, CUresult::CUDA_ERROR_INVALID_VALUE);
    assert_eq!(unsafe { sys::cuMemcpyHtoD_v2(at, null, 4) }, CUresult::CUDA_ERROR_INVALID_VALUE);
    assert_eq!(unsafe { sys::cuMemAlloc_v2(ptr::null_mut(), 4) }, CUresult::CUDA_ERROR_INVALID_VALUE);
    assert_eq!(unsafe { sys::cuMemsetD32_v2(at + 1, 0, 1) }, CUresult::CUDA_ERROR_INVALID_VALUE);
    assert_eq!(unsafe { sys::cuMemsetD32_v2(at, 0, usize::MAX / 2) }, CUresult::CUDA_ERROR_INVALID_VALUE);
    // none of these faults stops the device
    assert_eq!(read(at), [1, 2, 3, 4]);
}

/// A GPU does not report this.
#[test]
fn bytes_that_nobody_wrote_are_a_fault() {
    let _gpu = default_gpu();
    let at = unsafe { result::malloc_sync(16) }.unwrap();
    unsafe { result::memset_d8_sync(at, 0, 12) }.unwrap();
    let (code, text) = error(unsafe { result::memcpy_dtoh_sync(&mut [0u32; 4], at) });
    assert_eq!(code, CUresult::CUDA_ERROR_LAUNCH_FAILED);
    assert!(text.contains("byte 12 of the 16"), "{text}");
}

#[test]
fn stream_ordered_allocations() {
    let _gpu = default_gpu();
    let stream = stream();
    let at = unsafe { result::malloc_async(stream, 16) }.unwrap();
    unsafe { result::memcpy_htod_async(at, &[1u32, 2, 3, 4], stream) }.unwrap();
    let mut out = [0u32; 4];
    unsafe { result::memcpy_dtoh_async(&mut out, at, stream) }.unwrap();
    unsafe { result::free_async(at, stream) }.unwrap();
    // still live: the stream has not reached it
    assert_eq!(ptx_runner::leaks().unwrap().len(), 2, "the memory and the stream");
    unsafe { result::stream::synchronize(stream) }.unwrap();
    assert_eq!(out, [1, 2, 3, 4]);
    assert_eq!(ptx_runner::leaks().unwrap(), ["1 streams"]);
    refused(unsafe { result::free_async(at, stream) }, CUresult::CUDA_ERROR_INVALID_VALUE, "freed");
    // cuMemFree also accepts such memory, and does not wait for the stream
    let at = unsafe { result::malloc_async(stream, 16) }.unwrap();
    unsafe { result::memset_d8_async(at, 0, 16, stream) }.unwrap();
    unsafe { result::free_sync(at) }.unwrap();
    let late = unsafe { result::stream::synchronize(stream) };
    refused(late, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS, "freed");
}
