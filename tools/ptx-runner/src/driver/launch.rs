//! Launches of kernels.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::Arc;

use cudarc::driver::sys::{CUfunction, CUresult, CUstream};

use super::device::{MAX_BLOCK, MAX_GRID, MAX_THREADS, SHARED, multiprocessor};
use super::error::{Cu, answer, refuse};
use super::queue::Op;
use super::state::{Handle, HostPointer, lock, put};
use crate::Kernel;

#[unsafe(no_mangle)]
extern "C" fn cuLaunchKernel(
    function: CUfunction,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    dynamic_shared: c_uint,
    stream: CUstream,
    params: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let kernel = driver.function(function)?.kernel.clone();
        let stream = driver.stream(stream as Handle)?;
        let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
        check(&kernel, grid, block)?;
        if dynamic_shared != 0 {
            let message = format!("{}: dynamic shared memory is not supported by ptx-runner", kernel.name());
            return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, message);
        }
        if !extra.is_null() {
            let message =
                format!("{}: packed parameters are not supported by ptx-runner; pass pointers", kernel.name());
            return refuse(CUresult::CUDA_ERROR_NOT_SUPPORTED, message);
        }
        let params = read_params(&kernel, params)?;
        driver.enqueue(stream, Op::Launch { kernel, grid, block, params }).map(|_| ())
    })
}

/// The parameters in the layout of the kernel's parameter space.
fn read_params(kernel: &Kernel, pointers: *mut *mut c_void) -> Cu<Arc<[u8]>> {
    let mut params = vec![0; kernel.param_bytes()];
    for (at, &(offset, bytes)) in kernel.params().iter().enumerate() {
        if pointers.is_null() {
            return refuse(
                CUresult::CUDA_ERROR_INVALID_VALUE,
                format!("{}: the parameters are missing", kernel.name()),
            );
        }
        // SAFETY: not null, and the caller guarantees a pointer to each parameter of the kernel.
        let from = HostPointer(unsafe { *pointers.add(at) }.cast()).check()?;
        params[offset..offset + bytes].copy_from_slice(from.bytes(bytes));
    }
    Ok(params.into())
}

/// The limits that the driver checks at a launch.
fn check(kernel: &Kernel, grid: [u32; 3], block: [u32; 3]) -> Cu<()> {
    let name = kernel.name();
    let wrong = |message: String| refuse(CUresult::CUDA_ERROR_INVALID_VALUE, format!("{name}: {message}"));
    let within = |size: [u32; 3], most: [u32; 3]| size.iter().zip(most).all(|(size, most)| (1..=most).contains(size));
    if !within(grid, MAX_GRID) {
        return wrong(format!("expected a grid of at least 1 and at most {MAX_GRID:?} blocks, found {grid:?}"));
    }
    let threads = block.iter().map(|size| u64::from(*size)).product::<u64>();
    if !within(block, MAX_BLOCK) || threads > u64::from(MAX_THREADS) {
        let most = format!("at most {MAX_BLOCK:?} and {MAX_THREADS} in total");
        return wrong(format!("expected blocks of at least 1 thread per axis, {most}, found {block:?}"));
    }
    if let Some(most) = kernel.max_threads()
        && threads > u64::from(most)
    {
        return wrong(format!(
            "expected blocks of at most {most} threads, for which the kernel was compiled, found {block:?}"
        ));
    }
    if kernel.shared_bytes() > SHARED as usize {
        return wrong(format!("expected at most {SHARED} bytes of shared memory, found {}", kernel.shared_bytes()));
    }
    Ok(())
}

/// Occupancy by threads, blocks and shared memory; registers, which only NVIDIA's compiler counts, may allow less.
#[unsafe(no_mangle)]
extern "C" fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
    out: *mut c_int,
    function: CUfunction,
    block: c_int,
    dynamic_shared: usize,
) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let shared = driver.function(function)?.kernel.shared_bytes() + dynamic_shared;
        let sm = multiprocessor((driver.device.major, driver.device.minor));
        let Some(threads) = u32::try_from(block).ok().filter(|threads| (1..=MAX_THREADS).contains(threads)) else {
            return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, format!("invalid block of {block} threads"));
        };
        let by_threads = sm.threads / threads.next_multiple_of(32);
        let by_shared = (sm.shared as usize).checked_div(shared).unwrap_or(usize::MAX);
        put(out, by_threads.min(sm.blocks).min(by_shared.try_into().unwrap_or(u32::MAX)).cast_signed())
    })
}
