//! Results and their error texts.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use cudarc::driver::sys::CUresult;

use super::state::{CURRENT, lock, put};
use crate::{Fault, FaultKind};

/// A failed call: its code, and a message if the code alone is not enough.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: CUresult,
    pub(super) message: String,
}

pub(super) type Cu<T> = Result<T, Refusal>;

impl From<CUresult> for Refusal {
    fn from(code: CUresult) -> Self {
        Self { code, message: String::new() }
    }
}

/// A failure with `message`.
pub(super) fn refuse<T>(code: CUresult, message: impl Into<String>) -> Cu<T> {
    Err(Refusal { code, message: message.into() })
}

/// The result of memory operations that the driver checks at the call.
impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { code: CUresult::CUDA_ERROR_INVALID_VALUE, message: fault.message }
    }
}

/// The code of a fault that stops the device.
pub(super) fn code(kind: &FaultKind) -> CUresult {
    match kind {
        FaultKind::OutOfBounds | FaultKind::Freed => CUresult::CUDA_ERROR_ILLEGAL_ADDRESS,
        FaultKind::Misaligned => CUresult::CUDA_ERROR_MISALIGNED_ADDRESS,
        FaultKind::Endless => CUresult::CUDA_ERROR_LAUNCH_TIMEOUT,
        _ => CUresult::CUDA_ERROR_LAUNCH_FAILED,
    }
}

thread_local! {
    /// The message of the last failure on this thread.
    static LAST: RefCell<Option<(CUresult, CString)>> = const { RefCell::new(None) };
}

/// Runs the body of a driver function.
pub(super) fn answer(body: impl FnOnce() -> Cu<()>) -> CUresult {
    // A panic must not cross C; its message is already on stderr.
    let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| refuse(CUresult::CUDA_ERROR_UNKNOWN, "panic"));
    match result {
        Ok(()) => CUresult::CUDA_SUCCESS,
        Err(Refusal { code, message }) => {
            LAST.set((!message.is_empty()).then(|| (code, text(&format!("{}: {message}", description(code))))));
            code
        }
    }
}

/// `message` for C.
pub(super) fn text(message: &str) -> CString {
    CString::new(message.replace('\0', "\\0")).unwrap_or_default()
}

#[unsafe(no_mangle)]
extern "C" fn cuGetErrorName(error: u32, out: *mut *const c_char) -> CUresult {
    let Some(code) = known(error) else {
        let _ = put(out, std::ptr::null());
        return CUresult::CUDA_ERROR_INVALID_VALUE;
    };
    let mut names = NAMES.lock().unwrap_or_else(|e| e.into_inner());
    let name = match names.iter().find(|(known, _)| *known == code) {
        Some((_, name)) => name,
        None => {
            let name: &'static CStr = Box::leak(text(&format!("{code:?}")).into_boxed_c_str());
            names.push((code, name));
            name
        }
    };
    put(out, name.as_ptr()).map_or(CUresult::CUDA_ERROR_INVALID_VALUE, |()| CUresult::CUDA_SUCCESS)
}

/// The names returned so far; they must live forever.
static NAMES: std::sync::Mutex<Vec<(CUresult, &'static CStr)>> = std::sync::Mutex::new(Vec::new());

/// The text lives until the next failure on this thread; that of a fault lives forever.
#[unsafe(no_mangle)]
extern "C" fn cuGetErrorString(error: u32, out: *mut *const c_char) -> CUresult {
    let Some(code) = known(error) else {
        let _ = put(out, std::ptr::null());
        return CUresult::CUDA_ERROR_INVALID_VALUE;
    };
    let fault = lock().contexts.get(&CURRENT.get()).and_then(|context| context.fault);
    let text = match fault {
        Some((fault, text)) if fault == code => text.as_ptr(),
        _ => LAST.with_borrow(|last| match last {
            Some((last, text)) if *last == code => text.as_ptr(),
            _ => plain(code).as_ptr(),
        }),
    };
    put(out, text).map_or(CUresult::CUDA_ERROR_INVALID_VALUE, |()| CUresult::CUDA_SUCCESS)
}

/// The codes that this driver returns, and their descriptions.
const DESCRIPTIONS: [(CUresult, &CStr); 30] = {
    use CUresult::*;
    [
        (CUDA_SUCCESS, c"no error"),
        (CUDA_ERROR_INVALID_VALUE, c"invalid argument"),
        (CUDA_ERROR_OUT_OF_MEMORY, c"out of memory"),
        (CUDA_ERROR_NOT_INITIALIZED, c"initialization error"),
        (CUDA_ERROR_DEVICE_UNAVAILABLE, c"CUDA-capable device(s) is/are busy or unavailable"),
        (CUDA_ERROR_NO_DEVICE, c"no CUDA-capable device is detected"),
        (CUDA_ERROR_INVALID_DEVICE, c"invalid device ordinal"),
        (CUDA_ERROR_INVALID_IMAGE, c"device kernel image is invalid"),
        (CUDA_ERROR_INVALID_CONTEXT, c"invalid device context"),
        (CUDA_ERROR_NO_BINARY_FOR_GPU, c"no kernel image is available for execution on the device"),
        (CUDA_ERROR_INVALID_PTX, c"a PTX JIT compilation failed"),
        (CUDA_ERROR_UNSUPPORTED_PTX_VERSION, c"the provided PTX was compiled with an unsupported toolchain."),
        (CUDA_ERROR_INVALID_HANDLE, c"invalid resource handle"),
        (CUDA_ERROR_NOT_FOUND, c"named symbol not found"),
        (CUDA_ERROR_NOT_READY, c"device not ready"),
        (CUDA_ERROR_ILLEGAL_ADDRESS, c"an illegal memory access was encountered"),
        (CUDA_ERROR_CONTEXT_IS_DESTROYED, c"context is destroyed"),
        (CUDA_ERROR_MISALIGNED_ADDRESS, c"misaligned address"),
        (CUDA_ERROR_LAUNCH_TIMEOUT, c"the launch timed out and was terminated"),
        (CUDA_ERROR_LAUNCH_FAILED, c"unspecified launch failure"),
        (CUDA_ERROR_NOT_SUPPORTED, c"operation not supported"),
        (CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, c"operation not permitted when stream is capturing"),
        (CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, c"operation failed due to a previous error during capture"),
        (CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, c"capture was not initiated in this stream"),
        (CUDA_ERROR_STREAM_CAPTURE_ISOLATION, c"dependency created on uncaptured work in another stream"),
        (
            CUDA_ERROR_STREAM_CAPTURE_IMPLICIT,
            c"operation would make the legacy stream depend on a capturing blocking stream",
        ),
        (CUDA_ERROR_CAPTURED_EVENT, c"operation not permitted on an event last recorded in a capturing stream"),
        (
            CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD,
            c"attempt to terminate a thread-local capture sequence from another thread",
        ),
        (CUDA_ERROR_ILLEGAL_STATE, c"the operation cannot be performed in the present state"),
        (CUDA_ERROR_UNKNOWN, c"unknown error"),
    ]
};

fn known(error: u32) -> Option<CUresult> {
    DESCRIPTIONS.iter().map(|(code, _)| *code).find(|code| *code as u32 == error)
}

fn plain(code: CUresult) -> &'static CStr {
    DESCRIPTIONS.iter().find(|(known, _)| *known == code).map_or(c"", |(_, text)| text)
}

pub(super) fn description(code: CUresult) -> &'static str {
    plain(code).to_str().unwrap_or_default()
}
