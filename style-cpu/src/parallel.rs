//! Threads. No sum is split by their number, so results do not depend on it, nor on how many items run at once.
//!
//! Two kinds of data are shared. A [`Shared`] is a destination that items write without synchronisation: the partition
//! ensures that no two items of an op write the same element, and rayon's join orders all writes before anything that
//! follows. [`Slots`] lend scratch memory, with one bit per piece:
//! - A piece has one owner at a time. `fetch_or` reports a clear bit to only one thread, and only the owner's `drop`
//!   clears the bit, even when a kernel panics.
//! - An owner sees the previous owner's writes: its `fetch_or` acquires what the previous `fetch_and` released.
//!   Operations on other bits in between are read-modify-writes of the same word, so they continue the release
//!   sequence.
//! - No thread waits forever. The owner of a piece is in a kernel, which takes no second piece and never calls into
//!   rayon, so it finishes and returns the piece.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::ThreadPool;
use rayon::iter::plumbing::{Producer, ProducerCallback};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use style_core::{Error, ErrorKind, Result};

/// The threads that run the ops.
#[derive(Clone, Debug)]
pub(crate) enum Threads {
    /// The calling thread alone.
    One,
    /// A pool private to this backend.
    Own(Arc<ThreadPool>),
    /// The caller's current rayon pool, or else the global one.
    Ambient,
}

impl Threads {
    pub(crate) fn own(count: usize) -> Result<Self> {
        if count == 1 {
            return Ok(Self::One);
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).thread_name(|i| format!("style-cpu-{i}")).build();
        pool.map(|pool| Self::Own(Arc::new(pool)))
            .map_err(|e| Error::new(ErrorKind::Unavailable, format!("cannot start {count} threads")).with_source(e))
    }

    pub(crate) fn count(&self) -> usize {
        match self {
            Self::One => 1,
            Self::Own(pool) => pool.current_num_threads(),
            Self::Ambient => rayon::current_num_threads(),
        }
    }

    /// Calls `f(0)` to `f(n - 1)`, in any order and on any thread.
    pub(crate) fn for_each(&self, n: usize, f: impl Fn(usize) + Send + Sync) {
        let all = || (0..n).into_par_iter().with_max_len(1).for_each(&f);
        match self {
            _ if n == 1 => f(0),
            Self::One => (0..n).for_each(f),
            Self::Own(pool) => pool.install(all),
            Self::Ambient => all(),
        }
    }

    /// Calls `f` with each of `items`, in any order and on any thread.
    pub(crate) fn for_each_of<I: IndexedParallelIterator>(&self, items: I, f: impl Fn(I::Item) + Send + Sync) {
        match self {
            Self::One => items.with_producer(InTurn(f)),
            Self::Own(pool) => pool.install(|| items.for_each(f)),
            Self::Ambient => items.for_each(f),
        }
    }

    /// Runs all of `work` on one of the threads, which reaches the other threads immediately. An op called from outside
    /// the pool has to queue for them and wake them up.
    pub(crate) fn within<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match self {
            Self::Own(pool) => pool.install(work),
            Self::One | Self::Ambient => work(),
        }
    }
}

/// Processes items one after another on the calling thread, without rayon.
struct InTurn<F>(F);

impl<T, F: Fn(T)> ProducerCallback<T> for InTurn<F> {
    type Output = ();

    fn callback<P: Producer<Item = T>>(self, items: P) {
        items.into_iter().for_each(self.0);
    }
}

/// Scratch memory, one piece per thread.
pub(crate) struct Slots<'a, T> {
    memory: Shared<T>,
    len: usize,
    count: usize,
    /// One bit per piece: whether a thread owns it.
    taken: [AtomicU64; WORDS],
    borrowed: PhantomData<&'a mut [T]>,
}

/// Enough for the largest private pool. In a larger ambient pool, some threads wait.
const WORDS: usize = 1024 / u64::BITS as usize;

impl<'a, T> Slots<'a, T> {
    /// Splits `memory` into pieces of `len`.
    pub(crate) fn new(memory: &'a mut [T], len: usize) -> Self {
        let count = (memory.len() / len.max(1)).clamp(1, WORDS * u64::BITS as usize);
        let taken = [const { AtomicU64::new(0) }; WORDS];
        Self { memory: Shared::new(memory), len: len.min(memory.len()), count, taken, borrowed: PhantomData }
    }

    /// Returns a piece that no other thread owns.
    pub(crate) fn take(&self) -> Slot<'_, T> {
        let hint = rayon::current_thread_index().unwrap_or(0);
        loop {
            for i in 0..self.count {
                let i = (hint + i) % self.count;
                let (word, bit) = (&self.taken[i / 64], 1 << (i % 64));
                if word.fetch_or(bit, Ordering::Acquire) & bit == 0 {
                    // SAFETY: `count` pieces of `len` lie within the memory.
                    let memory = unsafe { self.memory.from(i * self.len) };
                    return Slot { memory, len: self.len, word, bit, borrowed: PhantomData };
                }
            }
            std::thread::yield_now();
        }
    }
}

/// A piece of scratch memory, returned on drop. It stores no reference: the next owner may hold one as soon as the bit
/// is clear.
pub(crate) struct Slot<'a, T> {
    memory: Shared<T>,
    len: usize,
    word: &'a AtomicU64,
    bit: u64,
    borrowed: PhantomData<&'a mut [T]>,
}

impl<T> Deref for Slot<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the piece is borrowed for as long as its `Slots`, and belongs to this thread while the bit is set.
        unsafe { self.memory.slice(0, self.len) }
    }
}

impl<T> DerefMut for Slot<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above.
        unsafe { self.memory.slice(0, self.len) }
    }
}

impl<T> Drop for Slot<'_, T> {
    fn drop(&mut self) {
        self.word.fetch_and(!self.bit, Ordering::Release);
    }
}

/// A destination that several threads write concurrently, each its own part.
pub(crate) struct Shared<T>(*mut T);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<T> {}

// SAFETY: a `Shared` is only an address; whoever writes through it guarantees that no two threads touch the same
// element.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) fn new(slice: &mut [T]) -> Self {
        Self(slice.as_mut_ptr())
    }

    /// The destination starting at an element.
    ///
    /// # Safety
    /// `index` must lie within the slice or at its end.
    pub(crate) unsafe fn from(self, index: usize) -> Self {
        // SAFETY: the caller guarantees that the index is within the slice.
        Self(unsafe { self.0.add(index) })
    }

    /// A part of the destination.
    ///
    /// # Safety
    /// The part must lie within the slice, which must still be borrowed, and nothing else may access it.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn slice<'a>(self, start: usize, len: usize) -> &'a mut [T] {
        // SAFETY: the caller guarantees this for the part.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }

    /// # Safety
    /// `index` must lie within the slice, which must still be borrowed.
    #[inline(always)]
    pub(crate) unsafe fn at(self, index: usize) -> *mut T {
        // SAFETY: the caller guarantees that the index is within the slice.
        unsafe { self.0.add(index) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use rayon::iter::IntoParallelRefMutIterator;

    use super::*;

    #[test]
    fn a_piece_has_one_owner_at_a_time() {
        let rounds = if cfg!(miri) { 8 } else { 20_000 };
        // More threads than pieces, and pieces that span two words.
        for (pieces, threads) in [(1, 2), (2, 3), (70, 3)] {
            let mut memory = vec![0_u64; 3 * pieces + 2];
            let slots = Slots::new(&mut memory, 3);
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        for _ in 0..rounds {
                            let mut slot = slots.take();
                            let seen = slot[0];
                            slot.iter_mut().for_each(|value| *value += 1);
                            assert_eq!(*slot, [seen + 1; 3]);
                        }
                    });
                }
            });
            assert!(slots.taken.iter().all(|word| word.load(Ordering::Relaxed) == 0));
            assert_eq!(memory.iter().sum::<u64>(), 3 * threads * rounds);
        }
    }

    #[test]
    fn a_piece_is_given_back_when_its_owner_panics() {
        let mut memory = [0_u8; 4];
        let slots = Slots::new(&mut memory, 4);
        let panics = std::panic::AssertUnwindSafe(|| {
            let _slot = slots.take();
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(std::panic::catch_unwind(panics).is_err());
        slots.take()[3] = 1;
    }

    #[test]
    fn every_item_is_done_once() {
        for threads in [Threads::One, Threads::own(2).unwrap(), Threads::Ambient] {
            for n in [0, 1, 2, 37] {
                let done: Vec<_> = (0..n).map(|_| AtomicUsize::new(0)).collect();
                threads.for_each(n, |i| _ = done[i].fetch_add(1, Ordering::Relaxed));
                assert!(done.iter().all(|count| count.load(Ordering::Relaxed) == 1));
                let mut items = vec![0; n];
                threads.for_each_of(items.par_iter_mut().enumerate(), |(i, item)| *item = i);
                assert!(items.into_iter().eq(0..n));
            }
        }
    }
}
