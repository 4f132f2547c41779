//! Branches, barriers, shuffles, votes and special registers.

use crate::{lanes, run_with};
use ptx_runner::FaultKind;

fn each(f: impl Fn(u32) -> u32) -> [u32; 32] {
    std::array::from_fn(|i| f(i as u32))
}

/// The pseudocode of `shfl.sync` for one lane: the lane read, and the predicate.
fn source(mode: &str, lane: i32, b: i32, c: i32) -> (i32, bool) {
    let (bval, cval, segmask) = (b & 31, c & 31, c >> 8 & 31);
    let max_lane = (lane & segmask) | (cval & !segmask);
    let min_lane = lane & segmask;
    let (j, p) = match mode {
        "up" => (lane - bval, lane - bval >= max_lane),
        "down" => (lane + bval, lane + bval <= max_lane),
        "bfly" => (lane ^ bval, lane ^ bval <= max_lane),
        _ => {
            let j = min_lane | (bval & !segmask);
            (j, j <= max_lane)
        }
    };
    if p { (j, true) } else { (lane, false) }
}

#[test]
fn shuffles() {
    for mode in ["up", "down", "bfly", "idx"] {
        for b in [0, 1, 2, 5, 16, 31] {
            // c: clamp 31 or 0, whole warps, and segments of 16, 8 and 4 lanes.
            for c in [31, 0, 0x101f, 0x181f, 0x1c1f, 0x1c00] {
                let body = format!(
                    "mad.lo.s32 %r1, %lane, 3, 100; shfl.sync.{mode}.b32 %r2|%p1, %r1, {b}, {c}, -1;\n\
                     selp.b32 %r3, 1000, 0, %p1; add.s32 %out, %r2, %r3;"
                );
                let expected = each(|lane| {
                    let (j, p) = source(mode, lane as i32, b, c);
                    j as u32 * 3 + 100 + if p { 1000 } else { 0 }
                });
                assert_eq!(lanes(&body).unwrap(), expected, "{mode} {b} {c:#x}");
            }
        }
    }
}

/// A warp sum, whose result is known independently.
#[test]
fn shuffles_sum_a_warp() {
    let step = |o: u32| format!("shfl.sync.bfly.b32 %r1, %out, {o}, 31, -1; add.s32 %out, %out, %r1;\n");
    let body = format!("mov.b32 %out, %lane;\n{}", [16, 8, 4, 2, 1].map(step).concat());
    assert_eq!(lanes(&body).unwrap(), [496; 32]);
}

/// "Sourcing from an inactive thread yields an undefined value": a fault here. "The behavior is undefined if the
/// executing thread is not in the membermask."
#[test]
fn shuffles_among_some() {
    let half = |members: &str, from: u32| {
        format!(
            "mov.u32 %out, 0; setp.lt.u32 %p1, %lane, 16; @!%p1 bra done;\n\
             shfl.sync.idx.b32 %out, %lane, {from}, 31, {members};\ndone:"
        )
    };
    assert_eq!(lanes(&half("0xffff", 3)).unwrap(), each(|i| if i < 16 { 3 } else { 0 }));
    assert_eq!(lanes(&half("0xffff", 20)).unwrap_err().kind, FaultKind::Uninitialised);
    assert_eq!(lanes(&half("0xff", 3)).unwrap_err().kind, FaultKind::Barrier);
    // The other lanes never reach the shuffle that names them.
    assert_eq!(lanes(&half("-1", 3)).unwrap_err().kind, FaultKind::Barrier);
}

/// "vote.all: True if source predicate is True for all non-exited threads in membermask; any; uni: the same value";
/// "ballot: the predicate of each lane in the bit of its number".
#[test]
fn votes() {
    let vote = |mode: &str, test: &str| {
        format!("setp.{test} %p1, %lane, 32; vote.sync.{mode}.pred %p2, %p1, -1; selp.b32 %out, 1, 0, %p2;")
    };
    for (mode, all, none) in [("all", 1, 0), ("any", 1, 0), ("uni", 1, 1)] {
        assert_eq!(lanes(&vote(mode, "lt.u32")).unwrap(), [all; 32]);
        assert_eq!(lanes(&vote(mode, "eq.u32")).unwrap(), [none; 32]);
    }
    for (mode, some) in [("all", 0), ("any", 1), ("uni", 0)] {
        assert_eq!(lanes(&vote(mode, "lt.u32").replace(", 32;", ", 5;")).unwrap(), [some; 32]);
    }
    let negated = "setp.lt.u32 %p1, %lane, 5; vote.sync.ballot.b32 %out, !%p1, -1;";
    assert_eq!(lanes(negated).unwrap(), [!31; 32]);
    assert_eq!(lanes(&negated.replace('!', "")).unwrap(), [31; 32]);
}

/// Loops of different lengths, a cold path placed after the end, and an early return.
#[test]
fn divergence() {
    let triangle = "mov.u32 %out, 0; mov.u32 %r1, 0;\nloop: setp.gt.u32 %p1, %r1, %lane; @%p1 bra done;\n\
                    add.s32 %out, %out, %r1; add.s32 %r1, %r1, 1; bra.uni loop;\ndone: activemask.b32 %r2;\n\
                    add.s32 %out, %out, %r2; add.s32 %out, %out, 1;";
    assert_eq!(lanes(triangle).unwrap(), each(|i| i * (i + 1) / 2), "all lanes reconverge after the loop");
    // The cold path jumps backwards to the barrier: the lanes at the barrier wait for it.
    let cold = "and.b32 %r1, %lane, 3; setp.eq.u32 %p1, %r1, 0; mov.u32 %out, 1; @%p1 bra cold;\n\
                back: bar.sync 0; vote.sync.ballot.b32 %r2, %p1, -1; add.s32 %out, %out, %r2; bra out;\n\
                cold: mov.u32 %out, 2; bra back;\nout:";
    assert_eq!(lanes(cold).unwrap(), each(|i| 0x1111_1111 + if i % 4 == 0 { 2 } else { 1 }));
    let early = ".reg .b32 %lane, %r; .reg .b64 %d; .reg .pred %p; mov.u32 %lane, %tid.x;\n\
                 setp.gt.u32 %p, %lane, 9; @%p ret; ld.param.u64 %d, [b]; mad.wide.u32 %d, %lane, 4, %d;\n\
                 mov.u32 %r, 7; st.global.u32 [%d], %r; exit;";
    let (out, counters) = run_with(early, 40, &[], 160).unwrap();
    assert_eq!(out.chunks(4).filter(|c| *c == [7, 0, 0, 0]).count(), 10);
    // Nine instructions in the first warp, plus a separate return of its last lanes; three in the second.
    assert_eq!(counters.global_bytes_stored, 40);
    assert_eq!(counters.global_sectors_stored, 2);
}

/// "%tid ... %laneid, %warpid, %lanemask_lt": values in a block of 8 x 5 x 2 threads.
#[test]
fn special_registers() {
    for (name, expected) in [
        ("%laneid", each(|i| i)),
        ("%warpid", [0; 32]),
        ("%nwarpid", [1; 32]),
        ("%ntid.x", [32; 32]),
        ("%ntid.y", [1; 32]),
        ("%ctaid.x", [0; 32]),
        ("%nctaid.z", [1; 32]),
        ("%tid.y", [0; 32]),
        ("%lanemask_eq", each(|i| 1 << i)),
        ("%lanemask_lt", each(|i| (0..i).map(|k| 1 << k).sum())),
        ("%lanemask_le", each(|i| (0..=i).map(|k| 1 << k).sum())),
        ("%lanemask_gt", each(|i| (i + 1..32).map(|k| 1 << k).sum())),
        ("%lanemask_ge", each(|i| (i..32).map(|k| 1 << k).sum())),
    ] {
        assert_eq!(lanes(&format!("mov.u32 %out, {name};")).unwrap(), expected, "{name}");
    }
    let text = ".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry k(.param .u64 b)\n{\n\
                .reg .b32 %r<20>; .reg .b64 %d;\n\
                mov.u32 %r0, %tid.x; mov.u32 %r1, %tid.y; mov.u32 %r2, %tid.z; mov.u32 %r3, %ntid.x; mov.u32 %r4, %ntid.y;\n\
                mov.u32 %r5, %ctaid.x; mov.u32 %r6, %ctaid.y; mov.u32 %r7, %ctaid.z; mov.u32 %r8, %nctaid.x; mov.u32 %r9, %nctaid.y;\n\
                mad.lo.s32 %r10, %r2, %r4, %r1; mad.lo.s32 %r10, %r10, %r3, %r0;\n\
                mad.lo.s32 %r11, %r7, %r9, %r6; mad.lo.s32 %r11, %r11, %r8, %r5;\n\
                mad.lo.s32 %r12, %r11, 80, %r10; ld.param.u64 %d, [b]; mad.wide.u32 %d, %r12, 4, %d;\n\
                mad.lo.s32 %r13, %r11, 1000, %r10; st.global.u32 [%d], %r13; ret;\n}\n";
    let module = ptx_runner::Module::parse(text).unwrap();
    let (kernel, memory) = (module.kernel("k").unwrap(), ptx_runner::Memory::new(1 << 20));
    let b = memory.alloc(24 * 80 * 4).unwrap();
    let params = b.to_le_bytes();
    let launch =
        ptx_runner::Launch { kernel: &kernel, grid: [2, 3, 4], block: [8, 5, 2], params: &params, sample: None };
    ptx_runner::run(&launch, &memory).unwrap();
    let mut out = vec![0; 24 * 80 * 4];
    memory.read(b, &mut out).unwrap();
    for (i, found) in out.chunks(4).enumerate() {
        let expected = (i / 80 * 1000 + i % 80) as u32;
        assert_eq!(found, expected.to_le_bytes(), "{i}");
    }
}

/// "p = BoolOp(t, c); q = BoolOp(!t, c)", with the third operand negated if marked; `mov.pred` and guards.
#[test]
fn predicates() {
    let body = |c: &str| {
        format!(
            "setp.lt.u32 %p1, %lane, 20; setp.lt.and.u32 %p2|%p3, %lane, 8, {c};\n\
             selp.u32 %r1, 1, 0, %p2; selp.u32 %r2, 2, 0, %p3; add.u32 %out, %r1, %r2;"
        )
    };
    let expected = |c: fn(u32) -> bool| each(|i| u32::from(i < 8 && c(i)) + 2 * u32::from(i >= 8 && c(i)));
    assert_eq!(lanes(&body("%p1")).unwrap(), expected(|i| i < 20));
    assert_eq!(lanes(&body("!%p1")).unwrap(), expected(|i| i >= 20));
    let guards = "setp.gt.u32 %p1, %lane, 3; mov.pred %p2, %p1; mov.pred %p3, 1; mov.pred %p4, 0; mov.u32 %out, 0;\n\
                  @%p2 add.u32 %out, %out, 1; @!%p2 add.u32 %out, %out, 2; @%p3 add.u32 %out, %out, 4; @%p4 trap;";
    assert_eq!(lanes(guards).unwrap(), each(|i| if i > 3 { 5 } else { 6 }));
}

/// Barriers that not all threads reach, by warps and by lanes, and an endless loop.
#[test]
fn barriers_in_vain() {
    let kind = |body: &str| {
        let text = format!(".reg .b32 %t; .reg .pred %p; mov.u32 %t, %tid.x;\n{body}\nret;");
        run_with(&text, 64, &[], 4).map(|_| ()).map_err(|f| f.kind)
    };
    assert_eq!(kind("bar.sync 0;"), Ok(()));
    assert_eq!(kind("barrier.sync 3; bar.warp.sync -1; membar.gl; fence.acq_rel.gpu; membar.cta;"), Ok(()));
    assert_eq!(kind("setp.lt.u32 %p, %t, 32; @%p bar.sync 0;"), Err(FaultKind::Barrier), "a warp does not arrive");
    assert_eq!(kind("setp.lt.u32 %p, %t, 40; @%p bar.sync 0;"), Err(FaultKind::Barrier), "some lanes do not arrive");
    assert_eq!(kind("setp.lt.u32 %p, %t, 40; @%p ret; bar.sync 0;"), Err(FaultKind::Barrier), "some have ended");
    assert_eq!(
        kind("setp.lt.u32 %p, %t, 32; @%p bra x; bar.sync 1; bra y; x: bar.sync 0; y:"),
        Err(FaultKind::Barrier),
        "different barriers"
    );
    assert_eq!(
        kind("setp.lt.u32 %p, %t, 16; @%p bra x; bar.warp.sync -1; bra y; x: bar.sync 0; y:"),
        Err(FaultKind::Barrier),
        "lanes of a warp at different barriers"
    );
    assert_eq!(kind("setp.lt.u32 %p, %t, 7; @%p trap;"), Err(FaultKind::Trap));
    assert_eq!(kind("x: bra x;"), Err(FaultKind::Endless));
}

/// Uninitialised registers; copying them is not a fault until they are used.
#[test]
fn unwritten_registers() {
    let kind = |body: &str| lanes(body).map(|_| ()).map_err(|f| f.kind);
    assert_eq!(kind("add.s32 %out, %r5, 1;"), Err(FaultKind::Uninitialised));
    assert_eq!(kind("mov.b32 %r6, %r5; mov.b32 %out, %lane;"), Ok(()));
    assert_eq!(kind("mov.b32 %r6, %r5; add.s32 %out, %r6, 0;"), Err(FaultKind::Uninitialised));
    assert_eq!(kind("setp.eq.u32 %p1, %lane, 3; @%p1 mov.b32 %out, 1;"), Err(FaultKind::Uninitialised));
    assert_eq!(kind("mov.b32 %out, 1; @%p3 mov.b32 %out, 2;"), Err(FaultKind::Uninitialised));
    assert_eq!(kind("setp.eq.u32 %p1, %lane, 99; selp.b32 %out, %r9, %lane, %p1;"), Ok(()));
    assert_eq!(kind("setp.eq.u32 %p1, %lane, 9; selp.b32 %out, %r9, %lane, %p1;"), Err(FaultKind::Uninitialised));
    assert_eq!(kind("div.u32 %out, 5, %lane;"), Err(FaultKind::DivideByZero));
    assert_eq!(kind("cvt.u64.u32 %d1, %lane; rem.s64 %d1, %d1, %d1; mov.u32 %out, 0;"), Err(FaultKind::DivideByZero));
}
