//! What the driver remembers. One lock holds all of it, and is free while a kernel runs.

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

/// A handle as C sees it: a pointer to nothing, never given out twice, so that what was destroyed is known as such.
pub(super) type Handle = usize;

pub(super) struct Context {
    pub(super) device: i32,
    /// How often it was retained.
    pub(super) retained: u32,
    pub(super) memory: Arc<Memory>,
    /// The stream that calls without one use.
    pub(super) default_stream: Handle,
    /// What stopped it: the code, and the report, which is never freed for the C side holds it.
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
    /// Recorded in a stream as its piece of work number `seq`, and when that was done.
    Recorded {
        stream: Handle,
        seq: u64,
        done: Option<std::time::Instant>,
    },
    /// Recorded while that stream was captured, as this capture of all.
    Captured {
        capture: u64,
    },
}

pub(super) struct Graph {
    pub(super) context: Handle,
    pub(super) ops: Arc<[Op]>,
}

/// Page-locked memory of the host.
pub(super) struct HostMemory {
    pub(super) context: Handle,
    pub(super) start: HostPointer,
    pub(super) bytes: usize,
    layout: Layout,
}

impl HostMemory {
    /// Aligned to 64 bytes and full of 0xA5; none if the host has not so much.
    pub(super) fn new(context: Handle, bytes: usize) -> Option<Self> {
        let layout = Layout::from_size_align(bytes, 64).ok().filter(|_| bytes > 0)?;
        // SAFETY: the layout has at least one byte.
        let start = unsafe { alloc::alloc(layout) };
        if start.is_null() {
            return None;
        }
        // SAFETY: allocated just now, with as many bytes.
        unsafe { start.write_bytes(0xA5, bytes) };
        Some(Self { context, start: HostPointer(start), bytes, layout })
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout, and the driver forgets it with this.
        unsafe { alloc::dealloc(self.start.0, self.layout) };
    }
}

/// How a stream is being captured.
pub(super) struct Capture {
    pub(super) id: u64,
    pub(super) mode: u32,
    pub(super) thread: ThreadId,
    pub(super) ops: Vec<Op>,
    pub(super) valid: bool,
}

/// A launch that ran.
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
    /// The device is gone; nothing works until [`Driver::reset`].
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
    /// What was left in contexts that are gone.
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

/// Waits until another thread has done a piece of work.
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

    /// All is as at the start, but for the handles, and with another device.
    pub(super) fn reset(&mut self, device: Device) {
        *self = Self { device, handles: self.handles, ..Self::default() };
    }

    /// That `cuInit` was called.
    pub(super) fn initialised(&self) -> Cu<&Self> {
        if self.initialised { Ok(self) } else { refuse(CUresult::CUDA_ERROR_NOT_INITIALIZED, "cuInit was not called") }
    }

    /// That `cuInit` was called and the device is there.
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
        refuse(CUresult::CUDA_ERROR_INVALID_DEVICE, format!("there is no device {device}: there are {count}"))
    }

    /// The current context's handle. Fails if there is none, or with the fault that stopped it.
    pub(super) fn current(&mut self) -> Cu<Handle> {
        let handle = CURRENT.get();
        self.ready()?.working(handle)?;
        Ok(handle)
    }

    /// That a context is there and was not stopped by a fault.
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

    /// The stream that `stream` means, null being the default one, and its context, which must be the current one.
    pub(super) fn stream(&mut self, stream: Handle) -> Cu<Handle> {
        let current = self.current()?;
        if stream == 0 || stream == 1 {
            // CU_STREAM_LEGACY is 1.
            return Ok(self.working(current)?.default_stream);
        }
        match self.streams.get(&stream) {
            Some(known) if known.destroyed => refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the stream was destroyed"),
            Some(known) if known.context != current => {
                refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the stream is of another context")
            }
            Some(_) => Ok(stream),
            None => refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "this is no stream"),
        }
    }

    /// Destroys a context, and tells what was left in it.
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

    /// What is live in a context, a line each.
    pub(super) fn leaks(&self, handle: Handle) -> Vec<String> {
        let Some(context) = self.contexts.get(&handle) else {
            return Vec::new();
        };
        let memory = context.memory.live().into_iter();
        let mut lines: Vec<String> = memory.map(|(address, bytes)| format!("{bytes} bytes at {address:#x}")).collect();
        lines.sort();
        let host = self.host.iter().filter(|(_, host)| host.context == handle);
        lines.extend(host.map(|(address, host)| format!("{} bytes of the host at {address:#x}", host.bytes)));
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

/// Writes a result where the caller wants it.
pub(super) fn put<T>(out: *mut T, value: T) -> Cu<()> {
    if out.is_null() {
        return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, "the pointer for the result is null");
    }
    // SAFETY: the driver's callers vouch that their pointers are to what its reference says; this one is not null.
    unsafe { ptr::write_unaligned(out, value) };
    Ok(())
}

/// An address of the host, to be read or written when the work that names it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostPointer(pub(super) *mut u8);

// SAFETY: an address alone; whoever follows it relies on what the driver's caller vouched for.
unsafe impl Send for HostPointer {}
// SAFETY: as above.
unsafe impl Sync for HostPointer {}

impl HostPointer {
    pub(super) fn check(self) -> Cu<Self> {
        if self.0.is_null() {
            return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, "the host's pointer is null");
        }
        Ok(self)
    }

    /// The bytes there, for as long as the driver's caller vouches for: until the work is done.
    pub(super) fn bytes<'a>(self, count: usize) -> &'a [u8] {
        // SAFETY: checked not to be null; the caller of the copy vouches for `count` readable bytes.
        unsafe { std::slice::from_raw_parts(self.0, count) }
    }

    pub(super) fn bytes_mut<'a>(self, count: usize) -> &'a mut [u8] {
        // SAFETY: as above, writable, and the caller leaves them alone until it has waited for the copy.
        unsafe { std::slice::from_raw_parts_mut(self.0, count) }
    }
}
