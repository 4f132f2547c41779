// Half the squared distance: see style-core/src/backend/ops/loss.rs.

struct Distance { length: u32, parts: u32 }
@group(0) @binding(0) var<uniform> distance_args: Distance;
@group(0) @binding(1) var<storage, read> distance_a: array<f32>;
@group(0) @binding(2) var<storage, read> distance_b: array<f32>;
@group(0) @binding(3) var<storage, read_write> distance_partial: array<Scaled>;

@compute @workgroup_size(256)
fn half_squared_distance(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    zero = groups.z - 1u;
    var sum = Pair();
    for (var i = group.x * 256u + lane; i < distance_args.length; i += distance_args.parts * 256u) {
        let d = hide(distance_a[i] - distance_b[i]);
        sum = plus(sum, hide(d * d));
    }
    sum = group_sum(sum, lane);
    if lane == 0u { distance_partial[group.x] = unscaled(sum); }
}

struct DistanceBwd { length: u32, acc: u32, scale: f32 }
@group(0) @binding(0) var<uniform> distance_bwd_args: DistanceBwd;
@group(0) @binding(1) var<storage, read> distance_bwd_a: array<f32>;
@group(0) @binding(2) var<storage, read> distance_bwd_b: array<f32>;
@group(0) @binding(3) var<storage, read_write> distance_da: array<f32>;

@compute @workgroup_size(256)
fn half_squared_distance_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 256u + lane;
    if i >= distance_bwd_args.length { return; }
    let v = distance_bwd_args.scale * (distance_bwd_a[i] - distance_bwd_b[i]);
    if distance_bwd_args.acc == 1u { distance_da[i] += v; } else { distance_da[i] = v; }
}
