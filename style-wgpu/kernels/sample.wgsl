// Samples of features by a sparse matrix: see style-core/src/backend/ops/sample.rs.

struct Sample {
    length: u32, entries: u32, last: u32, from_stride: u32, from_first: u32, to_stride: u32, to_first: u32,
    channels: u32, written: u32, acc: u32, scale: f32,
}
@group(0) @binding(0) var<uniform> sample_args: Sample;
@group(0) @binding(1) var<storage, read> sample_from: array<f32>;
@group(0) @binding(2) var<storage, read> sample_offsets: array<f32>;
@group(0) @binding(3) var<storage, read> sample_columns: array<f32>;
@group(0) @binding(4) var<storage, read> sample_values: array<f32>;
@group(0) @binding(5) var<storage, read_write> sample_to: array<f32>;

// to (=|+=) scale S from, both directions: a channel of a row a thread. The channels behind those that are sampled get zeros.
@compute @workgroup_size(256)
fn sample(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = sample_args;
    zero = groups.z - 1u;
    let i = group_number(group, groups) * 256u + lane;
    if i >= a.length { return; }
    let row = i / a.written;
    let channel = i % a.written;
    var sum = Pair();
    if channel < a.channels {
        let end = whole_number(sample_offsets[row + 1u], a.entries);
        for (var e = whole_number(sample_offsets[row], a.entries); e < end; e++) {
            let position = whole_number(sample_columns[e], a.last);
            sum = plus(sum, hide(sample_values[e] * sample_from[position * a.from_stride + a.from_first + channel]));
        }
    }
    let v = a.scale * sum.x;
    let at = row * a.to_stride + a.to_first + channel;
    if a.acc == 1u { sample_to[at] += v; } else { sample_to[at] = v; }
}
