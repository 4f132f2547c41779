//! Memory next to an inaccessible page, at its end or its start: any access beyond it ends the process.
//!
//! All memory comes from one range of addresses. No address is used twice, and freed memory becomes inaccessible again,
//! so that use after free is caught too.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use libc::{
    MAP_ANONYMOUS, MAP_FAILED, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE, PROT_NONE, PROT_READ, PROT_WRITE, off64_t,
};

/// The end of the memory that touches an inaccessible page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The start; the end is rounded up to a page.
    Front,
    /// The end; the start is rounded down to the alignment of the type.
    Back,
}

thread_local! {
    static SIDE: Cell<Option<Side>> = const { Cell::new(None) };
}

/// Runs `work` with all allocations of this thread guarded.
pub(crate) fn guarded<R>(side: Side, work: impl FnOnce() -> R) -> R {
    SIDE.set(Some(side));
    let result = work();
    SIDE.set(None);
    result
}

/// The side to guard; none while a panic is reported, which allocates thousands of pieces.
fn side() -> Option<Side> {
    SIDE.get().filter(|_| !std::thread::panicking())
}

/// A multiple of the system's page size.
const PAGE: usize = if cfg!(target_arch = "x86_64") { 4 << 10 } else { 64 << 10 };
/// Reserved addresses; only those in use take memory.
const SPACE: usize = 1 << 42;
/// More than any case needs; a case that requests more tests the failure.
const MOST: usize = 1 << 32;
const INACCESSIBLE: c_int = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

/// The first address.
static BASE: OnceLock<usize> = OnceLock::new();
/// The number of bytes used so far.
static USED: AtomicUsize = AtomicUsize::new(PAGE);

fn map(address: usize, len: usize, access: c_int, flags: c_int) -> *mut c_void {
    // SAFETY: `mmap` checks its arguments; with `MAP_FIXED` the addresses are within the range and not in use.
    unsafe { libc::syscall(libc::SYS_mmap, address, len, access, flags, -1, 0) as *mut c_void }
}

/// Accessible memory between inaccessible pages; null if there is none.
fn take(len: usize, align: usize, side: Side) -> *mut u8 {
    if len > MOST || align > PAGE {
        return null_mut();
    }
    let base = *BASE.get_or_init(|| map(0, SPACE, PROT_NONE, INACCESSIBLE) as usize);
    let pages = len.next_multiple_of(PAGE);
    let used = USED.fetch_add(pages + PAGE, Ordering::Relaxed);
    if base == MAP_FAILED as usize || used + pages + PAGE > SPACE {
        return null_mut();
    }
    let start = (base + used) as *mut u8;
    // SAFETY: the pages are within the range and belong to this allocation alone.
    if unsafe { libc::mprotect(start.cast(), pages, PROT_READ | PROT_WRITE) } != 0 {
        return null_mut();
    }
    let offset = if side == Side::Back { (pages - len) / align * align } else { 0 };
    start.wrapping_add(offset)
}

/// Makes memory inaccessible again.
fn give_back(memory: usize, len: usize) {
    let (start, end) = (memory / PAGE * PAGE, (memory + len).next_multiple_of(PAGE));
    map(start, end - start, PROT_NONE, INACCESSIBLE | MAP_FIXED);
}

/// Whether memory is within the range.
fn is_guarded(memory: usize) -> bool {
    BASE.get().is_some_and(|&base| (base..base + SPACE).contains(&memory))
}

/// The system allocator, or guarded memory while `guarded` runs.
struct Guard;

#[global_allocator]
static ALLOCATOR: Guard = Guard;

// SAFETY: memory comes from the system allocator or is fresh zero pages of the range; `take` respects the alignment or
// returns null. Each is freed where it was allocated. Neither allocates nor panics.
unsafe impl GlobalAlloc for Guard {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match side() {
            Some(side) => take(layout.size(), layout.align(), side),
            // SAFETY: the caller guarantees the layout.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match side() {
            Some(side) => take(layout.size(), layout.align(), side),
            // SAFETY: the caller guarantees the layout.
            None => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if is_guarded(memory as usize) {
            give_back(memory as usize, layout.size());
        } else {
            // SAFETY: the caller guarantees both, and the memory comes from the system allocator.
            unsafe { System.dealloc(memory, layout) }
        }
    }
}

/// Replaces the C library's function, which `memmap2` calls for large allocations.
///
/// # Safety
/// As for `mmap`.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap64(
    address: *mut c_void,
    len: usize,
    access: c_int,
    flags: c_int,
    file: c_int,
    offset: off64_t,
) -> *mut c_void {
    match side() {
        Some(side) if address.is_null() && flags & MAP_ANONYMOUS != 0 => {
            let memory = take(len, 1, side);
            if memory.is_null() { MAP_FAILED } else { memory.cast() }
        }
        // SAFETY: the caller guarantees the arguments.
        _ => unsafe { libc::syscall(libc::SYS_mmap, address, len, access, flags, file, offset) as *mut c_void },
    }
}

/// The same for `munmap`.
///
/// # Safety
/// As for `munmap`.
#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(memory: *mut c_void, len: usize) -> c_int {
    if is_guarded(memory as usize) {
        give_back(memory as usize, len);
        return 0;
    }
    // SAFETY: the caller guarantees the arguments.
    unsafe { libc::syscall(libc::SYS_munmap, memory, len) as c_int }
}
