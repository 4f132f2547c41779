//! Unknown or invalid PTX is an error with its line.

use ptx_runner::Module;

#[test]
fn unknown_statements_name_their_line() {
    for statement in [
        "frobnicate.b32 %r1, %r2;",
        "add.rz.f32 %f1, %f1, %f1;",
        "add.u8 %r1, %r1, %r1;",
        "add.s32 %r1, %r1;",
        "add.s32 %r1, %r1, %r1, %r1;",
        "add.s32 %r1, %d1, %r1;",
        "add.s32 %d1, %r1, %r1;",
        "add.s32 %r1, %r1, %r99;",
        "add.s32 %r1, %r1, 4294967296;",
        "add.f32 %f1, %f1, 0d3FF0000000000000;",
        "mov.b32 %r1, %clock;",
        "mov.u32 %r1, a;",
        "ld.local.u32 %r1, [%d1];",
        "ld.const.u32 %r1, [%d1];",
        "ld.global.v3.u32 {%r1, %r1, %r1}, [%d1];",
        "ld.global.v2.u32 {%r1}, [%d1];",
        "ld.global.v4.u64 {%d1, %d1, %d1, %d1}, [%d1];",
        "ld.global.u64 %r1, [%d1];",
        "ld.global.f32 %d1, [%d1];",
        "ld.global.u32 %r1, [%r1];",
        "st.param.u32 [a], %r1;",
        "atom.global.add.u32 %r1, [%d1], %r1;",
        "red.global.add.u32 [%d1], %r1;",
        "cvt.u32.f32 %r1, %f1;",
        "cvt.rn.u32.f32 %r1, %f1;",
        "cvt.rz.f32.f64 %f1, %d1;",
        "cvt.f32.bf16 %f1, %h1;",
        "setp.lo.s32 %p1, %r1, %r1;",
        "setp.eq.ftz.f32 %p1, %f1, %f1;",
        "shfl.up.b32 %r1, %r1, 1, 0;",
        "bar.sync 16;",
        "bar.sync 0, 64;",
        "bar.red.popc.u32 %r1, 0, %p1;",
        "bra nowhere;",
        "@%p9 bra there;",
        "cp.async.cg.shared.global [%r1], [%d1], 8;",
        "cp.async.ca.shared.global [%r1], [%d1], 32;",
        "cp.async.cg.shared.global.L2::128B [%r1], [%d1], 16;",
        "cp.async.mbarrier.arrive.shared.b64 [%r1];",
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r1, %r1}, [%r2];",
        "mma.sync.aligned.m16n8k16.row.row.f32.f16.f16.f32 {%f1,%f1,%f1,%f1}, {%r1,%r1,%r1,%r1}, {%r1,%r1}, {%f1,%f1,%f1,%f1};",
        "mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%r1,%r1}, {%r1,%r1,%r1,%r1}, {%r1,%r1}, {%r1,%r1};",
        "tex.2d.v4.f32.f32 {%f1,%f1,%f1,%f1}, [%d1, {%f1,%f1}];",
        "call.uni foo;",
        "div.s32 %r1, %r1 %r1;",
        "mov.u32 %r1, 08;",
        ".local .b8 spill[8];",
        ".reg .b128 %q;",
        ".reg .b32 %r1;",
        ".pragma \"other\";",
        "there:",
        "a:",
        "%r1:",
        "ld.global.u32 %r1, [64];",
        "ld.shared.u32 %r1, [-4];",
    ] {
        let text = format!(
            ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 a)\n{{\n\
             .reg .b16 %h<3>; .reg .b32 %r<3>; .reg .f32 %f<3>; .reg .b64 %d<3>; .reg .pred %p<3>;\n\
             there:\n{statement}\nret;\n}}\n"
        );
        let error = Module::parse(&text).expect_err(statement);
        assert!(error.starts_with("line 8: "), "{statement}: {error}");
    }
}

#[test]
fn unknown_directives_name_their_line() {
    let module = |line: &str| format!(".version 7.0\n.target sm_75\n.address_size 64\n{line}\n");
    for line in [
        ".global .b8 table[4];",
        ".const .f32 x;",
        ".extern .shared .b8 dynamic[];",
        ".func f() { ret; }",
        ".visible .entry k(.param .b128 a) { ret; }",
        ".visible .entry k() .maxclusterrank 4 { ret; }",
        ".visible .entry k() { ret; } .visible .entry k() { ret; }",
        ".visible .entry k() { cp.async.commit_group; }",
        ".visible .entry k() { .reg .b16 %h; .reg .f32 %f; cvt.rn.bf16.f32 %h, %f; }",
        ".visible .entry k() { ret;",
        ".shared .align 3 .b8 x[4];",
        ".visible .func f() { ret; }",
        ".visible .entry k(.param .b8 a[5000]) { ret; }",
        ".visible .entry k() .maxntid 4294967295, 4294967295, 4294967295 { .shared .b8 s[4294967295]; ret; }",
        ".visible .entry k() { .reg .b32 %r<4000000000>; ret; }",
        ".visible .entry k() { .reg .b32 %r; mov.u32 %r, [[[%r]]]; }",
        "` /* */",
    ] {
        let error = Module::parse(&module(line)).expect_err(line);
        assert!(error.starts_with("line 4: "), "{line}: {error}");
    }
    for (text, line) in [
        (".version x\n.target sm_75\n", 1),
        (".version 7.0\n.target gfx90\n", 2),
        (".version 7.0\n.target sm_75\n.address_size 32\n", 3),
        (".version 7.0\n/* never ends", 2),
        ("", 1),
    ] {
        let error = Module::parse(text).expect_err(text);
        assert!(error.starts_with(&format!("line {line}: ")), "{text}: {error}");
    }
}

/// No broken text makes the parser panic: each prefix of a module, and the module without one character.
#[test]
fn broken_text_is_refused_or_read() {
    let text = ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .align 8 .b8 a[16])\n\
                .maxntid 32, 1, 1\n{\n.reg .b32 %r<3>; .reg .b64 %d;\n.shared .align 16 .b8 s[64];\n\
                mov.u32 %r1, 0x1F; @!%p1 bra L;\n{ .reg .f32 %f; mov.f32 %f, 0f3F800000; }\n\
                L: ld.param.v2.u32 {%r1,%r2}, [a+-8]; st.shared.v2.u32 [s+8], {%r1, %r2}; ret;\n}\n";
    for end in 0..text.len() {
        let _ = Module::parse(&text[..end]);
        let _ = Module::parse(&format!("{}{}", &text[..end], &text[end + 1..]));
        let _ = Module::parse(&format!("{}{{{}", &text[..end], &text[end..]));
    }
}
