// Multiplication by a map: see style-core/src/backend/ops/guide.rs.

struct Guide { length: u32, stride: u32, acc: u32, scale: f32 }
@group(0) @binding(0) var<uniform> guide_args: Guide;
@group(0) @binding(1) var<storage, read> guide_x: array<f32>;
@group(0) @binding(2) var<storage, read> guide_t: array<f32>;
@group(0) @binding(3) var<storage, read_write> guide_y: array<f32>;

@compute @workgroup_size(256)
fn guide(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 256u + lane;
    if i >= guide_args.length { return; }
    let v = guide_args.scale * guide_t[i / guide_args.stride] * guide_x[i];
    if guide_args.acc == 1u { guide_y[i] += v; } else { guide_y[i] = v; }
}
