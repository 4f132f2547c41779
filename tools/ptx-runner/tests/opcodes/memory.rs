//! Loads and stores, shared memory and its races, asynchronous copies, and the counters.

use crate::{lanes, run_with};
use ptx_runner::{Counters, FaultKind, Launch, Memory};

/// "ld.u8 zero-extends, ld.s8 sign-extends to the destination's width", little-endian.
#[test]
fn loads_of_all_sizes() {
    let bytes: Vec<u8> = (0..64).map(|i| (200 + i * 7) as u8).collect();
    let body = |kind: &str, reg: &str, size: usize| {
        format!(
            ".reg .b16 %h; .reg .b32 %w, %t; .reg .b64 %x, %i, %o; mov.u32 %t, %tid.x;\n\
             ld.param.u64 %i, [a]; mad.wide.u32 %i, %t, {size}, %i; ld.param.u64 %o, [b]; mad.wide.u32 %o, %t, 8, %o;\n\
             ld.global.{kind} {reg}, [%i]; st.global.b{} [%o], {reg}; ret;",
            match reg {
                "%h" => 16,
                "%w" => 32,
                _ => 64,
            }
        )
    };
    let registers = [("%h", 2), ("%w", 4), ("%x", 8)];
    for (kind, size, signed) in [
        ("u8", 1, false),
        ("b8", 1, false),
        ("s8", 1, true),
        ("u16", 2, false),
        ("b16", 2, false),
        ("s16", 2, true),
        ("u32", 4, false),
        ("b32", 4, false),
        ("s32", 4, true),
        ("u64", 8, false),
        ("s64", 8, true),
        ("b64", 8, false),
    ] {
        for (reg, held) in registers.into_iter().filter(|r| r.1 >= size) {
            for prefix in ["", "nc.", "ca.", "cg.nc."] {
                let text = body(&format!("{prefix}{kind}"), reg, size);
                let (out, _) = run_with(&text, 64 / size as u32, &bytes, 64 / size * 8).unwrap();
                for (i, found) in out.chunks(8).enumerate() {
                    let mut expected = [0u8; 8];
                    let sign = signed && bytes[(i + 1) * size - 1] >= 128;
                    expected[..held].fill(if sign { 0xff } else { 0 });
                    expected[..size].copy_from_slice(&bytes[i * size..(i + 1) * size]);
                    assert_eq!(found, expected, "{kind} into {reg}");
                }
            }
        }
    }
}

/// Vectors: "the elements are in consecutive addresses"; stores keep the low bits of wider registers.
#[test]
fn vectors() {
    let bytes: Vec<u8> = (0..=255).collect();
    for (kind, count, size, list) in [
        ("v4.u32", 4, 16, "{%r1,%r2,%r3,%r4}"),
        ("v2.u32", 2, 8, "{%r1,%r2}"),
        ("v2.u64", 2, 16, "{%x1,%x2}"),
        ("v4.u16", 4, 8, "{%h1,%h2,%h3,%h4}"),
        ("v2.u16", 2, 4, "{%h1,%h2}"),
        ("v4.u8", 4, 4, "{%h1,%h2,%h3,%h4}"),
        ("v2.u8", 2, 2, "{%r1,%r2}"),
        ("v4.f32", 4, 16, "{%f1,%f2,%f3,%f4}"),
        ("v2.f64", 2, 16, "{%g1,%g2}"),
    ] {
        // The elements are stored in another order.
        let turned = if count == 2 { "2,1" } else { "4,3,2,1" };
        let name = &list[1..3];
        let turned = turned.split(',').map(|n| format!("{name}{n}")).collect::<Vec<_>>().join(",");
        for space in ["global", "shared"] {
            let via = if space == "shared" {
                format!("mul.lo.u32 %r9, %t, {size}; st.shared.{kind} [%r9], {list}; ld.shared.{kind} {list}, [%r9];")
            } else {
                String::new()
            };
            let text = format!(
                ".shared .align 16 .b8 %s[256]; .reg .b16 %h<5>; .reg .b32 %r<10>, %t; .reg .f32 %f<5>; .reg .f64 %g<5>;\n\
                 .reg .b64 %x<5>, %i, %o; mov.u32 %t, %tid.x; ld.param.u64 %i, [a]; mad.wide.u32 %i, %t, {size}, %i;\n\
                 ld.param.u64 %o, [b]; mad.wide.u32 %o, %t, {size}, %o;\n\
                 ld.global.{kind} {list}, [%i]; {via} st.global.{kind} [%o], {{{turned}}}; ret;"
            );
            let (out, _) = run_with(&text, 256 / size as u32, &bytes, 256).unwrap();
            let element = size / count;
            for (found, given) in out.chunks(size).zip(bytes.chunks(size)) {
                let expected: Vec<u8> = given.chunks(element).rev().flatten().copied().collect();
                assert_eq!(found, expected, "{kind} {space}");
            }
        }
    }
}

/// Parameters are aligned by type; a struct is read at offsets, also through a register.
#[test]
fn parameters() {
    let text = ".version 7.0\n.target sm_75\n.address_size 64\n\
                .visible .entry k(.param .u8 c, .param .u64 out, .param .align 8 .b8 s[24])\n{\n\
                .reg .b32 %r<5>; .reg .b64 %d<5>; .reg .f64 %g;\n\
                ld.param.u8 %r1, [c]; ld.param.u64 %d1, [out]; mov.b64 %d2, s; mov.u64 %d3, %d2;\n\
                ld.param.u32 %r2, [%d3+4]; ld.param.v2.u32 {%r3, %r4}, [s+8]; ld.param.f64 %g, [%d3+16];\n\
                st.global.u32 [%d1], %r1; st.global.u32 [%d1+4], %r2; st.global.u32 [%d1+8], %r3;\n\
                st.global.u32 [%d1+12], %r4; st.global.f64 [%d1+16], %g; ret;\n}\n";
    let module = ptx_runner::Module::parse(text).unwrap();
    let (kernel, memory) = (module.kernel("k").unwrap(), Memory::new(1 << 16));
    assert_eq!((kernel.param_bytes(), kernel.shared_bytes()), (40, 0));
    let out = memory.alloc(24).unwrap();
    let mut params = vec![9u8, 0, 0, 0, 0, 0, 0, 0];
    params.extend(out.to_le_bytes());
    params.extend((0..24).map(|i| i as u8 + 1));
    let launch = Launch { kernel: &kernel, grid: [1, 1, 1], block: [1, 1, 1], params: &params, sample: None };
    ptx_runner::run(&launch, &memory).unwrap();
    let mut found = vec![0; 24];
    memory.read(out, &mut found).unwrap();
    assert_eq!(found[..4], [9, 0, 0, 0]);
    assert_eq!(found[4..], params[20..]);
    let short = Launch { params: &params[..32], ..launch };
    assert_eq!(ptx_runner::run(&short, &memory).unwrap_err().kind, FaultKind::Launch);
    for (grid, block) in
        [([0, 1, 1], [1, 1, 1]), ([1, 1, 1], [1025, 1, 1]), ([1, 1, 1], [1, 1, 65]), ([1, 70000, 1], [1, 1, 1])]
    {
        let fault = ptx_runner::run(&Launch { grid, block, ..launch }, &memory).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Launch, "{grid:?} {block:?}");
    }
}

/// Invalid accesses; each fault names the thread and the statement.
#[test]
fn bad_addresses() {
    let fault = |body: &str| {
        let text = format!(
            ".reg .b32 %t, %r<5>; .reg .b64 %i, %o, %x; mov.u32 %t, %tid.x; ld.param.u64 %i, [a]; ld.param.u64 %o, [b];\n\
             mad.wide.u32 %i, %t, 4, %i; mad.wide.u32 %o, %t, 4, %o;\n{body}\nret;"
        );
        run_with(&text, 32, &[7; 128], 128).unwrap_err()
    };
    for (body, kind, thread) in [
        ("ld.global.u32 %r1, [%i+4];", FaultKind::OutOfBounds, 31),
        ("ld.global.u32 %r1, [%i+-4];", FaultKind::OutOfBounds, 0),
        ("st.global.u32 [%o+40], %t;", FaultKind::OutOfBounds, 22),
        ("mov.b64 %x, 16; ld.global.u32 %r1, [%x];", FaultKind::OutOfBounds, 0),
        ("ld.global.u32 %r1, [%i+2];", FaultKind::Misaligned, 0),
        ("ld.global.v2.u32 {%r1, %r2}, [%i];", FaultKind::Misaligned, 1),
        ("st.global.u64 [%o], %i;", FaultKind::Misaligned, 1),
        ("ld.param.u64 %x, [b+8];", FaultKind::OutOfBounds, 0),
        ("ld.param.u64 %x, [a+4];", FaultKind::Misaligned, 0),
    ] {
        let found = fault(body);
        assert_eq!(found.kind, kind, "{body}: {found}");
        assert!(found.message.contains(&format!("thread ({thread}, 0, 0)")), "{found}");
        assert!(found.message.contains("kernel k, line 8 `") && found.message.contains(body), "{found}");
    }
}

/// Uninitialised bytes, freed memory, and overruns by the host.
#[test]
fn memory_keeps_account() {
    let memory = Memory::new(1000);
    let (a, b) = (memory.alloc(100).unwrap(), memory.alloc(900).unwrap());
    assert_eq!((a % 256, b % 256, memory.used()), (0, 0, 1000));
    assert_eq!((memory.alloc(1), memory.alloc(0)), (None, None));
    assert_eq!(memory.live(), [(a, 100), (b, 900)]);
    let kind = |r: Result<(), ptx_runner::Fault>| r.map_err(|f| f.kind);
    assert_eq!(kind(memory.write(a + 1, &[1, 2, 3, 4, 5, 6])), Ok(()));
    let mut out = [0; 6];
    memory.read(a + 1, &mut out).unwrap();
    assert_eq!(out, [1, 2, 3, 4, 5, 6]);
    assert_eq!(kind(memory.read(a, &mut out)), Err(FaultKind::Uninitialised));
    assert_eq!(kind(memory.read(a + 2, &mut out)), Err(FaultKind::Uninitialised));
    assert_eq!(kind(memory.write(a + 95, &out)), Err(FaultKind::OutOfBounds));
    assert_eq!(kind(memory.copy(a + 1, a + 3, 6)), Ok(()));
    memory.read(a + 3, &mut out).unwrap();
    assert_eq!(out, [1, 2, 3, 4, 5, 6]);
    assert_eq!(kind(memory.copy(a + 50, b, 6)), Err(FaultKind::Uninitialised));
    assert_eq!(kind(memory.fill(a, 9, 100)), Ok(()));
    assert_eq!(kind(memory.fill(a, 9, 101)), Err(FaultKind::OutOfBounds));
    assert_eq!(kind(memory.copy(a, b + 1, 100)), Ok(()));
    assert_eq!(kind(memory.free(a + 1)), Err(FaultKind::Freed));
    assert_eq!(kind(memory.free(a)), Ok(()));
    assert_eq!(kind(memory.free(a)), Err(FaultKind::Freed));
    assert_eq!(kind(memory.read(a, &mut out)), Err(FaultKind::Freed));
    assert_eq!(memory.used(), 900);
    assert!(memory.alloc(100).unwrap() > b, "addresses are never reused");
}

/// A kernel that reads uninitialised memory, and freed memory.
#[test]
fn uninitialised_and_freed() {
    let text = ".reg .b32 %t, %r; .reg .b64 %i, %o; mov.u32 %t, %tid.x; ld.param.u64 %i, [a]; ld.param.u64 %o, [b];\n\
                mad.wide.u32 %i, %t, 4, %i; mad.wide.u32 %o, %t, 4, %o;\nld.global.u32 %r, [%i]; st.global.u32 [%o], %r; ret;";
    let module = crate::module(text).unwrap();
    let (kernel, memory) = (module.kernel("k").unwrap(), Memory::new(1 << 16));
    let (a, b) = (memory.alloc(128).unwrap(), memory.alloc(128).unwrap());
    let params = [a.to_le_bytes(), b.to_le_bytes()].concat();
    let launch = Launch { kernel: &kernel, grid: [1, 1, 1], block: [32, 1, 1], params: &params, sample: None };
    memory.write(a, &[1; 127]).unwrap();
    let fault = ptx_runner::run(&launch, &memory).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Uninitialised);
    assert!(fault.message.contains("thread (31, 0, 0)"), "{fault}");
    memory.write(a, &[1; 128]).unwrap();
    ptx_runner::run(&launch, &memory).unwrap();
    memory.free(a).unwrap();
    assert_eq!(ptx_runner::run(&launch, &memory).unwrap_err().kind, FaultKind::Freed);
}

/// Blocks of one launch may not share global memory: "no memory model across blocks".
#[test]
fn blocks_that_meet() {
    let meet = |body: &str, grid: u32| {
        let text = format!(
            ".reg .b32 %t, %c, %r; .reg .b64 %i, %o; .reg .pred %p; mov.u32 %t, %tid.x; mov.u32 %c, %ctaid.x;\n\
             ld.param.u64 %i, [a]; ld.param.u64 %o, [b]; setp.eq.u32 %p, %c, 0; mad.wide.u32 %o, %t, 4, %o;\n{body}\nret;"
        );
        let module = crate::module(&text).unwrap();
        let (kernel, memory) = (module.kernel("k").unwrap(), Memory::new(1 << 16));
        let (a, b) = (memory.alloc(256).unwrap(), memory.alloc(256).unwrap());
        memory.fill(a, 1, 256).unwrap();
        memory.fill(b, 1, 256).unwrap();
        let params = [a.to_le_bytes(), b.to_le_bytes()].concat();
        let launch = Launch { kernel: &kernel, grid: [grid, 1, 1], block: [32, 1, 1], params: &params, sample: None };
        // A second launch may access the data of the first.
        (0..2).try_for_each(|_| ptx_runner::run(&launch, &memory).map(|_| ())).map_err(|f| f.kind)
    };
    assert_eq!(meet("st.global.u32 [%o], %t;", 1), Ok(()));
    assert_eq!(meet("st.global.u32 [%o], %t;", 2), Err(FaultKind::Race));
    assert_eq!(meet("mad.wide.u32 %o, %c, 128, %o; st.global.u32 [%o], %t;", 2), Ok(()));
    assert_eq!(meet("ld.global.u32 %r, [%i];", 2), Ok(()));
    // "ld.global.nc: memory that is read-only for the duration of the kernel"
    assert_eq!(meet("ld.global.nc.u32 %r, [%i];", 2), Ok(()));
    assert_eq!(meet("st.global.u32 [%o], %t; ld.global.u32 %r, [%o];", 1), Ok(()));
    assert_eq!(meet("st.global.u32 [%o], %t; ld.global.nc.u32 %r, [%o];", 1), Err(FaultKind::Race));
    assert_eq!(meet("@%p st.global.u32 [%o], %t; ld.global.u32 %r, [%o];", 64), Err(FaultKind::Race));
    // The last block has also read the word.
    let last = "setp.eq.u32 %p, %c, 63; ld.global.u32 %r, [%o]; @%p st.global.u32 [%o], %t;";
    assert_eq!(meet(last, 64), Err(FaultKind::Race));
}

/// Shared memory between threads of a block.
#[test]
fn races() {
    let kind = |threads: u32, body: &str| {
        let text = format!(
            ".shared .align 16 .b8 %s[512]; .shared .b32 %q; .reg .b32 %t, %u, %r<5>; .reg .pred %p, %w; .reg .b64 %d;\n\
             mov.u32 %t, %tid.x; shl.b32 %u, %t, 2; setp.eq.u32 %p, %t, 0; setp.lt.u32 %w, %t, 32;\n{body}\nret;"
        );
        run_with(&text, threads, &[], 4).map(|_| ()).map_err(|f| f.kind)
    };
    let write = "st.shared.u32 [%u], %t;";
    // The neighbour's word, within the warp and in the next.
    let near = "xor.b32 %r1, %u, 4; ld.shared.u32 %r2, [%r1];";
    let far = "xor.b32 %r1, %u, 128; ld.shared.u32 %r2, [%r1];";
    for (threads, middle, read, expected) in [
        (32, "", "ld.shared.u32 %r2, [%u];", Ok(())),
        (32, "", near, Err(FaultKind::Race)),
        (32, "bar.warp.sync -1;", near, Ok(())),
        (32, "bar.sync 0;", near, Ok(())),
        (64, "bar.warp.sync -1;", near, Ok(())),
        (64, "bar.warp.sync -1;", far, Err(FaultKind::Race)),
        (64, "membar.cta;", far, Err(FaultKind::Race)),
        (64, "bar.sync 0;", far, Ok(())),
        // A vote is not a fence.
        (32, "vote.sync.any.pred %p, %p, -1;", near, Err(FaultKind::Race)),
    ] {
        assert_eq!(
            kind(threads, &format!("{write}\nbar.sync 0;\n{write}\n{middle}\n{read}")),
            expected,
            "{threads} {middle} {read}"
        );
    }
    // A write after reads by others, with and without a barrier; also with many readers of one word.
    let after = |middle: &str, next: &str| format!("{write}\nbar.sync 0;\n{near}\n{middle}\n{next}");
    assert_eq!(kind(64, &after("", write)), Err(FaultKind::Race));
    assert_eq!(kind(64, &after("bar.warp.sync -1;", write)), Ok(()));
    assert_eq!(kind(64, &after("bar.sync 0;", write)), Ok(()));
    let broadcast = "ld.shared.u32 %r3, [%s+8];";
    assert_eq!(kind(64, &after(broadcast, "@%p st.shared.u32 [%s+8], %t;")), Err(FaultKind::Race));
    let first = format!("{write}\nbar.sync 0;\n{broadcast}\n@%p st.shared.u32 [%s+8], %t;");
    assert_eq!(kind(32, &first), Err(FaultKind::Race), "the first of the readers writes");
    assert_eq!(kind(32, &after(&format!("{broadcast} bar.warp.sync -1;"), "@%p st.shared.u32 [%s+8], %t;")), Ok(()));
    // Two writers, even of the same value.
    assert_eq!(kind(32, "st.shared.u32 [%s], 1;"), Err(FaultKind::Race));
    assert_eq!(kind(32, "@%p st.shared.u32 [%s], 1;"), Ok(()));
    // Bytes of one word by different threads do not race.
    assert_eq!(kind(32, "st.shared.u8 [%t], %t; bar.sync 0; ld.shared.u8 %r1, [%s+31];"), Ok(()));
    assert_eq!(kind(32, "shr.u32 %r1, %t, 1; st.shared.u8 [%r1], %t;"), Err(FaultKind::Race));
    // Uninitialised, out of bounds, misaligned.
    assert_eq!(kind(32, "ld.shared.u32 %r1, [%u];"), Err(FaultKind::Uninitialised));
    assert_eq!(
        kind(32, "@%p st.shared.u32 [%s], 1; bar.sync 0; ld.shared.u32 %r1, [%s+4];"),
        Err(FaultKind::Uninitialised)
    );
    assert_eq!(kind(32, "@%p st.shared.u32 [%s+512], %t;"), Err(FaultKind::OutOfBounds));
    assert_eq!(kind(32, "@%p st.shared.u32 [%q+4], %t;"), Err(FaultKind::OutOfBounds));
    assert_eq!(kind(32, "@%p ld.shared.u32 %r1, [%s+1000000];"), Err(FaultKind::OutOfBounds));
    assert_eq!(kind(32, "@%p ld.shared.u32 %r1, [%s+-4];"), Err(FaultKind::OutOfBounds));
    assert_eq!(kind(32, "@%p st.shared.u32 [%s+2], %t;"), Err(FaultKind::Misaligned));
    // Memory does not outlive its block.
    let text = ".shared .b32 %s; .reg .b32 %r; .reg .pred %p; mov.u32 %r, %ctaid.x; setp.eq.u32 %p, %r, 0;\n\
                @%p st.shared.u32 [%s], %r; ld.shared.u32 %r, [%s]; ret;";
    let module = crate::module(text).unwrap();
    let launch = Launch {
        kernel: &module.kernel("k").unwrap(),
        grid: [9, 1, 1],
        block: [1, 1, 1],
        params: &[0; 16],
        sample: None,
    };
    assert_eq!(ptx_runner::run(&launch, &Memory::new(0)).unwrap_err().kind, FaultKind::Uninitialised);
}

/// "wait_group N: at most N of the most recent groups are pending, and all prior groups are complete"; "writes being
/// made visible to the executing thread": to others by a barrier.
#[test]
fn asynchronous_copies() {
    let run = |body: &str| {
        let text = format!(
            ".shared .align 16 .b8 %s[1024]; .reg .b32 %t, %u, %r<5>; .reg .b64 %i, %o; .reg .pred %p;\n\
             mov.u32 %t, %tid.x; shl.b32 %u, %t, 4; ld.param.u64 %i, [a]; mad.wide.u32 %i, %t, 16, %i;\n\
             ld.param.u64 %o, [b]; mad.wide.u32 %o, %t, 4, %o; setp.eq.u32 %p, %t, 5;\n{body}\n\
             st.global.u32 [%o], %r1; ret;"
        );
        let input: Vec<u8> = (0..512u32).flat_map(|i| (i / 4 * 10 + i % 4).to_le_bytes()).collect();
        let found = run_with(&text, 32, &input, 128).map_err(|f| f.kind)?.0;
        Ok(found.chunks(4).map(|c| u32::from_le_bytes(c.try_into().unwrap())).collect::<Vec<_>>())
    };
    let copy = "cp.async.cg.shared.global [%u], [%i], 16;";
    let second = "cp.async.ca.shared.global [%u+512], [%i+512], 16;";
    let mine = "ld.shared.u32 %r1, [%u+4];";
    let near = "xor.b32 %r2, %u, 16; ld.shared.u32 %r1, [%r2+4];";
    let expected: Vec<u32> = (0..32).map(|i| i * 10 + 1).collect();
    let swapped: Vec<u32> = (0..32).map(|i| (i ^ 1) * 10 + 1).collect();
    let (commit, wait0, wait1, all) =
        ("cp.async.commit_group;", "cp.async.wait_group 0;", "cp.async.wait_group 1;", "cp.async.wait_all;");
    let race = Err(FaultKind::Race);
    for (parts, result) in [
        (vec![copy, commit, wait0, mine], Ok(expected.clone())),
        (vec![copy, all, mine], Ok(expected.clone())),
        (vec![copy, mine], race.clone()),
        (vec![copy, commit, mine], race.clone()),
        (vec![copy, wait0, mine], race.clone()),
        (vec![copy, commit, wait1, mine], race.clone()),
        (vec![copy, commit, second, commit, wait1, mine], Ok(expected.clone())),
        (vec![copy, second, commit, wait1, mine], race.clone()),
        (vec![copy, commit, second, commit, wait1, "ld.shared.u32 %r1, [%u+512];"], race.clone()),
        // An empty group counts as a group.
        (vec![copy, commit, commit, wait1, mine], Ok(expected.clone())),
        (vec![copy, commit, wait0, near], race.clone()),
        (vec![copy, commit, wait0, "bar.warp.sync -1;", near], Ok(swapped.clone())),
        (vec![copy, commit, wait0, "bar.sync 0;", near], Ok(swapped.clone())),
        // A barrier before the wait publishes nothing.
        (vec![copy, commit, "bar.sync 0;", wait0, near], race.clone()),
        (vec![copy, commit, "bar.sync 0;", near], race.clone()),
        (vec![copy, copy, commit, wait0, mine], race.clone()),
        (vec![copy, "st.shared.u32 [%u], %t;", commit, wait0, mine], race.clone()),
        (
            vec!["@%p", copy, commit, wait0, "@!%p mov.b32 %r1, 0; @%p", mine],
            Ok((0..32).map(|i| if i == 5 { 51 } else { 0 }).collect()),
        ),
        (vec![copy, commit, "@!%p cp.async.wait_all; @%p", mine, "@!%p", mine], race.clone()),
    ] {
        assert_eq!(run(&parts.join("\n")), result, "{parts:?}");
    }
    // "src-size: bytes to copy; the remaining bytes are filled with zeros"; with 0, none are read.
    let sized = |n: &str, at: u32| {
        run(&format!(
            "mov.u32 %r3, {n}; cp.async.cg.shared.global [%u], [%i], 16, %r3; {all} ld.shared.u32 %r1, [%u+{at}];"
        ))
    };
    assert_eq!(sized("8", 4), Ok(expected.clone()));
    assert_eq!(sized("8", 8), Ok(vec![0; 32]));
    let nowhere =
        format!("mov.u32 %r3, 0; mov.b64 %i, 64; cp.async.cg.shared.global [%u], [%i], 16, %r3; {all} {mine}");
    assert_eq!(run(&nowhere), Ok(vec![0; 32]));
    assert_eq!(sized("17", 4), Err(FaultKind::OutOfBounds));
    let small = format!("cp.async.ca.shared.global [%u+4], [%i+4], 4; {all} {mine}");
    assert_eq!(run(&small), Ok(expected));
    for (body, kind) in [
        ("cp.async.cg.shared.global [%u+8], [%i], 16;", FaultKind::Misaligned),
        ("cp.async.cg.shared.global [%u], [%i+8], 16;", FaultKind::Misaligned),
        ("cp.async.cg.shared.global [%u+1024], [%i], 16;", FaultKind::OutOfBounds),
        ("cp.async.cg.shared.global [%u], [%i+4096], 16;", FaultKind::OutOfBounds),
    ] {
        assert_eq!(run(body), Err(kind), "{body}");
    }
}

/// The counters of accesses with known cost: strides, broadcasts, conflicts.
#[test]
fn counters() {
    let count = |body: &str| -> Counters {
        let text = format!(
            ".shared .align 16 .b8 %s[16384]; .reg .b32 %t, %u, %r<5>; .reg .b64 %i; .reg .f32 %f; .reg .pred %p;\n\
             mov.u32 %t, %tid.x; ld.param.u64 %i, [a]; setp.lt.u32 %p, %t, 8; mov.f32 %f, 0f3F800000;\n{body}\nret;"
        );
        run_with(&text, 32, &[1; 8192], 4).unwrap().1
    };
    for (stride, sectors) in [(0, 1), (4, 4), (8, 8), (16, 16), (32, 32), (128, 32)] {
        let c = count(&format!("mad.wide.u32 %i, %t, {stride}, %i; ld.global.u32 %r1, [%i]; ld.global.u32 %r1, [%i];"));
        assert_eq!(
            (c.global_load_requests, c.global_sectors_loaded, c.unique_sectors_loaded),
            (2, 2 * sectors, sectors)
        );
        assert_eq!(c.global_bytes_loaded, 256);
    }
    let c = count("mad.wide.u32 %i, %t, 16, %i; st.global.v4.f32 [%i], {%f, %f, %f, %f}; @%p st.global.f32 [%i], %f;");
    assert_eq!((c.global_store_requests, c.global_sectors_stored, c.unique_sectors_stored), (2, 16 + 4, 16));
    assert_eq!(c.global_bytes_stored, 512 + 32);
    // A word stride s uses 32 / gcd(s, 32) banks, which takes gcd(s, 32) cycles.
    for (stride, cycles) in [(1, 1), (2, 2), (3, 1), (4, 4), (8, 8), (16, 16), (32, 32), (33, 1)] {
        let c = count(&format!("mul.lo.u32 %u, %t, {}; st.shared.u32 [%u], %t;", stride * 4));
        assert_eq!((c.shared_requests, c.shared_cycles), (1, cycles), "{stride}");
    }
    // One instruction with another pattern in each iteration.
    let c = count(
        "mov.u32 %r2, 4; again: mul.lo.u32 %u, %t, %r2; st.shared.u32 [%u], %t; bar.sync 0; shl.b32 %r2, %r2, 1;\n\
         setp.lt.u32 %p, %r2, 64; @%p bra again;",
    );
    assert_eq!((c.shared_requests, c.shared_cycles), (4, 1 + 2 + 4 + 8));
    let c = count("mul.lo.u32 %u, %t, 16; st.shared.v4.u32 [%u], {%t, %t, %t, %t}; ld.shared.u32 %r1, [%u];");
    assert_eq!(
        (c.shared_requests, c.shared_cycles),
        (4 + 1, 4 + 4),
        "sixteen bytes per lane are processed by quarters of a warp"
    );
    let c = count("@%p st.shared.u32 [%s], %t;".replace("@%p", "setp.eq.u32 %p, %t, 0; @%p").as_str());
    assert_eq!((c.shared_requests, c.shared_cycles), (1, 1));
    let c = count("fma.rn.f32 %f, %f, %f, %f; add.f32 %f, %f, %f; @%p mul.f32 %f, %f, %f; neg.f32 %f, %f; bar.sync 0;");
    assert_eq!((c.flops, c.barriers, c.blocks, c.warp_instructions), (2 * 32 + 32 + 8, 1, 1, 4 + 6));
}

/// A sample runs evenly chosen blocks and scales the counters.
#[test]
fn samples() {
    let text = ".reg .b32 %t, %c; .reg .b64 %o; mov.u32 %t, %tid.x; mov.u32 %c, %ctaid.x; ld.param.u64 %o, [b];\n\
                mad.wide.u32 %o, %c, 128, %o; mad.wide.u32 %o, %t, 4, %o; st.global.u32 [%o], %c; ret;";
    let module = crate::module(text).unwrap();
    let (kernel, memory) = (module.kernel("k").unwrap(), Memory::new(1 << 20));
    let b = memory.alloc(128 * 1000).unwrap();
    let params = [[0; 8], b.to_le_bytes()].concat();
    let launch = Launch { kernel: &kernel, grid: [1000, 1, 1], block: [32, 1, 1], params: &params, sample: Some(10) };
    let part = ptx_runner::run(&launch, &memory).unwrap();
    let written = (0..1000).filter(|i| memory.read(b + 128 * i, &mut [0]).is_ok()).collect::<Vec<_>>();
    assert_eq!(written, (0..10).map(|i| i * 100).collect::<Vec<_>>());
    assert_eq!(part, ptx_runner::run(&Launch { sample: None, ..launch }, &memory).unwrap());
}

/// A shared address may be 32 or 64 bits wide, or generic.
#[test]
fn shared_addresses() {
    let body = ".shared .align 4 .b8 %s[128]; shl.b32 %r1, %lane, 2; cvt.u64.u32 %d1, %r1; mov.u64 %d2, %s;\n\
                add.s64 %d3, %d2, %d1; st.shared.u32 [%d3], %lane; cvta.shared.u64 %d4, %d3; ld.u32 %r2, [%d4];\n\
                mov.u32 %r3, %s; add.s32 %r3, %r3, %r1; ld.shared.u32 %r4, [%r3]; ld.volatile.shared.u32 %r5, [%r3];\n\
                add.s32 %out, %r2, %r4; add.s32 %out, %out, %r5;";
    assert_eq!(lanes(body).unwrap(), std::array::from_fn(|i| 3 * i as u32));
}
