//! `ldmatrix` and `mma.sync`: the fragments of the PTX ISA, "9.7.13.4.8 Matrix Fragments for mma.m16n8k16", by its row
//! and column formulas.

use crate::float::{half, nearest_half};
use crate::{lanes, run_with};
use ptx_runner::FaultKind;

/// "groupID = %laneid >> 2; threadID_in_group = %laneid % 4"
fn place(lane: usize) -> (usize, usize) {
    (lane >> 2, lane % 4)
}

/// Element `ai` of A: "row = groupID for ai where 0 <= i < 2 || 4 <= i < 6, groupID + 8 otherwise; col =
/// (threadID_in_group * 2) + (i & 0x1) for ai where i < 4, + 8 for i >= 4".
fn place_a(lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = place(lane);
    let row = if i < 2 || (4..6).contains(&i) { group } else { group + 8 };
    (row, thread * 2 + (i & 1) + if i >= 4 { 8 } else { 0 })
}

/// Element `bi` of B: "row = (threadID_in_group * 2) + (i & 0x1) for bi where i < 2, + 8 for i >= 2; col = groupID".
fn place_b(lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = place(lane);
    (thread * 2 + (i & 1) + if i >= 2 { 8 } else { 0 }, group)
}

/// Element `ci` of C and D: "row = groupID for ci where i < 2, groupID + 8 for i >= 2; col = (threadID_in_group * 2) +
/// (i & 0x1)".
fn place_c(lane: usize, i: usize) -> (usize, usize) {
    let (group, thread) = place(lane);
    (group + if i < 2 { 0 } else { 8 }, thread * 2 + (i & 1))
}

/// Runs one multiplication on fragments in registers.
fn multiply(kind: &str, a: &[[u64; 16]; 16], b: &[[u64; 8]; 16], c: &[[f32; 8]; 16]) -> [[f32; 8]; 16] {
    let mut input = Vec::new();
    for lane in 0..32 {
        let halves_a = (0..8).map(|i| a[place_a(lane, i).0][place_a(lane, i).1]);
        let halves_b = (0..4).map(|i| b[place_b(lane, i).0][place_b(lane, i).1]);
        input.extend(halves_a.chain(halves_b).flat_map(|h| (h as u16).to_le_bytes()));
        input.extend((0..4).flat_map(|i| c[place_c(lane, i).0][place_c(lane, i).1].to_le_bytes()));
    }
    let text = format!(
        ".reg .b32 %t, %a<4>, %b<2>; .reg .f32 %c<4>, %d<4>; .reg .b64 %i, %o; mov.u32 %t, %tid.x;\n\
         ld.param.u64 %i, [a]; mad.wide.u32 %i, %t, 40, %i; ld.param.u64 %o, [b]; mad.wide.u32 %o, %t, 16, %o;\n\
         ld.global.v2.b32 {{%a0,%a1}}, [%i]; ld.global.v2.b32 {{%a2,%a3}}, [%i+8]; ld.global.v2.b32 {{%b0,%b1}}, [%i+16];\n\
         ld.global.v2.f32 {{%c0,%c1}}, [%i+24]; ld.global.v2.f32 {{%c2,%c3}}, [%i+32];\n\
         mma.sync.aligned.m16n8k16.row.col.f32.{kind}.{kind}.f32 {{%d0,%d1,%d2,%d3}}, {{%a0,%a1,%a2,%a3}}, {{%b0,%b1}}, {{%c0,%c1,%c2,%c3}};\n\
         st.global.v4.f32 [%o], {{%d0,%d1,%d2,%d3}}; ret;"
    );
    let (out, counters) = run_with(&text, 32, &input, 512).unwrap();
    assert_eq!((counters.mma_flops, counters.flops), (4096, 0));
    let mut d = [[0.0; 8]; 16];
    for lane in 0..32 {
        for i in 0..4 {
            let (row, column) = place_c(lane, i);
            let at = lane * 16 + i * 4;
            d[row][column] = f32::from_le_bytes(out[at..at + 4].try_into().unwrap());
        }
    }
    d
}

/// The value of a bf16: the upper half of an f32.
fn brain(v: u64) -> f64 {
    f64::from(f32::from_bits((v as u32) << 16))
}

/// "D = A * B + C" in exact integers, then with fractions and signs.
#[test]
fn products() {
    for (kind, bits, value) in [
        ("f16", nearest_half as fn(f64) -> u64, half as fn(u64) -> f64),
        ("bf16", |x| u64::from((x as f32).to_bits() >> 16), brain),
    ] {
        // Distinct small integers show every misplaced element.
        let a: [[u64; 16]; 16] =
            std::array::from_fn(|i| std::array::from_fn(|k| bits(((i * 37 + k * 11) % 101) as f64 - 50.0)));
        let b: [[u64; 8]; 16] =
            std::array::from_fn(|k| std::array::from_fn(|j| bits(((k * 29 + j * 17) % 97) as f64 - 48.0)));
        let c: [[f32; 8]; 16] = std::array::from_fn(|i| std::array::from_fn(|j| (i * 1000 + j) as f32));
        let d = multiply(kind, &a, &b, &c);
        for i in 0..16 {
            for j in 0..8 {
                let sum: f64 = (0..16).map(|k| value(a[i][k]) * value(b[k][j])).sum();
                assert_eq!(d[i][j], (sum + f64::from(c[i][j])) as f32, "{kind} {i} {j}");
            }
        }
        let x = |i: usize, k: usize| (((i * 7919 + k * 104_729) % 1000) as f64 - 500.0) / 333.0;
        let a: [[u64; 16]; 16] = std::array::from_fn(|i| std::array::from_fn(|k| bits(x(i, k))));
        let b: [[u64; 8]; 16] = std::array::from_fn(|k| std::array::from_fn(|j| bits(x(k + 50, j))));
        let d = multiply(kind, &a, &b, &c);
        for i in 0..16 {
            for j in 0..8 {
                let sum: f64 = (0..16).map(|k| value(a[i][k]) * value(b[k][j])).sum::<f64>() + f64::from(c[i][j]);
                assert!((f64::from(d[i][j]) - sum).abs() <= sum.abs() * 2f64.powi(-23) + 1e-30, "{kind} {i} {j}");
            }
        }
    }
}

/// Subnormal f16 values contribute; infinities and NaNs appear where their row and column meet.
#[test]
fn special_values() {
    let mut a = [[0u64; 16]; 16];
    let mut b = [[0u64; 8]; 16];
    (a[3][5], b[5][2]) = (0x0001, 0x0001);
    (a[4][6], b[6][7]) = (0x7c00, 0x3c00);
    let d = multiply("f16", &a, &b, &[[0.0; 8]; 16]);
    assert_eq!(d[3][2], 2f32.powi(-48));
    assert_eq!(d[4][7], f32::INFINITY);
    assert!(d[4][0].is_nan(), "infinity times zero");
    assert_eq!(d[0], [0.0; 8]);
}

/// `ldmatrix`: "threads 0-7 hold the addresses of the rows of the first matrix, 8-15 of the second ..."; "each thread
/// receives the elements of row lane / 4 at 2 * (lane % 4)"; with `.trans` the matrix is read by columns.
#[test]
fn matrices() {
    for (count, registers) in [(1, "{%r1}"), (2, "{%r1,%r2}"), (4, "{%r1,%r2,%r3,%r4}")] {
        for trans in ["", ".trans"] {
            for which in 0..count {
                // Element (row, column) of matrix m holds m * 64 + row * 8 + column; rows are stored in a permuted order.
                let body = format!(
                    ".shared .align 16 .b8 %s[512]; mul.lo.u32 %r5, %lane, 5; and.b32 %r5, %r5, 31; shl.b32 %r5, %r5, 4;\n\
                     mul.lo.u32 %r6, %lane, 8; mul.lo.u32 %r7, %r6, 65537; add.u32 %r7, %r7, 65536;\n\
                     add.u32 %r8, %r7, 131074; add.u32 %r9, %r8, 131074; add.u32 %r10, %r9, 131074;\n\
                     st.shared.v4.b32 [%r5], {{%r7,%r8,%r9,%r10}}; bar.sync 0;\n\
                     ldmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 {registers}, [%r5]; mov.b32 %out, %r{};",
                    which + 1
                );
                let element = |row: u32, column: u32| which as u32 * 64 + row * 8 + column;
                let expected: [u32; 32] = std::array::from_fn(|lane| {
                    let (row, pair) = (lane as u32 / 4, lane as u32 % 4 * 2);
                    match trans {
                        "" => element(row, pair) | element(row, pair + 1) << 16,
                        _ => element(pair, row) | element(pair + 1, row) << 16,
                    }
                });
                assert_eq!(lanes(&body).unwrap(), expected, "x{count}{trans} matrix {which}");
            }
        }
    }
}

/// Each matrix of `ldmatrix` takes one cycle if its eight rows are in different banks (adjacent or swizzled), and eight if
/// rows are 128 bytes apart. Asynchronous copies of 16 bytes per lane are processed by quarters of a warp.
#[test]
fn conflicts() {
    let count = |address: &str| {
        let text = format!(
            ".shared .align 128 .b8 %s[4096]; .reg .b32 %t, %u, %v, %r<5>; .reg .b64 %i; mov.u32 %t, %tid.x;\n\
             ld.param.u64 %i, [a]; shl.b32 %u, %t, 7; mad.wide.u32 %i, %t, 128, %i;\n\
             cp.async.cg.shared.global [%u], [%i], 16; cp.async.cg.shared.global [%u+16], [%i+16], 16;\n\
             cp.async.cg.shared.global [%u+32], [%i+32], 16; cp.async.cg.shared.global [%u+48], [%i+48], 16;\n\
             cp.async.cg.shared.global [%u+64], [%i+64], 16; cp.async.cg.shared.global [%u+80], [%i+80], 16;\n\
             cp.async.cg.shared.global [%u+96], [%i+96], 16; cp.async.cg.shared.global [%u+112], [%i+112], 16;\n\
             cp.async.wait_all; bar.sync 0; {address}\n\
             ldmatrix.sync.aligned.m8n8.x4.shared.b16 {{%r1,%r2,%r3,%r4}}, [%v]; ret;"
        );
        let counters = run_with(&text, 32, &[0; 4096], 4).unwrap().1;
        // The copies: rows of 128 bytes, with eight lanes at the same banks, 16 bytes each.
        assert_eq!(counters.global_sectors_loaded, 8 * 32);
        assert_eq!(counters.unique_sectors_loaded, 128);
        (counters.shared_requests - 32, counters.shared_cycles - 8 * 4 * 8)
    };
    assert_eq!(count("shl.b32 %v, %t, 4;"), (4, 4));
    assert_eq!(count("shl.b32 %v, %t, 7;"), (4, 32));
    assert_eq!(count("and.b32 %v, %t, 7; shl.b32 %v, %v, 4; add.u32 %v, %v, %u;"), (4, 4), "swizzled");
    assert_eq!(count("shl.b32 %v, %t, 5;"), (4, 8), "every other piece");
}

/// All lanes must participate; rows must be aligned to 16 bytes, initialised and visible.
#[test]
fn faults() {
    let kind = |body: &str| {
        let text = format!(
            ".shared .align 16 .b8 %s[528]; shl.b32 %r5, %lane, 4; setp.lt.u32 %p1, %lane, 16; mov.b32 %out, 0;\n{body}"
        );
        lanes(&text).map(|_| ()).map_err(|f| f.kind)
    };
    let write = "st.shared.v4.b32 [%r5], {%lane,%lane,%lane,%lane};";
    let load = "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1,%r2,%r3,%r4}, [%r5];";
    assert_eq!(kind(&format!("{write} bar.sync 0; {load}")), Ok(()));
    assert_eq!(kind(&format!("{write} {load}")), Err(FaultKind::Race));
    assert_eq!(kind(load), Err(FaultKind::Uninitialised));
    assert_eq!(kind(&format!("{write} bar.sync 0; add.s32 %r5, %r5, 8; {load}")), Err(FaultKind::Misaligned));
    assert_eq!(kind(&format!("{write} bar.sync 0; add.s32 %r5, %r5, 544; {load}")), Err(FaultKind::OutOfBounds));
    assert_eq!(kind(&format!("{write} bar.sync 0; @%p1 {load}")), Err(FaultKind::Barrier));
    assert_eq!(kind(&format!("{write} bar.sync 0; {load} {write}")), Err(FaultKind::Race), "a write after the read");
    let mma = "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%r1,%r2,%r3,%r4}, {%r5,%r5,%r5,%r5}, {%r5,%r6}, {%r5,%r5,%r5,%r5};";
    assert_eq!(kind(mma), Err(FaultKind::Uninitialised));
    assert_eq!(kind(&format!("mov.b32 %r6, 0; {mma}")), Ok(()));
    assert_eq!(kind(&format!("mov.b32 %r6, 0; @%p1 {mma}")), Err(FaultKind::Barrier));
}
