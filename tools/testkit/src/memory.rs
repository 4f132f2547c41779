//! Failing allocations, for testing out-of-memory errors, and counted ones. Each such test runs alone in its process.
#![allow(unsafe_code)] // a global allocator is unsafe

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};

use style_core::{ErrorKind, Result};

/// Number of large allocations that still succeed before one fails.
static LEFT: AtomicIsize = AtomicIsize::new(isize::MAX);

/// The system allocator, except that one large allocation fails.
pub struct Failing {
    least: usize,
}

impl Failing {
    /// Allocations below this size in bytes never fail.
    #[must_use]
    pub const fn from(least: usize) -> Self {
        Self { least }
    }

    fn fails(&self, bytes: usize) -> bool {
        bytes >= self.least && LEFT.fetch_sub(1, Relaxed) == 0
    }
}

// SAFETY: every call is delegated to the system allocator or returns null, which reports that there is no memory; counting
// neither allocates nor panics.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller guarantees the layout.
        if self.fails(layout.size()) { ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller guarantees the layout.
        if self.fails(layout.size()) { ptr::null_mut() } else { unsafe { System.alloc_zeroed(layout) } }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        // SAFETY: the caller guarantees all three.
        if self.fails(len) { ptr::null_mut() } else { unsafe { System.realloc(memory, layout, len) } }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller guarantees both.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Makes the large allocation after `left` others fail during `work`, and returns whether it was reached.
pub fn with_failure<T>(left: isize, work: impl FnOnce() -> T) -> (T, bool) {
    LEFT.store(left, Relaxed);
    let done = work();
    (done, LEFT.swap(isize::MAX, Relaxed) < 0)
}

/// Fails each large allocation in turn until none are left, and returns their number. Allocations while preparing the work
/// do not fail.
///
/// # Panics
/// If an error is not `OutOfMemory`.
pub fn each<T>(what: &str, mut prepare: impl FnMut() -> Box<dyn FnOnce() -> Result<T>>) -> isize {
    for left in 0.. {
        let work = prepare();
        let (done, failed) = with_failure(left, work);
        match done {
            Ok(_) if !failed => return left,
            Ok(_) => panic!("{what}: allocation {left} failed without an error"),
            Err(e) => assert_eq!(e.kind(), ErrorKind::OutOfMemory, "{what}, allocation {left}: {e}"),
        }
    }
    unreachable!()
}

/// The system allocator, counting its calls: how often memory was taken, moved or given back, by any thread.
pub struct Counting {
    calls: AtomicUsize,
}

impl Counting {
    /// Nothing counted yet.
    #[must_use]
    #[allow(clippy::new_without_default)] // a static is made of it
    pub const fn new() -> Self {
        Self { calls: AtomicUsize::new(0) }
    }

    /// The number of calls so far.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.load(Relaxed)
    }

    fn count(&self) {
        self.calls.fetch_add(1, Relaxed);
    }
}

// SAFETY: every call is delegated to the system allocator; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count();
        // SAFETY: the caller vouches for the layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.count();
        // SAFETY: the caller vouches for the layout.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        self.count();
        // SAFETY: the caller vouches for all three.
        unsafe { System.realloc(memory, layout, len) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        self.count();
        // SAFETY: the caller vouches for both.
        unsafe { System.dealloc(memory, layout) }
    }
}
