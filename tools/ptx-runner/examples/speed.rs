//! Measures the interpreter's speed on one core: four loops, each in one block of 256 threads.

use std::time::Instant;

use ptx_runner::{Launch, Memory, Module};

/// A kernel that repeats a body: `%t` is the thread, `%u` is 16 `%t`, `%i` the address of the thread's 16 bytes of memory.
fn module(body: &str) -> Module {
    let text = format!(
        ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 a, .param .u32 n)\n{{\n\
         .shared .align 16 .b8 %s[4096]; .reg .b32 %t, %u, %n, %r<8>; .reg .b64 %i; .reg .pred %p;\n\
         .reg .f32 %f<16>, %g<8>; mov.u32 %t, %tid.x; shl.b32 %u, %t, 4; ld.param.u32 %n, [n]; ld.param.u64 %i, [a];\n\
         mad.wide.u32 %i, %t, 16, %i; ld.global.v4.f32 {{%g0,%g1,%g2,%g3}}, [%i]; mov.b32 %r0, 0; mov.b32 %r1, 0;\n\
         {} st.shared.v4.f32 [%u], {{%g0,%g1,%g2,%g3}}; bar.sync 0;\n\
         again:\n{body}\nsub.u32 %n, %n, 1; setp.ne.u32 %p, %n, 0; @%p bra again;\nret;\n}}\n",
        (0..16).map(|i| format!("mov.f32 %f{i}, %g0;")).collect::<String>()
    );
    Module::parse(&text).unwrap_or_else(|e| panic!("{e}"))
}

fn main() {
    let products: String = (0..16).map(|i| format!("fma.rn.f32 %f{i}, %g{}, %g{}, %f{i};\n", i / 4, i % 4)).collect();
    let shared = format!(
        "ld.shared.v4.f32 {{%g0,%g1,%g2,%g3}}, [%u];\nld.shared.v4.f32 {{%g4,%g5,%g6,%g7}}, [%s+16];\n{products}"
    );
    let global = "ld.global.v4.f32 {%g0,%g1,%g2,%g3}, [%i];\nst.global.v4.f32 [%i], {%g0,%g1,%g2,%g3};";
    let matrices = "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r2,%r3,%r4,%r5}, [%u];\n\
                    mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f0,%f1,%f2,%f3}, {%r2,%r3,%r4,%r5}, {%r0,%r1}, {%f0,%f1,%f2,%f3};";
    println!("{:30} {:>14} {:>12}", "one core", "M lane-ops/s", "GFLOP/s");
    for (name, body, turns) in [
        ("16 fma", products.as_str(), 60_000u32),
        ("16 fma, 2 16-byte shared loads", &shared, 20_000),
        ("a 16-byte load and store", global, 60_000),
        ("ldmatrix.x4 and mma.m16n8k16", matrices, 60_000),
    ] {
        let (module, memory) = (module(body), Memory::new(1 << 20));
        let a = memory.alloc(4096).expect("the memory has space");
        memory.fill(a, 0, 4096).expect("just allocated");
        let params = [&a.to_le_bytes()[..], &turns.to_le_bytes()].concat();
        let kernel = module.kernel("k").expect("the kernel is named k");
        let launch = Launch { kernel: &kernel, grid: [1, 1, 1], block: [256, 1, 1], params: &params, sample: None };
        let start = Instant::now();
        let counters = ptx_runner::run(&launch, &memory).unwrap_or_else(|fault| panic!("{fault}"));
        let seconds = start.elapsed().as_secs_f64();
        let lane_ops = counters.warp_instructions as f64 * 32.0 / seconds / 1e6;
        let flops = (counters.flops + counters.mma_flops) as f64 / seconds / 1e9;
        println!("{name:30} {lane_ops:14.0} {flops:12.2}");
    }
}
