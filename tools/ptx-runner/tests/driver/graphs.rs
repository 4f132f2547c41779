use std::ffi::c_void;
use std::ptr;

use cudarc::driver::result::{self, stream::StreamKind};
use cudarc::driver::sys::{
    self, CUevent_flags, CUevent_wait_flags, CUgraphInstantiate_flags, CUresult, CUstream, CUstreamCaptureMode as Mode,
    CUstreamCaptureStatus as Status,
};

use super::{add, default_gpu, function, launch, read, refused, stream, words};

fn begin(stream: CUstream, mode: Mode) {
    unsafe { result::stream::begin_capture(stream, mode) }.unwrap();
}

fn status(stream: CUstream) -> Status {
    unsafe { result::stream::is_capturing(stream) }.unwrap()
}

#[test]
fn what_was_captured_runs_at_each_launch() {
    let _gpu = default_gpu();
    let (function, at, stream) = (function("add"), words(&[0; 4]), stream());
    let mut out = [9u32; 4];
    assert_eq!(status(stream), Status::CU_STREAM_CAPTURE_STATUS_NONE);
    begin(stream, Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
    assert_eq!(status(stream), Status::CU_STREAM_CAPTURE_STATUS_ACTIVE);
    add(function, at, 1, stream);
    let (mut place, mut v) = (at, 10u32);
    launch(function, 4, stream, &mut [(&raw mut place).cast(), (&raw mut v).cast()]).unwrap();
    (place, v) = (0, 0);
    unsafe { result::memcpy_dtoh_async(&mut out, at, stream) }.unwrap();
    let graph = unsafe { result::stream::end_capture(stream) }.unwrap();
    assert_eq!(status(stream), Status::CU_STREAM_CAPTURE_STATUS_NONE);
    result::ctx::synchronize().unwrap();
    assert_eq!((read(at), out, place, v), ([0; 4], [9; 4], 0, 0), "recorded, not run");
    let executable = unsafe { result::graph::instantiate(graph, CUgraphInstantiate_flags(0)) }.unwrap();
    unsafe { result::graph::destroy(graph) }.unwrap();
    for round in 1..=3 {
        unsafe { result::graph::launch(executable, stream) }.unwrap();
        assert_eq!(read(at), [11 * (round - 1); 4], "deferred like all work");
        unsafe { result::stream::synchronize(stream) }.unwrap();
        assert_eq!((read(at), out), ([11 * round; 4], [11 * round; 4]));
    }
    assert_eq!(ptx_runner::launches().unwrap().len(), 6);
    // a queued launch outlives the executable graph
    unsafe { result::graph::launch(executable, stream) }.unwrap();
    unsafe { result::graph::exec_destroy(executable) }.unwrap();
    unsafe { result::stream::synchronize(stream) }.unwrap();
    assert_eq!(read(at), [44; 4]);
    refused(unsafe { result::graph::launch(executable, stream) }, CUresult::CUDA_ERROR_INVALID_VALUE, "destroyed");
    refused(unsafe { result::graph::destroy(graph) }, CUresult::CUDA_ERROR_INVALID_VALUE, "destroyed");
}

/// Calls that the reference forbids within a capture, each in a separate capture, which it invalidates.
#[test]
fn what_cannot_be_captured() {
    let gpu = default_gpu();
    let (function, at, stream) = (function("add"), words(&[0; 4]), stream());
    let mut out = [0u32; 4];
    type Call<'a> = &'a mut dyn FnMut() -> Result<(), result::DriverError>;
    let calls: [(&str, Call<'_>); 9] = [
        ("cuStreamSynchronize", &mut || unsafe { result::stream::synchronize(stream) }),
        ("cuStreamQuery", &mut || unsafe { sys::cuStreamQuery(stream) }.result()),
        ("cuCtxSynchronize", &mut result::ctx::synchronize),
        ("cuMemAlloc", &mut || unsafe { result::malloc_sync(16) }.map(|_| ())),
        ("cuMemAllocAsync", &mut || unsafe { result::malloc_async(stream, 16) }.map(|_| ())),
        ("cuMemFree", &mut || unsafe { result::free_sync(at) }),
        ("cuMemcpyDtoH", &mut || unsafe { result::memcpy_dtoh_sync(&mut out, at) }),
        ("cuMemHostAlloc", &mut || unsafe { result::malloc_host(16, 0) }.map(|_: *mut c_void| ())),
        ("cuModuleLoadData", &mut || super::load(super::PTX).map(|_| ())),
    ];
    for (name, call) in calls {
        begin(stream, Mode::CU_STREAM_CAPTURE_MODE_GLOBAL);
        add(function, at, 1, stream);
        let code = call().expect_err(name).0;
        assert_eq!(code, CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "{name}");
        assert_eq!(status(stream), Status::CU_STREAM_CAPTURE_STATUS_INVALIDATED, "{name}");
        let more = launch(function, 4, stream, &mut [(&mut { at } as *mut u64).cast(), (&mut 1u32 as *mut u32).cast()]);
        assert_eq!(more.unwrap_err().0, CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "{name}");
        let end = unsafe { result::stream::end_capture(stream) };
        assert_eq!(end.unwrap_err().0, CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "{name}");
        assert_eq!(status(stream), Status::CU_STREAM_CAPTURE_STATUS_NONE, "{name}");
    }
    assert_eq!(read(at), [0; 4], "none of it ran");
    // a global capture forbids the calls of other threads, a thread-local one does not
    let context = gpu.context as usize;
    for (mode, allowed) in
        [(Mode::CU_STREAM_CAPTURE_MODE_GLOBAL, false), (Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, true)]
    {
        begin(stream, mode);
        let elsewhere = std::thread::spawn(move || {
            unsafe { result::ctx::set_current(context as sys::CUcontext) }.unwrap();
            unsafe { result::malloc_sync(16) }.is_ok()
        });
        assert_eq!(elsewhere.join().unwrap(), allowed);
        assert_eq!(unsafe { result::stream::end_capture(stream) }.is_ok(), allowed);
    }
    begin(stream, Mode::CU_STREAM_CAPTURE_MODE_RELAXED);
    unsafe { result::malloc_sync(16) }.unwrap();
    unsafe { result::stream::end_capture(stream) }.unwrap();
}

#[test]
fn captures_end_where_they_begin() {
    let gpu = default_gpu();
    let stream = stream();
    let end = |stream: CUstream| unsafe { result::stream::end_capture(stream) };
    refused(end(stream), CUresult::CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "not captured");
    begin(stream, Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
    let twice = unsafe { result::stream::begin_capture(stream, Mode::CU_STREAM_CAPTURE_MODE_GLOBAL) };
    refused(twice, CUresult::CUDA_ERROR_ILLEGAL_STATE, "already captured");
    let (context, handle) = (gpu.context as usize, stream as usize);
    let elsewhere = std::thread::spawn(move || {
        unsafe { result::ctx::set_current(context as sys::CUcontext) }.unwrap();
        unsafe { result::stream::end_capture(handle as CUstream) }.unwrap_err().0
    });
    assert_eq!(elsewhere.join().unwrap(), CUresult::CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
    end(stream).unwrap();
    // "must not be CU_STREAM_LEGACY", which is what null means
    let legacy = unsafe { result::stream::begin_capture(ptr::null_mut(), Mode::CU_STREAM_CAPTURE_MODE_RELAXED) };
    refused(legacy, CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "default stream");
    // use of the legacy stream while a blocking one is captured
    let blocking = result::stream::create(StreamKind::Default).unwrap();
    let at = words(&[0; 4]);
    begin(blocking, Mode::CU_STREAM_CAPTURE_MODE_RELAXED);
    let implicit = unsafe { result::memset_d8_sync(at, 0, 16) };
    refused(implicit, CUresult::CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "legacy stream");
    refused(end(blocking), CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "previous error");
}

#[test]
fn events_in_captures() {
    let _gpu = default_gpu();
    let (inside, outside) = (stream(), stream());
    let event = result::event::create(CUevent_flags::CU_EVENT_DEFAULT).unwrap();
    let wait = |stream| unsafe { result::stream::wait_event(stream, event, CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT) };
    begin(inside, Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
    unsafe { result::event::record(event, inside) }.unwrap();
    wait(inside).unwrap();
    // "captured events cannot be waited for, queried or synchronized"
    refused(unsafe { result::event::synchronize(event) }, CUresult::CUDA_ERROR_CAPTURED_EVENT, "capture");
    refused(wait(outside), CUresult::CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "one stream");
    unsafe { result::stream::end_capture(inside) }.unwrap();
    // conversely, a capture cannot wait for work outside it
    unsafe { result::event::record(event, outside) }.unwrap();
    begin(inside, Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
    refused(wait(inside), CUresult::CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "outside the capture");
    let end = unsafe { result::stream::end_capture(inside) };
    refused(end, CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "previous error");
}
