//! The test's side of the shared library: loading, configuration and queries.

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};

use crate::driver::{LaunchSink, RawLaunch, TextSink};
use crate::{Counters, Device};

/// The reason why the stand-in cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The library was not found.
    #[error("libptx_runner.so not found in {0:?}; add a dev-dependency on ptx-runner, with which cargo builds it")]
    Missing(Vec<PathBuf>),
    /// The library cannot be loaded.
    #[error("cannot load {0} as libcuda.so")]
    Broken(PathBuf, #[source] LoadError),
    /// Another library was loaded first.
    #[error("another libcuda.so is already loaded; call `install` before any CUDA call")]
    Other,
    /// This system's loader does not support the substitution.
    #[error("ptx-runner supports only Linux")]
    System,
}

type LoadError = Box<dyn std::error::Error + Send + Sync>;

/// A completed launch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Launched {
    /// The kernel.
    pub name: String,
    /// Number of blocks.
    pub grid: [u32; 3],
    /// Threads per block.
    pub block: [u32; 3],
    /// Its counters.
    pub counters: Counters,
}

/// Loads the stand-in as this process's `libcuda.so`. Call it before anything loads CUDA; further calls have no effect.
///
/// # Errors
/// The library is missing, or another `libcuda.so` was loaded before.
pub fn install() -> Result<(), InstallError> {
    library().map(|_| ())
}

/// Replaces this process's device; the new one starts with no allocations or modules. Until the result is dropped, other
/// threads that call this function wait; then the device is [`Device::default`] again.
///
/// # Errors
/// As for [`install`].
pub fn configure(device: Device) -> Result<Configured, InstallError> {
    static ONE: Mutex<()> = Mutex::new(());
    let library = library()?;
    let alone = ONE.lock().unwrap_or_else(|e| e.into_inner());
    library.configure(device);
    Ok(Configured { library, _alone: alone })
}

/// Exclusive use of the device, until dropped.
#[derive(Debug)]
pub struct Configured {
    library: &'static Library,
    _alone: MutexGuard<'static, ()>,
}

impl Drop for Configured {
    fn drop(&mut self) {
        self.library.configure(Device::default());
    }
}

/// The completed launches since [`configure`] or [`forget_launches`], in order.
///
/// # Errors
/// As for [`install`].
pub fn launches() -> Result<Vec<Launched>, InstallError> {
    extern "C" fn sink(target: *mut c_void, raw: *const RawLaunch) {
        // SAFETY: `launches` passes its own vector through the library, which calls this with a launch that it owns.
        let (list, raw) = unsafe { (&mut *target.cast::<Vec<Launched>>(), &*raw) };
        // SAFETY: as above; the name's bytes and the counters belong to the library until this returns.
        let (name, counters) = unsafe { (std::slice::from_raw_parts(raw.name, raw.name_bytes), *raw.counters) };
        let name = String::from_utf8_lossy(name).into_owned();
        list.push(Launched { name, grid: raw.grid, block: raw.block, counters });
    }
    let mut list = Vec::new();
    (library()?.launches)(sink, (&raw mut list).cast());
    Ok(list)
}

/// Clears the list of completed launches.
///
/// # Errors
/// As for [`install`].
pub fn forget_launches() -> Result<(), InstallError> {
    (library()?.forget_launches)();
    Ok(())
}

/// Lists live objects on the device, one per line: memory, streams, modules, events, graphs. Includes objects that were
/// still live when their context was destroyed, since [`configure`].
///
/// # Errors
/// As for [`install`].
pub fn leaks() -> Result<Vec<String>, InstallError> {
    extern "C" fn sink(target: *mut c_void, text: *const u8, bytes: usize) {
        // SAFETY: `leaks` passes its own vector through the library, which calls this with a line that it owns.
        let (list, text) = unsafe { (&mut *target.cast::<Vec<String>>(), std::slice::from_raw_parts(text, bytes)) };
        list.push(String::from_utf8_lossy(text).into_owned());
    }
    let mut list = Vec::new();
    (library()?.leaks)(sink, (&raw mut list).cast());
    Ok(list)
}

/// The library's own functions.
#[derive(Debug)]
struct Library {
    configure: unsafe extern "C" fn(*const Device),
    launches: extern "C" fn(LaunchSink, *mut c_void),
    forget_launches: extern "C" fn(),
    leaks: extern "C" fn(TextSink, *mut c_void),
}

impl Library {
    fn configure(&self, device: Device) {
        // SAFETY: the function reads one device.
        unsafe { (self.configure)(&raw const device) };
    }
}

fn library() -> Result<&'static Library, InstallError> {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    static LOADING: Mutex<()> = Mutex::new(());
    let _loading = LOADING.lock().unwrap_or_else(|e| e.into_inner());
    match LIBRARY.get() {
        Some(library) => Ok(library),
        None => Ok(LIBRARY.get_or_init({
            let library = load()?;
            || library
        })),
    }
}

/// The places where cargo puts the library: next to test programs, and in `deps` next to others; for programs that run
/// elsewhere, such as doctests, its place at compile time.
fn candidates() -> Vec<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let built = Path::new(env!("OUT_DIR"));
    let folders = program.ancestors().skip(1).take(1).chain(built.ancestors().skip(3).take(1));
    // `deps` first: the copy above it may be stale after builds of other packages.
    folders.flat_map(|folder| [folder.join("deps/libptx_runner.so"), folder.join("libptx_runner.so")]).collect()
}

#[cfg(target_os = "linux")]
fn load() -> Result<Library, InstallError> {
    use libloading::os::unix::{Library as Loaded, RTLD_GLOBAL, RTLD_NOW, Symbol};

    let candidates = candidates();
    let Some(path) = candidates.iter().find(|path| path.is_file()) else {
        return Err(InstallError::Missing(candidates));
    };
    let broken = |e: libloading::Error| InstallError::Broken(path.clone(), e.into());
    // SAFETY: its initialisers are Rust's own, which have no requirements.
    let loaded = unsafe { Loaded::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map_err(broken)?;
    // SAFETY: these are the library's functions with these signatures: it was built with this file.
    let library = unsafe {
        Library {
            configure: *loaded.get(b"ptx_runner_configure").map_err(broken)?,
            launches: *loaded.get(b"ptx_runner_launches").map_err(broken)?,
            forget_launches: *loaded.get(b"ptx_runner_forget_launches").map_err(broken)?,
            leaks: *loaded.get(b"ptx_runner_leaks").map_err(broken)?,
        }
    };
    // Never unloaded: users of CUDA hold its functions.
    std::mem::forget(loaded);
    // SAFETY: as above, or a driver's library, which has no requirements either; the symbol is only looked up.
    let ours = unsafe {
        Loaded::open(Some("libcuda.so"), RTLD_NOW)
            .is_ok_and(|found| found.get(b"ptx_runner_configure").is_ok_and(|_: Symbol<unsafe extern "C" fn()>| true))
    };
    if ours { Ok(library) } else { Err(InstallError::Other) }
}

#[cfg(not(target_os = "linux"))]
fn load() -> Result<Library, InstallError> {
    let _ = candidates;
    Err(InstallError::System)
}
