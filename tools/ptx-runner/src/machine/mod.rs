//! The machine that executes a decoded kernel: warps of 32 lanes, an instruction at a time.
//!
//! # What a run without a fault shows
//!
//! - Every instruction does what the PTX ISA says, for these blocks, threads and inputs; `tests/opcodes` holds each
//!   opcode to the ISA's own sentence or formula, `tests/mutants` shows what is caught.
//! - Every access is aligned and lies in one allocation, one shared array (128 bytes that belong to none follow each) or
//!   the parameters; everything read was written before, registers included.
//! - No two threads of a block meet in shared memory, one of them writing, without a barrier between, whatever the order
//!   in which warps run. Only `bar.sync` orders threads, and `bar.warp.sync` of all live lanes those of one warp: neither
//!   shuffles, votes and `mma` do, nor fences alone. What `cp.async` writes is nobody's until its thread has waited for
//!   it, and others' after a barrier after that.
//! - All threads of a block come to the same barriers, those that have ended included; all named lanes come to a shuffle
//!   or vote, all 32 to `ldmatrix` and `mma`. Lanes that branch apart meet again where their program counters do.
//! - No block reads or writes 32-bit words that another block of its launch wrote, or writes what another read (found in
//!   most runs, not in all: blocks run on two threads in no fixed order); nor does `ld.global.nc` read what its launch
//!   wrote.
//!
//! # What it does not show
//!
//! - How long anything takes. The counters are exact for what they count, and nothing more.
//! - How tensor cores round inside: the runner sums exact products in double precision and rounds once. How the
//!   approximate functions of a device err: they are computed in double precision and rounded.
//! - What the driver's own compiler makes of the PTX: it may fuse `mul.f32` and `add.f32` that have no `.rn`, and
//!   allocates registers.
//! - Threads of one block that meet in global memory with no barrier between; bytes and 16-bit halves of one word that
//!   different blocks write; lanes of one store that write the same word, of which the last wins here.
//! - A memory model between blocks: atomics and dynamic shared memory are unknown to the parser, so that no kernel can
//!   depend on one.
//!
//! # Speed
//!
//! On one core of a virtual machine with AVX-512 of 2026 (`cargo run -p ptx-runner --example speed`), in millions of
//! lane-operations a second: 4200 of `fma`, 1500 where two 16-byte loads from shared memory come with 16 of them, 190 of
//! 16-byte loads and stores of global memory, and 4.9 GFLOP/s of `mma` with its `ldmatrix`.

mod access;
mod block;
mod exchange;
mod fault;
pub(crate) mod lanes;
mod memory;
mod shared;
mod tensor;
mod warp;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use fault::{Fault, FaultKind};
pub use memory::Memory;

use crate::ptx::program::Kernel;
use block::Block;

/// Where parameters lie: an address that only `ld.param` reads.
pub(crate) const PARAM_WINDOW: u64 = 0x5000_0000_0000;
/// Where shared memory lies among generic addresses.
pub(crate) const SHARED_WINDOW: u64 = 0x6000_0000_0000;
/// Bytes between shared arrays that belong to none: all banks once.
pub(crate) const SHARED_GAP: u32 = 128;
/// Instructions after which a warp is taken to run for ever.
const MOST_STEPS: u64 = 1 << 25;

/// A kernel with its grid and parameters.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// Blocks along x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y, z.
    pub block: [u32; 3],
    /// The parameters' bytes, laid out as the kernel declares them.
    pub params: &'a [u8],
    /// Runs about so many blocks only, evenly chosen, and scales the counters: for prices, not for results.
    pub sample: Option<u64>,
}

/// What a launch did. FLOPs count the lanes that an instruction was active for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Blocks.
    pub blocks: u64,
    /// Instructions, counted once a warp.
    pub warp_instructions: u64,
    /// Operations of single precision; `fma` is two.
    pub flops: u64,
    /// Operations of `mma.sync`: 4096 for m16n8k16.
    pub mma_flops: u64,
    /// Loads from global memory, counted once a warp; `cp.async` is one of them.
    pub global_load_requests: u64,
    /// Stores to global memory, counted once a warp.
    pub global_store_requests: u64,
    /// 32-byte sectors that the loads touched, request by request.
    pub global_sectors_loaded: u64,
    /// 32-byte sectors that the stores touched, request by request.
    pub global_sectors_stored: u64,
    /// Bytes that the lanes loaded.
    pub global_bytes_loaded: u64,
    /// Bytes that the lanes stored.
    pub global_bytes_stored: u64,
    /// Cycles of shared memory that the accesses would take without conflicts: one for each 128 bytes' worth of lanes.
    pub shared_requests: u64,
    /// Cycles with bank conflicts.
    pub shared_cycles: u64,
    /// Barriers of a block.
    pub barriers: u64,
    /// Different 32-byte sectors loaded over the launch: what must come from memory at the least.
    pub unique_sectors_loaded: u64,
    /// Different 32-byte sectors stored over the launch.
    pub unique_sectors_stored: u64,
}

impl Counters {
    /// Each counter with its fellow.
    fn zip(&mut self, other: &Counters, f: impl Fn(u64, u64) -> u64) {
        for (a, b) in [
            (&mut self.blocks, other.blocks),
            (&mut self.warp_instructions, other.warp_instructions),
            (&mut self.flops, other.flops),
            (&mut self.mma_flops, other.mma_flops),
            (&mut self.global_load_requests, other.global_load_requests),
            (&mut self.global_store_requests, other.global_store_requests),
            (&mut self.global_sectors_loaded, other.global_sectors_loaded),
            (&mut self.global_sectors_stored, other.global_sectors_stored),
            (&mut self.global_bytes_loaded, other.global_bytes_loaded),
            (&mut self.global_bytes_stored, other.global_bytes_stored),
            (&mut self.shared_requests, other.shared_requests),
            (&mut self.shared_cycles, other.shared_cycles),
            (&mut self.barriers, other.barriers),
            (&mut self.unique_sectors_loaded, other.unique_sectors_loaded),
            (&mut self.unique_sectors_stored, other.unique_sectors_stored),
        ] {
            *a = f(*a, b);
        }
    }

    /// Adds another launch's counters.
    pub fn add(&mut self, other: &Counters) {
        self.zip(other, |a, b| a + b);
    }
}

/// Runs a kernel to its end, its blocks across at most two threads.
///
/// # Errors
/// The first fault, or what is wrong with the launch.
pub fn run(launch: &Launch<'_>, memory: &Memory) -> Result<Counters, Fault> {
    check(launch)?;
    let blocks = launch.grid.iter().map(|n| u64::from(*n)).product::<u64>();
    let chosen = launch.sample.map_or(blocks, |n| n.clamp(1, blocks));
    let table = memory.table();
    let stamp = memory.stamp();
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let work = || -> Result<Counters, Fault> {
        let mut block = Block::new(launch, &table, stamp);
        while !stop.load(Ordering::Relaxed) {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= chosen {
                break;
            }
            // Evenly chosen: the n-th of so many equal shares.
            let index = (u128::from(n) * u128::from(blocks) / u128::from(chosen)) as u64;
            if let Err(fault) = block.run(index) {
                stop.store(true, Ordering::Relaxed);
                return Err(fault);
            }
        }
        Ok(block.into_counters())
    };
    let mut counters = if chosen > 1 {
        std::thread::scope(|scope| {
            let other = scope.spawn(work);
            let mine = work();
            let theirs = other.join().unwrap_or_else(|e| std::panic::resume_unwind(e));
            let mut sum = mine?;
            sum.add(&theirs?);
            Ok(sum)
        })?
    } else {
        work()?
    };
    let run = counters.blocks;
    if run < blocks {
        let whole = counters;
        counters.zip(&whole, |a, _| (u128::from(a) * u128::from(blocks) / u128::from(run)) as u64);
    }
    Ok(counters)
}

/// What the driver would refuse.
fn check(launch: &Launch<'_>) -> Result<(), Fault> {
    let name = launch.kernel.name();
    let refuse = |what: String| Err(Fault { kind: FaultKind::Launch, message: format!("kernel {name}: {what}") });
    let [x, y, z] = launch.block;
    let threads = u64::from(x) * u64::from(y) * u64::from(z);
    if threads == 0 || threads > 1024 || z > 64 {
        return refuse(format!("blocks of {x} x {y} x {z} threads; 1 to 1024 are allowed, and 64 along z"));
    }
    if let Some(most) = launch.kernel.max_threads()
        && threads > u64::from(most)
    {
        return refuse(format!("blocks of {threads} threads; the kernel was compiled for at most {most}"));
    }
    let [x, y, z] = launch.grid;
    if x == 0 || y == 0 || z == 0 || x > i32::MAX as u32 || y > 65535 || z > 65535 {
        return refuse(format!("a grid of {x} x {y} x {z}; 1 to 2147483647 x 65535 x 65535 are allowed"));
    }
    if u64::from(x) * u64::from(y) * u64::from(z) >= u64::from(u32::MAX) {
        return refuse(format!("a grid of {x} x {y} x {z}: the runner counts blocks in 32 bits"));
    }
    if launch.params.len() != launch.kernel.param_bytes() {
        let (found, expected) = (launch.params.len(), launch.kernel.param_bytes());
        return refuse(format!("{found} bytes of parameters; it takes {expected}"));
    }
    if launch.kernel.shared_bytes() > 48 << 10 {
        return refuse(format!("{} bytes of shared memory; 49152 are allowed", launch.kernel.shared_bytes()));
    }
    Ok(())
}
