//! The driver's state, behind one lock, which is free while a kernel runs.

use std::alloc::{self, Layout};
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::CStr;
use std::ptr;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard};
use std::thread::ThreadId;

use cudarc::driver::sys::CUresult;

use super::error::{Cu, refuse};
use super::queue::{Op, Stream};
use crate::{Counters, Device, Kernel, Memory, Module};

/// A handle as seen by C: an invalid pointer that is never reused, so that destroyed objects are recognised.
pub(super) type Handle = usize;

pub(super) struct Context {
    pub(super) device: i32,
    /// The number of times it is retained.
    pub(super) retained: u32,
    pub(super) memory: Arc<Memory>,
    /// The stream for calls that name none.
    pub(super) default_stream: Handle,
    /// The fault that stopped it: the code, and the report, which is never freed because C code may hold it.
    pub(super) fault: Option<(CUresult, &'static CStr)>,
}

pub(super) struct Loaded {
    pub(super) context: Handle,
    pub(super) module: Module,
}

pub(super) struct Function {
    pub(super) module: Handle,
    pub(super) kernel: Arc<Kernel>,
}

pub(super) struct Event {
    pub(super) context: Handle,
    pub(super) timing: bool,
    pub(super) state: EventState,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum EventState {
    Never,
    /// Recorded in a stream as its piece of work number `seq`, with the time of completion.
    Recorded {
        stream: Handle,
        seq: u64,
        done: Option<std::time::Instant>,
    },
    /// Recorded while that stream was captured, with the number of the capture.
    Captured {
        capture: u64,
    },
}

pub(super) struct Graph {
    pub(super) context: Handle,
    pub(super) ops: Arc<[Op]>,
}

/// Page-locked host memory.
pub(super) struct HostMemory {
    pub(super) context: Handle,
    pub(super) start: HostPointer,
    pub(super) bytes: usize,
    layout: Layout,
}

impl HostMemory {
    /// Aligned to 64 bytes and filled with 0xA5; `None` if there is not enough host memory.
    pub(super) fn new(context: Handle, bytes: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes, 64).ok().filter(|_| bytes > 0)?;
        // SAFETY: the layout has at least one byte.
        let start = unsafe { alloc::alloc(layout) };
        if start.is_null() {
            return None;
        }
        // SAFETY: just allocated with this size.
        unsafe { start.write_bytes(0xA5, bytes) };
        Some(Self { context, start: HostPointer(start), bytes, layout })
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout, and not used afterwards.
        unsafe { alloc::dealloc(self.start.0, self.layout) };
    }
}

/// The capture of a stream.
pub(super) struct Capture {
    pub(super) id: u64,
    pub(super) mode: u32,
    pub(super) thread: ThreadId,
    pub(super) ops: Vec<Op>,
    pub(super) valid: bool,
}

/// A completed launch.
pub(super) struct Launched {
    pub(super) name: String,
    pub(super) grid: [u32; 3],
    pub(super) block: [u32; 3],
    pub(super) counters: Counters,
}

#[derive(Default)]
pub(super) struct Driver {
    pub(super) device: Device,
    pub(super) initialised: bool,
    /// The device is lost; nothing works until [`Driver::reset`].
    pub(super) lost: bool,
    pub(super) launched: u64,
    pub(super) launches: Vec<Launched>,
    pub(super) contexts: HashMap<Handle, Context>,
    pub(super) streams: BTreeMap<Handle, Stream>,
    pub(super) modules: HashMap<Handle, Loaded>,
    pub(super) functions: HashMap<Handle, Function>,
    pub(super) events: HashMap<Handle, Event>,
    pub(super) graphs: HashMap<Handle, Graph>,
    pub(super) executables: HashMap<Handle, Graph>,
    pub(super) host: BTreeMap<usize, HostMemory>,
    /// Memory of `cuMemAllocAsync`, which `cuMemFree` does not wait for.
    pub(super) asynchronous: HashMap<u64, Handle>,
    /// Objects that were live in destroyed contexts.
    pub(super) leaked: Vec<String>,
    handles: usize,
}

static DRIVER: LazyLock<Mutex<Driver>> = LazyLock::new(Mutex::default);
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// This thread's current context, 0 for none.
    pub(super) static CURRENT: Cell<Handle> = const { Cell::new(0) };
}

pub(super) fn lock() -> MutexGuard<'static, Driver> {
    DRIVER.lock().unwrap_or_else(|e| e.into_inner())
}

/// Waits until another thread completes a piece of work.
pub(super) fn wait(driver: MutexGuard<'static, Driver>) -> MutexGuard<'static, Driver> {
    CHANGED.wait(driver).unwrap_or_else(|e| e.into_inner())
}

pub(super) fn notify() {
    CHANGED.notify_all();
}

impl Driver {
    pub(super) fn handle(&mut self) -> Handle {
        self.handles += 1;
        0x5000_0000 + 0x100 * self.handles
    }

    /// Resets everything but the handles, with another device.
    pub(super) fn reset(&mut self, device: Device) {
        *self = Self { device, handles: self.handles, ..Self::default() };
    }

    /// Checks that `cuInit` was called.
    pub(super) fn initialised(&self) -> Cu<&Self> {
        if self.initialised { Ok(self) } else { refuse(CUresult::CUDA_ERROR_NOT_INITIALIZED, "cuInit was not called") }
    }

    /// Checks that `cuInit` was called and the device is not lost.
    pub(super) fn ready(&mut self) -> Cu<&mut Self> {
        self.initialised()?;
        if self.lost {
            return refuse(CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE, "the device was lost");
        }
        Ok(self)
    }

    pub(super) fn ordinal(&mut self, device: i32) -> Cu<&mut Self> {
        let count = self.ready()?.device.devices;
        if u32::try_from(device).is_ok_and(|device| device < count) {
            return Ok(self);
        }
        refuse(
            CUresult::CUDA_ERROR_INVALID_DEVICE,
            format!("device {device} does not exist; expected one of {count} devices"),
        )
    }

    /// The current context's handle. Fails if there is none, or with the fault that stopped it.
    pub(super) fn current(&mut self) -> Cu<Handle> {
        let handle = CURRENT.get();
        self.ready()?.working(handle)?;
        Ok(handle)
    }

    /// Checks that the context exists and was not stopped by a fault.
    pub(super) fn working(&self, context: Handle) -> Cu<&Context> {
        if context == 0 {
            return refuse(CUresult::CUDA_ERROR_INVALID_CONTEXT, "no context is current on this thread");
        }
        let Some(context) = self.contexts.get(&context) else {
            return refuse(CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED, "the current context was destroyed");
        };
        match context.fault {
            Some((code, _)) => Err(code.into()),
            None => Ok(context),
        }
    }

    pub(super) fn memory(&mut self) -> Cu<Arc<Memory>> {
        let current = self.current()?;
        Ok(self.working(current)?.memory.clone())
    }

    /// The stream denoted by `stream`, where null is the default one, and its context, which must be the current one.
    pub(super) fn stream(&mut self, stream: Handle) -> Cu<Handle> {
        let current = self.current()?;
        if stream == 0 || stream == 1 {
            // CU_STREAM_LEGACY is 1.
            return Ok(self.working(current)?.default_stream);
        }
        match self.streams.get(&stream) {
            Some(known) if known.destroyed => refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the stream was destroyed"),
            Some(known) if known.context != current => {
                refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the stream belongs to another context")
            }
            Some(_) => Ok(stream),
            None => refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the stream is invalid"),
        }
    }

    /// Destroys a context and records the objects left in it.
    pub(super) fn destroy(&mut self, handle: Handle) {
        self.leaked.extend(self.leaks(handle));
        self.contexts.remove(&handle);
        self.streams.retain(|_, stream| stream.context != handle);
        self.modules.retain(|_, module| module.context != handle);
        self.functions.retain(|_, function| self.modules.contains_key(&function.module));
        self.events.retain(|_, event| event.context != handle);
        self.graphs.retain(|_, graph| graph.context != handle);
        self.executables.retain(|_, graph| graph.context != handle);
        self.asynchronous.retain(|_, context| *context != handle);
        self.host.retain(|_, host| host.context != handle);
    }

    /// Lists live objects in a context, one per line.
    pub(super) fn leaks(&self, handle: Handle) -> Vec<String> {
        let Some(context) = self.contexts.get(&handle) else {
            return Vec::new();
        };
        let memory = context.memory.live().into_iter();
        let mut lines: Vec<String> = memory.map(|(address, bytes)| format!("{bytes} bytes at {address:#x}")).collect();
        lines.sort();
        let host = self.host.iter().filter(|(_, host)| host.context == handle);
        lines.extend(host.map(|(address, host)| format!("{} bytes of host memory at {address:#x}", host.bytes)));
        let mut count = |what: &str, count: usize| {
            if count > 0 {
                lines.push(format!("{count} {what}"));
            }
        };
        let live = |stream: &&Stream| stream.context == handle && !stream.destroyed && !stream.default;
        count("streams", self.streams.values().filter(live).count());
        count("modules", self.modules.values().filter(|module| module.context == handle).count());
        count("events", self.events.values().filter(|event| event.context == handle).count());
        count("graphs", self.graphs.values().filter(|graph| graph.context == handle).count());
        count("executable graphs", self.executables.values().filter(|graph| graph.context == handle).count());
        lines
    }
}

/// Writes a result to the caller's pointer.
pub(super) fn put<T>(out: *mut T, value: T) -> Cu<()> {
    if out.is_null() {
        return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, "the pointer for the result is null");
    }
    // SAFETY: the driver's callers guarantee that their pointers are as the reference specifies; this one is not null.
    unsafe { ptr::write_unaligned(out, value) };
    Ok(())
}

/// A host address, read or written when its work runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostPointer(pub(super) *mut u8);

// SAFETY: only an address; its users rely on the guarantees of the driver's caller.
unsafe impl Send for HostPointer {}
// SAFETY: as above.
unsafe impl Sync for HostPointer {}

impl HostPointer {
    pub(super) fn check(self) -> Cu<Self> {
        if self.0.is_null() {
            return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, "the host pointer is null");
        }
        Ok(self)
    }

    /// The bytes at the address, valid as the driver's caller guarantees: until the work is done.
    pub(super) fn bytes<'a>(self, count: usize) -> &'a [u8] {
        // SAFETY: checked not to be null; the caller of the copy guarantees `count` readable bytes.
        unsafe { std::slice::from_raw_parts(self.0, count) }
    }

    pub(super) fn bytes_mut<'a>(self, count: usize) -> &'a mut [u8] {
        // SAFETY: as above, but writable; the caller does not access them until it has waited for the copy.
        unsafe { std::slice::from_raw_parts_mut(self.0, count) }
    }
}
