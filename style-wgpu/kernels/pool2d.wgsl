// Pooling over 2x2 windows: see style-core/src/backend/ops/pool2d.rs.

struct Pool { length: u32, height: u32, width: u32, stride: u32, largest: u32, keep: u32, acc: u32 }
@group(0) @binding(0) var<uniform> pool_args: Pool;
@group(0) @binding(1) var<storage, read> pool_x: array<f32>;
@group(0) @binding(2) var<storage, read_write> pool_y: array<f32>;
@group(0) @binding(3) var<storage, read_write> pool_chosen: array<u32>;

// A thread has up to 16 channels of an output position: a word of switches.
@compute @workgroup_size(256)
fn pool2d_fwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = pool_args;
    let i = group_number(group, groups) * 256u + lane;
    if i >= a.length { return; }
    let words = (a.stride + 15u) / 16u;
    let position = i / words;
    let first = i % words * 16u;
    let columns = a.width / 2u;
    let start = (position / columns * 2u * a.width + position % columns * 2u) * a.stride;
    var word = 0u;
    for (var k = first; k < min(first + 16u, a.stride); k++) {
        let at = start + k;
        let v = vec4(pool_x[at], pool_x[at + a.stride], pool_x[at + a.width * a.stride], pool_x[at + (a.width + 1u) * a.stride]);
        var y = 0.25 * ((v.x + v.y) + (v.z + v.w));
        if a.largest != 0u {
            var chosen = 0u;
            y = v.x;
            if v.y > y { y = v.y; chosen = 1u; }
            if v.z > y { y = v.z; chosen = 2u; }
            if v.w > y { y = v.w; chosen = 3u; }
            word |= chosen << (2u * (k - first));
        }
        pool_y[position * a.stride + k] = y;
    }
    if a.keep != 0u { pool_chosen[i] = word; }
}

@group(0) @binding(1) var<storage, read> pool_dy: array<f32>;
@group(0) @binding(2) var<storage, read> pool_switches: array<u32>;
@group(0) @binding(3) var<storage, read_write> pool_dx: array<f32>;

@compute @workgroup_size(256)
fn pool2d_bwd(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = pool_args;
    let i = group_number(group, groups) * 256u + lane;
    if i >= a.length { return; }
    let channel = i % a.stride;
    let position = i / a.stride;
    let row = position / a.width;
    let column = position % a.width;
    var v = 0.0;
    if row / 2u < a.height / 2u && column / 2u < a.width / 2u {
        let window = row / 2u * (a.width / 2u) + column / 2u;
        v = pool_dy[window * a.stride + channel];
        if a.largest != 0u {
            let word = pool_switches[window * ((a.stride + 15u) / 16u) + channel / 16u];
            v = select(0.0, v, ((word >> (2u * (channel % 16u))) & 3u) == row % 2u * 2u + column % 2u);
        } else {
            v *= 0.25;
        }
    }
    if a.acc == 1u { pool_dx[i] += v; } else { pool_dx[i] = v; }
}
