use std::ptr;

use cudarc::driver::sys::CUresult;
use cudarc::driver::{result, sys};
use ptx_runner::Device;

use super::{add, default_gpu, error, function, gpu, launch, read, stream, words};

/// A launch with a single pointer argument.
fn launch_at(name: &str, mut at: u64, stream: sys::CUstream) {
    launch(function(name), 1, stream, &mut [(&raw mut at).cast()]).unwrap();
}

#[test]
fn a_fault_stops_the_context_and_says_where() {
    let gpu = default_gpu();
    let (at, stream) = (words(&[1, 2, 3, 4]), stream());
    let event = result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT).unwrap();
    let module = super::load(super::PTX).unwrap();
    launch_at("far", at, stream);
    let after = [0u32; 4];
    unsafe { result::memcpy_htod_async(at, &after, stream) }.unwrap();
    let (code, text) = error(unsafe { result::stream::synchronize(stream) });
    assert_eq!(code, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
    let address = format!("{:#x}", at + 1_048_576);
    for part in ["kernel far", "line 28", "st.global.u32 [%rd1+1048576], %r1", "block", "thread", address.as_str()] {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    // the fault is sticky for all calls
    let mut out = [0u32; 4];
    let calls = [
        unsafe { result::stream::synchronize(stream) },
        result::ctx::synchronize(),
        unsafe { result::memcpy_dtoh_sync(&mut out, at) },
        unsafe { result::memcpy_htod_async(at, &out, stream) },
        unsafe { result::malloc_sync(16) }.map(|_| ()),
        unsafe { result::event::record(event, stream) },
        super::load(super::PTX).map(|_| ()),
        result::mem_get_info().map(|_| ()),
    ];
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(error(call), (code, text.clone()), "call {number}");
    }
    // also for other threads with the context, which get the same text
    let context = gpu.context as usize;
    let elsewhere = std::thread::spawn(move || {
        unsafe { result::ctx::set_current(context as sys::CUcontext) }.unwrap();
        error(result::ctx::synchronize())
    });
    assert_eq!(elsewhere.join().unwrap(), (code, text.clone()));
    // existing objects can be freed, which reports the fault again
    assert_eq!(error(unsafe { result::free_sync(at) }).0, code);
    assert_eq!(error(unsafe { result::stream::destroy(stream) }).0, code);
    assert_eq!(error(unsafe { result::event::destroy(event) }).0, code);
    assert_eq!(error(unsafe { result::module::unload(module) }).0, code);
    assert_eq!(ptx_runner::leaks().unwrap(), ["1 modules"], "the module of `launch_at`");
    // a new context works
    unsafe { result::primary_ctx::release(0) }.unwrap();
    let context = unsafe { result::primary_ctx::retain(0) }.unwrap();
    unsafe { result::ctx::set_current(context) }.unwrap();
    assert_eq!(read(words(&[5; 4])), [5; 4]);
}

#[test]
fn misaligned_accesses() {
    let _gpu = default_gpu();
    launch_at("odd", words(&[0; 4]), ptr::null_mut());
    let (code, text) = error(result::ctx::synchronize());
    assert_eq!(code, CUresult::CUDA_ERROR_MISALIGNED_ADDRESS);
    assert!(text.starts_with("misaligned address: kernel odd"), "{text}");
}

#[test]
fn use_after_free() {
    let _gpu = default_gpu();
    let (function, at, stream) = (function("add"), words(&[0; 4]), stream());
    unsafe { result::free_sync(at) }.unwrap();
    add(function, at, 1, stream);
    let (code, text) = error(unsafe { result::stream::synchronize(stream) });
    assert_eq!(code, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
    assert!(text.contains("freed"), "{text}");
}

/// A stream that does not wait for the stream that writes its input.
#[test]
fn a_missing_event_shows_as_memory_that_nobody_wrote() {
    let _gpu = default_gpu();
    let (function, first, second) = (function("add"), stream(), stream());
    let at = unsafe { result::malloc_sync(16) }.unwrap();
    unsafe { result::memset_d8_async(at, 0, 16, first) }.unwrap();
    add(function, at, 1, second);
    let (code, text) = error(unsafe { result::stream::synchronize(second) });
    assert_eq!(code, CUresult::CUDA_ERROR_LAUNCH_FAILED);
    assert!(text.contains("kernel add"), "{text}");
}

#[test]
fn a_device_that_is_lost() {
    let _gpu = gpu(Device { lost_at_launch: 3, ..Device::default() });
    let (function, at) = (function("add"), words(&[0; 4]));
    add(function, at, 1, ptr::null_mut());
    add(function, at, 1, ptr::null_mut());
    assert_eq!(read(at), [2; 4]);
    add(function, at, 1, ptr::null_mut());
    let (code, text) = error(result::ctx::synchronize());
    assert_eq!(code, CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE);
    assert!(text.contains("lost at launch 3"), "{text}");
    assert_eq!(error(result::device::get_count()).0, code);
    assert_eq!(error(unsafe { result::free_sync(at) }).0, code);
    assert_eq!(error(unsafe { result::primary_ctx::retain(0) }).0, code);
    unsafe { result::primary_ctx::release(0) }.unwrap();
    assert_eq!(ptx_runner::leaks().unwrap(), ["1 modules"], "the module of `function`");
}
