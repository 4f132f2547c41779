//! Code shared by the benches.

#![allow(dead_code)] // each bench uses a part

pub(crate) mod operands;
pub(crate) mod random;

use std::env;

use style_cpu::{Cpu, Isa};

/// Whether each bench runs only once, as a check (`cargo bench -- --test`, `cargo test --benches`). The rule is criterion's.
pub(crate) fn testing() -> bool {
    let given = |flag| env::args().any(|arg| arg == flag);
    !given("--bench") || given("--test")
}

/// Whether to include slow benches: `STYLE_BENCH_FULL=1`.
pub(crate) fn full() -> bool {
    env::var_os("STYLE_BENCH_FULL").is_some_and(|v| v != "0")
}

/// Every backend to measure: each available instruction set, on one thread and on all. The portable one is slow and only
/// included if [`testing`] or [`full`].
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
            backends.push(Cpu::builder().isa(isa).threads(threads).build().expect("is available"));
        }
    }
    backends
}

/// The name of an instruction set in bench ids.
pub(crate) fn isa(backend: &Cpu) -> String {
    format!("{:?}", backend.isa()).to_lowercase()
}
