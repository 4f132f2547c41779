//! Loads, stores and asynchronous copies, and their cost.

use super::block::Context;
use super::fault::{FaultKind, Step, Trap, trap};
use super::memory::{Allocation, Party, Unfit};
use super::shared::Raw;
use super::warp::{InFlight, Warp, lanes};
use super::{PARAM_WINDOW, SHARED_WINDOW};
use crate::ptx::program::*;

/// The 32-byte sectors of one request.
struct Sectors {
    seen: [u64; 32],
    count: usize,
    /// The last sector, and the highest.
    last: u64,
    highest: u64,
}

impl Sectors {
    fn new() -> Self {
        Self { seen: [0; 32], count: 0, last: 0, highest: 0 }
    }

    /// Whether the sector is new; no sector has the number 0.
    #[inline(always)]
    fn touch(&mut self, sector: u64) -> bool {
        if sector == self.last {
            return false;
        }
        self.last = sector;
        if sector <= self.highest && self.seen[..self.count].contains(&sector) {
            return false;
        }
        self.highest = self.highest.max(sector);
        self.seen[self.count] = sector;
        self.count += 1;
        true
    }
}

/// The offsets of the lanes of a shared memory access from the first, and its cycles, without and with bank conflicts.
/// The cycles do not depend on the position of the first.
#[derive(Clone)]
pub(super) struct Pattern {
    offsets: L32,
    mask: u32,
    cycles: (u64, u64),
}

/// Eight-byte accesses are processed by half warps, 16-byte ones by quarters; lanes at the same word share it.
fn cycles(addresses: &L32, size: usize, mask: u32) -> (u64, u64) {
    let lanes_a_phase = (128 / size.max(4)) as u32;
    let words = size.div_ceil(4) as u32;
    let (mut ideal, mut real) = (0, 0);
    for phase in 0..32 / lanes_a_phase {
        let part = mask & (u32::MAX >> (32 - lanes_a_phase)) << (phase * lanes_a_phase);
        if part == 0 {
            continue;
        }
        let mut banks: [Vec<u32>; 32] = Default::default();
        for lane in lanes(part) {
            for word in addresses[lane] / 4..addresses[lane] / 4 + words {
                let bank = &mut banks[word as usize % 32];
                if !bank.contains(&word) {
                    bank.push(word);
                }
            }
        }
        ideal += 1;
        real += banks.iter().map(|b| b.len() as u64).max().unwrap_or(0);
    }
    (ideal, real)
}

impl Context<'_> {
    /// Counts a shared memory access of the instruction at `pc`, which usually repeats its previous pattern.
    pub(super) fn count_shared(&mut self, addresses: &L64, size: usize, mask: u32, pc: u32) {
        // A multiple of all banks keeps the offsets positive.
        let first = (addresses[mask.trailing_zeros() as usize] as u32).wrapping_sub(1 << 20) & !3;
        let mut offsets = addresses.map(|a| (a as u32).wrapping_sub(first));
        if mask != u32::MAX {
            (0..32).for_each(|lane| offsets[lane] *= mask >> lane & 1);
        }
        let (ideal, real) = match &mut self.patterns[pc as usize] {
            Some(known) if known.mask == mask && known.offsets == offsets => known.cycles,
            other => {
                let cycles = cycles(&offsets, size, mask);
                *other = Some(Box::new(Pattern { offsets, mask, cycles }));
                cycles
            }
        };
        self.counters.shared_requests += ideal;
        self.counters.shared_cycles += real;
    }
}

/// The allocation and offset of a lane's access to global memory.
#[inline(always)]
fn locate<'t>(
    allocations: &'t [Allocation],
    hint: &mut u32,
    cx: &super::memory::Table,
    address: u64,
    (align, size): (usize, usize),
    lane: usize,
) -> Step<(&'t Allocation, usize)> {
    if address & (align as u64 - 1) != 0 {
        return trap(FaultKind::Misaligned, lane as u32, format!("misaligned access to {align} bytes at {address:#x}"));
    }
    if let Some(allocation) = allocations.get(*hint as usize)
        && let Some(offset) = allocation.offset(address, size)
    {
        return Ok((allocation, offset));
    }
    match cx.find(address, size as u64) {
        Ok(number) => {
            *hint = number as u32;
            let allocation = &allocations[number];
            Ok((allocation, allocation.offset(address, size).unwrap_or(0)))
        }
        Err(fault) => Err(Box::new(Trap { kind: fault.kind, what: fault.message, lane: Some(lane as u32) })),
    }
}

/// Loads the value of a lane; 1 and 2 bytes fill the low end of a word.
#[inline(always)]
fn fetch(
    allocation: &Allocation,
    offset: usize,
    size: usize,
    by: Party,
    lane: usize,
    raw: &mut Raw,
) -> Result<(), Unfit> {
    match size {
        4 => raw[0][lane] = allocation.load::<1>(offset, by)?[0],
        8 => [raw[0][lane], raw[1][lane]] = allocation.load(offset, by)?,
        16 => {
            let words: [u32; 4] = allocation.load(offset, by)?;
            (0..4).for_each(|k| raw[k][lane] = words[k]);
        }
        _ => raw[0][lane] = allocation.part(offset, size).ok_or(Unfit::Unwritten)?,
    }
    Ok(())
}

#[cold]
fn unfit(unfit: Unfit, lane: usize, does: &str, size: usize, offset: usize) -> Step<()> {
    let what = format!("{does} {size} bytes at byte {offset} of an allocation");
    match unfit {
        Unfit::Unwritten => trap(FaultKind::Uninitialised, lane as u32, format!("{what} that were never written")),
        Unfit::Block(block) => {
            let whom = if block == u32::MAX { "other blocks".into() } else { format!("block {block}") };
            let what = format!("{what} that {whom} of this launch also wrote or read; blocks run in any order");
            trap(FaultKind::Race, lane as u32, what)
        }
    }
}

impl Warp {
    fn addresses(&self, address: Address, mask: u32) -> Step<L64> {
        match address.base {
            Base::Narrow(r) => {
                self.need32([r], mask)?;
                Ok(self.r32(r).map(|a| u64::from(a.wrapping_add(address.offset as u32))))
            }
            Base::Wide(r) => {
                self.need64([r], mask)?;
                Ok(self.r64(r).map(|a| a.wrapping_add(address.offset as u64)))
            }
        }
    }

    /// Resolves generic addresses; those of shared memory are in a window.
    fn space(&self, space: Space, addresses: &mut L64, mask: u32) -> Step<Space> {
        if space != Space::Generic {
            return Ok(space);
        }
        let shared = lanes(mask).filter(|l| addresses[*l] >> 40 == SHARED_WINDOW >> 40).count() as u32;
        if shared == 0 {
            return Ok(Space::Global);
        }
        if shared != mask.count_ones() {
            let lane = mask.trailing_zeros();
            return trap(FaultKind::OutOfBounds, lane, "one access with lanes in different spaces is not supported");
        }
        *addresses = addresses.map(|a| a.wrapping_sub(SHARED_WINDOW));
        Ok(Space::Shared)
    }

    // A separate function, so that the loop over the instructions stays small.
    #[inline(never)]
    pub(super) fn load(&mut self, t: &Transfer, mask: u32, pc: u32, cx: &mut Context<'_>) -> Step<()> {
        let mut addresses = self.addresses(t.address, mask)?;
        let size = t.size();
        let mut raw = [[0; 32]; 4];
        match self.space(t.space, &mut addresses, mask)? {
            Space::Shared => {
                cx.shared.read(&addresses, size, mask, self.visitor(), false, &mut raw)?;
                cx.count_shared(&addresses, size, mask, pc);
            }
            Space::Param => {
                for lane in lanes(mask) {
                    let at = addresses[lane].wrapping_sub(PARAM_WINDOW) as usize;
                    let Some(bytes) = at.checked_add(size).and_then(|end| cx.params.get(at..end)) else {
                        return trap(
                            FaultKind::OutOfBounds,
                            lane as u32,
                            format!("out of bounds: byte {at} of the parameters"),
                        );
                    };
                    if !at.is_multiple_of(size) {
                        return trap(
                            FaultKind::Misaligned,
                            lane as u32,
                            format!("misaligned: byte {at} of the parameters"),
                        );
                    }
                    for (i, byte) in bytes.iter().enumerate() {
                        raw[i / 4][lane] |= u32::from(*byte) << (8 * (i % 4));
                    }
                }
            }
            _ => self.load_global(&addresses, t, mask, pc, cx, &mut raw)?,
        }
        self.receive(t, &raw, mask);
        Ok(())
    }

    fn load_global(
        &self,
        addresses: &L64,
        t: &Transfer,
        mask: u32,
        pc: u32,
        cx: &mut Context<'_>,
        raw: &mut Raw,
    ) -> Step<()> {
        let size = t.size();
        let mut sectors = Sectors::new();
        let allocations = cx.table.allocations();
        let hint = &mut cx.hints[pc as usize];
        for lane in lanes(mask) {
            let (allocation, offset) = locate(allocations, hint, cx.table, addresses[lane], (size, size), lane)?;
            if t.constant && allocation.written_now(offset, cx.party) {
                let what = "reads with .nc what this launch writes, which .nc may not see";
                return trap(FaultKind::Race, lane as u32, what);
            }
            fetch(allocation, offset, size, cx.party, lane, raw).or_else(|e| unfit(e, lane, "reads", size, offset))?;
            if sectors.touch(addresses[lane] >> 5) {
                cx.counters.unique_sectors_loaded += u64::from(allocation.first_load(offset, cx.party.launch));
            }
        }
        cx.counters.global_load_requests += 1;
        cx.counters.global_sectors_loaded += sectors.count as u64;
        cx.counters.global_bytes_loaded += size as u64 * u64::from(mask.count_ones());
        Ok(())
    }

    /// Puts loaded values into registers, extended if these are wider.
    fn receive(&mut self, t: &Transfer, raw: &Raw, mask: u32) {
        for (k, register) in t.registers.iter().enumerate() {
            let value: L32 = match t.bytes {
                8 => raw[2 * k],
                4 => raw[k],
                bytes => {
                    let at = k * bytes;
                    let (word, shift, free) = (at / 4, 8 * (at % 4), 32 - 8 * bytes as u32);
                    let cut = raw[word].map(|x| (x >> shift) << free);
                    if t.signed { cut.map(|x| ((x as i32) >> free) as u32) } else { cut.map(|x| x >> free) }
                }
            };
            match register {
                Reg::Word(r) => self.set32(*r, &value, mask),
                Reg::Half(r) => self.set32(*r, &value.map(|x| x & 0xffff), mask),
                Reg::Wide(r) if t.bytes == 8 => {
                    let high = &raw[2 * k + 1];
                    self.set64(*r, &std::array::from_fn(|i| u64::from(value[i]) | u64::from(high[i]) << 32), mask);
                }
                Reg::Wide(r) if t.signed => self.set64(*r, &value.map(|x| x as i32 as i64 as u64), mask),
                Reg::Wide(r) => self.set64(*r, &value.map(u64::from), mask),
                Reg::Pred(_) => {}
            }
        }
    }

    /// The memory representation of register values.
    fn send(&self, t: &Transfer, mask: u32) -> Step<Raw> {
        let mut raw = [[0; 32]; 4];
        for (k, register) in t.registers.iter().enumerate() {
            let (low, high) = match register {
                Reg::Word(r) | Reg::Half(r) => {
                    self.need32([*r], mask)?;
                    (*self.r32(*r), [0; 32])
                }
                Reg::Wide(r) => {
                    self.need64([*r], mask)?;
                    (self.r64(*r).map(|x| x as u32), self.r64(*r).map(|x| (x >> 32) as u32))
                }
                Reg::Pred(_) => ([0; 32], [0; 32]),
            };
            match t.bytes {
                8 => (raw[2 * k], raw[2 * k + 1]) = (low, high),
                4 => raw[k] = low,
                bytes => {
                    let at = k * bytes;
                    let (word, shift, bits) = (at / 4, 8 * (at % 4), u32::MAX >> (32 - 8 * bytes));
                    for i in 0..32 {
                        raw[word][i] |= (low[i] & bits) << shift;
                    }
                }
            }
        }
        Ok(raw)
    }

    // A separate function, so that the loop over the instructions stays small.
    #[inline(never)]
    pub(super) fn store(&mut self, t: &Transfer, mask: u32, pc: u32, cx: &mut Context<'_>) -> Step<()> {
        let mut addresses = self.addresses(t.address, mask)?;
        let size = t.size();
        let raw = self.send(t, mask)?;
        if self.space(t.space, &mut addresses, mask)? == Space::Shared {
            cx.shared.write(&addresses, size, mask, self.visitor(), &raw)?;
            cx.count_shared(&addresses, size, mask, pc);
            return Ok(());
        }
        let mut sectors = Sectors::new();
        let allocations = cx.table.allocations();
        let hint = &mut cx.hints[pc as usize];
        for lane in lanes(mask) {
            let (allocation, offset) = locate(allocations, hint, cx.table, addresses[lane], (size, size), lane)?;
            let word = |k: usize| raw[k][lane];
            let done = match size {
                4 => allocation.store(offset, [word(0)], cx.party),
                8 => allocation.store(offset, [word(0), word(1)], cx.party),
                16 => allocation.store(offset, raw.map(|word| word[lane]), cx.party),
                _ => {
                    allocation.set_part(offset, size, word(0));
                    Ok(())
                }
            };
            done.or_else(|e| unfit(e, lane, "writes", size, offset))?;
            if sectors.touch(addresses[lane] >> 5) {
                cx.counters.unique_sectors_stored += u64::from(allocation.first_store(offset, cx.party.launch));
            }
        }
        cx.counters.global_store_requests += 1;
        cx.counters.global_sectors_stored += sectors.count as u64;
        cx.counters.global_bytes_stored += size as u64 * u64::from(mask.count_ones());
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the operands of one instruction")]
    pub(super) fn copy_async(
        &mut self,
        to: Address,
        from: Address,
        size: usize,
        source_size: Option<R32>,
        mask: u32,
        pc: u32,
        cx: &mut Context<'_>,
    ) -> Step<()> {
        let (to, from) = (self.addresses(to, mask)?, self.addresses(from, mask)?);
        let mut sizes = [size as u32; 32];
        if let Some(r) = source_size {
            self.need32([r], mask)?;
            sizes = *self.r32(r);
        }
        let mut sectors = Sectors::new();
        let mut raw = [[0; 32]; 4];
        let allocations = cx.table.allocations();
        for lane in lanes(mask) {
            let available = sizes[lane] as usize;
            if available > size {
                let what = format!("expected a source of at most {size} bytes, found {available}");
                return trap(FaultKind::OutOfBounds, lane as u32, what);
            }
            raw.iter_mut().for_each(|word| word[lane] = 0);
            if available > 0 {
                let hint = &mut cx.hints[pc as usize];
                let (allocation, offset) = locate(allocations, hint, cx.table, from[lane], (size, available), lane)?;
                let fetched = if matches!(available, 4 | 8 | 16) {
                    fetch(allocation, offset, available, cx.party, lane, &mut raw)
                } else {
                    (0..available).try_for_each(|i| {
                        let byte = allocation.part(offset + i, 1).ok_or(Unfit::Unwritten)?;
                        raw[i / 4][lane] |= byte << (8 * (i % 4));
                        Ok(())
                    })
                };
                fetched.or_else(|e| unfit(e, lane, "copies", available, offset))?;
                if sectors.touch(from[lane] >> 5) {
                    cx.counters.unique_sectors_loaded += u64::from(allocation.first_load(offset, cx.party.launch));
                }
                cx.counters.global_bytes_loaded += available as u64;
            }
            cx.shared.copy(to[lane], size, self.visitor(), lane, &raw)?;
            let group = self.committed[lane];
            self.in_flight.push(InFlight { lane: lane as u32, group, address: to[lane], size });
        }
        cx.counters.global_load_requests += u64::from(sectors.count > 0);
        cx.counters.global_sectors_loaded += sectors.count as u64;
        cx.count_shared(&to, size, mask, pc);
        Ok(())
    }

    /// Completes the copies of all but the latest `most` groups.
    pub(super) fn wait_group(&mut self, most: Option<u32>, mask: u32, cx: &mut Context<'_>) {
        let mut copies = std::mem::take(&mut self.in_flight);
        copies.retain(|copy| {
            let waits = mask >> copy.lane & 1 == 1;
            let done = most.is_none_or(|most| copy.group + most < self.committed[copy.lane as usize]);
            if waits && done {
                cx.shared.arrive(copy.address, copy.size, self.visitor(), copy.lane as usize);
            }
            !(waits && done)
        });
        self.in_flight = copies;
    }

    /// The row addresses of `ldmatrix`.
    pub(super) fn row_addresses(&self, address: Address, mask: u32) -> Step<L64> {
        self.addresses(address, mask)
    }
}
