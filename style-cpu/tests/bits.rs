//! Every op gives the same bits on any number of threads, for each instruction set of this machine.

use style_cpu::{Cpu, Isa};

#[test]
fn threads_do_not_change_a_bit() {
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let cpu = |threads| Cpu::builder().isa(isa).threads(threads).build().unwrap();
        for threads in [2, 3, 7] {
            testkit::assert_same_bits(&cpu(1), &cpu(threads)).unwrap();
        }
    }
}
