//! Every conformance case, for each instruction set, for one and three threads, and for each way to convolve.

use style_cpu::{Convolution, Cpu, Isa};

fn main() {
    let cpu = |isa, threads| Cpu::builder().isa(isa).threads(threads).build();
    let convolution = |way| Cpu::builder().convolution(way).threads(2).build();
    testkit::run(vec![
        ("portable", cpu(Isa::Portable, 1)),
        ("avx2", cpu(Isa::Avx2, 1)),
        ("avx512", cpu(Isa::Avx512, 1)),
        ("threads", Cpu::builder().threads(3).build()),
        ("direct", convolution(Convolution::Direct)),
        ("winograd4", convolution(Convolution::Winograd4)),
        ("winograd6", convolution(Convolution::Winograd6)),
    ]);
}
