//! The machine that executes a decoded kernel: warps of 32 lanes, one instruction at a time.
//!
//! # Guarantees of a run without a fault
//!
//! - Every instruction follows the PTX ISA, for these blocks, threads and inputs. `tests/opcodes` checks each opcode
//!   against the ISA's text or formula; `tests/mutants` shows which mistakes are caught.
//! - Every access is aligned and within one allocation, one shared array (each is followed by 128 unused bytes) or the
//!   parameters. Everything read, including registers, was written before.
//! - There is no race in shared memory: between two accesses by different threads, one of them a write, there is a
//!   barrier, in any order of the warps. Only `bar.sync` orders threads, and `bar.warp.sync` with all live lanes those of
//!   one warp; shuffles, votes, `mma` and fences alone do not. Data from `cp.async` may be read by its own thread after
//!   its wait, and by others after a barrier that follows the wait.
//! - All threads of a block, including those that have ended, reach the same barriers. All named lanes reach a shuffle or
//!   vote, all 32 reach `ldmatrix` and `mma`. Diverged lanes reconverge where their program counters meet.
//! - No block reads or writes a 32-bit word that another block of its launch wrote, or writes one that another read. Most
//!   runs detect this, but not all, because blocks run on two threads in no fixed order. `ld.global.nc` reads nothing that
//!   its launch wrote.
//!
//! # Not covered
//!
//! - Timing: the counters are exact, but only for what they count.
//! - Rounding inside tensor cores: the runner sums exact products in double precision and rounds once. Errors of a
//!   device's approximate functions: they are computed in double precision and rounded.
//! - The output of NVIDIA's compiler: it may fuse `mul.f32` and `add.f32` without `.rn`, and it allocates registers.
//! - Races of threads of one block in global memory; bytes and 16-bit halves of one word written by different blocks;
//!   lanes of one store that write the same word (here, the last one wins).
//! - A memory model between blocks: the parser rejects atomics and dynamic shared memory, so no kernel can depend on one.
//!
//! # Speed
//!
//! Millions of lane operations per second on one core of a virtual machine with AVX-512, in 2026 (`cargo run -p ptx-runner
//! --example speed`): 4200 for `fma`, 1500 for 16 `fma` with two 16-byte loads from shared memory, and 190 for 16-byte loads
//! and stores of global memory; `mma` with its `ldmatrix` reaches 4.9 GFLOP/s.

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

/// The start of the parameters, addresses that only `ld.param` reads.
pub(crate) const PARAM_WINDOW: u64 = 0x5000_0000_0000;
/// The start of shared memory among generic addresses.
pub(crate) const SHARED_WINDOW: u64 = 0x6000_0000_0000;
/// Unused bytes between shared arrays: all banks once.
pub(crate) const SHARED_GAP: u32 = 128;
/// The number of instructions after which a warp counts as endless.
const MOST_STEPS: u64 = 1 << 25;

/// A kernel with its grid and parameters.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// Blocks along x, y, z.
    pub grid: [u32; 3],
    /// Threads per block along x, y, z.
    pub block: [u32; 3],
    /// The parameter bytes, in the layout that the kernel declares.
    pub params: &'a [u8],
    /// Runs only about this many evenly chosen blocks and scales the counters: for cost estimates, not for results.
    pub sample: Option<u64>,
}

/// Counters of a launch. FLOPs count active lanes only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Number of blocks.
    pub blocks: u64,
    /// Instructions, counted once per warp.
    pub warp_instructions: u64,
    /// Single-precision operations; `fma` counts as two.
    pub flops: u64,
    /// Operations of `mma.sync`: 4096 for m16n8k16.
    pub mma_flops: u64,
    /// Loads from global memory, counted once per warp, including `cp.async`.
    pub global_load_requests: u64,
    /// Stores to global memory, counted once per warp.
    pub global_store_requests: u64,
    /// 32-byte sectors touched by loads, summed over requests.
    pub global_sectors_loaded: u64,
    /// 32-byte sectors touched by stores, summed over requests.
    pub global_sectors_stored: u64,
    /// Bytes loaded by lanes.
    pub global_bytes_loaded: u64,
    /// Bytes stored by lanes.
    pub global_bytes_stored: u64,
    /// Shared memory cycles of the accesses without conflicts: one per 128 bytes.
    pub shared_requests: u64,
    /// Shared memory cycles including bank conflicts.
    pub shared_cycles: u64,
    /// Block barriers.
    pub barriers: u64,
    /// Distinct 32-byte sectors loaded during the launch: the least traffic from memory.
    pub unique_sectors_loaded: u64,
    /// Distinct 32-byte sectors stored during the launch.
    pub unique_sectors_stored: u64,
}

impl Counters {
    /// Combines each pair of counters.
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

/// Runs a kernel to completion, with its blocks on at most two threads.
///
/// # Errors
/// The first fault, or an invalid launch.
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
            // Evenly chosen: the first block of the n-th equal share.
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

/// Checks the launch limits of the driver.
fn check(launch: &Launch<'_>) -> Result<(), Fault> {
    let name = launch.kernel.name();
    let refuse = |what: String| Err(Fault { kind: FaultKind::Launch, message: format!("kernel {name}: {what}") });
    let [x, y, z] = launch.block;
    let threads = u64::from(x) * u64::from(y) * u64::from(z);
    if threads == 0 || threads > 1024 || z > 64 {
        return refuse(format!("expected blocks of 1 to 1024 threads, at most 64 along z, found {x} x {y} x {z}"));
    }
    if let Some(most) = launch.kernel.max_threads()
        && threads > u64::from(most)
    {
        return refuse(format!(
            "expected blocks of at most {most} threads, for which the kernel was compiled, found {threads}"
        ));
    }
    let [x, y, z] = launch.grid;
    if x == 0 || y == 0 || z == 0 || x > i32::MAX as u32 || y > 65535 || z > 65535 {
        return refuse(format!("expected a grid of 1 to 2147483647 x 65535 x 65535 blocks, found {x} x {y} x {z}"));
    }
    if u64::from(x) * u64::from(y) * u64::from(z) >= u64::from(u32::MAX) {
        return refuse(format!("expected a grid of less than 2^32 - 1 blocks, found {x} x {y} x {z}"));
    }
    if launch.params.len() != launch.kernel.param_bytes() {
        let (found, expected) = (launch.params.len(), launch.kernel.param_bytes());
        return refuse(format!("expected {expected} bytes of parameters, found {found}"));
    }
    if launch.kernel.shared_bytes() > 48 << 10 {
        return refuse(format!(
            "expected at most 49152 bytes of shared memory, found {}",
            launch.kernel.shared_bytes()
        ));
    }
    Ok(())
}
