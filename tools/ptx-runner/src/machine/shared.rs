//! The shared memory of a block, with race detection.
//!
//! Memory is tracked in granules as wide as the kernel's smallest access. A granule records its last writer and its
//! readers since the last barrier, each as a stamp: the barrier interval (epoch), the interval between warp barriers, and
//! the thread. Two accesses by different threads, one of them a write, race unless there is a block barrier in between,
//! or `bar.warp.sync` for threads of one warp. This detects races for every possible order of the warps, not only for the
//! actual order.

use super::fault::{FaultKind, Step, trap};
use super::warp::lanes;
use crate::ptx::program::{L32, L64, SharedArray};

/// A copy in flight, in place of an epoch.
const IN_FLIGHT: u64 = u32::MAX as u64;
/// Bytes between arrays.
const GAP: u64 = IN_FLIGHT - 1;
/// In place of a thread: several lanes of warp `who - SEVERAL`.
const SEVERAL: u64 = 1024;
/// In place of a thread: several warps.
const MANY: u64 = 2047;

/// epoch: 32 bits, interval between warp barriers: 21 bits, thread: 11 bits.
fn stamp(epoch: u64, interval: u64, who: u64) -> u64 {
    epoch << 32 | (interval & 0x1f_ffff) << 11 | who
}

fn epoch(stamp: u64) -> u64 {
    stamp >> 32
}

fn interval(stamp: u64) -> u64 {
    stamp >> 11 & 0x1f_ffff
}

fn who(stamp: u64) -> u64 {
    stamp & 0x7ff
}

/// The accessing warp, and its interval.
#[derive(Clone, Copy)]
pub(crate) struct Visitor {
    pub(crate) warp: u32,
    pub(crate) interval: u32,
}

impl Visitor {
    /// The stamp of a lane; epochs are those of the shared memory, or `IN_FLIGHT`.
    #[inline(always)]
    fn lane(self, epoch: u64, lane: usize) -> u64 {
        stamp(epoch, self.interval.into(), u64::from(self.warp) * 32 + lane as u64)
    }

    /// The stamp of several lanes.
    #[inline(always)]
    fn several(self, epoch: u64) -> u64 {
        stamp(epoch, self.interval.into(), SEVERAL + u64::from(self.warp))
    }
}

/// The data of the lanes of a warp: up to four words each, `[word][lane]`.
pub(crate) type Raw = [L32; 4];

pub(crate) struct Shared {
    words: Vec<u32>,
    arrays: Vec<SharedArray>,
    /// log2 of the bytes of a granule.
    shift: u32,
    writes: Vec<u64>,
    reads: Vec<u64>,
    /// The current interval between block barriers; it never repeats, not even in the next block.
    epoch: u64,
    /// The block's first interval; data written before it is uninitialised.
    first: u64,
}

impl Shared {
    pub(crate) fn new(arrays: &[SharedArray], granule: usize) -> Self {
        let end = arrays.iter().map(|a| (a.start + a.len) as usize).max().unwrap_or(0).next_multiple_of(16);
        let shift = granule.trailing_zeros();
        let mut writes = vec![stamp(GAP, 0, 0); end >> shift];
        for array in arrays {
            let last = ((array.start + array.len) as usize) >> shift;
            writes[array.start as usize >> shift..last].fill(0);
        }
        let reads = vec![0; end >> shift];
        Self { words: vec![0; end / 4], arrays: arrays.to_vec(), shift, writes, reads, epoch: 1, first: 1 }
    }

    /// Discards the contents left by the previous block.
    pub(crate) fn start_block(&mut self) {
        self.epoch += 1;
        self.first = self.epoch;
    }

    /// All threads of the block reached a barrier.
    pub(crate) fn barrier(&mut self) {
        self.epoch += 1;
    }

    /// The first granule of an access, which must be aligned and within the memory.
    #[inline(always)]
    fn granule(&self, address: u64, size: usize, lane: u32) -> Step<usize> {
        if address & (size as u64 - 1) != 0 {
            return trap(
                FaultKind::Misaligned,
                lane,
                format!("misaligned access to {size} bytes at shared address {address:#x}"),
            );
        }
        // Aligned accesses have at most 16 bytes, and the memory is a multiple of that.
        if address >= 4 * self.words.len() as u64 {
            return trap(FaultKind::OutOfBounds, lane, format!("out of bounds: {}", self.place(address)));
        }
        Ok(address as usize >> self.shift)
    }

    #[inline(always)]
    fn get(&self, at: usize, size: usize, lane: usize, raw: &mut Raw) {
        if size >= 4 {
            for (k, word) in self.words[at / 4..at / 4 + size / 4].iter().enumerate() {
                raw[k][lane] = *word;
            }
        } else {
            raw[0][lane] = (self.words[at / 4] >> (8 * (at % 4))) & (u32::MAX >> (32 - 8 * size));
        }
    }

    #[inline(always)]
    fn put(&mut self, at: usize, size: usize, lane: usize, raw: &Raw) {
        if size >= 4 {
            for (k, word) in self.words[at / 4..at / 4 + size / 4].iter_mut().enumerate() {
                *word = raw[k][lane];
            }
        } else {
            let (shift, mask) = (8 * (at % 4), u32::MAX >> (32 - 8 * size));
            let word = &mut self.words[at / 4];
            *word = *word & !(mask << shift) | (raw[0][lane] & mask) << shift;
        }
    }

    /// Reads up to 16 bytes per lane. If `spread`, the data of a lane goes to other lanes, too.
    pub(crate) fn read(
        &mut self,
        addresses: &L64,
        size: usize,
        mask: u32,
        by: Visitor,
        spread: bool,
        raw: &mut Raw,
    ) -> Step<()> {
        // The common sizes have specialised code.
        match size {
            4 => self.read_sized(addresses, 4, mask, by, spread, raw),
            8 => self.read_sized(addresses, 8, mask, by, spread, raw),
            16 => self.read_sized(addresses, 16, mask, by, spread, raw),
            _ => self.read_sized(addresses, size, mask, by, spread, raw),
        }
    }

    #[inline(always)]
    fn read_sized(
        &mut self,
        addresses: &L64,
        size: usize,
        mask: u32,
        by: Visitor,
        spread: bool,
        raw: &mut Raw,
    ) -> Step<()> {
        let (first, span, many) = (self.first, self.epoch - self.first, stamp(self.epoch, 0, MANY));
        let several = by.several(self.epoch);
        let (mut last, mut repeats, mut from) = (u64::MAX, 0, 0);
        for lane in lanes(mask) {
            let address = addresses[lane];
            if address != last {
                (last, repeats, from) = (address, 0, lane);
            } else {
                repeats += 1;
                // Two readers of one warp count as all of them.
                if repeats > 1 {
                    raw.iter_mut().take(size.div_ceil(4)).for_each(|word| word[lane] = word[from]);
                    continue;
                }
            }
            let start = self.granule(address, size, lane as u32)?;
            let me = if spread { several } else { by.lane(self.epoch, lane) };
            let granules = start..start + (size >> self.shift);
            // Not written in this interval, not in flight, and not older than this block.
            if !self.writes[granules.clone()].iter().all(|w| epoch(*w).wrapping_sub(first) < span) {
                granules.clone().try_for_each(|g| self.after_write(g, me, lane as u32, "reads"))?;
            }
            for read in &mut self.reads[granules] {
                if *read != me && *read != several && *read != many {
                    *read = if epoch(*read) == self.epoch { joined(*read, me) } else { me };
                }
            }
            self.get(address as usize, size, lane, raw);
        }
        Ok(())
    }

    /// Writes up to 16 bytes per lane.
    pub(crate) fn write(&mut self, addresses: &L64, size: usize, mask: u32, by: Visitor, raw: &Raw) -> Step<()> {
        for lane in lanes(mask) {
            let start = self.granule(addresses[lane], size, lane as u32)?;
            let me = by.lane(self.epoch, lane);
            for g in start..start + (size >> self.shift) {
                self.note_write(g, me, lane as u32)?;
                self.writes[g] = me;
            }
            self.put(addresses[lane] as usize, size, lane, raw);
        }
        Ok(())
    }

    /// Starts the `cp.async` copy of a lane, which is in flight until `arrive`.
    pub(crate) fn copy(&mut self, address: u64, size: usize, by: Visitor, lane: usize, raw: &Raw) -> Step<()> {
        let start = self.granule(address, size, lane as u32)?;
        for g in start..start + (size >> self.shift) {
            self.note_write(g, by.lane(self.epoch, lane), lane as u32)?;
            self.writes[g] = by.lane(IN_FLIGHT, lane);
        }
        self.put(address as usize, size, lane, raw);
        Ok(())
    }

    /// Completes a copy after its thread's wait: that thread may read it now, others after a barrier.
    pub(crate) fn arrive(&mut self, address: u64, size: usize, by: Visitor, lane: usize) {
        let start = address as usize >> self.shift;
        self.writes[start..start + (size >> self.shift)].fill(by.lane(self.epoch, lane));
    }

    #[inline(always)]
    fn note_write(&mut self, g: usize, me: u64, lane: u32) -> Step<()> {
        if epoch(self.writes[g]) >= self.epoch {
            self.after_write(g, me, lane, "writes")?;
        }
        if epoch(self.reads[g]) == self.epoch {
            self.after_read(g, me, lane)?;
        }
        Ok(())
    }

    /// Checks an access to data that may have been written in this interval, may be in flight, or may be uninitialised.
    fn after_write(&self, g: usize, me: u64, lane: u32, does: &str) -> Step<()> {
        let written = self.writes[g];
        let place = || self.place((g << self.shift) as u64);
        if epoch(written) < self.first {
            return trap(FaultKind::Uninitialised, lane, format!("{}: reads uninitialised memory", place()));
        }
        if epoch(written) < self.epoch {
            return Ok(());
        }
        if epoch(written) == GAP {
            return trap(FaultKind::OutOfBounds, lane, format!("out of bounds: {}", place()));
        }
        if epoch(written) == IN_FLIGHT {
            let what = format!("{}: {does} what a pending copy of thread {} writes", place(), who(written));
            return trap(FaultKind::Race, lane, what);
        }
        if who(written) == who(me) || ordered(written, me) {
            return Ok(());
        }
        let what = format!("{}: {does} what thread {} wrote, without a barrier in between", place(), who(written));
        trap(FaultKind::Race, lane, what)
    }

    /// Checks a write to data that was read in this interval.
    fn after_read(&self, g: usize, me: u64, lane: u32) -> Step<()> {
        let read = self.reads[g];
        if who(read) == who(me) || ordered(read, me) {
            return Ok(());
        }
        let reader = match who(read) {
            thread @ 0..SEVERAL => format!("thread {thread}"),
            MANY => "threads of several warps".into(),
            warp => format!("threads of warp {}", warp - SEVERAL),
        };
        let place = self.place((g << self.shift) as u64);
        trap(FaultKind::Race, lane, format!("{place}: writes what {reader} read, without a barrier in between"))
    }

    /// Describes a shared address.
    fn place(&self, address: u64) -> String {
        match self.arrays.iter().rev().find(|a| u64::from(a.start) <= address) {
            Some(a) => format!("byte {} of shared array {} of {} bytes", address - u64::from(a.start), a.name, a.len),
            None => format!("shared address {address:#x}, outside all arrays"),
        }
    }
}

/// The warp of a stamp, if it is a single warp.
fn warp(stamp: u64) -> Option<u64> {
    match who(stamp) {
        thread @ 0..SEVERAL => Some(thread / 32),
        MANY => None,
        several => Some(several - SEVERAL),
    }
}

/// Whether both are in one warp, with a warp barrier in between.
fn ordered(before: u64, me: u64) -> bool {
    warp(before).is_some() && warp(before) == warp(me) && interval(before) < interval(me)
}

/// Adds a reader to the readers of the same epoch. For one warp, only the latest interval counts, because earlier ones
/// are before its barrier.
fn joined(before: u64, me: u64) -> u64 {
    let one = warp(me).unwrap_or(0);
    if warp(before) != Some(one) {
        return stamp(epoch(me), 0, MANY);
    }
    if interval(before) < interval(me) || who(before) == who(me) {
        return me;
    }
    stamp(epoch(me), interval(me), SEVERAL + one)
}
