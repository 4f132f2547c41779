//! Every conformance case, for each instruction set, one and three threads, and each convolution algorithm and
//! precision.

use style_cpu::{Convolution, Cpu, Isa, Precision};
use testkit::cases;

fn main() {
    if cfg!(miri) {
        interpreted();
    }
    let cpu = |isa, threads| Cpu::builder().isa(isa).threads(threads).build();
    // More threads than items of some shapes, which then share the tiles.
    let convolution = |way| Cpu::builder().convolution(way).threads(3).build();
    let instances = vec![
        ("portable", cpu(Isa::Portable, 1)),
        ("neon", cpu(Isa::Neon, 1)),
        ("simd128", cpu(Isa::Simd128, 1)),
        ("avx2", cpu(Isa::Avx2, 1)),
        ("avx512", cpu(Isa::Avx512, 1)),
        ("threads", Cpu::builder().threads(3).build()),
        ("direct", convolution(Convolution::Direct)),
        ("winograd4", convolution(Convolution::Winograd4)),
        ("winograd6", convolution(Convolution::Winograd6)),
    ];
    let of = |(name, cpu)| {
        let cases = cases::all().into_iter().chain(cases::conv2d::wide(false));
        testkit::trials_of(cases.collect(), name, cpu)
    };
    let rounded = cases::conv2d::rounded().into_iter().chain(cases::conv2d::wide(true));
    let bf16 = Cpu::builder().precision(Precision::Bf16).threads(2).build();
    let rounded = testkit::trials_of(rounded.collect(), "bf16", bf16);
    testkit::run_trials(instances.into_iter().flat_map(of).chain(rounded).collect())
}

/// The cases that Miri finishes in an hour: the smallest shapes, on one thread.
fn interpreted() -> ! {
    /// The limit for the numbers in a case's name.
    const MOST: usize = 51;
    /// Convolutions from and to blocks of channels.
    const BLOCKED: [&str; 2] = ["3-16x2x2", "16-32x1x1"];
    let small = |name: &str| {
        let numbers = name.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<usize>().ok());
        // A name without numbers does not give the size of its shapes.
        let size = numbers.reduce(usize::saturating_mul).unwrap_or(usize::MAX);
        size <= MOST || BLOCKED.iter().any(|blocked| name.ends_with(blocked))
    };
    let trials = [
        ("portable", Convolution::Planned, cases::all()),
        ("portable direct", Convolution::Direct, cases::conv2d::cases()),
        ("portable winograd6", Convolution::Winograd6, cases::conv2d::cases()),
    ];
    let trials = trials.into_iter().flat_map(|(name, way, mut cases)| {
        cases.retain(|case| small(case.name()));
        testkit::trials_of(cases, name, Cpu::builder().isa(Isa::Portable).threads(1).convolution(way).build())
    });
    testkit::run_trials(trials.collect())
}
