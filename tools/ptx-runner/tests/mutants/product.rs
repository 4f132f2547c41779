//! A product of matrices on tensor cores.

use crate::Caught::{Fault, Wrong};
use crate::{Mutant, download, kill, launch, params};
use half::f16;
use ptx_runner::{FaultKind, Memory, Module};

const M: usize = 40;
const N: usize = 24;
const K: usize = 40;

/// Small integers, whose sums are exact.
fn matrix(count: usize, times: usize) -> Vec<f16> {
    (0..count).map(|i| f16::from_f64(((i * times) % 19) as f64 - 9.0)).collect()
}

fn run(module: &Module) -> Result<bool, ptx_runner::Fault> {
    let memory = Memory::new(1 << 20);
    let upload = |m: &[f16]| {
        let at = memory.alloc(2 * m.len() as u64).unwrap();
        memory.write(at, &m.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()).map(|()| at)
    };
    let (a, b) = (matrix(M * K, 7), matrix(K * N, 5));
    let (from_a, from_b, to) = (upload(&a)?, upload(&b)?, memory.alloc(4 * (M * N) as u64).unwrap());
    let grid = [N.div_ceil(16) as u32, M.div_ceil(32) as u32, 1];
    launch(module, grid, 64, &params(&[from_a, from_b, to], &[M as u32, N as u32, K as u32]), &memory)?;
    let c = download(&memory, to, M * N);
    let exact = |i: usize, j: usize| (0..K).map(|k| a[i * K + k].to_f64() * b[k * N + j].to_f64()).sum::<f64>();
    Ok((0..M).all(|i| (0..N).all(|j| f64::from(c[i * N + j]) == exact(i, j))))
}

#[test]
fn mutants_are_caught() {
    let race = Fault(FaultKind::Race);
    let mutants: &[Mutant] = &[
        ("no barrier after the wait", "bar.sync 0;", "", 1, race),
        ("no barrier after the reads", "bar.sync 0;", "", 2, race),
        ("a barrier of the warp after the reads", "bar.sync 0;", "bar.warp.sync -1;", 2, race),
        ("a group may be in flight", "wait_group 0;", "wait_group 1;", 1, race),
        ("no wait", "cp.async.wait_group 0;", "", 1, race),
        ("no commit", "cp.async.commit_group;", "", 1, race),
        (
            "the barrier before the wait",
            "cp.async.wait_group 0;\n// end inline asm\nbar.sync 0;",
            "bar.sync 0;\ncp.async.wait_group 0;",
            1,
            race,
        ),
        ("b is not transposed", "x4.trans.shared", "x4.shared", 1, Wrong),
        ("a is transposed", "x4.shared", "x4.trans.shared", 1, Wrong),
        ("a misaligned row", "[%r45]", "[%r45+8]", 1, Fault(FaultKind::Misaligned)),
        ("the next row", "[%r50]", "[%r50+32]", 1, Fault(FaultKind::OutOfBounds)),
        ("memory for half of a", "E1a[1024]", "E1a[512]", 1, Fault(FaultKind::OutOfBounds)),
        ("the other 16-bit type", "f32.f16.f16.f32", "f32.bf16.bf16.f32", 1, Wrong),
        ("the same columns twice", "{%r48,%r49}", "{%r46,%r47}", 1, Wrong),
        (
            "quarters of a are swapped",
            "{%r51,%r52,%r53,%r54}, {%r46,%r47}",
            "{%r51,%r53,%r52,%r54}, {%r46,%r47}",
            1,
            Wrong,
        ),
        ("halves of b are swapped", "{%r46,%r47}, {%f50", "{%r47,%r46}, {%f50", 1, Wrong),
        (
            "sums are not carried over",
            "{%r46,%r47}, {%f50,%f49,%f48,%f47}",
            "{%r46,%r47}, {0f00000000,0f00000000,0f00000000,0f00000000}",
            1,
            Wrong,
        ),
        ("a sum that starts at one", "mov.f32 %f43, 0f00000000", "mov.f32 %f43, 0f3F800000", 1, Wrong),
        ("values inside a are zeroed", "selp.b32 %r36, 16, 0", "selp.b32 %r36, 0, 16", 1, Wrong),
        ("half of each piece of b", "selp.b32 %r40, 16, 0", "selp.b32 %r40, 8, 0", 1, Wrong),
        (
            "one row of b too many",
            "setp.lt.u32 %p8, %r22, %r37",
            "setp.le.u32 %p8, %r22, %r37",
            1,
            Fault(FaultKind::OutOfBounds),
        ),
        ("the wrong warp copies b", "@%p3 bra LBB0_14;", "@!%p3 bra LBB0_14;", 1, Fault(FaultKind::OutOfBounds)),
        ("a warp does not multiply", "mma.sync", "@%p3 mma.sync", 1, Wrong),
        (
            "some lanes do not multiply",
            "mma.sync",
            "setp.eq.u32 %p9, %r1, 3;\n@!%p9 mma.sync",
            1,
            Fault(FaultKind::Barrier),
        ),
        (
            "some lanes do not load",
            "ldmatrix.sync",
            "setp.eq.u32 %p9, %r1, 3;\n@!%p9 ldmatrix.sync",
            1,
            Fault(FaultKind::Barrier),
        ),
        ("results are swapped", "{%f50, %f49}", "{%f49, %f50}", 1, Wrong),
        (
            "rows beyond c are stored",
            "setp.ge.u32 %p14, %r24, %r9",
            "setp.gt.u32 %p14, %r24, %r9",
            1,
            Fault(FaultKind::OutOfBounds),
        ),
        ("a step of half the length", "add.s32 %r73, %r73, 16", "add.s32 %r73, %r73, 8", 1, Wrong),
    ];
    kill(include_str!("product.ptx"), run, mutants);
}
