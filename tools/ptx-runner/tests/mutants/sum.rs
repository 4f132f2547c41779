//! A sum by shuffles and shared memory.

use crate::Caught::{Fault, Wrong};
use crate::{Mutant, download, kill, launch, numbers, params, upload};
use ptx_runner::{FaultKind, Memory, Module};

const N: usize = 1000;

/// Integers, whose sum does not depend on the order.
fn run(module: &Module) -> Result<bool, ptx_runner::Fault> {
    let x: Vec<f32> = numbers(N).iter().map(|v| (v * 1000.0).round()).collect();
    let memory = Memory::new(1 << 20);
    let (from, to) = (upload(&memory, &x), upload(&memory, &[0.0]));
    launch(module, [1, 1, 1], 256, &params(&[from, to], &[N as u32]), &memory)?;
    let exact: i64 = x.iter().map(|v| *v as i64).sum();
    Ok(download(&memory, to, 1)[0] == exact as f32)
}

#[test]
fn mutants_are_caught() {
    let mutants: &[Mutant] = &[
        ("no barrier", "bar.sync 0;", "", 1, Fault(FaultKind::Uninitialised)),
        ("a barrier of the warp", "bar.sync 0;", "bar.warp.sync -1;", 1, Fault(FaultKind::Uninitialised)),
        ("a barrier of one lane", "bar.sync 0;", "@%p3 bar.sync 0;", 1, Fault(FaultKind::Barrier)),
        (
            "other warps return early",
            "bar.sync 0;",
            "setp.gt.u32 %p4, %r1, 31;\n@%p4 ret;\nbar.sync 0;",
            1,
            Fault(FaultKind::Barrier),
        ),
        ("some lanes return early", "bar.sync 0;", "@%p3 ret;\nbar.sync 0;", 1, Fault(FaultKind::Barrier)),
        ("a shuffle by too little", "%f31, 16, 31, -1", "%f31, 15, 31, -1", 1, Wrong),
        ("the same shuffle twice", "%f12, 8, 31, -1", "%f12, 16, 31, -1", 1, Wrong),
        ("a shuffle upwards", "shfl.sync.down.b32 %f15", "shfl.sync.up.b32 %f15", 1, Wrong),
        ("a shuffle within half warps", "%f31, 16, 31, -1", "%f31, 16, 4127, -1", 1, Wrong),
        ("a shuffle of some members", "%f18, 1, 31, -1", "%f18, 1, 31, 65535", 1, Fault(FaultKind::Barrier)),
        (
            "a shuffle of one lane",
            "shfl.sync.down.b32 %f29",
            "@!%p5 shfl.sync.down.b32 %f29",
            1,
            Fault(FaultKind::Barrier),
        ),
        ("a shuffle is missing", "shfl.sync.down.b32 %f25, %f24, 4, 31, -1;", "mov.f32 %f25, 0f00000000;", 1, Wrong),
        ("memory for seven warps", "E5warps[32]", "E5warps[28]", 0, Fault(FaultKind::OutOfBounds)),
        ("another lane stores", "setp.eq.s32 %p3, %r6, 0", "setp.eq.s32 %p3, %r6, 1", 1, Wrong),
        ("the wrong lanes store", "@%p3 bra", "@!%p3 bra", 1, Fault(FaultKind::Race)),
        ("all warps store at one place", "shr.u32 %r7, %r1, 5", "shr.u32 %r7, %r1, 8", 1, Fault(FaultKind::Race)),
        (
            "a ninth warp is read",
            "setp.gt.u32 %p5, %r1, 7",
            "setp.gt.u32 %p5, %r1, 8",
            1,
            Fault(FaultKind::OutOfBounds),
        ),
        ("the eighth warp is not read", "setp.gt.u32 %p5, %r1, 7", "setp.gt.u32 %p5, %r1, 6", 1, Wrong),
        (
            "one value too many",
            "setp.lt.u32 %p2, %r8, %r2",
            "setp.le.u32 %p2, %r8, %r2",
            1,
            Fault(FaultKind::OutOfBounds),
        ),
        ("uninitialised lanes", "mov.f32 %f32, 0f00000000;", "", 1, Fault(FaultKind::Uninitialised)),
        ("a sum that starts at one", "mov.f32 %f31, 0f00000000;", "mov.f32 %f31, 0f3F800000;", 2, Wrong),
        ("all lanes store the result", "@%p6 bra LBB0_10;", "", 1, Wrong),
        ("a loop without an increment", "add.s32 %r8, %r8, %r3;", "", 1, Fault(FaultKind::Endless)),
    ];
    kill(include_str!("sum.ptx"), run, mutants);
}
