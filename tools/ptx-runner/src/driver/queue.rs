//! Streams: work stays in a queue until something waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use cudarc::driver::sys::CUresult;

use super::error::{Cu, code, description, refuse, text};
use super::state::{Capture, Driver, EventState, Handle, HostPointer, Launched, lock, notify, wait};
use crate::{Counters, Fault, Kernel, Launch, Memory};

pub(super) struct Stream {
    pub(super) context: Handle,
    /// The context's default stream, which waits for all blocking ones, and they for it.
    pub(super) default: bool,
    pub(super) blocking: bool,
    /// Its handle is destroyed; its remaining work still runs.
    pub(super) destroyed: bool,
    pub(super) capture: Option<Capture>,
    queue: VecDeque<(u64, Op)>,
    /// Whether a thread runs a piece of its work.
    busy: bool,
    /// The numbers of the last piece of work enqueued and completed.
    put: u64,
    done: u64,
}

/// A piece of work.
#[derive(Clone)]
pub(super) enum Op {
    Launch {
        kernel: Arc<Kernel>,
        grid: [u32; 3],
        block: [u32; 3],
        params: Arc<[u8]>,
    },
    Write {
        to: u64,
        from: Arc<[u8]>,
    },
    WriteFrom {
        to: u64,
        from: HostPointer,
        bytes: usize,
    },
    Read {
        from: u64,
        to: HostPointer,
        bytes: usize,
    },
    Copy {
        from: u64,
        to: u64,
        bytes: u64,
    },
    Fill {
        to: u64,
        pattern: [u8; 4],
        bytes: u64,
    },
    Free {
        address: u64,
    },
    Record {
        event: Handle,
    },
    /// Waits for a piece of work of another stream.
    Wait {
        stream: Handle,
        seq: u64,
    },
    Graph(Arc<[Op]>),
}

impl Stream {
    pub(super) fn new(context: Handle, default: bool, blocking: bool) -> Self {
        Self {
            context,
            default,
            blocking,
            destroyed: false,
            capture: None,
            queue: VecDeque::new(),
            busy: false,
            put: 0,
            done: 0,
        }
    }

    pub(super) fn pending(&self) -> bool {
        self.done < self.put
    }

    fn push(&mut self, op: Op) -> u64 {
        self.put += 1;
        self.queue.push_back((self.put, op));
        self.put
    }
}

impl Driver {
    /// Enqueues work in a stream, or in the graph of its capture. Returns the number of the piece of work if it is queued.
    pub(super) fn enqueue(&mut self, handle: Handle, op: Op) -> Cu<Option<u64>> {
        let Some(stream) = self.streams.get_mut(&handle) else {
            return refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the stream is invalid");
        };
        if let Some(capture) = &mut stream.capture {
            if !capture.valid {
                return Err(CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED.into());
            }
            capture.ops.push(op);
            return Ok(None);
        }
        let (context, default, blocking) = (stream.context, stream.default, stream.blocking);
        if default {
            self.no_implicit_capture(context)?;
        }
        // The default stream and the blocking ones wait for each other.
        if default || blocking {
            let others = self.streams.iter().filter(|(_, other)| {
                other.context == context && other.blocking && other.default != default && other.pending()
            });
            let waits: Vec<Op> = others.map(|(other, s)| Op::Wait { stream: *other, seq: s.put }).collect();
            let stream = self.streams.get_mut(&handle).expect("found above");
            waits.into_iter().for_each(|wait| {
                stream.push(wait);
            });
        }
        Ok(Some(self.streams.get_mut(&handle).expect("found above").push(op)))
    }

    /// Using the default stream while a blocking one is captured would make it wait for work that never runs.
    pub(super) fn no_implicit_capture(&mut self, context: Handle) -> Cu<()> {
        let blocking = |stream: &&mut Stream| stream.context == context && stream.blocking && stream.capture.is_some();
        let mut refused = false;
        for stream in self.streams.values_mut().filter(blocking) {
            stream.capture.as_mut().expect("filtered").valid = false;
            refused = true;
        }
        if refused { Err(CUresult::CUDA_ERROR_STREAM_CAPTURE_IMPLICIT.into()) } else { Ok(()) }
    }

    /// Checks that `what`, which may wait for the device, is not called within a capture; invalidates captures that forbid it.
    pub(super) fn not_captured(&mut self, what: &str) -> Cu<()> {
        let thread = std::thread::current().id();
        let mut refused = false;
        for capture in self.streams.values_mut().filter_map(|stream| stream.capture.as_mut()) {
            // CU_STREAM_CAPTURE_MODE_GLOBAL forbids it in any thread, THREAD_LOCAL in its own, RELAXED in none.
            if capture.mode == 0 || capture.mode == 1 && capture.thread == thread {
                capture.valid = false;
                refused = true;
            }
        }
        if refused {
            return refuse(
                CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                format!("{what} is not allowed during a capture"),
            );
        }
        Ok(())
    }

    /// Checks that none of these streams, for which the caller would wait, is captured.
    pub(super) fn not_waiting_for_capture(&mut self, context: Handle, stream: Option<Handle>) -> Cu<()> {
        let mut refused = false;
        for (handle, known) in &mut self.streams {
            if known.context == context
                && stream.is_none_or(|stream| stream == *handle)
                && let Some(capture) = &mut known.capture
            {
                capture.valid = false;
                refused = true;
            }
        }
        if refused {
            let message = "cannot wait for captured work";
            return refuse(CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, message);
        }
        Ok(())
    }

    /// Whether a piece of work of a stream is done.
    pub(super) fn done(&self, stream: Handle, seq: u64) -> bool {
        self.streams.get(&stream).is_none_or(|stream| stream.done >= seq)
    }

    /// Stops a context: its queued work never runs.
    fn stop(&mut self, context: Handle, code: CUresult, message: &str) {
        for stream in self.streams.values_mut().filter(|stream| stream.context == context) {
            stream.queue.clear();
            stream.done = stream.put;
        }
        if let Some(context) = self.contexts.get_mut(&context)
            && context.fault.is_none()
        {
            let message = format!("{}: {message}", description(code));
            eprintln!("ptx-runner: {message}");
            context.fault = Some((code, Box::leak(text(&message).into_boxed_c_str())));
        }
    }
}

/// The extent of a run.
#[derive(Clone, Copy)]
pub(super) enum Until {
    End,
    Seq(u64),
    /// One piece of work.
    Step,
}

/// Runs work of a stream, and the work of others for which it waits.
pub(super) fn drain(handle: Handle, until: Until) {
    let mut driver = lock();
    let end = match (until, driver.streams.get(&handle)) {
        (_, None) => return,
        (Until::End, Some(stream)) => stream.put,
        (Until::Seq(seq), _) => seq,
        (Until::Step, Some(stream)) => stream.done + 1,
    };
    loop {
        let Some(stream) = driver.streams.get_mut(&handle) else { return };
        if stream.done >= end {
            break;
        }
        if stream.busy {
            driver = wait(driver);
            continue;
        }
        match stream.queue.front().map(|(_, op)| op.clone()) {
            Some(Op::Wait { stream: other, seq }) if !driver.done(other, seq) => {
                drop(driver);
                drain(other, Until::Seq(seq));
                driver = lock();
            }
            Some(op) => driver = step(driver, handle, &op),
            None => break,
        }
    }
    if driver.streams.get(&handle).is_some_and(|stream| stream.destroyed && !stream.pending() && !stream.busy) {
        driver.streams.remove(&handle);
    }
}

/// Runs all work of a context.
pub(super) fn drain_all(context: Handle) {
    let streams: Vec<Handle> =
        lock().streams.iter().filter(|(_, stream)| stream.context == context).map(|(handle, _)| *handle).collect();
    streams.into_iter().for_each(|stream| drain(stream, Until::End));
}

/// Runs the first piece of work of a stream, `op`, without blocking the driver for other threads.
fn step(mut driver: MutexGuard<'static, Driver>, handle: Handle, op: &Op) -> MutexGuard<'static, Driver> {
    let stream = driver.streams.get_mut(&handle).expect("the caller holds it");
    stream.busy = true;
    let context = stream.context;
    let seq = stream.queue.pop_front().map_or(0, |(seq, _)| seq);
    let memory = driver.contexts.get(&context).map(|context| context.memory.clone());
    drop(driver);
    let result = memory.map_or(Ok(()), |memory| run(op, &memory));
    let mut driver = lock();
    if let Some(stream) = driver.streams.get_mut(&handle) {
        stream.busy = false;
        stream.done = stream.done.max(seq);
    }
    match (result, op) {
        (Err((code, message)), _) => driver.stop(context, code, &message),
        (Ok(()), Op::Record { event }) => {
            if let Some(event) = driver.events.get_mut(event)
                && let EventState::Recorded { stream, seq: recorded, done } = &mut event.state
                && (*stream, *recorded) == (handle, seq)
            {
                *done = Some(Instant::now());
            }
        }
        _ => {}
    }
    notify();
    driver
}

/// The reason why a context stops.
type Stop = (CUresult, String);

fn run(op: &Op, memory: &Memory) -> Result<(), Stop> {
    let fault = |what: &'static str| move |fault: Fault| (code(&fault.kind), format!("{what}: {}", fault.message));
    match op {
        Op::Launch { kernel, grid, block, params } => launch(kernel, *grid, *block, params, memory),
        Op::Write { to, from } => memory.write(*to, from).map_err(fault("copy to the device")),
        Op::WriteFrom { to, from, bytes } => memory.write(*to, from.bytes(*bytes)).map_err(fault("copy to the device")),
        Op::Read { from, to, bytes } => memory.read(*from, to.bytes_mut(*bytes)).map_err(fault("copy to the host")),
        Op::Copy { from, to, bytes } => memory.copy(*from, *to, *bytes).map_err(fault("copy on the device")),
        Op::Fill { to, pattern: [byte, b, c, d], bytes } if byte == b && b == c && c == d => {
            memory.fill(*to, *byte, *bytes).map_err(fault("fill"))
        }
        Op::Fill { to, pattern, bytes } => {
            let words = vec![*pattern; *bytes as usize / 4];
            memory.write(*to, words.as_flattened()).map_err(fault("fill"))
        }
        Op::Free { address } => memory.free(*address).map_err(fault("cuMemFreeAsync")),
        Op::Record { .. } | Op::Wait { .. } => Ok(()),
        Op::Graph(ops) => ops.iter().try_for_each(|op| run(op, memory)),
    }
}

fn launch(kernel: &Kernel, grid: [u32; 3], block: [u32; 3], params: &[u8], memory: &Memory) -> Result<(), Stop> {
    let sample = {
        let mut driver = lock();
        driver.launched += 1;
        let at = driver.device.lost_at_launch;
        if at != 0 && driver.launched >= at {
            driver.lost = true;
            let message = format!("the device was lost at launch {at}, of {}", kernel.name());
            return Err((CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE, message));
        }
        driver.device.sample
    };
    let sample = (sample != 0).then_some(sample);
    let counters: Counters = crate::run(&Launch { kernel, grid, block, params, sample }, memory)
        .map_err(|fault| (code(&fault.kind), fault.message))?;
    lock().launches.push(Launched { name: kernel.name().to_owned(), grid, block, counters });
    Ok(())
}
