//! A transposition by tiles in shared memory.

use crate::Caught::{Fault, Wrong};
use crate::{Mutant, download, kill, launch, numbers, params, upload};
use ptx_runner::{FaultKind, Memory, Module};

const PTX: &str = include_str!("transpose.ptx");
const H: usize = 45;
const W: usize = 70;

/// Transposes H x W values with a block of this many threads into a buffer of this many values.
fn run(module: &Module, threads: u32, room: usize) -> Result<bool, ptx_runner::Fault> {
    let (memory, x) = (Memory::new(1 << 20), numbers(H * W));
    let (from, to) = (upload(&memory, &x), memory.alloc(4 * room as u64).unwrap());
    launch(module, [3, 2, 1], threads, &params(&[from, to], &[H as u32, W as u32]), &memory)?;
    let y = download(&memory, to, H * W);
    Ok((0..H).all(|i| (0..W).all(|j| y[j * H + i] == x[i * W + j])))
}

#[test]
fn mutants_are_caught() {
    let mutants: &[Mutant] = &[
        ("no barrier", "bar.sync 0;", "", 1, Fault(FaultKind::Uninitialised)),
        ("a barrier of the warp", "bar.sync 0;", "bar.warp.sync -1;", 1, Fault(FaultKind::Uninitialised)),
        ("a barrier some lanes skip", "bar.sync 0;", "@!%p1 bar.sync 0;", 1, Fault(FaultKind::Barrier)),
        ("columns beyond the edge are read", "@%p1 bra LBB0_9;", "", 1, Fault(FaultKind::OutOfBounds)),
        ("rows beyond the edge are read", "@%p3 bra LBB0_5;", "", 1, Fault(FaultKind::OutOfBounds)),
        ("the edge test is inverted", "@%p1 bra", "@!%p1 bra", 1, Fault(FaultKind::Uninitialised)),
        (
            "the edge test is off by one",
            "setp.ge.u32 %p6, %r8, %r5",
            "setp.gt.u32 %p6, %r8, %r5",
            1,
            Fault(FaultKind::Uninitialised),
        ),
        ("a signed edge test of the wrong size", "setp.ge.u32 %p7, %r9, %r6", "setp.ge.u32 %p7, %r9, %r5", 1, Wrong),
        (
            "a tile without its padding",
            "_ZZ9transposeE4tile[4224]",
            "_ZZ9transposeE4tile[4096]",
            1,
            Fault(FaultKind::OutOfBounds),
        ),
        (
            "rows of a wrong length are read",
            "mul.lo.s64 %rd26, %rd3, 132",
            "mul.lo.s64 %rd26, %rd3, 128",
            1,
            Fault(FaultKind::Uninitialised),
        ),
        ("a misaligned row", "[%rd5+1056]", "[%rd5+1058]", 1, Fault(FaultKind::Misaligned)),
        ("a row off by one column", "[%rd5+1056]", "[%rd5+1060]", 1, Fault(FaultKind::Uninitialised)),
        ("two lanes at the same place", "and.b32 %r11, %r10, 31", "and.b32 %r11, %r10, 15", 1, Fault(FaultKind::Race)),
        ("blocks at the same place", "%r12, %ctaid.x", "%r12, 0", 1, Fault(FaultKind::Race)),
        (
            "values of eight bytes",
            "mul.wide.u32 %rd17, %r14, 4",
            "mul.wide.u32 %rd17, %r14, 8",
            1,
            Fault(FaultKind::OutOfBounds),
        ),
        ("another value is stored", "[%rd13], %f7", "[%rd13], %f6", 1, Wrong),
        ("a value that was not loaded", "[%rd11], %f5", "[%rd11], %f0", 1, Fault(FaultKind::Uninitialised)),
        ("a store is missing", "st.global.f32 [%rd14], %f8;", "", 1, Wrong),
    ];
    kill(PTX, |module| run(module, 256, H * W), mutants);
}

#[test]
fn mistakes_of_the_host_are_caught() {
    let module = Module::parse(PTX).unwrap();
    assert_eq!(run(&module, 256, H * W - 1).unwrap_err().kind, FaultKind::OutOfBounds);
    assert_eq!(run(&module, 512, H * W).unwrap_err().kind, FaultKind::Launch);
    assert!(!run(&module, 224, H * W).unwrap_or(false), "one warp too few");
}
