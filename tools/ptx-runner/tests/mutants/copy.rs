//! Asynchronous copies into two buffers.

use crate::Caught::{Fault, Wrong};
use crate::{Mutant, download, kill, launch, numbers, params, upload};
use ptx_runner::{FaultKind, Memory, Module};

const PTX: &str = include_str!("copy.ptx");
const TILES: usize = 5;

/// Copies tiles, with this many initialised values.
fn run(module: &Module, written: usize) -> Result<bool, ptx_runner::Fault> {
    let (memory, x) = (Memory::new(1 << 20), numbers(1024 * TILES));
    let from = memory.alloc(4096 * TILES as u64).unwrap();
    memory.write(from, &x[..written].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())?;
    let to = upload(&memory, &vec![0.0; 1024 * TILES]);
    launch(module, [1, 1, 1], 256, &params(&[from, to], &[TILES as u32]), &memory)?;
    let expected: Vec<f32> = x.chunks(1024).flat_map(|tile| tile.iter().rev().copied()).collect();
    Ok(download(&memory, to, 1024 * TILES) == expected)
}

#[test]
fn mutants_are_caught() {
    let race = Fault(FaultKind::Race);
    let mutants: &[Mutant] = &[
        ("no barrier after the wait", "bar.sync 0;", "", 1, Fault(FaultKind::Uninitialised)),
        ("no barrier after the reads", "bar.sync 0;", "", 2, race),
        ("barriers of the warp", "bar.sync 0;", "bar.warp.sync -1;", 0, Fault(FaultKind::Uninitialised)),
        ("two groups may be in flight", "wait_group 1;", "wait_group 2;", 1, race),
        ("no wait", "cp.async.wait_group 1;", "", 1, race),
        ("the first group is not committed", "cp.async.commit_group;", "", 1, race),
        ("later groups are not committed", "cp.async.commit_group;", "", 2, race),
        ("nothing is committed", "cp.async.commit_group;", "", 0, race),
        (
            "the barrier before the wait",
            "cp.async.wait_group 1;\n// end inline asm\nbar.sync 0;",
            "bar.sync 0;\ncp.async.wait_group 1;",
            1,
            race,
        ),
        (
            "only some threads wait",
            "cp.async.wait_group 1;",
            "setp.gt.u32 %p3, %r1, 7;\n@%p3 cp.async.wait_group 1;",
            1,
            race,
        ),
        ("one buffer is read", "and.b32 %r22, %r28, 1", "and.b32 %r22, %r28, 0", 1, race),
        ("one buffer is filled", "and.b32 %r19, %r5, 1", "and.b32 %r19, %r5, 0", 1, race),
        ("memory for one buffer", "E6buffer[8192]", "E6buffer[4096]", 0, Fault(FaultKind::OutOfBounds)),
        ("a misaligned destination", "[%r21], [%rd26], 16", "[%r21+8], [%rd26], 16", 1, Fault(FaultKind::Misaligned)),
        ("a misaligned source", "[%r8], [%rd11], 16", "[%r8], [%rd11+4], 16", 1, Fault(FaultKind::Misaligned)),
        (
            "half of each piece",
            "cp.async.cg.shared.global [%r8], [%rd11], 16",
            "cp.async.ca.shared.global [%r8], [%rd11], 8",
            1,
            Fault(FaultKind::Uninitialised),
        ),
        (
            "threads copy the same piece",
            "shl.b32 %r9, %r1, 2;",
            "shl.b32 %r9, %r1, 1;\nand.b32 %r9, %r9, 1020;",
            1,
            race,
        ),
        (
            "a tile too many is fetched",
            "setp.ge.u32 %p2, %r5, %r2",
            "setp.gt.u32 %p2, %r5, %r2",
            1,
            Fault(FaultKind::OutOfBounds),
        ),
        ("tiles of a wrong size are fetched", "add.s32 %r6, %r27, 1024", "add.s32 %r6, %r27, 1020", 1, Wrong),
        ("another value is read", "mov.u32 %r13, 767", "mov.u32 %r13, 768", 1, Wrong),
        (
            "the first tile is not fetched",
            "cp.async.cg.shared.global [%r8], [%rd11], 16;",
            "",
            1,
            Fault(FaultKind::Uninitialised),
        ),
        ("a quarter is not stored", "st.global.f32 [%rd41], %f3;", "", 1, Wrong),
    ];
    kill(PTX, |module| run(module, 1024 * TILES), mutants);
}

#[test]
fn mistakes_of_the_host_are_caught() {
    let module = Module::parse(PTX).unwrap();
    assert_eq!(run(&module, 1024 * TILES - 1).unwrap_err().kind, FaultKind::Uninitialised);
}
