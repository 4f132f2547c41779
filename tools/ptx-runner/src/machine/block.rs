//! A block: its warps take turns, each running from barrier to barrier.

use super::access::Pattern;
use super::fault::{Fault, FaultKind, Trap};
use super::memory::{Party, Table};
use super::shared::Shared;
use super::warp::{Stop, Warp};
use super::{Counters, Launch};
use crate::ptx::program::{Kernel, LaneMask, Special};

/// State shared by all warps of a block.
pub(super) struct Context<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) params: &'a [u8],
    pub(super) table: &'a Table,
    /// This block.
    pub(super) party: Party,
    pub(super) shared: Shared,
    pub(super) counters: Counters,
    /// For each instruction, the allocation of its last access.
    pub(super) hints: Vec<u32>,
    /// For each instruction, its last shared memory pattern.
    pub(super) patterns: Vec<Option<Box<Pattern>>>,
}

pub(super) struct Block<'a> {
    context: Context<'a>,
    launch: &'a Launch<'a>,
    warps: Vec<Warp>,
}

impl<'a> Block<'a> {
    pub(super) fn new(launch: &'a Launch<'a>, table: &'a Table, stamp: u32) -> Self {
        let kernel = launch.kernel;
        let threads = launch.block.iter().product::<u32>();
        let context = Context {
            kernel,
            params: launch.params,
            table,
            party: Party { launch: stamp, block: 0 },
            shared: Shared::new(&kernel.shared, kernel.granule),
            counters: Counters::default(),
            hints: vec![0; kernel.code.len()],
            patterns: vec![None; kernel.code.len()],
        };
        let mut warps: Vec<Warp> = (0..threads.div_ceil(32)).map(|i| Warp::new(i, threads, kernel)).collect();
        for (register, special) in &kernel.registers.specials {
            let [bx, by, _] = launch.block;
            for (number, warp) in warps.iter_mut().enumerate() {
                warp.fill(*register, |lane| {
                    let thread = number as u32 * 32 + lane;
                    match *special {
                        Special::Tid(axis) => [thread % bx, thread / bx % by, thread / (bx * by)][axis],
                        Special::Ntid(axis) => launch.block[axis],
                        Special::Nctaid(axis) => launch.grid[axis],
                        Special::Ctaid(_) => 0,
                        Special::LaneId => lane,
                        Special::WarpId => number as u32,
                        Special::WarpCount => threads.div_ceil(32),
                        Special::LaneMask(LaneMask::Eq) => 1 << lane,
                        Special::LaneMask(LaneMask::Lt) => (1 << lane) - 1,
                        Special::LaneMask(LaneMask::Le) => u32::MAX >> (31 - lane),
                        Special::LaneMask(LaneMask::Gt) => !(u32::MAX >> (31 - lane)),
                        Special::LaneMask(LaneMask::Ge) => u32::MAX << lane,
                    }
                });
            }
        }
        Self { context, launch, warps }
    }

    pub(super) fn into_counters(self) -> Counters {
        self.context.counters
    }

    /// Runs the block with this index, numbered along x first.
    pub(super) fn run(&mut self, index: u64) -> Result<(), Fault> {
        let [gx, gy, _] = self.launch.grid.map(u64::from);
        let at = [index % gx, index / gx % gy, index / (gx * gy)].map(|n| n as u32);
        self.context.party.block = index as u32;
        self.context.shared.start_block();
        self.context.counters.blocks += 1;
        for (register, special) in &self.context.kernel.registers.specials {
            if let Special::Ctaid(axis) = special {
                self.warps.iter_mut().for_each(|w| w.fill(*register, |_| at[*axis]));
            }
        }
        self.warps.iter_mut().for_each(Warp::start);
        loop {
            let mut stops = Vec::with_capacity(self.warps.len());
            for i in 0..self.warps.len() {
                let stop = self.warps[i].run(&mut self.context);
                stops.push(stop.map_err(|t| self.fault(i, at, *t))?);
            }
            if stops.iter().all(|s| *s == Stop::Exit) {
                return Ok(());
            }
            if let Err((warp, what)) = self.meet(&stops) {
                return Err(self.fault(warp, at, Trap { kind: FaultKind::Barrier, what, lane: None }));
            }
        }
    }

    /// Checks that all warps are at the same barrier; otherwise returns a warp that waits in vain, and the reason.
    fn meet(&mut self, stops: &[Stop]) -> Result<(), (usize, String)> {
        let first = stops.iter().position(|s| *s != Stop::Exit).unwrap_or(0);
        for (other, stop) in stops.iter().enumerate() {
            if *stop == Stop::Exit {
                return Err((first, format!("waits at a barrier, but warp {other} has ended")));
            }
            if *stop != stops[first] {
                let line = self.warps[other].line(self.context.kernel);
                return Err((
                    first,
                    format!("waits at a barrier, but warp {other} waits at another one in line {line}"),
                ));
            }
        }
        self.context.counters.barriers += 1;
        self.context.shared.barrier();
        self.warps.iter_mut().for_each(Warp::pass_barrier);
        Ok(())
    }

    /// A fault with its location.
    fn fault(&self, warp: usize, at: [u32; 3], trap: Trap) -> Fault {
        let kernel = self.context.kernel;
        let line = self.warps[warp].line(kernel);
        let [bx, by, _] = self.launch.block;
        let who = match trap.lane {
            Some(lane) => {
                let thread = warp as u32 * 32 + lane;
                format!("thread ({}, {}, {})", thread % bx, thread / bx % by, thread / (bx * by))
            }
            None => format!("warp {warp}"),
        };
        let [x, y, z] = at;
        let message = format!(
            "kernel {}, line {line} `{}`, block ({x}, {y}, {z}), {who}: {}",
            kernel.name(),
            kernel.text(line),
            trap.what
        );
        Fault { kind: trap.kind, message }
    }
}
