use std::ptr;

use cudarc::driver::result::{self, stream::StreamKind};
use cudarc::driver::sys::{self, CUevent, CUevent_flags, CUevent_wait_flags, CUresult};

use super::{add, default_gpu, function, read, refused, stream, words};

fn event() -> CUevent {
    result::event::create(CUevent_flags::CU_EVENT_DEFAULT).unwrap()
}

fn wait(stream: sys::CUstream, event: CUevent) {
    unsafe { result::stream::wait_event(stream, event, CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT) }.unwrap();
}

#[test]
fn nothing_runs_before_something_waits() {
    let _gpu = default_gpu();
    let (function, at, stream) = (function("add"), words(&[1, 2, 3, 4]), stream());
    let mut early = [7u32; 4];
    add(function, at, 10, stream);
    unsafe { result::memcpy_dtoh_async(&mut early, at, stream) }.unwrap();
    assert_eq!(unsafe { ptr::read_volatile(&raw const early) }, [7; 4], "the copy was not waited for");
    assert_eq!(read(at), [1, 2, 3, 4], "a copy in the default stream does not wait for this one");
    assert!(ptx_runner::launches().unwrap().is_empty());
    unsafe { result::stream::synchronize(stream) }.unwrap();
    assert_eq!(unsafe { ptr::read_volatile(&raw const early) }, [11, 12, 13, 14]);
    // parameters are those of the call
    let mut v = 1u32;
    let mut place = at;
    super::launch(function, 4, stream, &mut [(&raw mut place).cast(), (&raw mut v).cast()]).unwrap();
    (v, place) = (50, 0);
    result::ctx::synchronize().unwrap();
    assert_eq!((read(at), v, place), ([12, 13, 14, 15], 50, 0));
}

#[test]
fn pageable_memory_is_read_at_the_call_and_locked_memory_when_the_copy_runs() {
    let _gpu = default_gpu();
    let (at, stream) = (words(&[0; 4]), stream());
    let mut pageable = [1u32; 4];
    unsafe { result::memcpy_htod_async(at, &pageable, stream) }.unwrap();
    pageable.fill(2);
    unsafe { result::stream::synchronize(stream) }.unwrap();
    assert_eq!((read(at), pageable), ([1; 4], [2; 4]));
    let locked = unsafe { result::malloc_host(16, 0) }.unwrap().cast::<u32>();
    unsafe { ptr::write_bytes(locked, 3, 4) };
    let source = unsafe { std::slice::from_raw_parts(locked, 4) };
    unsafe { result::memcpy_htod_async(at, source, stream) }.unwrap();
    unsafe { ptr::write_bytes(locked, 4, 4) };
    unsafe { result::stream::synchronize(stream) }.unwrap();
    assert_eq!(read(at), [0x0404_0404; 4]);
}

#[test]
fn streams_are_ordered_by_events_alone() {
    let _gpu = default_gpu();
    let (function, at) = (function("add"), words(&[0; 4]));
    let (first, second, event) = (stream(), stream(), event());
    let mut out = [0u32; 4];
    add(function, at, 1, first);
    unsafe { result::memcpy_dtoh_async(&mut out, at, second) }.unwrap();
    unsafe { result::stream::synchronize(second) }.unwrap();
    assert_eq!(out, [0; 4], "there was no wait");
    unsafe { result::event::record(event, first) }.unwrap();
    add(function, at, 1, first);
    wait(second, event);
    unsafe { result::memcpy_dtoh_async(&mut out, at, second) }.unwrap();
    unsafe { result::stream::synchronize(second) }.unwrap();
    assert_eq!(out, [1; 4], "work before the event, not after it");
    result::ctx::synchronize().unwrap();
    assert_eq!(read(at), [2; 4]);
    // two streams that wait for each other's earlier work
    let other = self::event();
    unsafe { result::event::record(event, first) }.unwrap();
    unsafe { result::event::record(other, second) }.unwrap();
    wait(first, other);
    wait(second, event);
    result::ctx::synchronize().unwrap();
}

/// "Stream synchronization behavior" of the reference: the legacy default stream.
#[test]
fn the_default_stream_and_blocking_ones_wait_for_each_other() {
    let _gpu = default_gpu();
    let (function, at) = (function("add"), words(&[0; 4]));
    let blocking = result::stream::create(StreamKind::Default).unwrap();
    let null = ptr::null_mut();
    add(function, at, 1, blocking);
    assert_eq!(read(at), [1; 4], "the default stream waits for the blocking one");
    add(function, at, 1, null);
    let mut out = [0u32; 4];
    unsafe { result::memcpy_dtoh_async(&mut out, at, blocking) }.unwrap();
    unsafe { result::stream::synchronize(blocking) }.unwrap();
    assert_eq!(out, [2; 4], "the blocking one waits for the default stream");
    // a fill is asynchronous, and in the default stream
    unsafe { result::memset_d8_sync(at, 0, 16) }.unwrap();
    let free = stream();
    unsafe { result::memcpy_dtoh_async(&mut out, at, free) }.unwrap();
    unsafe { result::stream::synchronize(free) }.unwrap();
    assert_eq!(out, [2; 4]);
    assert_eq!(read(at), [0; 4]);
}

#[test]
fn freeing_waits_for_the_device() {
    let _gpu = default_gpu();
    let (function, at, stream) = (function("add"), words(&[0; 4]), stream());
    let mut out = [9u32; 4];
    add(function, at, 1, stream);
    unsafe { result::memcpy_dtoh_async(&mut out, at, stream) }.unwrap();
    unsafe { result::free_sync(at) }.unwrap();
    assert_eq!(out, [1; 4]);
    result::ctx::synchronize().unwrap();
}

#[test]
fn polling_comes_to_an_end() {
    let _gpu = default_gpu();
    let (function, at, stream, event) = (function("add"), words(&[0; 4]), stream(), event());
    let query = || unsafe { sys::cuStreamQuery(stream) };
    assert_eq!(query(), CUresult::CUDA_SUCCESS);
    add(function, at, 1, stream);
    unsafe { result::event::record(event, stream) }.unwrap();
    refused(unsafe { result::event::query(event) }, CUresult::CUDA_ERROR_NOT_READY, "not ready");
    assert_eq!(query(), CUresult::CUDA_ERROR_NOT_READY);
    assert_eq!(query(), CUresult::CUDA_SUCCESS);
    unsafe { result::event::query(event) }.unwrap();
    assert_eq!(read(at), [1; 4]);
}

#[test]
fn events() {
    let _gpu = default_gpu();
    let (function, at, stream) = (function("add"), words(&[0; 4]), stream());
    let (start, end) = (event(), event());
    let elapsed = |start, end| unsafe { result::event::elapsed(start, end) };
    refused(elapsed(start, end), CUresult::CUDA_ERROR_INVALID_HANDLE, "not recorded");
    // a wait for an unrecorded event returns at once
    unsafe { result::event::synchronize(start) }.unwrap();
    unsafe { result::event::record(start, stream) }.unwrap();
    add(function, at, 1, stream);
    unsafe { result::event::record(end, stream) }.unwrap();
    add(function, at, 1, stream);
    refused(elapsed(start, end), CUresult::CUDA_ERROR_NOT_READY, "not ready");
    unsafe { result::event::synchronize(end) }.unwrap();
    assert!(elapsed(start, end).unwrap() > 0.0);
    assert!(elapsed(end, start).unwrap() < 0.0);
    assert_eq!(read(at), [1; 4], "work after the event is not waited for");
    let silent = result::event::create(CUevent_flags::CU_EVENT_DISABLE_TIMING).unwrap();
    refused(elapsed(silent, end), CUresult::CUDA_ERROR_INVALID_HANDLE, "timing is disabled");
    unsafe { result::event::destroy(start) }.unwrap();
    refused(unsafe { result::event::destroy(start) }, CUresult::CUDA_ERROR_INVALID_HANDLE, "destroyed");
    refused(unsafe { result::event::record(start, stream) }, CUresult::CUDA_ERROR_INVALID_HANDLE, "destroyed");
    refused(unsafe { result::event::synchronize(start) }, CUresult::CUDA_ERROR_INVALID_HANDLE, "destroyed");
}

/// "In case the device is still doing work in the stream when cuStreamDestroy() is called, the function will return
/// immediately and the resources associated with hStream will be released automatically once the device has completed all
/// work."
#[test]
fn a_destroyed_stream_finishes_its_work() {
    let _gpu = default_gpu();
    let (function, at, stream) = (function("add"), words(&[0; 4]), stream());
    add(function, at, 1, stream);
    unsafe { result::stream::destroy(stream) }.unwrap();
    assert_eq!(read(at), [0; 4]);
    let of = unsafe { result::stream::synchronize(stream) };
    refused(of, CUresult::CUDA_ERROR_INVALID_HANDLE, "destroyed");
    result::ctx::synchronize().unwrap();
    assert_eq!(read(at), [1; 4]);
    refused(unsafe { result::stream::destroy(stream) }, CUresult::CUDA_ERROR_INVALID_HANDLE, "destroyed");
    let foreign = 0x1234_5678usize as sys::CUstream;
    refused(unsafe { result::stream::synchronize(foreign) }, CUresult::CUDA_ERROR_INVALID_HANDLE, "stream is invalid");
}

/// Two threads with one stream each, like two sessions on one device.
#[test]
fn threads_share_the_device() {
    let gpu = default_gpu();
    let (function, context) = (function("add") as usize, gpu.context as usize);
    let work = move || {
        unsafe { result::ctx::set_current(context as sys::CUcontext) }.unwrap();
        let (at, stream) = (words(&[0; 4]), stream());
        (0..50).for_each(|_| add(function as sys::CUfunction, at, 1, stream));
        unsafe { result::stream::synchronize(stream) }.unwrap();
        read(at)
    };
    let threads = [std::thread::spawn(work), std::thread::spawn(work)];
    for thread in threads {
        assert_eq!(thread.join().unwrap(), [50; 4]);
    }
    assert_eq!(ptx_runner::launches().unwrap().len(), 100);
}
