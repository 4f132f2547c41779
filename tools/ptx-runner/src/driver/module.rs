//! Modules: PTX compiled by the driver.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use cudarc::driver::sys::{CUfunction, CUfunction_attribute as Attribute, CUjit_option as Jit, CUmodule, CUresult};

use super::device::{MAX_THREADS, SHARED};
use super::error::{Cu, Refusal, answer, refuse};
use super::state::{Driver, Function, Handle, HostPointer, Loaded, lock, put};
use crate::Module;

/// The newest PTX version that a driver compiles: the release notes table of NVIDIA's PTX reference.
fn newest_ptx(driver: u32) -> (u32, u32) {
    match driver {
        ..11000 => (6, 3 + driver % 1000 / 10),
        11000..12000 => (7, driver % 1000 / 10),
        12000..12060 => (8, driver % 1000 / 10),
        // CUDA 12.6 has no new PTX version.
        12060..13000 => (8, driver % 1000 / 10 - 1),
        _ => (9, driver % 1000 / 10),
    }
}

impl Driver {
    fn compile(&self, ptx: &CStr) -> Cu<Module> {
        let Ok(ptx) = ptx.to_str() else {
            return refuse(
                CUresult::CUDA_ERROR_INVALID_IMAGE,
                "expected PTX; other images are not supported by ptx-runner",
            );
        };
        // Checked first, as in the driver, because newer PTX may not parse.
        let newest = newest_ptx(self.device.driver);
        if let Some(version) = version(ptx)
            && version > newest
        {
            let message =
                format!("PTX {}.{} is newer than the driver's {}.{}", version.0, version.1, newest.0, newest.1);
            return refuse(CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION, message);
        }
        let module = match Module::parse(ptx) {
            Ok(module) => module,
            Err(message) => return refuse(CUresult::CUDA_ERROR_INVALID_PTX, message),
        };
        let own = 10 * self.device.major + self.device.minor;
        if module.target() > own {
            let message = format!("the PTX is for sm_{}, but the device is sm_{own}", module.target());
            return refuse(CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU, message);
        }
        Ok(module)
    }
}

/// The value of `.version`.
fn version(ptx: &str) -> Option<(u32, u32)> {
    let (_, rest) = ptx.split_once(".version")?;
    let (major, minor) = rest.split_whitespace().next()?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[unsafe(no_mangle)]
extern "C" fn cuModuleLoadData(out: *mut CUmodule, image: *const c_void) -> CUresult {
    cuModuleLoadDataEx(out, image, 0, std::ptr::null(), std::ptr::null_mut())
}

#[unsafe(no_mangle)]
extern "C" fn cuModuleLoadDataEx(
    out: *mut CUmodule,
    image: *const c_void,
    count: c_uint,
    options: *const c_uint,
    values: *mut *mut c_void,
) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let context = driver.current()?;
        driver.not_captured("cuModuleLoadData")?;
        if image.is_null() || count > 0 && (options.is_null() || values.is_null()) {
            return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, "the image or its options are null");
        }
        // SAFETY: not null, and the caller guarantees that the text ends with a zero, as PTX does.
        let module = driver.compile(unsafe { CStr::from_ptr(image.cast()) });
        let (info, error) = match &module {
            Ok(_) => ("ptx-runner: interpreted, not compiled", ""),
            Err(Refusal { message, .. }) => ("", message.as_str()),
        };
        for at in 0..count as usize {
            // SAFETY: not null, and the caller guarantees `count` options.
            let option = unsafe { *options.add(at) };
            let (log, size) = match option {
                o if o == Jit::CU_JIT_INFO_LOG_BUFFER as u32 => (info, Jit::CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES),
                o if o == Jit::CU_JIT_ERROR_LOG_BUFFER as u32 => (error, Jit::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES),
                o if ignored(o) => continue,
                o => {
                    return refuse(
                        CUresult::CUDA_ERROR_INVALID_VALUE,
                        format!("option {o} is not supported by ptx-runner"),
                    );
                }
            };
            // SAFETY: as above.
            let mut all = unsafe { std::slice::from_raw_parts(options, count as usize) }.iter();
            let Some(size) = all.position(|option| *option == size as u32) else {
                return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, "a log buffer requires its size");
            };
            // SAFETY: as above for the values, because `size` and `at` are positions of options. The size is a number in
            // place of a pointer, and is replaced by the number of bytes written.
            unsafe {
                let buffer = HostPointer((*values.add(at)).cast()).check()?;
                let room = (*values.add(size)).addr() as u32 as usize;
                let written = log.len().min(room.saturating_sub(1));
                let buffer = buffer.bytes_mut(room);
                buffer[..written].copy_from_slice(&log.as_bytes()[..written]);
                buffer[written..].iter_mut().take(1).for_each(|end| *end = 0);
                *values.add(size) = std::ptr::without_provenance_mut(written);
            }
        }
        let handle = driver.handle();
        driver.modules.insert(handle, Loaded { context, module: module? });
        put(out, handle as CUmodule)
    })
}

/// Options without effect here: sizes of logs, compiler settings.
fn ignored(option: u32) -> bool {
    [
        Jit::CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES,
        Jit::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
        Jit::CU_JIT_LOG_VERBOSE,
        Jit::CU_JIT_OPTIMIZATION_LEVEL,
        Jit::CU_JIT_MAX_REGISTERS,
        Jit::CU_JIT_TARGET_FROM_CUCONTEXT,
        Jit::CU_JIT_GENERATE_LINE_INFO,
        Jit::CU_JIT_GENERATE_DEBUG_INFO,
        Jit::CU_JIT_CACHE_MODE,
    ]
    .iter()
    .any(|known| *known as u32 == option)
}

#[unsafe(no_mangle)]
extern "C" fn cuModuleUnload(module: CUmodule) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let handle = module as Handle;
        // Also after a fault, so that nothing leaks.
        if driver.modules.remove(&handle).is_none() {
            return refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the module is invalid or was unloaded");
        }
        driver.functions.retain(|_, function| function.module != handle);
        driver.current().map(|_| ())
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuModuleGetFunction(out: *mut CUfunction, module: CUmodule, name: *const c_char) -> CUresult {
    answer(|| {
        let mut driver = lock();
        driver.current()?;
        if name.is_null() {
            return refuse(CUresult::CUDA_ERROR_INVALID_VALUE, "the name is null");
        }
        // SAFETY: not null, and the caller guarantees that it ends with a zero.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
        let module = module as Handle;
        let Some(loaded) = driver.modules.get(&module) else {
            return refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the module is invalid or was unloaded");
        };
        let Some(kernel) = loaded.module.kernel(&name) else {
            return refuse(CUresult::CUDA_ERROR_NOT_FOUND, format!("the module has no kernel {name}"));
        };
        let known = driver.functions.iter().find(|(_, f)| f.module == module && f.kernel.name() == name);
        let handle = match known {
            Some((handle, _)) => *handle,
            None => {
                let handle = driver.handle();
                driver.functions.insert(handle, Function { module, kernel });
                handle
            }
        };
        put(out, handle as CUfunction)
    })
}

impl Driver {
    /// The function behind a handle.
    pub(super) fn function(&mut self, function: CUfunction) -> Cu<&Function> {
        self.current()?;
        match self.functions.get(&(function as Handle)) {
            Some(function) => Ok(function),
            None => refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the function is invalid or its module was unloaded"),
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuFuncGetAttribute(out: *mut c_int, attribute: c_uint, function: CUfunction) -> CUresult {
    answer(|| {
        let mut driver = lock();
        let (module, kernel) = driver.function(function).map(|function| (function.module, function.kernel.clone()))?;
        let Some(loaded) = driver.modules.get(&module) else {
            return refuse(CUresult::CUDA_ERROR_INVALID_HANDLE, "the module was unloaded");
        };
        let (major, minor) = loaded.module.version();
        let table = [
            (Attribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, MAX_THREADS as usize),
            (Attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, kernel.shared_bytes()),
            (Attribute::CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES, 0),
            (Attribute::CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, 0),
            (Attribute::CU_FUNC_ATTRIBUTE_PTX_VERSION, (10 * major + minor) as usize),
            (Attribute::CU_FUNC_ATTRIBUTE_BINARY_VERSION, (10 * driver.device.major + driver.device.minor) as usize),
            (Attribute::CU_FUNC_ATTRIBUTE_CACHE_MODE_CA, 0),
            (Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, SHARED as usize - kernel.shared_bytes()),
        ];
        match table.iter().find(|(known, _)| *known as u32 == attribute) {
            Some((_, value)) => put(out, *value as c_int),
            // Among them is the number of registers, which only NVIDIA's compiler knows.
            None => refuse(
                CUresult::CUDA_ERROR_INVALID_VALUE,
                format!("attribute {attribute} is not supported by ptx-runner"),
            ),
        }
    })
}

#[unsafe(no_mangle)]
extern "C" fn cuFuncSetAttribute(function: CUfunction, attribute: c_uint, value: c_int) -> CUresult {
    answer(|| {
        lock().function(function)?;
        // The preferred split between shared memory and L1: a hint, -1 to 100.
        if attribute == Attribute::CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT as u32
            && (-1..=100).contains(&value)
        {
            return Ok(());
        }
        let message = format!(
            "attribute {attribute} = {value} is not supported by ptx-runner, which has no dynamic shared memory"
        );
        refuse(CUresult::CUDA_ERROR_INVALID_VALUE, message)
    })
}
