//! What the bench programs share.

#![allow(dead_code)] // each program that includes this uses its part

pub(crate) mod operands;
pub(crate) mod random;

use std::env;

use style_cpu::{Cpu, Isa};

/// Whether each bench is only to be run once, to see that it works (`cargo bench -- --test`, `cargo test --benches`).
/// This is criterion's own rule.
pub(crate) fn testing() -> bool {
    let given = |flag| env::args().any(|arg| arg == flag);
    !given("--bench") || given("--test")
}

/// Whether the slow ones are wanted too: `STYLE_BENCH_FULL=1`.
pub(crate) fn full() -> bool {
    env::var_os("STYLE_BENCH_FULL").is_some_and(|v| v != "0")
}

/// Every backend to measure: each instruction set that this processor has, on one thread and on all of them. The
/// portable one is left out, unless [`testing`] or [`full`], since it is slow.
pub(crate) fn backends() -> Vec<Cpu> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let mut counts = vec![1, all];
    counts.dedup();
    let mut backends = vec![];
    for isa in Isa::ALL {
        if !isa.is_available() || (isa == Isa::Portable && !testing() && !full()) {
            continue;
        }
        for &threads in &counts {
            backends.push(Cpu::builder().isa(isa).threads(threads).build().expect("this processor has it"));
        }
    }
    backends
}

/// The name of an instruction set in the ids of benches.
pub(crate) fn isa(backend: &Cpu) -> String {
    format!("{:?}", backend.isa()).to_lowercase()
}
