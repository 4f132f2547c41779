//! Streams and their captures.

use std::ffi::{c_int, c_uint};

use cudarc::driver::sys::{CUevent, CUgraph, CUresult, CUstream, CUstreamCaptureStatus};

use super::error::{answer, refuse};
use super::queue::{Op, Stream, Until, drain};
use super::state::{Capture, EventState, Graph, Handle, lock, put};

const NON_BLOCKING: c_uint = 1;

#[unsafe(no_mangle)]
extern "C" fn cuStreamCreate(out: *mut CUstream, flags: c_uint) -> CUresult {
    cuStreamCreateWithPriority(out, flags, 0)
}

/// Priorities have no effect: only events order the work of different streams.
#[unsafe(no_mangle)]
extern "C" fn cuStreamCreateWithPriority(out: *mut CUstream, flags: c_uint, _priority: c_int) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let context = driver.current()?;
        if flags > NON_BLOCKING {
            return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, format!("invalid stream flags {flags:#x}"));
        }
        let handle = driver.handle();
        driver.streams.insert(handle, Stream::new(context, false, flags != NON_BLOCKING));
        put(out, handle as CUstream)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxGetStreamPriorityRange(least: *mut c_int, greatest: *mut c_int) -> CUresult {
    answer(|| {
        lock().current()?;
        put(least, 0)?;
        put(greatest, -5)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamDestroy_v2(stream: CUstream) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let handle = stream as Handle;
        // Also after a fault, so that nothing leaks.
        let Some(known) = driver.streams.get_mut(&handle).filter(|stream| !stream.destroyed && !stream.default) else {
            return refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the stream is invalid or was destroyed");
        };
        known.destroyed = true;
        known.capture = None;
        if !known.pending() {
            driver.streams.remove(&handle);
        }
        driver.current().map(|_| ())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamSynchronize(stream: CUstream) -> CUresult {
    answer(|| {
        let handle = {
            let mut driver = lock();
            let handle = driver.stream(stream as Handle)?;
            let context = driver.current()?;
            driver.not_waiting_for_capture(context, Some(handle))?;
            handle
        };
        drain(handle, Until::End);
        lock().current().map(|_| ())
    })
}

/// Runs one piece of work, so that polling terminates.
#[unsafe(no_mangle)]
extern "C" fn cuStreamQuery(stream: CUstream) -> CUresult {
    answer(|| {
        let (handle, pending) = {
            let mut driver = lock();
            let handle = driver.stream(stream as Handle)?;
            let context = driver.current()?;
            driver.not_waiting_for_capture(context, Some(handle))?;
            (handle, driver.streams.get(&handle).is_some_and(Stream::pending))
        };
        if !pending {
            return Ok(());
        }
        drain(handle, Until::Step);
        lock().current()?;
        Err(CUresult::CUDA_ERROR_NOT_READY.into())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamWaitEvent(stream: CUstream, event: CUevent, flags: c_uint) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let handle = driver.stream(stream as Handle)?;
        if flags != 0 {
            return refuse(
                CUresult::CUDA_ERROR_INVALID_VALUE,
                format!("wait flags {flags:#x} are not supported by ptx-runner"),
            );
        }
        let Some(event) = driver.events.get(&(event as Handle)) else {
            return refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the event is invalid or was destroyed");
        };
        let state = event.state;
        let capture = driver.streams.get_mut(&handle).and_then(|stream| stream.capture.as_mut());
        match (state, capture) {
            (EventState::Captured { capture: id }, Some(capture)) if capture.id == id => Ok(()),
            (EventState::Captured { .. }, _) => {
                let message = "a capture is limited to one stream by ptx-runner; another cannot wait for it";
                refuse(CUresult::CUDA_ERROR_STREAM_CAPTURE_ISOLATION, message)
            }
            (EventState::Never, _) => Ok(()),
            (EventState::Recorded { .. }, Some(capture)) => {
                capture.valid = false;
                let message = "a captured stream cannot wait for work outside the capture";
                refuse(CUresult::CUDA_ERROR_STREAM_CAPTURE_ISOLATION, message)
            }
            (EventState::Recorded { stream, seq, .. }, None) => {
                driver.enqueue(handle, Op::Wait { stream, seq }).map(|_| ())
            }
        }
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamBeginCapture_v2(stream: CUstream, mode: c_uint) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let handle = driver.stream(stream as Handle)?;
        let id = driver.handle() as u64;
        let stream = driver.streams.get_mut(&handle).expect("just found");
        if stream.default {
            let message = "the default stream cannot be captured";
            return refuse(CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, message);
        }
        if stream.capture.is_some() {
            return refuse(CUresult::CUDA_ERROR_ILLEGAL_STATE, "the stream is already captured");
        }
        if mode > 2 {
            return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, format!("invalid capture mode {mode}"));
        }
        let thread = std::thread::current().id();
        stream.capture = Some(Capture { id, mode, thread, ops: Vec::new(), valid: true });
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamEndCapture(stream: CUstream, out: *mut CUgraph) -> CUresult {
    answer(|| {
        put(out, std::ptr::null_mut())?;
        let mut driver = lock();
        let handle = driver.stream(stream as Handle)?;
        let known = driver.streams.get_mut(&handle).expect("just found");
        let Some(capture) = &known.capture else {
            return refuse(CUresult::CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the stream is not captured");
        };
        // CU_STREAM_CAPTURE_MODE_RELAXED is 2.
        if capture.mode != 2 && capture.thread != std::thread::current().id() {
            return refuse(CUresult::CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "another thread began the capture");
        }
        let context = known.context;
        let Some(Capture { valid: true, ops, .. }) = known.capture.take() else {
            return Err(CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED.into());
        };
        let graph = driver.handle();
        driver.graphs.insert(graph, Graph { context, ops: ops.into() });
        put(out, graph as CUgraph)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuStreamIsCapturing(stream: CUstream, out: *mut CUstreamCaptureStatus) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let handle = driver.stream(stream as Handle)?;
        let capture = driver.streams.get(&handle).and_then(|stream| stream.capture.as_ref());
        let status = match capture.map(|capture| capture.valid) {
            None => CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_NONE,
            Some(true) => CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_ACTIVE,
            Some(false) => CUstreamCaptureStatus::CU_STREAM_CAPTURE_STATUS_INVALIDATED,
        };
        put(out, status)
    })
}
