// Transport on a line: see style-core/src/backend/ops/transport.rs. Pairs of a key, which has the order of the values, and a
// position are sorted bitonically: within a workgroup as far as they fit, then through the workspace.

const RUN = 1024u;

// `groups`: workgroups that are needed; there may be more, because a grid is a whole rectangle.
struct Sort { groups: u32, positions: u32, stride: u32, size: u32, first: u32, runs: u32, merged: u32, step: u32 }
@group(0) @binding(0) var<uniform> sort_args: Sort;
@group(0) @binding(1) var<storage, read> begin_x: array<f32>;
@group(0) @binding(2) var<storage, read_write> begin_pairs: array<vec2<u32>>; // [channels][size]
@group(0) @binding(1) var<storage, read_write> sort_pairs: array<vec2<u32>>;

var<workgroup> run: array<vec2<u32>, 1024>;

fn transport_before(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.x < b.x || (a.x == b.x && a.y < b.y);
}

// The order of the numbers as that of their keys; both zeros are equal.
fn transport_key(v: f32) -> u32 {
    let bits = bitcast<u32>(v);
    if (bits & 0x7fffffffu) == 0u { return 0x80000000u; }
    return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

// Compares pairs `step` apart in `run`, for sequences of `merged` pairs in alternating order.
fn transport_compare(base: u32, merged: u32, step: u32, lane: u32) {
    for (var k = lane; k < RUN / 2u; k += 256u) {
        let i = k / step * 2u * step + k % step;
        let ascending = ((base + i) & merged) == 0u;
        let a = run[i];
        let b = run[i + step];
        if transport_before(b, a) == ascending {
            run[i] = b;
            run[i + step] = a;
        }
    }
}

// Fills runs and sorts them: as many pairs as `merged`, which all values fit into.
@compute @workgroup_size(256)
fn transport_begin(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = sort_args;
    let number = group_number(group, groups);
    if number >= a.groups { return; }
    let channel = number / a.runs;
    let base = number % a.runs * RUN;
    for (var k = lane; k < RUN; k += 256u) {
        // Behind all values, and in order.
        var entry = vec2(0xffffffffu, base + k);
        if base + k < a.positions {
            entry = vec2(transport_key(begin_x[(base + k) * a.stride + a.first + channel]), base + k);
        }
        run[k] = entry;
    }
    for (var merged = 2u; merged <= a.merged; merged *= 2u) {
        for (var step = merged / 2u; step > 0u; step /= 2u) {
            workgroupBarrier();
            transport_compare(base, merged, step, lane);
        }
    }
    workgroupBarrier();
    for (var k = lane; k < RUN; k += 256u) {
        begin_pairs[channel * a.size + base + k] = run[k];
    }
}

// One step between runs: a pair of pairs a thread.
@compute @workgroup_size(256)
fn transport_step(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = sort_args;
    // A channel has size / 512 workgroups.
    let number = group_number(group, groups);
    if number >= a.groups { return; }
    let channel = number / (a.size / 512u);
    let k = number % (a.size / 512u) * 256u + lane;
    let i = k / a.step * 2u * a.step + k % a.step;
    let at = channel * a.size + i;
    let left = sort_pairs[at];
    let right = sort_pairs[at + a.step];
    if transport_before(right, left) == ((i & a.merged) == 0u) {
        sort_pairs[at] = right;
        sort_pairs[at + a.step] = left;
    }
}

// The steps within runs.
@compute @workgroup_size(256)
fn transport_merge(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = sort_args;
    let number = group_number(group, groups);
    if number >= a.groups { return; }
    let start = number / a.runs * a.size + number % a.runs * RUN;
    let base = number % a.runs * RUN;
    for (var k = lane; k < RUN; k += 256u) { run[k] = sort_pairs[start + k]; }
    for (var step = RUN / 2u; step > 0u; step /= 2u) {
        workgroupBarrier();
        transport_compare(base, a.merged, step, lane);
    }
    workgroupBarrier();
    for (var k = lane; k < RUN; k += 256u) { sort_pairs[start + k] = run[k]; }
}

// d, and each workgroup's part of the sum of its squares; zeros in the padding.
struct Transport { groups: u32, positions: u32, stride: u32, channels: u32, size: u32, first: u32, parts: u32 }
@group(0) @binding(0) var<uniform> transport_args: Transport;
@group(0) @binding(1) var<storage, read> transport_x: array<f32>;
@group(0) @binding(2) var<storage, read> transport_t: array<f32>;
@group(0) @binding(3) var<storage, read_write> transport_d: array<f32>;
@group(0) @binding(4) var<storage, read> transport_pairs: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> transport_partial: array<Scaled>; // [channels][parts]

@compute @workgroup_size(256)
fn transport(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = transport_args;
    zero = groups.z - 1u;
    let number = group_number(group, groups);
    if number >= a.groups { return; }
    let part = number % a.parts;
    let channel = a.first + number / a.parts;
    var sum = Pair();
    for (var i = part * 256u + lane; i < a.positions; i += a.parts * 256u) {
        if channel >= a.channels {
            transport_d[i * a.stride + channel] = 0.0;
            continue;
        }
        let at = transport_pairs[number / a.parts * a.size + i].y * a.stride + channel;
        let d = hide(transport_x[at] - transport_t[i * a.stride + channel]);
        transport_d[at] = d;
        sum = plus(sum, hide(d * d));
    }
    sum = group_sum(sum, lane);
    if lane == 0u && channel < a.channels { transport_partial[channel * a.parts + part] = unscaled(sum); }
}
