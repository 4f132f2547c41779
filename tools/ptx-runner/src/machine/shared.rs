//! The shared memory of a block, with what is needed to find races.
//!
//! Memory is watched in granules, as wide as the kernel's least access. A granule remembers its last writer and its
//! readers since the last barrier, each as a stamp: the barrier interval (epoch), the interval between warp barriers, and
//! the thread. Two accesses by different threads, one of them a write, race unless a barrier of the block lies between,
//! or `bar.warp.sync` where both threads are of one warp. This holds for every order in which warps may run, not only
//! for the order in which they did.

use super::fault::{FaultKind, Step, trap};
use super::warp::lanes;
use crate::ptx::program::{L32, L64, SharedArray};

/// A copy in flight, instead of an epoch.
const IN_FLIGHT: u64 = u32::MAX as u64;
/// Bytes between arrays.
const GAP: u64 = IN_FLIGHT - 1;
/// Instead of a thread: several lanes of warp `who - SEVERAL`.
const SEVERAL: u64 = 1024;
/// Instead of a thread: several warps.
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

/// Who accesses: the warp, and its interval.
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

/// What the lanes of a warp move: up to four words each, `[word][lane]`.
pub(crate) type Raw = [L32; 4];

pub(crate) struct Shared {
    words: Vec<u32>,
    arrays: Vec<SharedArray>,
    /// log2 of the bytes of a granule.
    shift: u32,
    writes: Vec<u64>,
    reads: Vec<u64>,
    /// The current interval between barriers of the block; it never repeats, not in the next block either.
    epoch: u64,
    /// The block's first interval: what was written before is not initialised.
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

    /// Forgets what the last block left.
    pub(crate) fn start_block(&mut self) {
        self.epoch += 1;
        self.first = self.epoch;
    }

    /// All threads of the block came to a barrier.
    pub(crate) fn barrier(&mut self) {
        self.epoch += 1;
    }

    /// The first granule of an access, which must be aligned and lie within the memory.
    #[inline(always)]
    fn granule(&self, address: u64, size: usize, lane: u32) -> Step<usize> {
        if address & (size as u64 - 1) != 0 {
            return trap(FaultKind::Misaligned, lane, format!("{size} bytes at shared address {address:#x}"));
        }
        // An aligned access of at most 16 bytes: the memory is a multiple of that.
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

    /// Reads up to 16 bytes a lane. Where they are `spread`, what a lane reads goes to others too.
    pub(crate) fn read(
        &mut self,
        addresses: &L64,
        size: usize,
        mask: u32,
        by: Visitor,
        spread: bool,
        raw: &mut Raw,
    ) -> Step<()> {
        // The usual sizes each have a copy of the code.
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
                // Two readers of one warp are as many as all.
                if repeats > 1 {
                    raw.iter_mut().take(size.div_ceil(4)).for_each(|word| word[lane] = word[from]);
                    continue;
                }
            }
            let start = self.granule(address, size, lane as u32)?;
            let me = if spread { several } else { by.lane(self.epoch, lane) };
            let granules = start..start + (size >> self.shift);
            // Neither written in this interval nor in flight, nor before this block.
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

    /// Writes up to 16 bytes a lane.
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

    /// The copy of `cp.async` by a lane: in flight until `arrive`.
    pub(crate) fn copy(&mut self, address: u64, size: usize, by: Visitor, lane: usize, raw: &Raw) -> Step<()> {
        let start = self.granule(address, size, lane as u32)?;
        for g in start..start + (size >> self.shift) {
            self.note_write(g, by.lane(self.epoch, lane), lane as u32)?;
            self.writes[g] = by.lane(IN_FLIGHT, lane);
        }
        self.put(address as usize, size, lane, raw);
        Ok(())
    }

    /// A copy that its thread has waited for: that thread may read it now, others after a barrier.
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

    /// An access to what may have been written in this interval, be in flight, or never have been written.
    fn after_write(&self, g: usize, me: u64, lane: u32, does: &str) -> Step<()> {
        let written = self.writes[g];
        let place = || self.place((g << self.shift) as u64);
        if epoch(written) < self.first {
            return trap(FaultKind::Uninitialised, lane, format!("{}: reads what nobody wrote", place()));
        }
        if epoch(written) < self.epoch {
            return Ok(());
        }
        if epoch(written) == GAP {
            return trap(FaultKind::OutOfBounds, lane, format!("out of bounds: {}", place()));
        }
        if epoch(written) == IN_FLIGHT {
            let what = format!("{}: {does} what a copy of thread {} still writes", place(), who(written));
            return trap(FaultKind::Race, lane, what);
        }
        if who(written) == who(me) || ordered(written, me) {
            return Ok(());
        }
        let what = format!("{}: {does} what thread {} wrote, with no barrier between", place(), who(written));
        trap(FaultKind::Race, lane, what)
    }

    /// A write to what was read in this interval.
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
        trap(FaultKind::Race, lane, format!("{place}: writes what {reader} read, with no barrier between"))
    }

    /// A shared address in words.
    fn place(&self, address: u64) -> String {
        match self.arrays.iter().rev().find(|a| u64::from(a.start) <= address) {
            Some(a) => format!("byte {} of shared array {} of {} bytes", address - u64::from(a.start), a.name, a.len),
            None => format!("shared address {address:#x}, which no array has"),
        }
    }
}

/// The warp of a stamp, if it is one.
fn warp(stamp: u64) -> Option<u64> {
    match who(stamp) {
        thread @ 0..SEVERAL => Some(thread / 32),
        MANY => None,
        several => Some(several - SEVERAL),
    }
}

/// Whether both are of one warp, with a barrier of it between.
fn ordered(before: u64, me: u64) -> bool {
    warp(before).is_some() && warp(before) == warp(me) && interval(before) < interval(me)
}

/// The readers before and one more, of the same epoch. Of one warp only the latest interval counts: the earlier ones lie
/// before its barrier.
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
