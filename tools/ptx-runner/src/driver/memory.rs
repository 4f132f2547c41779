//! Device memory and page-locked host memory; copies and fills.

use std::ffi::{c_uchar, c_uint, c_void};
use std::sync::Arc;

use cudarc::driver::sys::{CUdeviceptr, CUresult, CUstream};

use super::error::{Cu, answer, refuse};
use super::queue::{Op, Until, drain, drain_all};
use super::state::{CURRENT, Driver, Handle, HostMemory, HostPointer, lock, put};
use crate::Memory;

impl Driver {
    fn alloc(&mut self, bytes: usize) -> Cu<u64> {
        if bytes == 0 {
            return refuse(
                CUresult::CUDA_ERROR_INVALID_VALUE,
                "expected an allocation of at least 1 byte, found 0 bytes",
            );
        }
        let memory = self.memory()?;
        let Some(address) = memory.alloc(bytes as u64) else {
            let (used, all) = (memory.used(), self.device.memory);
            let message = format!("{bytes} bytes requested, {used} of {all} in use");
            return refuse(CUresult::CUDA_ERROR_OUT_OF_MEMORY, message);
        };
        if self.device.sample != 0 {
            // Blocks that are not run leave their part of the results unwritten.
            memory.fill(address, 0, bytes as u64)?;
        }
        Ok(address)
    }

    /// Checks that all of these bytes are in one allocation.
    fn inside(&mut self, address: u64, bytes: u64) -> Cu<()> {
        let live = self.memory()?.live();
        let within = |(start, length): &(u64, u64)| {
            *start <= address && address.checked_add(bytes).is_some_and(|end| end <= start + length)
        };
        if live.iter().any(within) {
            return Ok(());
        }
        refuse(
            CUresult::CUDA_ERROR_INVALID_VALUE,
            format!("{bytes} bytes at {address:#x} are not within an allocation"),
        )
    }

    /// The bytes at `from` during the call, or only the address if they are read when the work runs.
    fn write(&mut self, stream: Handle, to: u64, from: HostPointer, bytes: usize) -> Cu<Op> {
        let captured = self.streams.get(&stream).is_some_and(|stream| stream.capture.is_some());
        let locked = self.host.range(..=from.0 as usize).next_back();
        let locked = locked.is_some_and(|(start, host)| from.0 as usize + bytes <= start + host.bytes);
        Ok(if captured || locked {
            Op::WriteFrom { to, from, bytes }
        } else {
            Op::Write { to, from: from.bytes(bytes).into() }
        })
    }

    fn copy_in(&mut self, stream: Handle, to: u64, from: *const c_void, bytes: usize) -> Cu<()> {
        let from = HostPointer(from.cast_mut().cast()).check()?;
        self.inside(to, bytes as u64)?;
        let op = self.write(stream, to, from, bytes)?;
        self.enqueue(stream, op).map(|_| ())
    }

    fn copy_out(&mut self, stream: Handle, to: *mut c_void, from: u64, bytes: usize) -> Cu<()> {
        let to = HostPointer(to.cast()).check()?;
        self.inside(from, bytes as u64)?;
        self.enqueue(stream, Op::Read { from, to, bytes }).map(|_| ())
    }

    fn copy(&mut self, stream: Handle, to: u64, from: u64, bytes: usize) -> Cu<()> {
        self.inside(to, bytes as u64)?;
        self.inside(from, bytes as u64)?;
        self.enqueue(stream, Op::Copy { from, to, bytes: bytes as u64 }).map(|_| ())
    }

    fn fill(&mut self, stream: Handle, to: u64, pattern: [u8; 4], bytes: Option<u64>) -> Cu<()> {
        let Some(bytes) = bytes else {
            return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, "the number of bytes is out of range");
        };
        self.inside(to, bytes)?;
        self.enqueue(stream, Op::Fill { to, pattern, bytes }).map(|_| ())
    }
}

/// A synchronous call: `put` enqueues work in the default stream, which completes before this returns.
fn synchronous(what: &str, put: impl FnOnce(&mut Driver, Handle) -> Cu<()>) -> CUresult {
    answer(|| {
        let stream = {
            let mut driver = lock();
            let stream = driver.stream(0)?;
            driver.not_captured(what)?;
            put(&mut driver, stream)?;
            stream
        };
        drain(stream, Until::End);
        lock().current().map(|_| ())
    })
}

/// An asynchronous call.
fn asynchronous(stream: CUstream, put: impl FnOnce(&mut Driver, Handle) -> Cu<()>) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let stream = driver.stream(stream as Handle)?;
        put(&mut driver, stream)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let (used, all) = (driver.memory()?.used(), driver.device.memory);
        put(free, all.saturating_sub(used) as usize)?;
        put(total, all as usize)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemAlloc_v2(out: *mut CUdeviceptr, bytes: usize) -> CUresult {
    answer(|| {
        let mut driver = lock();
        driver.current()?;
        driver.not_captured("cuMemAlloc")?;
        let address = driver.alloc(bytes)?;
        put(out, address)
    })
}

/// Waits for the device first, as the reference specifies for memory from `cuMemAlloc`.
#[unsafe(no_mangle)]
extern "C" fn cuMemFree_v2(address: CUdeviceptr) -> CUresult {
    answer(|| {
        let context = CURRENT.get();
        let (memory, waits): (Arc<Memory>, bool) = {
            let mut driver = lock();
            if driver.current().is_ok() {
                driver.not_captured("cuMemFree")?;
            }
            // Also after a fault, so that nothing leaks.
            let Some(known) = driver.contexts.get(&context) else { return driver.current().map(|_| ()) };
            let memory = known.memory.clone();
            (memory, driver.asynchronous.remove(&address).is_none())
        };
        if waits {
            drain_all(context);
        }
        memory.free(address)?;
        lock().current().map(|_| ())
    })
}

/// The memory exists from the call on; this does not check that only later work in this stream uses it.
#[unsafe(no_mangle)]
extern "C" fn cuMemAllocAsync(out: *mut CUdeviceptr, bytes: usize, stream: CUstream) -> CUresult {
    asynchronous(stream, |driver, stream| {
        if let Some(capture) = driver.streams.get_mut(&stream).and_then(|stream| stream.capture.as_mut()) {
            capture.valid = false;
            let message = "allocations in a capture are not supported by ptx-runner";
            return refuse(CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, message);
        }
        let address = driver.alloc(bytes)?;
        driver.asynchronous.insert(address, CURRENT.get());
        put(out, address)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemFreeAsync(address: CUdeviceptr, stream: CUstream) -> CUresult {
    answer(|| {
        let mut driver = lock();
        if let Err(stopped) = driver.current() {
            if let Some(context) = driver.contexts.get(&CURRENT.get()) {
                context.memory.free(address)?;
            }
            return Err(stopped);
        }
        let stream = driver.stream(stream as Handle)?;
        if !driver.memory()?.live().iter().any(|(start, _)| *start == address) {
            return refuse(
                CUresult::CUDA_ERROR_INVALID_VALUE,
                format!("{address:#x} is not an allocation or was freed before"),
            );
        }
        driver.asynchronous.remove(&address);
        driver.enqueue(stream, Op::Free { address }).map(|_| ())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemHostAlloc(out: *mut *mut c_void, bytes: usize, _flags: c_uint) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let context = driver.current()?;
        driver.not_captured("cuMemHostAlloc")?;
        if bytes == 0 {
            return refuse(
                CUresult::CUDA_ERROR_INVALID_VALUE,
                "expected an allocation of at least 1 byte, found 0 bytes",
            );
        }
        let Some(memory) = HostMemory::new(context, bytes) else {
            return refuse(CUresult::CUDA_ERROR_OUT_OF_MEMORY, format!("not enough host memory for {bytes} bytes"));
        };
        let start = memory.start.0;
        driver.host.insert(start as usize, memory);
        put(out, start.cast())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuMemAllocHost_v2(out: *mut *mut c_void, bytes: usize) -> CUresult {
    cuMemHostAlloc(out, bytes, 0)
}

/// Waits for the device first, as the driver does.
#[unsafe(no_mangle)]
extern "C" fn cuMemFreeHost(address: *mut c_void) -> CUresult {
    answer(|| {
        let address = address as usize;
        let context = lock().host.get(&address).map(|host| host.context);
        let Some(context) = context else {
            return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, "not a host allocation, or freed before");
        };
        drain_all(context);
        let mut driver = lock();
        driver.host.remove(&address);
        driver.current().map(|_| ())
    })
}

/// Reads `from` during the call; only work in the default stream may rely on its arrival.
#[unsafe(no_mangle)]
extern "C" fn cuMemcpyHtoD_v2(to: CUdeviceptr, from: *const c_void, bytes: usize) -> CUresult {
    synchronous("cuMemcpyHtoD", |driver, stream| driver.copy_in(stream, to, from, bytes))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyHtoDAsync_v2(to: CUdeviceptr, from: *const c_void, bytes: usize, stream: CUstream) -> CUresult {
    asynchronous(stream, |driver, stream| driver.copy_in(stream, to, from, bytes))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoH_v2(to: *mut c_void, from: CUdeviceptr, bytes: usize) -> CUresult {
    synchronous("cuMemcpyDtoH", |driver, stream| driver.copy_out(stream, to, from, bytes))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: CUdeviceptr, bytes: usize, stream: CUstream) -> CUresult {
    asynchronous(stream, |driver, stream| driver.copy_out(stream, to, from, bytes))
}

/// Does not wait: a copy within the device is asynchronous to the host.
#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoD_v2(to: CUdeviceptr, from: CUdeviceptr, bytes: usize) -> CUresult {
    cuMemcpyDtoDAsync_v2(to, from, bytes, std::ptr::null_mut())
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoDAsync_v2(to: CUdeviceptr, from: CUdeviceptr, bytes: usize, stream: CUstream) -> CUresult {
    asynchronous(stream, |driver, stream| driver.copy(stream, to, from, bytes))
}

/// Does not wait, as above.
#[unsafe(no_mangle)]
extern "C" fn cuMemsetD8_v2(to: CUdeviceptr, byte: c_uchar, count: usize) -> CUresult {
    cuMemsetD8Async(to, byte, count, std::ptr::null_mut())
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD8Async(to: CUdeviceptr, byte: c_uchar, count: usize, stream: CUstream) -> CUresult {
    asynchronous(stream, |driver, stream| driver.fill(stream, to, [byte; 4], Some(count as u64)))
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD32_v2(to: CUdeviceptr, word: c_uint, count: usize) -> CUresult {
    cuMemsetD32Async(to, word, count, std::ptr::null_mut())
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD32Async(to: CUdeviceptr, word: c_uint, count: usize, stream: CUstream) -> CUresult {
    asynchronous(stream, |driver, stream| {
        if !to.is_multiple_of(4) {
            return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, format!("{to:#x} is not aligned to 4 bytes"));
        }
        driver.fill(stream, to, word.to_le_bytes(), (count as u64).checked_mul(4))
    })
}
