//! The test's side of the shared library: it is loaded, told what to be, and asked what it did.

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};

use crate::driver::{LaunchSink, RawLaunch, TextSink};
use crate::{Counters, Device};

/// Why the stand-in is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// The library was not built, or lies elsewhere.
    #[error(
        "no libptx_runner.so near the program: not one of {0:?}; cargo builds it with a dev-dependency on ptx-runner"
    )]
    Missing(Vec<PathBuf>),
    /// The library does not load.
    #[error("{0} does not load as libcuda.so")]
    Broken(PathBuf, #[source] LoadError),
    /// Programs find another library.
    #[error("libcuda.so is another library, loaded before this one: install first, before any call of CUDA")]
    Other,
    /// This system's loader cannot be told what `libcuda.so` is.
    #[error("ptx-runner stands in for libcuda.so on Linux alone")]
    System,
}

type LoadError = Box<dyn std::error::Error + Send + Sync>;

/// A launch that ran.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Launched {
    /// The kernel.
    pub name: String,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// What it did.
    pub counters: Counters,
}

/// Loads the stand-in as this process's `libcuda.so`. Call it before anything loads CUDA; more calls change nothing.
///
/// # Errors
/// If it is not there, or another `libcuda.so` was loaded before.
pub fn install() -> Result<(), InstallError> {
    library().map(|_| ())
}

/// The device that this process has from now on, which starts with nothing allocated or loaded. Until the result is
/// dropped, other threads that call this wait; then the device is [`Device::default`] again.
///
/// # Errors
/// As [`install`].
pub fn configure(device: Device) -> Result<Configured, InstallError> {
    static ONE: Mutex<()> = Mutex::new(());
    let library = library()?;
    let alone = ONE.lock().unwrap_or_else(|e| e.into_inner());
    library.configure(device);
    Ok(Configured { library, _alone: alone })
}

/// A device of one's own, until dropped.
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

/// The launches that ran since [`configure`] or [`forget_launches`], in order.
///
/// # Errors
/// As [`install`].
pub fn launches() -> Result<Vec<Launched>, InstallError> {
    extern "C" fn sink(target: *mut c_void, raw: *const RawLaunch) {
        // SAFETY: `launches` hands its own vector through the library, which calls this with a launch that it holds.
        let (list, raw) = unsafe { (&mut *target.cast::<Vec<Launched>>(), &*raw) };
        // SAFETY: as above: the name's bytes and the counters are the library's until this returns.
        let (name, counters) = unsafe { (std::slice::from_raw_parts(raw.name, raw.name_bytes), *raw.counters) };
        let name = String::from_utf8_lossy(name).into_owned();
        list.push(Launched { name, grid: raw.grid, block: raw.block, counters });
    }
    let mut list = Vec::new();
    (library()?.launches)(sink, (&raw mut list).cast());
    Ok(list)
}

/// Forgets the launches that ran.
///
/// # Errors
/// As [`install`].
pub fn forget_launches() -> Result<(), InstallError> {
    (library()?.forget_launches)();
    Ok(())
}

/// What is live on the device, a line each: memory, streams, modules, events, graphs. Also what was live in a context
/// when it was destroyed, since [`configure`].
///
/// # Errors
/// As [`install`].
pub fn leaks() -> Result<Vec<String>, InstallError> {
    extern "C" fn sink(target: *mut c_void, text: *const u8, bytes: usize) {
        // SAFETY: `leaks` hands its own vector through the library, which calls this with a line that it holds.
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

/// Where cargo puts the library: beside test programs, in `deps` beside others; and, for programs that run elsewhere as
/// doctests do, where it was when this was compiled.
fn candidates() -> Vec<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let built = Path::new(env!("OUT_DIR"));
    let folders = program.ancestors().skip(1).take(1).chain(built.ancestors().skip(3).take(1));
    // `deps` first: what lies above it is a copy that builds of other packages leave as it was.
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
    // SAFETY: its initialisers are Rust's own, which ask nothing of their caller.
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
    // It stays: functions of it are held by whoever uses CUDA.
    std::mem::forget(loaded);
    // SAFETY: as above, or a driver's library, which asks nothing either; the symbol is only looked up.
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
