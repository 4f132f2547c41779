//! Memory that ends, or begins, where a page without any access lies: what is touched beyond it ends the process.
//!
//! All memory comes from one range of addresses. No address is used twice, and what is given back is inaccessible again,
//! so that use after that is caught too.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use libc::{
    MAP_ANONYMOUS, MAP_FAILED, MAP_FIXED, MAP_NORESERVE, MAP_PRIVATE, PROT_NONE, PROT_READ, PROT_WRITE, off64_t,
};

/// Which end of memory lies against a page without access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The begin: the end is rounded up to a page.
    Front,
    /// The end: the begin is rounded down to a page, and to what the type wants.
    Back,
}

thread_local! {
    static SIDE: Cell<Option<Side>> = const { Cell::new(None) };
}

/// Does `work` with all the memory that this thread takes guarded.
pub(crate) fn guarded<R>(side: Side, work: impl FnOnce() -> R) -> R {
    SIDE.set(Some(side));
    let result = work();
    SIDE.set(None);
    result
}

/// The side to guard; none while a panic is told, which takes memory in thousands of pieces.
fn side() -> Option<Side> {
    SIDE.get().filter(|_| !std::thread::panicking())
}

/// A multiple of the system's pages.
const PAGE: usize = if cfg!(target_arch = "x86_64") { 4 << 10 } else { 64 << 10 };
/// Addresses, of which only those in use take memory.
const SPACE: usize = 1 << 42;
/// More than any case needs; what asks for more tries that it is refused.
const MOST: usize = 1 << 32;
const INACCESSIBLE: c_int = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

/// Where the addresses begin.
static BASE: OnceLock<usize> = OnceLock::new();
/// How many of them have been used.
static USED: AtomicUsize = AtomicUsize::new(PAGE);

fn map(address: usize, len: usize, access: c_int, flags: c_int) -> *mut c_void {
    // SAFETY: `mmap` checks what it is given; with `MAP_FIXED` the addresses are of the range, and not in use.
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
    // SAFETY: the pages are of the range and nobody else's.
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

/// Whether memory is of the range.
fn is_guarded(memory: usize) -> bool {
    BASE.get().is_some_and(|&base| (base..base + SPACE).contains(&memory))
}

/// The system's allocator, or guarded memory where that is asked for.
struct Guard;

#[global_allocator]
static ALLOCATOR: Guard = Guard;

// SAFETY: memory is the system allocator's, or fresh pages of the range, which are zero; `take` keeps to the alignment or
// gives null. Each is given back to where it came from. Neither allocates nor panics.
unsafe impl GlobalAlloc for Guard {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match side() {
            Some(side) => take(layout.size(), layout.align(), side),
            // SAFETY: the caller vouches for the layout.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match side() {
            Some(side) => take(layout.size(), layout.align(), side),
            // SAFETY: the caller vouches for the layout.
            None => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if is_guarded(memory as usize) {
            give_back(memory as usize, layout.size());
        } else {
            // SAFETY: the caller vouches for both, and the memory is the system allocator's.
            unsafe { System.dealloc(memory, layout) }
        }
    }
}

/// What `memmap2` calls for large memory, in place of the C library's function.
///
/// # Safety
/// As of `mmap`.
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
        // SAFETY: the caller vouches for the arguments.
        _ => unsafe { libc::syscall(libc::SYS_mmap, address, len, access, flags, file, offset) as *mut c_void },
    }
}

/// The same of `munmap`.
///
/// # Safety
/// As of `munmap`.
#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(memory: *mut c_void, len: usize) -> c_int {
    if is_guarded(memory as usize) {
        give_back(memory as usize, len);
        return 0;
    }
    // SAFETY: the caller vouches for the arguments.
    unsafe { libc::syscall(libc::SYS_munmap, memory, len) as c_int }
}
