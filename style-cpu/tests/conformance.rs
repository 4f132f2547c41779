//! Every conformance case, for each instruction set and for one and three threads.

use style_cpu::{Cpu, Isa};

fn main() {
    let cpu = |isa, threads| Cpu::builder().isa(isa).threads(threads).build();
    testkit::run(vec![
        ("portable", cpu(Isa::Portable, 1)),
        ("avx2", cpu(Isa::Avx2, 1)),
        ("avx512", cpu(Isa::Avx512, 1)),
        ("threads", Cpu::builder().threads(3).build()),
    ]);
}
