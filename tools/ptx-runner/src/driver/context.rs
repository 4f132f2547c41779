//! The primary context of a device, shared by all who retain it.

use std::ffi::{c_int, c_uint};
use std::sync::Arc;

use cudarc::driver::sys::{CUcontext, CUresult};

use super::error::{Cu, answer, refuse};
use super::queue::{Stream, drain_all};
use super::state::{CURRENT, Context, Driver, Handle, lock, put};
use crate::Memory;

impl Driver {
    fn primary(&self, device: c_int) -> Option<Handle> {
        self.contexts.iter().find(|(_, context)| context.device == device).map(|(handle, _)| *handle)
    }

    fn retain(&mut self, device: c_int) -> Cu<Handle> {
        self.ordinal(device)?;
        if let Some(handle) = self.primary(device) {
            self.contexts.get_mut(&handle).expect("just found").retained += 1;
            return Ok(handle);
        }
        let (handle, default_stream) = (self.handle(), self.handle());
        let memory = Arc::new(Memory::new(self.device.memory));
        self.contexts.insert(handle, Context { device, retained: 1, memory, default_stream, fault: None });
        self.streams.insert(default_stream, Stream::new(handle, true, true));
        Ok(handle)
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxRetain(out: *mut CUcontext, device: c_int) -> CUresult {
    answer(|| {
        let handle = lock().retain(device)?;
        put(out, handle as CUcontext)
    })
}

/// The last release destroys the context, after all work in its streams.
#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxRelease_v2(device: c_int) -> CUresult {
    answer(|| {
        // Not `ready`: a retained context can be released after the device is lost.
        let Some(handle) = lock().primary(device) else {
            return refuse(CUresult::CUDA_ERROR_INVALID_CONTEXT, "the primary context is not retained");
        };
        if lock().contexts.get(&handle).is_some_and(|context| context.retained == 1) {
            drain_all(handle);
        }
        let mut driver = lock();
        let Some(context) = driver.contexts.get_mut(&handle) else { return Ok(()) };
        context.retained -= 1;
        if context.retained == 0 {
            driver.destroy(handle);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxReset_v2(device: c_int) -> CUresult {
    answer(|| {
        let mut driver = lock();
        driver.ordinal(device)?;
        if let Some(handle) = driver.primary(device) {
            driver.destroy(handle);
        }
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxSetFlags_v2(device: c_int, _flags: c_uint) -> CUresult {
    answer(|| lock().ordinal(device).map(|_| ()))
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxGetState(device: c_int, flags: *mut c_uint, active: *mut c_int) -> CUresult {
    answer(|| {
        let mut driver = lock();
        driver.ordinal(device)?;
        put(flags, 0)?;
        put(active, driver.primary(device).is_some().into())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSetCurrent(context: CUcontext) -> CUresult {
    answer(|| {
        let handle = context as Handle;
        let driver = lock();
        if handle != 0 && !driver.initialised()?.contexts.contains_key(&handle) {
            return refuse(CUresult::CUDA_ERROR_INVALID_CONTEXT, "the context is invalid or was destroyed");
        }
        CURRENT.set(handle);
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxGetCurrent(out: *mut CUcontext) -> CUresult {
    answer(|| {
        lock().initialised()?;
        put(out, CURRENT.get() as CUcontext)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxGetDevice(out: *mut c_int) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let current = driver.current()?;
        put(out, driver.working(current)?.device)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSynchronize() -> CUresult {
    answer(|| {
        let current = {
            let mut driver = lock();
            let current = driver.current()?;
            driver.not_waiting_for_capture(current, None)?;
            current
        };
        drain_all(current);
        lock().current().map(|_| ())
    })
}
