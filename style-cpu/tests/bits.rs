//! Every op gives the same bits on any number of threads, for each instruction set and precision of this machine.

use style_cpu::{Cpu, Isa, Precision};

#[test]
fn threads_do_not_change_a_bit() {
    let of_isa = |isa| Cpu::builder().isa(isa);
    let mut builders: Vec<_> = Isa::ALL.into_iter().filter(|isa| isa.is_available()).map(of_isa).collect();
    if Precision::Bf16.is_available() {
        builders.push(Cpu::builder().precision(Precision::Bf16));
    }
    for builder in builders {
        let cpu = |threads| builder.threads(threads).build().unwrap();
        for threads in [2, 3, 7] {
            testkit::assert_same_bits(&cpu(1), &cpu(threads)).unwrap();
        }
    }
}
