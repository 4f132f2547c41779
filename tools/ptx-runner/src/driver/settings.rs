//! Functions for tests that a real driver does not have. `client.rs` calls them through the loaded library.

use std::ffi::c_void;

use super::state::lock;
use crate::{Counters, Device};

/// A launch as it passes between the two copies of this crate, the library and the test.
#[repr(C)]
pub(crate) struct RawLaunch {
    pub(crate) name: *const u8,
    pub(crate) name_bytes: usize,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) counters: *const Counters,
}

pub(crate) type LaunchSink = extern "C" fn(*mut c_void, *const RawLaunch);
pub(crate) type TextSink = extern "C" fn(*mut c_void, *const u8, usize);

/// Restarts with this device.
///
/// # Safety
/// `device` must point to a device.
#[unsafe(no_mangle)]
unsafe extern "C" fn ptx_runner_configure(device: *const Device) {
    // SAFETY: guaranteed by the caller.
    let device = unsafe { *device };
    lock().reset(device);
}

/// Passes each completed launch to `sink`, in order.
#[unsafe(no_mangle)]
extern "C" fn ptx_runner_launches(sink: LaunchSink, target: *mut c_void) {
    for launch in &lock().launches {
        let raw = RawLaunch {
            name: launch.name.as_ptr(),
            name_bytes: launch.name.len(),
            grid: launch.grid,
            block: launch.block,
            counters: &raw const launch.counters,
        };
        sink(target, &raw const raw);
    }
}

/// Clears the list of completed launches.
#[unsafe(no_mangle)]
extern "C" fn ptx_runner_forget_launches() {
    lock().launches.clear();
}

/// Passes live objects to `sink`, one per line, including those that were live when their context was destroyed.
#[unsafe(no_mangle)]
extern "C" fn ptx_runner_leaks(sink: TextSink, target: *mut c_void) {
    let driver = lock();
    let mut lines = driver.leaked.clone();
    driver.contexts.keys().for_each(|context| lines.extend(driver.leaks(*context)));
    lines.iter().for_each(|line| sink(target, line.as_ptr(), line.len()));
}
