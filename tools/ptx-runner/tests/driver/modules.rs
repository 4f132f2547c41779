use std::ffi::{CString, c_void};
use std::ptr;

use cudarc::driver::sys::{CUfunction_attribute as Attribute, CUjit_option as Jit, CUresult};
use cudarc::driver::{result, sys};
use ptx_runner::Device;

use super::{PTX, add, default_gpu, function, gpu, launch, load, read, refused, words};

/// `cuModuleLoadDataEx` with logs of this size: the code and both logs.
fn load_with_logs(ptx: &str, room: usize) -> (CUresult, String, String) {
    let text = CString::new(ptx).unwrap();
    let (mut info, mut error) = (vec![1u8; room], vec![1u8; room]);
    let mut options = [
        Jit::CU_JIT_ERROR_LOG_BUFFER,
        Jit::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
        Jit::CU_JIT_INFO_LOG_BUFFER,
        Jit::CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES,
    ];
    let size = ptr::without_provenance_mut::<c_void>(room);
    let mut values = [error.as_mut_ptr().cast(), size, info.as_mut_ptr().cast(), size];
    let mut module = ptr::null_mut();
    let (options, values_at) = (options.as_mut_ptr(), values.as_mut_ptr());
    let code = unsafe { sys::cuModuleLoadDataEx(&mut module, text.as_ptr().cast(), 4, options, values_at) };
    let string = |bytes: &[u8], length: *mut c_void| {
        assert_eq!(bytes[length.addr()], 0, "the log ends with a zero");
        String::from_utf8(bytes[..length.addr()].to_vec()).unwrap()
    };
    (code, string(&info, values[3]), string(&error, values[1]))
}

#[test]
fn a_log_tells_what_is_wrong_with_ptx() {
    let _gpu = default_gpu();
    let (code, info, error) = load_with_logs(PTX, 100);
    assert_eq!((code, error.as_str()), (CUresult::CUDA_SUCCESS, ""));
    assert!(info.contains("interpreted"), "{info}");
    let broken = PTX.replace("mul.wide.u32", "mull.wide.u32");
    let (code, info, error) = load_with_logs(&broken, 100);
    assert_eq!((code, info.as_str()), (CUresult::CUDA_ERROR_INVALID_PTX, ""));
    assert!(error.contains("line 15") && error.contains("mull.wide.u32"), "{error}");
    // truncated to the size of the buffer
    let (_, _, short) = load_with_logs(&broken, 5);
    assert_eq!(short, error[..4]);
    refused(load(&broken), CUresult::CUDA_ERROR_INVALID_PTX, "mull.wide.u32");
}

#[test]
fn ptx_that_is_too_new() {
    let _old = gpu(Device { driver: 10020, major: 7, minor: 5, ..Device::default() });
    // CUDA 10.2 supports PTX up to 6.5
    refused(load(PTX), CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "PTX 7.0 is newer than the driver's 6.5");
    load(&PTX.replace(".version 7.0", ".version 6.5")).unwrap();
}

#[test]
fn ptx_for_another_device() {
    let _gpu = gpu(Device { major: 7, minor: 0, ..Device::default() });
    refused(load(PTX), CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU, "for sm_75, but the device is sm_70");
}

#[test]
fn functions_and_their_attributes() {
    let _gpu = default_gpu();
    let module = load(PTX).unwrap();
    let get = |name: &str| unsafe { result::module::get_function(module, CString::new(name).unwrap()) };
    let add = get("add").unwrap();
    assert_eq!(get("add").unwrap(), add);
    refused(get("ad"), CUresult::CUDA_ERROR_NOT_FOUND, "no kernel ad");
    let attribute = |which| unsafe { result::function::get_function_attribute(add, which) };
    assert_eq!(attribute(Attribute::CU_FUNC_ATTRIBUTE_PTX_VERSION).unwrap(), 70);
    assert_eq!(attribute(Attribute::CU_FUNC_ATTRIBUTE_BINARY_VERSION).unwrap(), 80);
    assert_eq!(attribute(Attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES).unwrap(), 0);
    refused(attribute(Attribute::CU_FUNC_ATTRIBUTE_NUM_REGS), CUresult::CUDA_ERROR_INVALID_VALUE, "attribute 4");
    let occupancy = |threads| unsafe { result::occupancy::max_active_block_per_multiprocessor(add, threads, 0) };
    // 2048 threads and 32 blocks on a multiprocessor of 8.0
    assert_eq!((occupancy(256).unwrap(), occupancy(32).unwrap()), (8, 32));
    refused(occupancy(2048), CUresult::CUDA_ERROR_INVALID_VALUE, "2048");
    unsafe { result::module::unload(module) }.unwrap();
    refused(unsafe { result::module::unload(module) }, CUresult::CUDA_ERROR_INVALID_HANDLE, "unloaded");
    refused(occupancy(32), CUresult::CUDA_ERROR_INVALID_HANDLE, "unloaded");
    refused(launch(add, 1, ptr::null_mut(), &mut []), CUresult::CUDA_ERROR_INVALID_HANDLE, "unloaded");
    refused(get("add"), CUresult::CUDA_ERROR_INVALID_HANDLE, "unloaded");
}

#[test]
fn launches_run_and_are_counted() {
    let _gpu = default_gpu();
    let (function, at) = (function("add"), words(&[1, 2, 3, 4]));
    add(function, at, 10, ptr::null_mut());
    add(function, at, 100, ptr::null_mut());
    assert_eq!(read(at), [111, 112, 113, 114]);
    let launches = ptx_runner::launches().unwrap();
    assert_eq!(launches.len(), 2);
    assert_eq!((launches[0].name.as_str(), launches[0].grid, launches[0].block), ("add", [1; 3], [4, 1, 1]));
    let counters = launches[0].counters;
    assert_eq!((counters.blocks, counters.warp_instructions), (1, 12));
    assert_eq!((counters.global_load_requests, counters.global_bytes_loaded), (1, 16));
    assert_eq!((counters.global_store_requests, counters.global_sectors_stored), (1, 1));
    ptx_runner::forget_launches().unwrap();
    assert!(ptx_runner::launches().unwrap().is_empty());
}

#[test]
fn limits_of_launches() {
    let _gpu = default_gpu();
    let (function, mut at, mut v) = (function("add"), words(&[0; 4]), 0u32);
    let mut params = [(&raw mut at).cast(), (&raw mut v).cast()];
    let mut of = |grid: (u32, u32, u32), block: (u32, u32, u32), shared| unsafe {
        result::launch_kernel(function, grid, block, shared, ptr::null_mut(), &mut params)
    };
    // "Technical Specifications per Compute Capability"
    for (grid, block, says) in [
        ((1, 1, 1), (1025, 1, 1), "1025"),
        ((1, 1, 1), (32, 33, 1), "33"),
        ((1, 1, 1), (1, 1, 65), "65"),
        ((1, 1, 1), (0, 1, 1), "at least 1"),
        ((1, 65536, 1), (1, 1, 1), "65536"),
        ((1, 1, 65536), (1, 1, 1), "65536"),
        ((1 << 31, 1, 1), (1, 1, 1), "2147483648"),
        ((1, 0, 1), (1, 1, 1), "at least 1"),
    ] {
        refused(of(grid, block, 0), CUresult::CUDA_ERROR_INVALID_VALUE, says);
    }
    refused(of((1, 1, 1), (1, 1, 1), 16), CUresult::CUDA_ERROR_INVALID_VALUE, "dynamic shared memory");
    of((1, 1, 1), (1, 1, 1), 0).unwrap();
    let no_params = unsafe {
        let (null, one) = (ptr::null_mut(), 1);
        sys::cuLaunchKernel(function, one, one, one, one, one, one, 0, ptr::null_mut(), null, ptr::null_mut())
    };
    assert_eq!(no_params, CUresult::CUDA_ERROR_INVALID_VALUE);
    let mut packed = [ptr::null_mut::<c_void>()];
    let extra = unsafe {
        sys::cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, ptr::null_mut(), params.as_mut_ptr(), packed.as_mut_ptr())
    };
    assert_eq!(extra, CUresult::CUDA_ERROR_NOT_SUPPORTED);
    // a limit set when the kernel was compiled
    let bound = PTX.replace(
        ".entry add(.param .u64 p, .param .u32 v)",
        ".entry add(.param .u64 p, .param .u32 v) .maxntid 2, 1, 1",
    );
    let module = load(&bound).unwrap();
    let bound = unsafe { result::module::get_function(module, c"add".into()) }.unwrap();
    refused(launch(bound, 3, ptr::null_mut(), &mut params), CUresult::CUDA_ERROR_INVALID_VALUE, "at most 2");
}

/// A sample of the blocks counts for all; the parts of the other blocks read as zeros.
#[test]
fn sampled_launches() {
    let _gpu = gpu(Device { sample: 2, ..Device::default() });
    let (function, mut at, mut v) = (function("add"), words(&[0; 32]), 1u32);
    let mut params = [(&raw mut at).cast(), (&raw mut v).cast()];
    unsafe { result::launch_kernel(function, (8, 1, 1), (4, 1, 1), 0, ptr::null_mut(), &mut params) }.unwrap();
    result::ctx::synchronize().unwrap();
    assert_eq!(ptx_runner::launches().unwrap()[0].counters.global_bytes_loaded, 8 * 16);
    let other = unsafe { result::malloc_sync(16) }.unwrap();
    assert_eq!(read(other), [0; 4]);
}
