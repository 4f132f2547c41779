//! Zeroed memory. Large allocations are mapped with huge pages where the system supports them. This speeds up the
//! kernels, which access many addresses at once: small pages leave too few of them in the TLB.

use std::fmt::Display;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use memmap2::MmapMut;
use style_core::{Error, ErrorKind, Result};

/// Allocations of at least this size, in bytes, are mapped. A mapping takes no page before it is written, whereas the
/// heap writes zeros to allocations that need alignment.
const LARGE: usize = 128 << 10;
/// The huge-page size of most processors.
#[cfg(target_os = "linux")]
const HUGE: usize = 2 << 20;

/// A slice that owns its memory.
pub(crate) struct Memory<T>(Kind<T>);

enum Kind<T> {
    Heap(Vec<T>),
    Mapped(MmapMut),
}

/// Allocates `count` zeros; `what` names them in an error.
pub(crate) fn zeroed<T: Pod>(count: usize, what: impl Display) -> Result<Memory<T>> {
    let bytes = count.saturating_mul(size_of::<T>());
    // A WebAssembly module has no mappings: all its memory is the allocator's.
    if bytes < LARGE || cfg!(target_family = "wasm") {
        return zeroed_vec(count, what).map(|values| Memory(Kind::Heap(values)));
    }
    let mapped = MmapMut::map_anon(bytes).map_err(|e| refused(bytes, what).with_source(e))?;
    // Only a hint: a system without huge pages refuses it, and small pages work too.
    #[cfg(target_os = "linux")]
    if bytes >= HUGE {
        let _ = mapped.advise(memmap2::Advice::HugePage);
    }
    Ok(Memory(Kind::Mapped(mapped)))
}

/// Like `zeroed`, but always on the heap.
pub(crate) fn zeroed_vec<T: Pod>(count: usize, what: impl Display) -> Result<Vec<T>> {
    bytemuck::allocation::try_zeroed_vec(count).map_err(|()| refused(count.saturating_mul(size_of::<T>()), what))
}

fn refused(bytes: usize, what: impl Display) -> Error {
    Error::new(
        ErrorKind::OutOfMemory,
        format!("not enough memory for {what} ({bytes} bytes); use a smaller picture or set a memory limit"),
    )
}

impl<T: Pod> Deref for Memory<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Kind::Heap(values) => values,
            // The length is a multiple of `T`'s size, and pages are aligned at least as strictly as any `T` here.
            Kind::Mapped(bytes) => bytemuck::cast_slice(bytes),
        }
    }
}

impl<T: Pod> DerefMut for Memory<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Kind::Heap(values) => values,
            Kind::Mapped(bytes) => bytemuck::cast_slice_mut(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_memory_is_zero_and_writable() {
        for count in [0, 1, LARGE / 4 - 1, LARGE / 4, LARGE / 4 + 1] {
            let mut memory = zeroed::<f32>(count, "a test").unwrap();
            assert!(memory.len() == count && memory.iter().all(|&v| v == 0.0));
            memory.fill(1.0);
            assert_eq!(memory.iter().sum::<f32>(), count as f32);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri aborts when memory is exhausted")]
    fn what_cannot_be_had_is_an_error() {
        for count in [usize::MAX, usize::MAX / 4, isize::MAX as usize / 4] {
            assert_eq!(zeroed::<f32>(count, "a test").err().map(|e| e.kind()), Some(ErrorKind::OutOfMemory));
        }
    }
}
