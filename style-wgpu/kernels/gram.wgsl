// The Gram matrix: see style-core/src/backend/ops/gram.rs. Tiles of 64 by 64 on and above the diagonal, each summed over parts of
// the positions, then over the parts in one order.

struct Gram {
    first: u32, count: u32, first_position: u32, positions: u32, part: u32, parts: u32, channels: u32, stride: u32,
    side: u32,
}
@group(0) @binding(0) var<uniform> gram_args: Gram;
@group(0) @binding(1) var<storage, read> gram_features: array<f32>;
@group(0) @binding(2) var<storage, read_write> gram_partial: array<vec4<f32>>; // [tiles][parts][64][64 / 4]

const BATCH = 16u;
var<workgroup> gram_left: array<vec4<f32>, 256>; // [16][64 / 4]
var<workgroup> gram_right: array<vec4<f32>, 256>;

// Row and column of a tile, counted row by row from the diagonal.
fn gram_tile(number: u32, side: u32) -> vec2<u32> {
    var row = 0u;
    var rest = number;
    while rest >= side - row {
        rest -= side - row;
        row++;
    }
    return vec2(row, row + rest);
}

fn gram_value(position: u32, channel: u32) -> f32 {
    if channel >= gram_args.channels { return 0.0; }
    return gram_features[position * gram_args.stride + channel];
}

fn gram_load(position: u32, end: u32, channel: u32) -> vec4<f32> {
    if position >= end { return vec4<f32>(); }
    return vec4(
        gram_value(position, channel), gram_value(position, channel + 1u), gram_value(position, channel + 2u),
        gram_value(position, channel + 3u),
    );
}

@compute @workgroup_size(256)
fn gram(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = gram_args;
    let number = shared_number(group, groups, a.first, a.count);
    if number == NO_GROUP { return; }
    let tile = gram_tile(number / a.parts, a.side) * 64u;
    let begin = a.first_position + number % a.parts * a.part;
    let end = min(begin + a.part, a.first_position + a.positions);
    let own_row = lane / 16u;
    let own_column = lane % 16u;
    var sum: array<vec4<f32>, 4>;
    for (var p = begin; p < end; p += BATCH) {
        let left = gram_load(p + lane / 16u, end, tile.x + 4u * (lane % 16u));
        let right = gram_load(p + lane / 16u, end, tile.y + 4u * (lane % 16u));
        workgroupBarrier();
        gram_left[lane] = left;
        gram_right[lane] = right;
        workgroupBarrier();
        for (var n = 0u; n < BATCH; n++) {
            let l = gram_left[n * 16u + own_row];
            let r = gram_right[n * 16u + own_column];
            sum[0] += l[0] * r;
            sum[1] += l[1] * r;
            sum[2] += l[2] * r;
            sum[3] += l[3] * r;
        }
    }
    let to = number * 1024u + own_row * 64u + own_column;
    gram_partial[to] = sum[0];
    gram_partial[to + 16u] = sum[1];
    gram_partial[to + 32u] = sum[2];
    gram_partial[to + 48u] = sum[3];
}

struct GramFinish { parts: u32, channels: u32, side: u32, acc: u32, scale: f32 }
@group(0) @binding(0) var<uniform> gram_finish_args: GramFinish;
@group(0) @binding(1) var<storage, read> gram_finish_partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> gram_g: array<f32>;

// A value of a tile a thread, and its mirror image; 16 workgroups a tile.
@compute @workgroup_size(256)
fn gram_finish(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = gram_finish_args;
    zero = groups.z - 1u;
    let number = group_number(group, groups);
    let tile = gram_tile(number / 16u, a.side);
    let within = number % 16u * 256u + lane;
    let row = tile.x * 64u + within / 64u;
    let column = tile.y * 64u + within % 64u;
    if row >= a.channels || column >= a.channels { return; }
    var sum = Pair();
    for (var k = 0u; k < a.parts; k++) { sum = plus(sum, gram_finish_partial[(number / 16u * a.parts + k) * 4096u + within]); }
    let v = a.scale * sum.x;
    let at = row * a.channels + column;
    if a.acc == 1u { gram_g[at] += v; } else { gram_g[at] = v; }
    if tile.x != tile.y {
        let mirrored = column * a.channels + row;
        if a.acc == 1u { gram_g[mirrored] += v; } else { gram_g[mirrored] = v; }
    }
}
