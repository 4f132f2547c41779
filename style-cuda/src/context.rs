//! One device with one stream: exclusive access, memory and error conversion.

use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUresult};
use style_core::{Error, ErrorKind, Result};

use crate::device::{self, Device};

/// A device's primary context and a dedicated stream.
pub(crate) struct Context {
    pub(crate) device: Device,
    handle: sys::CUdevice,
    context: sys::CUcontext,
    stream: sys::CUstream,
    /// Held while work is enqueued, so that the kernels of one op run consecutively and share scratch memory.
    turn: Mutex<()>,
    /// The thread that records a graph, identified by [`this_thread`]; 0 for none. That thread holds the turn
    /// throughout, and no other thread ever finds its own number here, so a thread that enters without taking the turn
    /// already holds it.
    recorder: AtomicUsize,
}

// SAFETY: the handles belong to the driver and may be used from any thread on which the context is current; `Entered`
// makes it current.
unsafe impl Send for Context {}
// SAFETY: as above; the driver locks its shared state.
unsafe impl Sync for Context {}

/// Makes the context current on this thread and holds its turn on the stream; restores the caller's own context on
/// drop.
pub(crate) struct Entered<'a> {
    context: &'a Context,
    previous: sys::CUcontext,
    _turn: Option<MutexGuard<'a, ()>>,
}

/// A number unique among living threads.
fn this_thread() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    MARK.with(|mark| ptr::from_ref(mark) as usize)
}

impl Context {
    /// Opens a device.
    pub(crate) fn new(device: Device) -> Result<Arc<Self>> {
        let ordinal = c_int::try_from(device.index).map_err(|_| device::no_device())?;
        let failed = |e| device::failed(&format!("cannot open CUDA device {device}"), e);
        let handle = result::device::get(ordinal).map_err(failed)?;
        // SAFETY: the handle is from `get`; the context is released in `drop`.
        let context = unsafe { result::primary_ctx::retain(handle) }.map_err(failed)?;
        let mut opened = Self {
            handle,
            context,
            stream: ptr::null_mut(),
            turn: Mutex::new(()),
            recorder: AtomicUsize::new(0),
            device: device.clone(),
        };
        let stream = {
            let _entered = opened.enter()?;
            result::stream::create(result::stream::StreamKind::NonBlocking).map_err(failed)?
        };
        opened.stream = stream;
        Ok(Arc::new(opened))
    }

    /// Waits for this thread's turn and makes the context current.
    pub(crate) fn enter(&self) -> Result<Entered<'_>> {
        let recording = self.recorder.load(Ordering::Acquire) == this_thread();
        let turn = (!recording).then(|| self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        let previous = result::ctx::get_current().map_err(|e| failed("cannot query the current context", e))?;
        // SAFETY: the context is retained until `drop`.
        unsafe { result::ctx::set_current(self.context) }.map_err(|e| failed("cannot make the context current", e))?;
        Ok(Entered { context: self, previous: previous.unwrap_or(ptr::null_mut()), _turn: turn })
    }

    /// The number of free bytes at this moment.
    pub(crate) fn free_memory(&self) -> Option<usize> {
        let _entered = self.enter().ok()?;
        result::mem_get_info().ok().map(|(free, _)| free)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if !self.stream.is_null()
            && let Ok(_entered) = self.enter()
        {
            // SAFETY: nothing uses the stream any more, because every user holds an `Arc` of this.
            let _ = unsafe { result::stream::destroy(self.stream) };
        }
        // SAFETY: retained in `new`.
        let _ = unsafe { result::primary_ctx::release(self.handle) };
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        // SAFETY: it was current before, so the caller must keep it alive; null means no context.
        let _ = unsafe { result::ctx::set_current(self.previous) };
    }
}

impl Entered<'_> {
    pub(crate) fn stream(&self) -> sys::CUstream {
        self.context.stream
    }

    /// Records the work enqueued by `work` as a graph, without running it. `None` if the device cannot record it.
    pub(crate) fn record(&self, work: impl FnOnce() -> Result<()>) -> Result<Option<Graph>> {
        let relaxed = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream belongs to this context, and this thread has the turn, so no other thread enqueues on it.
        if unsafe { result::stream::begin_capture(self.stream(), relaxed) }.is_err() {
            return Ok(None);
        }
        self.context.recorder.store(this_thread(), Ordering::Release);
        // A user-defined statistic may panic: the stream must not keep recording, and this thread must not keep the
        // turn.
        let worked = catch_unwind(AssertUnwindSafe(work));
        self.context.recorder.store(0, Ordering::Release);
        // SAFETY: the capture was begun above.
        let captured = unsafe { result::stream::end_capture(self.stream()) }.map(Template);
        worked.unwrap_or_else(|panic| resume_unwind(panic))?;
        let Ok(graph) = captured else { return Ok(None) };
        // SAFETY: the graph is valid until `graph` drops, and the executable graph does not need it afterwards.
        let executable = unsafe { result::graph::instantiate(graph.0, sys::CUgraphInstantiate_flags(0)) };
        Ok(executable.ok().map(Graph))
    }

    /// Enqueues all work of a graph.
    pub(crate) fn replay(&self, graph: &Graph) -> Result<()> {
        // SAFETY: both belong to this context and are alive.
        unsafe { result::graph::launch(graph.0, self.stream()) }.map_err(|e| failed("cannot launch a graph", e))
    }

    /// `dst[..] = src` on the device, in stream order.
    pub(crate) fn copy(&self, src: &Buffer, dst: &mut Buffer, bytes: usize) -> Result<()> {
        debug_assert!(bytes <= src.bytes && bytes <= dst.bytes);
        // SAFETY: both hold at least `bytes` bytes and belong to this context.
        unsafe { result::memcpy_dtod_async(dst.address, src.address, bytes, self.stream()) }
            .map_err(|e| failed("cannot copy on the device", e))
    }

    /// Copies the first bytes of a buffer once all previously enqueued work is done. Waits in the copy while holding
    /// the turn.
    pub(crate) fn download<T: Copy>(&self, src: &Buffer, dst: &mut [T]) -> Result<()> {
        debug_assert!(size_of_val(dst) <= src.bytes);
        if dst.is_empty() {
            return Ok(());
        }
        // SAFETY: `src` has enough bytes; `dst` is not read before the synchronisation below.
        unsafe { result::memcpy_dtoh_async(dst, src.address, self.stream()) }
            .and_then(|()| unsafe { result::stream::synchronize(self.stream()) })
            .map_err(|e| failed("cannot wait for results from the device", e))
    }

    /// Sets the first bytes of a buffer from pageable memory, which the driver reads before it returns.
    pub(crate) fn upload<T: Copy>(&self, src: &[T], dst: &mut Buffer) -> Result<()> {
        debug_assert!(size_of_val(src) <= dst.bytes);
        if src.is_empty() {
            return Ok(());
        }
        // SAFETY: `dst` has enough bytes; memory that is not page-locked is copied before the call returns.
        unsafe { result::memcpy_htod_async(dst.address, src, self.stream()) }
            .map_err(|e| failed("cannot copy to the device", e))
    }
}

/// A mark in a stream, with the time at which the device reached it.
pub(crate) struct Event(sys::CUevent);

impl Event {
    /// Marks the current position of the stream.
    pub(crate) fn record(entered: &Entered<'_>) -> Result<Self> {
        let failed = |e| failed("cannot measure time on the device", e);
        let event = Self(result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT).map_err(failed)?);
        // SAFETY: both belong to this context and are alive.
        unsafe { result::event::record(event.0, entered.stream()) }.map_err(failed)?;
        Ok(event)
    }

    /// The time from this mark to another, in milliseconds; waits until the device reaches the other.
    pub(crate) fn milliseconds_to(&self, end: &Self, _entered: &Entered<'_>) -> Result<f32> {
        // SAFETY: both were recorded in the context that is current.
        unsafe { result::event::synchronize(end.0).and_then(|()| result::event::elapsed(self.0, end.0)) }
            .map_err(|e| failed("cannot measure time on the device", e))
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: created by `create`, used nowhere else.
        let _ = unsafe { result::event::destroy(self.0) };
    }
}

/// A recorded graph.
struct Template(sys::CUgraph);

impl Drop for Template {
    fn drop(&mut self) {
        // SAFETY: created by `end_capture`, used nowhere else.
        let _ = unsafe { result::graph::destroy(self.0) };
    }
}

/// Work that the device can repeat.
pub(crate) struct Graph(sys::CUgraphExec);

// SAFETY: a driver handle, used only under `Entered`.
unsafe impl Send for Graph {}
// SAFETY: as above.
unsafe impl Sync for Graph {}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: created by `instantiate`; the driver keeps it until any launch in progress is done.
        let _ = unsafe { result::graph::exec_destroy(self.0) };
    }
}

/// Device memory, freed on drop.
pub(crate) struct Buffer {
    context: Arc<Context>,
    address: sys::CUdeviceptr,
    bytes: usize,
}

impl Buffer {
    /// Allocates `bytes` zeros, rounded up to a multiple of 32 bytes.
    pub(crate) fn new(context: &Arc<Context>, bytes: usize, what: &str) -> Result<Self> {
        let refuse = || {
            let free = context.free_memory().map_or(String::new(), |free| format!(", found {free} free"));
            let message = format!("{what} requires {bytes} bytes on {}{free}; use a smaller picture", context.device);
            Error::new(ErrorKind::OutOfMemory, message)
        };
        let rounded = rounded(bytes).filter(|&bytes| bytes <= isize::MAX as usize).ok_or_else(refuse)?;
        if bytes == 0 {
            return Ok(Self { context: Arc::clone(context), address: 0, bytes: 0 });
        }
        let entered = context.enter()?;
        // SAFETY: freed in `drop`.
        let address = match unsafe { result::malloc_sync(rounded) } {
            Ok(address) => address,
            Err(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => {
                drop(entered);
                return Err(refuse());
            }
            Err(e) => return Err(failed("cannot allocate on the device", e)),
        };
        let buffer = Self { context: Arc::clone(context), address, bytes: rounded };
        // SAFETY: just allocated with this size.
        unsafe { result::memset_d8_async(address, 0, rounded, entered.stream()) }
            .map_err(|e| failed("cannot clear device memory", e))?;
        Ok(buffer)
    }

    /// Allocates a buffer with these contents.
    pub(crate) fn with<T: Copy>(context: &Arc<Context>, values: &[T], what: &str) -> Result<Self> {
        let mut buffer = Self::new(context, size_of_val(values), what)?;
        context.enter()?.upload(values, &mut buffer)?;
        Ok(buffer)
    }

    pub(crate) fn address(&self) -> sys::CUdeviceptr {
        self.address
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn belongs_to(&self, context: &Arc<Context>) -> bool {
        Arc::ptr_eq(&self.context, context)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes > 0
            && let Ok(entered) = self.context.enter()
        {
            // SAFETY: allocated in `new` and freed once, after all work that uses it.
            let _ =
                unsafe { result::stream::synchronize(entered.stream()).and_then(|()| result::free_sync(self.address)) };
        }
    }
}

/// The size of a buffer in bytes, after rounding.
pub(crate) const fn rounded(bytes: usize) -> Option<usize> {
    bytes.checked_next_multiple_of(32)
}

/// Converts a driver error that occurred while the device was in use.
pub(crate) fn failed(what: &str, e: DriverError) -> Error {
    let reason = e.error_string().map_or(String::new(), |s| s.to_string_lossy().into_owned());
    let kind = match e.0 {
        CUresult::CUDA_ERROR_OUT_OF_MEMORY => ErrorKind::OutOfMemory,
        _ => ErrorKind::DeviceLost,
    };
    let message = format!("{what}: {reason}; check the device with nvidia-smi and restart from the last saved image");
    Error::new(kind, message).with_source(e)
}
