//! `cuInit`, versions, and device properties.

use std::ffi::{c_char, c_int, c_uint};

use cudarc::driver::sys::{CUdevice_attribute as Attribute, CUresult, CUuuid};

use super::error::{Cu, answer, refuse};
use super::state::{lock, put};
use crate::Device;

/// The name of every device.
const NAME: &[u8] = b"ptx-runner (no GPU)";

#[unsafe(no_mangle)]
extern "C" fn cuInit(flags: c_uint) -> CUresult {
    answer(|| {
        if flags != 0 {
            return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, "expected no flags for cuInit");
        }
        let mut driver = lock();
        if driver.device.devices == 0 {
            return Err(CUresult::CUDA_ERROR_NO_DEVICE.into());
        }
        driver.initialised = true;
        Ok(())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDriverGetVersion(out: *mut c_int) -> CUresult {
    answer(|| put(out, lock().device.driver.cast_signed()))
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetCount(out: *mut c_int) -> CUresult {
    answer(|| put(out, lock().ready()?.device.devices.cast_signed()))
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGet(out: *mut c_int, ordinal: c_int) -> CUresult {
    answer(|| {
        lock().ordinal(ordinal)?;
        put(out, ordinal)
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetName(out: *mut c_char, length: c_int, device: c_int) -> CUresult {
    answer(|| {
        lock().ordinal(device)?;
        let length = usize::try_from(length).unwrap_or_default();
        if length == 0 {
            return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, "the name buffer is empty");
        }
        let name = NAME.iter().copied().take(length - 1).chain([0]);
        name.enumerate().try_for_each(|(i, byte)| put(out.wrapping_add(i), byte.cast_signed()))
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetUuid(out: *mut CUuuid, device: c_int) -> CUresult {
    answer(|| {
        lock().ordinal(device)?;
        let mut bytes = b"ptx-runner uuid0".map(u8::cast_signed);
        bytes[15] += device as c_char;
        put(out, CUuuid { bytes })
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetUuid_v2(out: *mut CUuuid, device: c_int) -> CUresult {
    cuDeviceGetUuid(out, device)
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceTotalMem_v2(out: *mut usize, device: c_int) -> CUresult {
    answer(|| put(out, lock().ordinal(device)?.device.memory as usize))
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetAttribute(out: *mut c_int, attribute: c_uint, device: c_int) -> CUresult {
    answer(|| {
        let described = lock().ordinal(device)?.device;
        put(out, value(attribute, &described)?)
    })
}

/// The resources of a multiprocessor by compute capability: the table "Technical Specifications per Compute Capability" of
/// NVIDIA's CUDA C++ Programming Guide.
#[derive(Clone, Copy)]
pub(super) struct Multiprocessor {
    pub(super) threads: u32,
    pub(super) blocks: u32,
    /// Shared memory in bytes: of all blocks, and the most for one block.
    pub(super) shared: u32,
    pub(super) shared_block: u32,
    pub(super) registers: u32,
}

pub(super) fn multiprocessor(capability: (u32, u32)) -> Multiprocessor {
    let (threads, blocks, shared, shared_block) = match capability {
        (..=6, _) => (2048, 32, 96, 48),
        (7, ..=4) => (2048, 32, 96, 96),
        (7, _) => (1024, 16, 64, 64),
        (8, 0) => (2048, 32, 164, 163),
        (8, 9) => (1536, 24, 100, 99),
        (8, _) => (1536, 16, 100, 99),
        _ => (2048, 32, 228, 227),
    };
    Multiprocessor { threads, blocks, shared: shared << 10, shared_block: shared_block << 10, registers: 1 << 16 }
}

/// Launch limits of all capabilities.
pub(super) const MAX_THREADS: u32 = 1024;
pub(super) const MAX_BLOCK: [u32; 3] = [1024, 1024, 64];
pub(super) const MAX_GRID: [u32; 3] = [i32::MAX as u32, 65535, 65535];
pub(super) const SHARED: u32 = 48 << 10;

fn value(attribute: c_uint, device: &Device) -> Cu<c_int> {
    let sm = multiprocessor((device.major, device.minor));
    const fn is(attribute: Attribute) -> c_uint {
        attribute as c_uint
    }
    macro_rules! table {
        ($($name:ident => $value:expr,)*) => {
            $(if attribute == is(Attribute::$name) {
                return Ok(c_int::try_from($value).unwrap_or(c_int::MAX));
            })*
        };
    }
    table! {
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR => device.major,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR => device.minor,
        CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK => MAX_THREADS,
        CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X => MAX_BLOCK[0],
        CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y => MAX_BLOCK[1],
        CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z => MAX_BLOCK[2],
        CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X => MAX_GRID[0],
        CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y => MAX_GRID[1],
        CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z => MAX_GRID[2],
        CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK => SHARED,
        CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN => sm.shared_block,
        CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR => sm.shared,
        CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK => if device.major >= 8 { 1024 } else { 0 },
        CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY => 64 << 10,
        CU_DEVICE_ATTRIBUTE_WARP_SIZE => 32,
        CU_DEVICE_ATTRIBUTE_MAX_PITCH => i32::MAX,
        CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK => sm.registers,
        CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR => sm.registers,
        CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR => sm.threads,
        CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR => sm.blocks,
        CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT => 2,
        CU_DEVICE_ATTRIBUTE_CLOCK_RATE => 1_000_000,
        CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE => 1_000_000,
        CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH => 256,
        CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE => 4 << 20,
        CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT => 512,
        CU_DEVICE_ATTRIBUTE_SURFACE_ALIGNMENT => 512,
        CU_DEVICE_ATTRIBUTE_GPU_OVERLAP => 1,
        CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT => 1,
        CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT => 0,
        CU_DEVICE_ATTRIBUTE_INTEGRATED => 0,
        CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY => 0,
        CU_DEVICE_ATTRIBUTE_COMPUTE_MODE => 0,
        CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS => 1,
        CU_DEVICE_ATTRIBUTE_ECC_ENABLED => 0,
        CU_DEVICE_ATTRIBUTE_PCI_BUS_ID => 0,
        CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID => 0,
        CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID => 0,
        CU_DEVICE_ATTRIBUTE_TCC_DRIVER => 0,
        CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING => 0,
        CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED => 1,
        CU_DEVICE_ATTRIBUTE_GLOBAL_L1_CACHE_SUPPORTED => 1,
        CU_DEVICE_ATTRIBUTE_LOCAL_L1_CACHE_SUPPORTED => 1,
        CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY => 0,
        CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS => 0,
        CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS => 0,
        CU_DEVICE_ATTRIBUTE_MULTI_GPU_BOARD => 0,
        CU_DEVICE_ATTRIBUTE_SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO => 32,
        CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH => 0,
        CU_DEVICE_ATTRIBUTE_COMPUTE_PREEMPTION_SUPPORTED => 1,
        CU_DEVICE_ATTRIBUTE_VIRTUAL_ADDRESS_MANAGEMENT_SUPPORTED => 0,
        // cuMemAllocAsync was added in CUDA 11.2.
        CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED => u32::from(device.driver >= 11020),
    }
    refuse(CUresult::CUDA_ERROR_INVALID_VALUE, format!("device attribute {attribute} is not supported by ptx-runner"))
}
