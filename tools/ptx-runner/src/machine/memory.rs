//! The device's global memory: allocations at invented addresses; each byte is marked when it is first written.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::fault::{Fault, FaultKind};

/// The first address.
const BASE: u64 = 0x7000_0000_0000;
/// Unused bytes between allocations.
const GAP: u64 = 1 << 16;
/// All four bytes of a word are initialised.
const WHOLE: u8 = 0xf;

/// Global memory. Addresses start at 0x7000_0000_0000, are multiples of 256 and are never reused, so that a use after free
/// is detected; there are gaps between allocations.
#[derive(Debug)]
pub struct Memory {
    table: RwLock<Table>,
    limit: u64,
    launches: AtomicU32,
}

#[derive(Debug)]
pub(crate) struct Table {
    /// Sorted by address.
    live: Vec<Allocation>,
    freed: Vec<(u64, u64)>,
    next: u64,
    used: u64,
}

#[derive(Debug)]
pub(crate) struct Allocation {
    base: u64,
    len: u64,
    words: Box<[AtomicU32]>,
    /// One bit per byte of each word.
    init: Box<[AtomicU8]>,
    /// The launch that last loaded or stored each 32-byte sector.
    loaded: Box<[AtomicU32]>,
    stored: Box<[AtomicU32]>,
    /// The last writer and the reader of each word, as the bits of a `Party`.
    writers: Box<[AtomicU64]>,
    readers: Box<[AtomicU64]>,
}

/// A block of a launch. Blocks of one launch run in any order, so none may write what another reads or writes.
#[derive(Clone, Copy)]
pub(crate) struct Party {
    /// The number of the launch.
    pub(crate) launch: u32,
    /// The block's index, below `SEVERAL`.
    pub(crate) block: u32,
}

/// In place of a block: several blocks have read the word.
const SEVERAL: u32 = u32::MAX;

/// The reason why an access fails.
pub(crate) enum Unfit {
    /// Part of it was never written.
    Unwritten,
    /// Another block of the launch wrote it, or read the word to be written; `u32::MAX` for several blocks.
    Block(u32),
}

impl Party {
    fn bits(self) -> u64 {
        u64::from(self.launch) << 32 | u64::from(self.block)
    }

    /// Another block of the same launch.
    #[inline(always)]
    fn other(self, bits: u64) -> Option<u32> {
        (bits >> 32 == u64::from(self.launch) && bits as u32 != self.block).then_some(bits as u32)
    }
}

impl Allocation {
    /// `None` if there is not enough host memory.
    fn new(base: u64, len: u64) -> Option<Self> {
        let (words, sectors) = (len.div_ceil(4) as usize, len.div_ceil(32) as usize);
        Some(Self {
            base,
            len,
            words: bytemuck::try_zeroed_slice_box(words).ok()?,
            init: bytemuck::try_zeroed_slice_box(words).ok()?,
            loaded: bytemuck::try_zeroed_slice_box(sectors).ok()?,
            stored: bytemuck::try_zeroed_slice_box(sectors).ok()?,
            writers: bytemuck::try_zeroed_slice_box(words).ok()?,
            readers: bytemuck::try_zeroed_slice_box(words).ok()?,
        })
    }

    /// Loads words for a block into an array.
    #[inline(always)]
    pub(crate) fn load<const N: usize>(&self, offset: usize, by: Party) -> Result<[u32; N], Unfit> {
        let range = offset / 4..offset / 4 + N;
        let (words, init) = (&self.words[range.clone()], &self.init[range.clone()]);
        let (readers, writers) = (&self.readers[range.clone()], &self.writers[range]);
        let (mut initialised, mut met) = (WHOLE, None);
        for k in 0..N {
            initialised &= init[k].load(Relaxed);
            met = met.or(by.other(writers[k].load(Relaxed)));
            let before = readers[k].load(Relaxed);
            if before != by.bits() {
                let block = if by.other(before).is_some() { SEVERAL } else { by.block };
                readers[k].store(Party { block, ..by }.bits(), Relaxed);
            }
        }
        match met {
            Some(block) => Err(Unfit::Block(block)),
            None if initialised != WHOLE => Err(Unfit::Unwritten),
            None => Ok(std::array::from_fn(|k| words[k].load(Relaxed))),
        }
    }

    /// Stores words for a block; fails with the number of another block that wrote or read one of them.
    #[inline(always)]
    pub(crate) fn store<const N: usize>(&self, offset: usize, values: [u32; N], by: Party) -> Result<(), Unfit> {
        let range = offset / 4..offset / 4 + N;
        let (words, init) = (&self.words[range.clone()], &self.init[range.clone()]);
        let (readers, writers) = (&self.readers[range.clone()], &self.writers[range]);
        let mut met = None;
        for k in 0..N {
            met = met.or(by.other(writers[k].load(Relaxed))).or(by.other(readers[k].load(Relaxed)));
            writers[k].store(by.bits(), Relaxed);
            words[k].store(values[k], Relaxed);
            init[k].store(WHOLE, Relaxed);
        }
        met.map_or(Ok(()), |block| Err(Unfit::Block(block)))
    }

    /// Whether the block's launch wrote the word: `ld.global.nc` may not see that.
    #[inline]
    pub(crate) fn written_now(&self, offset: usize, by: Party) -> bool {
        self.writers[offset / 4].load(Relaxed) >> 32 == u64::from(by.launch)
    }

    /// The offset of an access, if it is within the allocation.
    #[inline(always)]
    pub(crate) fn offset(&self, address: u64, size: usize) -> Option<usize> {
        let offset = address.wrapping_sub(self.base);
        (offset < self.len && self.len - offset >= size as u64).then_some(offset as usize)
    }

    /// A word, if all its bytes are initialised.
    fn word(&self, offset: usize) -> Option<u32> {
        (self.init[offset / 4].load(Relaxed) == WHOLE).then(|| self.words[offset / 4].load(Relaxed))
    }

    fn set_word(&self, offset: usize, value: u32) {
        self.words[offset / 4].store(value, Relaxed);
        self.init[offset / 4].store(WHOLE, Relaxed);
    }

    /// One or two bytes within a word, if they are initialised.
    #[inline]
    pub(crate) fn part(&self, offset: usize, size: usize) -> Option<u32> {
        let (shift, bits) = (offset % 4, ((1 << size) - 1) as u8);
        let initialised = self.init[offset / 4].load(Relaxed) >> shift;
        let value = self.words[offset / 4].load(Relaxed) >> (8 * shift);
        (initialised & bits == bits).then_some(value & (u32::MAX >> (32 - 8 * size)))
    }

    /// Other threads may write the word's other bytes.
    #[inline]
    pub(crate) fn set_part(&self, offset: usize, size: usize, value: u32) {
        let shift = offset % 4;
        let mask = (u32::MAX >> (32 - 8 * size)) << (8 * shift);
        let change = |word| Some((word & !mask) | ((value << (8 * shift)) & mask));
        let _ = self.words[offset / 4].fetch_update(Relaxed, Relaxed, change);
        self.init[offset / 4].fetch_or((((1 << size) - 1) as u8) << shift, Relaxed);
    }

    /// Whether this launch loads the offset's sector for the first time.
    #[inline]
    pub(crate) fn first_load(&self, offset: usize, launch: u32) -> bool {
        let cell = &self.loaded[offset / 32];
        cell.load(Relaxed) != launch && cell.swap(launch, Relaxed) != launch
    }

    /// Whether this launch stores to the offset's sector for the first time.
    #[inline]
    pub(crate) fn first_store(&self, offset: usize, launch: u32) -> bool {
        let cell = &self.stored[offset / 32];
        cell.load(Relaxed) != launch && cell.swap(launch, Relaxed) != launch
    }
}

impl Table {
    pub(crate) fn allocations(&self) -> &[Allocation] {
        &self.live
    }

    /// The number of the allocation that holds the whole access.
    pub(crate) fn find(&self, address: u64, size: u64) -> Result<usize, Fault> {
        let after = self.live.partition_point(|a| a.base <= address);
        if let Some(a) = self.live[..after].last()
            && address - a.base < a.len
            && a.len - (address - a.base) >= size
        {
            return Ok(after - 1);
        }
        let within = |base: u64, len: u64| address >= base && address < base + len;
        let (kind, what) = if self.freed.iter().any(|(base, len)| within(*base, *len)) {
            (FaultKind::Freed, "use of freed memory".to_string())
        } else {
            let near = self.live.iter().min_by_key(|a| address.abs_diff(a.base).min(address.abs_diff(a.base + a.len)));
            let near = near.map_or("; nothing is allocated".to_string(), |a| {
                let offset = i128::from(address) - i128::from(a.base);
                format!("; byte {offset} of the nearest allocation, which has {} bytes", a.len)
            });
            (FaultKind::OutOfBounds, format!("out of bounds{near}"))
        };
        Err(Fault { kind, message: format!("{size} bytes at {address:#x}: {what}") })
    }
}

impl Memory {
    /// A memory of this many bytes.
    pub fn new(limit: u64) -> Self {
        let table = Table { live: Vec::new(), freed: Vec::new(), next: BASE, used: 0 };
        Self { table: RwLock::new(table), limit, launches: AtomicU32::new(0) }
    }

    pub(crate) fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(|e| e.into_inner())
    }

    fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(|e| e.into_inner())
    }

    /// A number for a launch, not 0.
    pub(crate) fn stamp(&self) -> u32 {
        self.launches.fetch_add(1, Relaxed).wrapping_add(1).max(1)
    }

    /// Allocates memory; `None` beyond the limit, and for 0 bytes.
    pub fn alloc(&self, bytes: u64) -> Option<u64> {
        let mut table = self.table_mut();
        if bytes == 0 || bytes > self.limit - table.used {
            return None;
        }
        let base = table.next;
        let allocation = Allocation::new(base, bytes)?;
        table.next = (base + bytes).next_multiple_of(256) + GAP;
        table.used += bytes;
        table.live.push(allocation);
        Some(base)
    }

    /// Frees memory.
    ///
    /// # Errors
    /// The address is not from `alloc`, or was freed before.
    pub fn free(&self, address: u64) -> Result<(), Fault> {
        let mut table = self.table_mut();
        match table.live.binary_search_by_key(&address, |a| a.base) {
            Ok(at) => {
                let gone = table.live.remove(at);
                table.used -= gone.len;
                table.freed.push((gone.base, gone.len));
                Ok(())
            }
            Err(_) => {
                let twice = table.freed.iter().any(|(base, _)| *base == address);
                let what = if twice { "was freed before" } else { "is not an allocation" };
                Err(Fault { kind: FaultKind::Freed, message: format!("free of {address:#x}, which {what}") })
            }
        }
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.table().used
    }

    /// The live allocations: address and size in bytes.
    pub fn live(&self) -> Vec<(u64, u64)> {
        self.table().live.iter().map(|a| (a.base, a.len)).collect()
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// Not all of them are in one allocation.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        self.each(address, bytes.len() as u64, |at, len| {
            let mut word = [0; 4];
            word[..len].copy_from_slice(&bytes[at..at + len]);
            u32::from_le_bytes(word)
        })
    }

    /// Sets bytes to one value.
    ///
    /// # Errors
    /// Not all of them are in one allocation.
    pub fn fill(&self, address: u64, byte: u8, len: u64) -> Result<(), Fault> {
        self.each(address, len, |_, _| u32::from_le_bytes([byte; 4]))
    }

    /// Writes word by word, and byte by byte at unaligned ends; `f` returns the bytes from an index on.
    fn each(&self, address: u64, len: u64, f: impl Fn(usize, usize) -> u32) -> Result<(), Fault> {
        if len == 0 {
            return Ok(());
        }
        let table = self.table();
        let allocation = &table.live[table.find(address, len)?];
        let start = (address - allocation.base) as usize;
        let mut at = 0;
        while at < len as usize {
            if (start + at).is_multiple_of(4) && len as usize - at >= 4 {
                allocation.set_word(start + at, f(at, 4));
                at += 4;
            } else {
                allocation.set_part(start + at, 1, f(at, 1));
                at += 1;
            }
        }
        Ok(())
    }

    /// Reads bytes.
    ///
    /// # Errors
    /// Not all of them are in one allocation, or one was never written.
    pub fn read(&self, address: u64, out: &mut [u8]) -> Result<(), Fault> {
        if out.is_empty() {
            return Ok(());
        }
        let table = self.table();
        let allocation = &table.live[table.find(address, out.len() as u64)?];
        let start = (address - allocation.base) as usize;
        let mut at = 0;
        while at < out.len() {
            let whole = (start + at).is_multiple_of(4) && out.len() - at >= 4;
            let len = if whole { 4 } else { 1 };
            let found = if whole { allocation.word(start + at) } else { allocation.part(start + at, 1) };
            let Some(value) = found else {
                let message = format!(
                    "byte {} of the {} at {:#x} was never written",
                    start + at,
                    allocation.len,
                    allocation.base
                );
                return Err(Fault { kind: FaultKind::Uninitialised, message });
            };
            out[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
            at += len;
        }
        Ok(())
    }

    /// Copies bytes, which must have been written; the ranges may overlap.
    ///
    /// # Errors
    /// As for `read` and `write`.
    pub fn copy(&self, from: u64, to: u64, len: u64) -> Result<(), Fault> {
        if len == 0 {
            return Ok(());
        }
        self.table().find(from, len)?;
        let mut bytes = vec![0; len as usize];
        self.read(from, &mut bytes)?;
        self.write(to, &bytes)
    }
}
