// Rectification in place: see style-core/src/backend/ops/relu.rs. On bits, so that subnormal numbers stay and NaN becomes 0.

struct Rectify { length: u32 }
@group(0) @binding(0) var<uniform> rectify_args: Rectify;
@group(0) @binding(1) var<storage, read_write> rectify_x: array<u32>;

@compute @workgroup_size(256)
fn rectify(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 256u + lane;
    if i >= rectify_args.length { return; }
    let bits = rectify_x[i];
    // Negative numbers and NaN are larger than infinity.
    rectify_x[i] = select(bits, 0u, bits > 0x7f800000u);
}
