//! Events.

use std::ffi::c_uint;

use cudarc::driver::sys::{CUevent, CUevent_flags, CUresult, CUstream};

use super::error::{Cu, answer, refuse};
use super::queue::{Op, Until, drain};
use super::state::{Driver, Event, EventState, Handle, lock, put};

impl Driver {
    fn event(&mut self, event: CUevent) -> Cu<&mut Event> {
        self.current()?;
        match self.events.get_mut(&(event as Handle)) {
            Some(event) => Ok(event),
            None => refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the event is invalid or was destroyed"),
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuEventCreate(out: *mut CUevent, flags: c_uint) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let context = driver.current()?;
        let timing = flags & CUevent_flags::CU_EVENT_DISABLE_TIMING as u32 == 0;
        let allowed = CUevent_flags::CU_EVENT_DISABLE_TIMING as u32 | CUevent_flags::CU_EVENT_BLOCKING_SYNC as u32;
        if flags & !allowed != 0 {
            return refuse(
                CUresult::CUDA_ERROR_INVALID_VALUE,
                format!("event flags {flags:#x} are not supported by ptx-runner"),
            );
        }
        let handle = driver.handle();
        driver.events.insert(handle, Event { context, timing, state: EventState::Never });
        put(out, handle as CUevent)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuEventDestroy_v2(event: CUevent) -> CUresult {
    answer(|| {
        let mut driver = lock();
        // Also after a fault, so that nothing leaks.
        if driver.events.remove(&(event as Handle)).is_none() {
            return refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the event is invalid or was destroyed");
        }
        driver.current().map(|_| ())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuEventRecord(event: CUevent, stream: CUstream) -> CUresult {
    answer(|| {
        let mut driver = lock();
        driver.event(event)?;
        let stream = driver.stream(stream as Handle)?;
        let captured = driver.streams.get(&stream).and_then(|stream| stream.capture.as_ref());
        let captured = captured.map(|capture| capture.id);
        // In a capture, the record is a point in the graph that only the capture itself can wait for.
        let op = Op::Record { event: event as Handle };
        let state = match (captured, captured.is_none().then(|| driver.enqueue(stream, op)).transpose()?.flatten()) {
            (Some(capture), _) => EventState::Captured { capture },
            (None, Some(seq)) => EventState::Recorded { stream, seq, done: None },
            (None, None) => return Err(CUresult::CUDA_ERROR_UNKNOWN.into()),
        };
        driver.event(event)?.state = state;
        Ok(())
    })
}

/// The position at which the event was recorded, if the caller may wait for it.
fn recorded(event: CUevent) -> Cu<Option<(Handle, u64)>> {
    match lock().event(event)?.state {
        EventState::Never => Ok(None),
        EventState::Recorded { stream, seq, .. } => Ok(Some((stream, seq))),
        EventState::Captured { .. } => refuse(CUresult::CUDA_ERROR_CAPTURED_EVENT, "the event is part of a capture"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuEventSynchronize(event: CUevent) -> CUresult {
    answer(|| {
        if let Some((stream, seq)) = recorded(event)? {
            drain(stream, Until::Seq(seq));
        }
        lock().current().map(|_| ())
    })
}

/// Runs one piece of work, so that polling terminates.
#[unsafe(no_mangle)]
extern "C" fn cuEventQuery(event: CUevent) -> CUresult {
    answer(|| {
        let at = recorded(event)?;
        {
            let mut driver = lock();
            driver.not_captured("cuEventQuery")?;
            if at.is_none_or(|(stream, seq)| driver.done(stream, seq)) {
                return Ok(());
            }
        }
        at.into_iter().for_each(|(stream, _)| drain(stream, Until::Step));
        lock().current()?;
        Err(CUresult::CUDA_ERROR_NOT_READY.into())
    })
}

/// The interpreter's time, which is unrelated to that of a GPU.
#[unsafe(no_mangle)]
extern "C" fn cuEventElapsedTime(out: *mut f32, start: CUevent, end: CUevent) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let mut time = |event| {
            let event = driver.event(event)?;
            match event.state {
                _ if !event.timing => refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "timing is disabled for the event"),
                EventState::Recorded { done, .. } => done.ok_or_else(|| CUresult::CUDA_ERROR_NOT_READY.into()),
                _ => refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the event was not recorded"),
            }
        };
        let (start, end) = (time(start)?, time(end)?);
        let (later, earlier) = (end.saturating_duration_since(start), start.saturating_duration_since(end));
        put(out, ((later.as_secs_f64() - earlier.as_secs_f64()) * 1e3) as f32)
    })
}
