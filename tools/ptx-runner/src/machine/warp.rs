//! A warp: 32 lanes, one instruction at a time.
//!
//! Diverged lanes become paths. The path with the lowest program counter runs until it meets another at the same place,
//! where they merge. A path that needs lanes of others (for a barrier or shuffle) is parked until they arrive.

use super::MOST_STEPS;
use super::block::Context;
use super::fault::{FaultKind, Step, trap, warp_trap};
use super::shared::Visitor;
use crate::ptx::program::*;

/// The reason why a warp stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Barrier(u32),
    Exit,
}

/// Lanes at another program counter.
#[derive(Clone, Copy, Debug)]
struct Path {
    pc: u32,
    lanes: u32,
    /// Waits for other lanes.
    parked: bool,
}

/// An asynchronous copy before its lane's wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct InFlight {
    pub(super) lane: u32,
    /// The lane's group, numbered from 0.
    pub(super) group: u32,
    pub(super) address: u64,
    pub(super) size: usize,
}

pub(super) struct Warp {
    index: u32,
    /// The existing lanes.
    full: u32,
    /// The lanes that have not ended.
    live: u32,
    active: u32,
    pc: u32,
    others: Vec<Path>,
    /// The lowest program counter of the others.
    next_other: u32,
    steps: u64,
    /// The number of warp barriers since the last block barrier.
    interval: u32,
    pub(super) in_flight: Vec<InFlight>,
    /// The number of groups that each lane has committed.
    pub(super) committed: [u32; 32],
    narrow: Vec<L32>,
    wide: Vec<L64>,
    preds: Vec<u32>,
    /// The lanes that have written each register.
    narrow_set: Vec<u32>,
    wide_set: Vec<u32>,
    preds_set: Vec<u32>,
    /// Registers that are undefined at the start of a block.
    initial: (Vec<u32>, Vec<u32>, Vec<u32>),
}

/// The lanes of a mask.
pub(super) fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    let mut rest = mask;
    std::iter::from_fn(move || {
        let lane = rest.trailing_zeros();
        rest &= rest.wrapping_sub(1);
        (lane < 32).then_some(lane as usize)
    })
}

impl Warp {
    pub(super) fn new(index: u32, threads: u32, kernel: &Kernel) -> Self {
        let r = &kernel.registers;
        let count = (threads - index * 32).min(32);
        let mut warp = Self {
            index,
            full: u32::MAX >> (32 - count),
            live: 0,
            active: 0,
            pc: 0,
            others: Vec::new(),
            next_other: u32::MAX,
            steps: 0,
            interval: 0,
            in_flight: Vec::new(),
            committed: [0; 32],
            narrow: vec![[0; 32]; r.narrow.into()],
            wide: vec![[0; 32]; r.wide.into()],
            preds: vec![0; r.preds.into()],
            narrow_set: vec![0; r.narrow.into()],
            wide_set: vec![0; r.wide.into()],
            preds_set: vec![0; r.preds.into()],
            initial: (vec![], vec![], vec![]),
        };
        for (register, value) in &r.constants32 {
            warp.fill(*register, |_| *value);
        }
        for (register, value) in &r.constants64 {
            warp.wide[register.0 as usize] = [*value; 32];
            warp.wide_set[register.0 as usize] = u32::MAX;
        }
        for (register, value) in &r.constant_preds {
            warp.preds[register.0 as usize] = if *value { u32::MAX } else { 0 };
            warp.preds_set[register.0 as usize] = u32::MAX;
        }
        for (register, _) in &r.specials {
            warp.fill(*register, |_| 0);
        }
        warp.initial = (warp.narrow_set.clone(), warp.wide_set.clone(), warp.preds_set.clone());
        warp
    }

    /// Initialises a register that the kernel only reads.
    pub(super) fn fill(&mut self, register: R32, f: impl Fn(u32) -> u32) {
        self.narrow[register.0 as usize] = std::array::from_fn(|lane| f(lane as u32));
        self.narrow_set[register.0 as usize] = u32::MAX;
    }

    /// Resets the warp to the kernel's start.
    pub(super) fn start(&mut self) {
        self.live = self.full;
        self.active = self.full;
        self.pc = 0;
        self.others.clear();
        self.next_other = u32::MAX;
        self.steps = 0;
        self.interval = 0;
        self.in_flight.clear();
        self.committed = [0; 32];
        self.narrow_set.copy_from_slice(&self.initial.0);
        self.wide_set.copy_from_slice(&self.initial.1);
        self.preds_set.copy_from_slice(&self.initial.2);
    }

    /// Continues after a barrier that all warps have reached.
    pub(super) fn pass_barrier(&mut self) {
        self.pc += 1;
        self.interval = 0;
    }

    /// The line of the current instruction.
    pub(super) fn line(&self, kernel: &Kernel) -> u32 {
        kernel.code.get(self.pc as usize).map_or(1, |i| i.line)
    }

    pub(super) fn visitor(&self) -> Visitor {
        Visitor { warp: self.index, interval: self.interval }
    }

    #[inline(always)]
    pub(super) fn r32(&self, r: R32) -> &L32 {
        &self.narrow[r.0 as usize]
    }

    #[inline(always)]
    pub(super) fn r64(&self, r: R64) -> &L64 {
        &self.wide[r.0 as usize]
    }

    #[inline(always)]
    pub(super) fn set32(&mut self, r: R32, value: &L32, mask: u32) {
        let d = &mut self.narrow[r.0 as usize];
        if mask == u32::MAX {
            *d = *value;
        } else {
            for i in 0..32 {
                d[i] = if mask >> i & 1 == 1 { value[i] } else { d[i] };
            }
        }
        self.narrow_set[r.0 as usize] |= mask;
    }

    #[inline(always)]
    pub(super) fn set64(&mut self, r: R64, value: &L64, mask: u32) {
        let d = &mut self.wide[r.0 as usize];
        if mask == u32::MAX {
            *d = *value;
        } else {
            for i in 0..32 {
                d[i] = if mask >> i & 1 == 1 { value[i] } else { d[i] };
            }
        }
        self.wide_set[r.0 as usize] |= mask;
    }

    #[inline(always)]
    pub(super) fn set_pred(&mut self, p: Pred, value: u32, mask: u32) {
        let d = &mut self.preds[p.0 as usize];
        *d = *d & !mask | value & mask;
        self.preds_set[p.0 as usize] |= mask;
    }

    /// Checks that all lanes of the mask have written the registers.
    #[inline(always)]
    pub(super) fn need32<const N: usize>(&self, registers: [R32; N], mask: u32) -> Step<()> {
        let set = registers.iter().fold(u32::MAX, |m, r| m & self.narrow_set[r.0 as usize]);
        if mask & !set != 0 { unset(mask & !set) } else { Ok(()) }
    }

    #[inline(always)]
    pub(super) fn need64<const N: usize>(&self, registers: [R64; N], mask: u32) -> Step<()> {
        let set = registers.iter().fold(u32::MAX, |m, r| m & self.wide_set[r.0 as usize]);
        if mask & !set != 0 { unset(mask & !set) } else { Ok(()) }
    }

    #[inline(always)]
    pub(super) fn pred(&self, p: Pred, mask: u32) -> Step<u32> {
        let missing = mask & !self.preds_set[p.0 as usize];
        if missing != 0 { unset(missing) } else { Ok(self.preds[p.0 as usize]) }
    }

    /// Runs to the next barrier or to the end.
    pub(super) fn run(&mut self, cx: &mut Context<'_>) -> Step<Stop> {
        let kernel = cx.kernel;
        loop {
            if self.pc >= self.next_other {
                self.schedule()?;
            }
            let inst = &kernel.code[self.pc as usize];
            let mut mask = self.active;
            if let Some((p, negated)) = inst.guard {
                let value = self.pred(p, mask)?;
                mask &= if negated { !value } else { value };
            }
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return warp_trap(FaultKind::Endless, format!("still running after {MOST_STEPS} instructions"));
            }
            match &inst.op {
                Op::Branch { target } => {
                    let (to, stay) = (mask, self.active & !mask);
                    if stay == 0 {
                        self.pc = *target;
                    } else if to == 0 {
                        self.pc += 1;
                    } else {
                        self.pc += 1;
                        self.active = stay;
                        self.others.push(Path { pc: *target, lanes: to, parked: false });
                        self.next_other = self.next_other.min(*target);
                    }
                    continue;
                }
                Op::Exit => {
                    self.live &= !mask;
                    self.active &= !mask;
                    if self.active != 0 {
                        self.pc += 1;
                    } else if self.others.is_empty() {
                        cx.counters.warp_instructions += self.steps;
                        self.steps = 0;
                        return Ok(Stop::Exit);
                    } else {
                        self.schedule()?;
                    }
                    continue;
                }
                Op::Barrier { id } if mask != 0 => {
                    if !self.gather(self.live, mask)? {
                        continue;
                    }
                    if self.live != self.full {
                        let gone = (self.full & !self.live).trailing_zeros();
                        return trap(FaultKind::Barrier, gone, "has ended, but other lanes wait for it at a barrier");
                    }
                    cx.counters.warp_instructions += self.steps;
                    self.steps = 0;
                    return Ok(Stop::Barrier(*id));
                }
                Op::WarpBarrier { members } if mask != 0 => {
                    if !self.gather_members(*members, mask)? {
                        continue;
                    }
                    if mask == self.live {
                        self.interval += 1;
                    }
                }
                Op::Shuffle { members, .. } | Op::Vote { members, .. } | Op::Ballot { members, .. } if mask != 0 => {
                    if !self.gather_members(*members, mask)? {
                        continue;
                    }
                    self.exchange(&inst.op, mask)?;
                }
                Op::LoadMatrix { .. } | Op::Mma { .. } if mask != 0 => {
                    if !self.gather(self.full, mask)? {
                        continue;
                    }
                    self.matrix(&inst.op, self.pc, cx)?;
                }
                op if mask != 0 => self.execute(op, mask, cx)?,
                _ => {}
            }
            self.pc += 1;
        }
    }

    /// Chooses the path with the lowest program counter, and merges those that meet.
    fn schedule(&mut self) -> Step<()> {
        if self.active != 0 {
            self.others.push(Path { pc: self.pc, lanes: self.active, parked: false });
        }
        self.resume()
    }

    fn resume(&mut self) -> Step<()> {
        let mut joined: Vec<Path> = Vec::new();
        for path in self.others.drain(..) {
            match joined.iter_mut().find(|p| p.pc == path.pc) {
                Some(same) => {
                    same.lanes |= path.lanes;
                    same.parked &= path.parked;
                }
                None => joined.push(path),
            }
        }
        self.others = joined;
        let Some(at) = (0..self.others.len()).filter(|i| !self.others[*i].parked).min_by_key(|i| self.others[*i].pc)
        else {
            let [first, ..] = self.others[..] else { return warp_trap(FaultKind::Barrier, "no lanes") };
            self.pc = first.pc;
            let waits = format!("lanes {:#010x} of {:#010x} wait here for the others", first.lanes, self.full);
            let why = match self.others.get(1) {
                Some(_) => "which wait elsewhere",
                None => "which have ended",
            };
            return trap(FaultKind::Barrier, first.lanes.trailing_zeros(), format!("{waits}, {why}"));
        };
        let path = self.others.swap_remove(at);
        self.pc = path.pc;
        self.active = path.lanes;
        self.next_other = self.others.iter().map(|p| p.pc).min().unwrap_or(u32::MAX);
        Ok(())
    }

    /// Whether all needed lanes are present; otherwise parks this path and runs another.
    fn gather(&mut self, needed: u32, mask: u32) -> Step<bool> {
        if needed & !mask == 0 {
            return Ok(true);
        }
        let missing = needed & !mask;
        if missing & self.active != 0 {
            return trap(FaultKind::Barrier, missing.trailing_zeros(), "is inactive where all lanes must participate");
        }
        if missing & !self.live != 0 {
            return trap(
                FaultKind::Barrier,
                (missing & !self.live).trailing_zeros(),
                "has ended where all lanes must participate",
            );
        }
        self.others.push(Path { pc: self.pc, lanes: self.active, parked: true });
        self.active = 0;
        self.resume()?;
        Ok(false)
    }

    /// Like `gather`, for the lanes of a membermask.
    fn gather_members(&mut self, members: R32, mask: u32) -> Step<bool> {
        self.need32([members], mask)?;
        let named = *self.r32(members);
        let first = named[mask.trailing_zeros() as usize];
        for lane in lanes(mask) {
            if named[lane] >> lane & 1 == 0 {
                return trap(FaultKind::Barrier, lane as u32, format!("is not in its membermask {:#x}", named[lane]));
            }
            if named[lane] != first {
                return trap(FaultKind::Barrier, lane as u32, "has a different membermask than other lanes");
            }
        }
        self.gather(first & self.live, mask)
    }

    /// An operation on each lane separately.
    #[inline(always)]
    fn execute(&mut self, op: &Op, mask: u32, cx: &mut Context<'_>) -> Step<()> {
        match op {
            Op::Narrow3 { f, d, s: [a, b, c], flops } => {
                self.need32([*a, *b, *c], mask)?;
                cx.counters.flops += u64::from(*flops) * u64::from(mask.count_ones());
                let value = f(self.r32(*a), self.r32(*b), self.r32(*c));
                self.set32(*d, &value, mask);
            }
            Op::Wide3 { f, d, s: [a, b, c] } => {
                self.need64([*a, *b, *c], mask)?;
                let value = f(self.r64(*a), self.r64(*b), self.r64(*c));
                self.set64(*d, &value, mask);
            }
            Op::Widen { f, d, a, b, c } => {
                self.need32([*a, *b], mask)?;
                self.need64([*c], mask)?;
                let value = f(self.r32(*a), self.r32(*b), self.r64(*c));
                self.set64(*d, &value, mask);
            }
            Op::Narrow { f, d, a } => {
                self.need64([*a], mask)?;
                let value = f(self.r64(*a));
                self.set32(*d, &value, mask);
            }
            Op::Divide32 { f, d, a, b } => {
                self.need32([*a, *b], mask)?;
                if let Some(lane) = lanes(mask).find(|l| self.r32(*b)[*l] == 0) {
                    return trap(FaultKind::DivideByZero, lane as u32, "divides by zero");
                }
                let value = f(self.r32(*a), self.r32(*b), self.r32(*b));
                self.set32(*d, &value, mask);
            }
            Op::Divide64 { f, d, a, b } => {
                self.need64([*a, *b], mask)?;
                if let Some(lane) = lanes(mask).find(|l| self.r64(*b)[*l] == 0) {
                    return trap(FaultKind::DivideByZero, lane as u32, "divides by zero");
                }
                let value = f(self.r64(*a), self.r64(*b), self.r64(*b));
                self.set64(*d, &value, mask);
            }
            Op::Insert { d, s } => {
                self.need32(*s, mask)?;
                let [a, b, c, e] = s.map(|r| *self.r32(r));
                let value = std::array::from_fn(|i| insert(a[i], b[i], c[i], e[i]));
                self.set32(*d, &value, mask);
            }
            Op::Test32 { f, d, q, a, b, combine } => {
                self.need32([*a, *b], mask)?;
                let test = f(self.r32(*a), self.r32(*b));
                self.tested(test, *d, *q, combine, mask)?;
            }
            Op::Test64 { f, d, q, a, b, combine } => {
                self.need64([*a, *b], mask)?;
                let test = f(self.r64(*a), self.r64(*b));
                self.tested(test, *d, *q, combine, mask)?;
            }
            Op::Select32 { d, a, b, p } => {
                let p = self.pred(*p, mask)?;
                self.need32([*a], mask & p)?;
                self.need32([*b], mask & !p)?;
                let (a, b) = (*self.r32(*a), *self.r32(*b));
                self.set32(*d, &a, mask & p);
                self.set32(*d, &b, mask & !p);
            }
            Op::Select64 { d, a, b, p } => {
                let p = self.pred(*p, mask)?;
                self.need64([*a], mask & p)?;
                self.need64([*b], mask & !p)?;
                let (a, b) = (*self.r64(*a), *self.r64(*b));
                self.set64(*d, &a, mask & p);
                self.set64(*d, &b, mask & !p);
            }
            Op::Logic { f, d, a, b } => {
                let value = f(self.pred(*a, mask)?, self.pred(*b, mask)?);
                self.set_pred(*d, value, mask);
            }
            Op::Copy32 { d, a } => {
                let (value, set) = (*self.r32(*a), self.narrow_set[a.0 as usize]);
                self.set32(*d, &value, mask);
                self.narrow_set[d.0 as usize] &= !mask | set;
            }
            Op::Copy64 { d, a } => {
                let (value, set) = (*self.r64(*a), self.wide_set[a.0 as usize]);
                self.set64(*d, &value, mask);
                self.wide_set[d.0 as usize] &= !mask | set;
            }
            Op::CopyPred { d, a } => {
                let (value, set) = (self.preds[a.0 as usize], self.preds_set[a.0 as usize]);
                self.set_pred(*d, value, mask);
                self.preds_set[d.0 as usize] &= !mask | set;
            }
            Op::Pack32 { d, a: [low, high] } => {
                self.need32([*low, *high], mask)?;
                let (low, high) = (*self.r32(*low), *self.r32(*high));
                self.set32(*d, &std::array::from_fn(|i| low[i] | high[i] << 16), mask);
            }
            Op::Pack64 { d, a: [low, high] } => {
                self.need32([*low, *high], mask)?;
                let (low, high) = (*self.r32(*low), *self.r32(*high));
                self.set64(*d, &std::array::from_fn(|i| u64::from(low[i]) | u64::from(high[i]) << 32), mask);
            }
            Op::Unpack32 { d, a } => {
                self.need32([*a], mask)?;
                let value = *self.r32(*a);
                for (k, d) in d.iter().enumerate() {
                    if let Some(d) = d {
                        self.set32(*d, &value.map(|x| x >> (16 * k) & 0xffff), mask);
                    }
                }
            }
            Op::Unpack64 { d, a } => {
                self.need64([*a], mask)?;
                let value = *self.r64(*a);
                for (k, d) in d.iter().enumerate() {
                    if let Some(d) = d {
                        self.set32(*d, &value.map(|x| (x >> (32 * k)) as u32), mask);
                    }
                }
            }
            Op::ActiveMask { d } => self.set32(*d, &[mask; 32], mask),
            Op::Load(t) => self.load(t, mask, self.pc, cx)?,
            Op::Store(t) => self.store(t, mask, self.pc, cx)?,
            Op::CopyAsync { to, from, size, source_size } => {
                self.copy_async(*to, *from, *size as usize, *source_size, mask, self.pc, cx)?;
            }
            Op::CommitGroup => {
                for lane in lanes(mask) {
                    self.committed[lane] += 1;
                }
            }
            Op::WaitGroup(most) => self.wait_group(*most, mask, cx),
            Op::Trap => return trap(FaultKind::Trap, mask.trailing_zeros(), "trap"),
            Op::Branch { .. }
            | Op::Exit
            | Op::Barrier { .. }
            | Op::WarpBarrier { .. }
            | Op::Shuffle { .. }
            | Op::Vote { .. }
            | Op::Ballot { .. }
            | Op::LoadMatrix { .. }
            | Op::Mma { .. } => {}
        }
        Ok(())
    }

    fn tested(&mut self, test: u32, d: Pred, q: Option<Pred>, combine: &Option<Combine>, mask: u32) -> Step<()> {
        let (mut value, mut opposite) = (test, !test);
        if let Some(Combine { with, c, negated }) = combine {
            let c = self.pred(*c, mask)?;
            let c = if *negated { !c } else { c };
            (value, opposite) = (with(test, c), with(!test, c));
        }
        self.set_pred(d, value, mask);
        if let Some(q) = q {
            self.set_pred(q, opposite, mask);
        }
        Ok(())
    }
}

/// `bfi`: position and length count modulo 256.
fn insert(a: u32, b: u32, position: u32, len: u32) -> u32 {
    let (position, len) = (position & 255, len & 255);
    if position > 31 {
        return b;
    }
    let ones = if len > 31 { u32::MAX } else { !(u32::MAX << len) };
    let mask = ones << position;
    b & !mask | (a << position) & mask
}

#[cold]
fn unset<T>(lanes: u32) -> Step<T> {
    trap(FaultKind::Uninitialised, lanes.trailing_zeros(), "reads a register that was never written")
}
