//! What tests ask of the driver that a real one does not offer. `client.rs` calls these through the loaded library.

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

/// Starts anew with this device.
///
/// # Safety
/// `device` points to one.
#[unsafe(no_mangle)]
unsafe extern "C" fn ptx_runner_configure(device: *const Device) {
    // SAFETY: as the caller vouches.
    let device = unsafe { *device };
    lock().reset(device);
}

/// Tells `sink` each launch that ran, in order.
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

/// Forgets the launches that ran.
#[unsafe(no_mangle)]
extern "C" fn ptx_runner_forget_launches() {
    lock().launches.clear();
}

/// Tells `sink` what is live, and what was when its context was destroyed, a line each.
#[unsafe(no_mangle)]
extern "C" fn ptx_runner_leaks(sink: TextSink, target: *mut c_void) {
    let driver = lock();
    let mut lines = driver.leaked.clone();
    driver.contexts.keys().for_each(|context| lines.extend(driver.leaks(*context)));
    lines.iter().for_each(|line| sink(target, line.as_ptr(), line.len()));
}
