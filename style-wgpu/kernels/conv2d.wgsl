// Convolution, both directions: see style-core/src/backend/ops/conv2d.rs. conv2d_winograd.wgsl follows this for features with many
// channels.
//
// An implicit product: a workgroup has 64 output channels of 8 rows by 16 columns. It goes over the input four channels at a
// time, which lie in workgroup memory with a halo of one, together with their filters. A thread has eight channels of 2 rows
// by 4 columns: whole windows of a pool, and whole words of a gate.

struct Convolution {
    first: u32, count: u32, height: u32, width: u32, x_quads: u32, x_single: u32, y_quads: u32, y_single: u32, blocks: u32,
    epilogue: u32, acc: u32, gated: u32, pooled: u32, replicate: u32, columns: u32,
    base: u32, tiles: u32, // of conv2d_winograd.wgsl: the first tile of a block of tiles, and their number
}
// Epilogues.
const PLAIN = 0u;
const BIAS = 1u;
const RELU = 2u;
const RELU_GATE = 3u;
const RELU_POOL = 4u;
const RELU_POOL_GATE = 5u;

@group(0) @binding(0) var<uniform> conv_args: Convolution;
@group(0) @binding(1) var<storage, read> conv_x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> conv_filters: array<vec4<f32>>; // [blocks][x_quads][9][4][64]
@group(0) @binding(3) var<storage, read> conv_bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> conv_gate_in: array<u32>;
@group(0) @binding(5) var<storage, read_write> conv_gate_out: array<u32>;
@group(0) @binding(6) var<storage, read_write> conv_y: array<vec4<f32>>;
// The same for up to four channels, and for a few positions: a thread may not write a part of a vector, because Metal reads and
// writes the whole one.
@group(0) @binding(6) var<storage, read_write> conv_few: array<f32>;

const TILE_ROWS = 8u;
const TILE_COLUMNS = 16u;
const HALO_COLUMNS = 18u;
const HALO = 180u; // 10 rows by 18 columns
const FILTERS = 576u; // 9 taps by 4 channels in by 64 / 4 out

var<workgroup> conv_halo: array<vec4<f32>, 180>;
var<workgroup> conv_taps: array<vec4<f32>, 576>;

// Four channels at a position of the input, after the gate, and expanded from a pool.
fn conv_load(row: i32, column: i32, quad: u32) -> vec4<f32> {
    let a = conv_args;
    var r = row;
    var c = column;
    if a.replicate != 0u {
        r = clamp(r, 0, i32(a.height) - 1);
        c = clamp(c, 0, i32(a.width) - 1);
    }
    if r < 0 || c < 0 || r >= i32(a.height) || c >= i32(a.width) { return vec4<f32>(); }
    let at = vec2(u32(r), u32(c));
    var v: vec4<f32>;
    if a.pooled != 0u {
        let size = vec2(a.height, a.width) / 2u;
        if any(at / 2u >= size) { return vec4<f32>(); }
        v = 0.25 * conv_read(at.x / 2u * size.y + at.y / 2u, quad);
    } else {
        v = conv_read(at.x * a.width + at.y, quad);
    }
    if a.gated != 0u {
        let word = conv_gate_in[(at.x / 2u * ((a.width + 3u) / 4u) + at.y / 4u) * a.x_quads + quad];
        let bits = word >> ((at.x % 2u * 4u + at.y % 4u) * 4u);
        v = select(vec4<f32>(), v, (vec4(bits) & vec4(1u, 2u, 4u, 8u)) != vec4(0u));
    }
    return v;
}

fn conv_read(position: u32, quad: u32) -> vec4<f32> {
    if conv_args.x_single != 0u { return vec4(conv_x[position / 4u][position % 4u], 0.0, 0.0, 0.0); }
    return conv_x[position * conv_args.x_quads + quad];
}

fn conv_write(position: u32, quad: u32, value: vec4<f32>) {
    let at = position * conv_args.y_quads + quad;
    if conv_args.acc == 1u { conv_y[at] += value; } else { conv_y[at] = value; }
}

fn conv_write_one(at: u32, value: f32) {
    if conv_args.acc == 1u { conv_few[at] += value; } else { conv_few[at] = value; }
}

// As `conv_write`, also to a single channel.
fn conv_write_few(position: u32, quad: u32, value: vec4<f32>) {
    if conv_args.y_single != 0u {
        conv_write_one(position, value.x);
        return;
    }
    let at = (position * conv_args.y_quads + quad) * 4u;
    conv_write_one(at, value.x);
    conv_write_one(at + 1u, value.y);
    conv_write_one(at + 2u, value.z);
    conv_write_one(at + 3u, value.w);
}

// With bias and ReLU.
fn conv_value(quad: u32, sum: vec4<f32>) -> vec4<f32> {
    var v = sum;
    if conv_args.epilogue != PLAIN { v += conv_bias[quad]; }
    if conv_args.epilogue >= RELU { v = select(vec4<f32>(), v, v > vec4<f32>()); }
    return v;
}

// Which of them a ReLU has let through, a bit each.
fn conv_open(v: vec4<f32>) -> u32 {
    return dot(select(vec4(0u), vec4(1u, 2u, 4u, 8u), v > vec4<f32>()), vec4(1u));
}

// Four channels of two rows and four columns.
struct Block { a0: vec4<f32>, a1: vec4<f32>, a2: vec4<f32>, a3: vec4<f32>, b0: vec4<f32>, b1: vec4<f32>, b2: vec4<f32>, b3: vec4<f32> }

// Writes the gate of a block and returns its values with bias and ReLU.
fn conv_finish(row: u32, column: u32, quad: u32, s: Block) -> Block {
    let a = conv_args;
    let v = Block(
        conv_value(quad, s.a0), conv_value(quad, s.a1), conv_value(quad, s.a2), conv_value(quad, s.a3),
        conv_value(quad, s.b0), conv_value(quad, s.b1), conv_value(quad, s.b2), conv_value(quad, s.b3),
    );
    if a.epilogue == RELU_GATE || a.epilogue == RELU_POOL_GATE {
        let above = conv_open(v.a0) | (conv_open(v.a1) << 4u) | (conv_open(v.a2) << 8u) | (conv_open(v.a3) << 12u);
        let below = conv_open(v.b0) | (conv_open(v.b1) << 4u) | (conv_open(v.b2) << 8u) | (conv_open(v.b3) << 12u);
        conv_gate_out[(row / 2u * ((a.width + 3u) / 4u) + column / 4u) * a.y_quads + quad] = above | (below << 16u);
    }
    return v;
}

fn conv_put(row: u32, column: u32, quad: u32, value: vec4<f32>) {
    if row < conv_args.height && column < conv_args.width { conv_write(row * conv_args.width + column, quad, value); }
}

fn conv_put_few(row: u32, column: u32, value: vec4<f32>) {
    if row < conv_args.height && column < conv_args.width { conv_write_few(row * conv_args.width + column, 0u, value); }
}

// The mean of a window.
fn conv_mean(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> vec4<f32> {
    return 0.25 * ((a + b) + (c + d));
}

// Writes a block.
fn conv_end(row: u32, column: u32, quad: u32, sums: Block) {
    let a = conv_args;
    if row >= a.height || column >= a.width || quad >= a.y_quads { return; }
    let v = conv_finish(row, column, quad, sums);
    if a.epilogue >= RELU_POOL {
        // The block's first row and column are even.
        let size = vec2(a.height, a.width) / 2u;
        let at = vec2(row, column) / 2u;
        if at.x >= size.x { return; }
        if at.y < size.y { conv_write(at.x * size.y + at.y, quad, conv_mean(v.a0, v.a1, v.b0, v.b1)); }
        if at.y + 1u < size.y { conv_write(at.x * size.y + at.y + 1u, quad, conv_mean(v.a2, v.a3, v.b2, v.b3)); }
        return;
    }
    conv_put(row, column, quad, v.a0);
    conv_put(row, column + 1u, quad, v.a1);
    conv_put(row, column + 2u, quad, v.a2);
    conv_put(row, column + 3u, quad, v.a3);
    conv_put(row + 1u, column, quad, v.b0);
    conv_put(row + 1u, column + 1u, quad, v.b1);
    conv_put(row + 1u, column + 2u, quad, v.b2);
    conv_put(row + 1u, column + 3u, quad, v.b3);
}

// The same for up to four channels.
fn conv_end_few(row: u32, column: u32, sums: Block) {
    let a = conv_args;
    if row >= a.height || column >= a.width { return; }
    let v = conv_finish(row, column, 0u, sums);
    if a.epilogue >= RELU_POOL {
        let size = vec2(a.height, a.width) / 2u;
        let at = vec2(row, column) / 2u;
        if at.x >= size.x { return; }
        if at.y < size.y { conv_write_few(at.x * size.y + at.y, 0u, conv_mean(v.a0, v.a1, v.b0, v.b1)); }
        if at.y + 1u < size.y { conv_write_few(at.x * size.y + at.y + 1u, 0u, conv_mean(v.a2, v.a3, v.b2, v.b3)); }
        return;
    }
    conv_put_few(row, column, v.a0);
    conv_put_few(row, column + 1u, v.a1);
    conv_put_few(row, column + 2u, v.a2);
    conv_put_few(row, column + 3u, v.a3);
    conv_put_few(row + 1u, column, v.b0);
    conv_put_few(row + 1u, column + 1u, v.b1);
    conv_put_few(row + 1u, column + 2u, v.b2);
    conv_put_few(row + 1u, column + 3u, v.b3);
}

@compute @workgroup_size(128)
fn conv2d(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = conv_args;
    let number = shared_number(group, groups, a.first, a.count);
    if number == NO_GROUP { return; }
    // The blocks of a tile run side by side, because they read the same input.
    let block = number % a.blocks;
    let tile = number / a.blocks;
    let first_row = tile / a.columns * TILE_ROWS;
    let first_column = tile % a.columns * TILE_COLUMNS;
    let own_row = lane / 32u * 2u;
    let own_column = lane / 8u % 4u * 4u;
    let own_quad = lane % 8u;
    var sum: array<vec4<f32>, 16>; // [2 quads][2 rows][4 columns]
    for (var quad = 0u; quad < a.x_quads; quad++) {
        workgroupBarrier();
        for (var i = lane; i < HALO; i += 128u) {
            let r = i32(first_row + i / HALO_COLUMNS) - 1;
            let c = i32(first_column + i % HALO_COLUMNS) - 1;
            conv_halo[i] = conv_load(r, c, quad);
        }
        let filters = (block * a.x_quads + quad) * FILTERS;
        for (var i = lane; i < FILTERS; i += 128u) { conv_taps[i] = conv_filters[filters + i]; }
        workgroupBarrier();
        for (var u = 0u; u < 3u; u++) {
            for (var v = 0u; v < 3u; v++) {
                let tap = (u * 3u + v) * 64u + own_quad;
                let start = (own_row + u) * HALO_COLUMNS + own_column + v;
                let x0 = conv_halo[start];
                let x1 = conv_halo[start + 1u];
                let x2 = conv_halo[start + 2u];
                let x3 = conv_halo[start + 3u];
                let x4 = conv_halo[start + HALO_COLUMNS];
                let x5 = conv_halo[start + HALO_COLUMNS + 1u];
                let x6 = conv_halo[start + HALO_COLUMNS + 2u];
                let x7 = conv_halo[start + HALO_COLUMNS + 3u];
                let w00 = conv_taps[tap];
                let w01 = conv_taps[tap + 16u];
                let w02 = conv_taps[tap + 32u];
                let w03 = conv_taps[tap + 48u];
                sum[0] += x0.x * w00 + x0.y * w01 + x0.z * w02 + x0.w * w03;
                sum[1] += x1.x * w00 + x1.y * w01 + x1.z * w02 + x1.w * w03;
                sum[2] += x2.x * w00 + x2.y * w01 + x2.z * w02 + x2.w * w03;
                sum[3] += x3.x * w00 + x3.y * w01 + x3.z * w02 + x3.w * w03;
                sum[4] += x4.x * w00 + x4.y * w01 + x4.z * w02 + x4.w * w03;
                sum[5] += x5.x * w00 + x5.y * w01 + x5.z * w02 + x5.w * w03;
                sum[6] += x6.x * w00 + x6.y * w01 + x6.z * w02 + x6.w * w03;
                sum[7] += x7.x * w00 + x7.y * w01 + x7.z * w02 + x7.w * w03;
                let w10 = conv_taps[tap + 8u];
                let w11 = conv_taps[tap + 24u];
                let w12 = conv_taps[tap + 40u];
                let w13 = conv_taps[tap + 56u];
                sum[8] += x0.x * w10 + x0.y * w11 + x0.z * w12 + x0.w * w13;
                sum[9] += x1.x * w10 + x1.y * w11 + x1.z * w12 + x1.w * w13;
                sum[10] += x2.x * w10 + x2.y * w11 + x2.z * w12 + x2.w * w13;
                sum[11] += x3.x * w10 + x3.y * w11 + x3.z * w12 + x3.w * w13;
                sum[12] += x4.x * w10 + x4.y * w11 + x4.z * w12 + x4.w * w13;
                sum[13] += x5.x * w10 + x5.y * w11 + x5.z * w12 + x5.w * w13;
                sum[14] += x6.x * w10 + x6.y * w11 + x6.z * w12 + x6.w * w13;
                sum[15] += x7.x * w10 + x7.y * w11 + x7.z * w12 + x7.w * w13;
            }
        }
    }
    // Indexed by constants alone, so that it stays in registers.
    let row = first_row + own_row;
    let column = first_column + own_column;
    let quad = block * 16u + own_quad;
    conv_end(row, column, quad, Block(sum[0], sum[1], sum[2], sum[3], sum[4], sum[5], sum[6], sum[7]));
    conv_end(row, column, quad + 8u, Block(sum[8], sum[9], sum[10], sum[11], sum[12], sum[13], sum[14], sum[15]));
}

// The same for up to four output channels, the gradient of a picture for example: 16 rows by 32 columns, a thread has all channels of
// 2 rows by 4 columns.
const WIDE_ROWS = 16u;
const WIDE_COLUMNS = 32u;
const WIDE_HALO_COLUMNS = 34u;
const WIDE_HALO = 612u; // 18 rows by 34 columns

var<workgroup> conv_wide_halo: array<vec4<f32>, 612>;
var<workgroup> conv_few_taps: array<vec4<f32>, 36>; // [9][4]

@compute @workgroup_size(64)
fn conv2d_to_picture(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = conv_args;
    let tile = shared_number(group, groups, a.first, a.count);
    if tile == NO_GROUP { return; }
    let first_row = tile / a.columns * WIDE_ROWS;
    let first_column = tile % a.columns * WIDE_COLUMNS;
    let own_row = lane / 8u * 2u;
    let own_column = lane % 8u * 4u;
    var sum: array<vec4<f32>, 8>; // [2 rows][4 columns]
    for (var quad = 0u; quad < a.x_quads; quad++) {
        workgroupBarrier();
        for (var i = lane; i < WIDE_HALO; i += 64u) {
            let r = i32(first_row + i / WIDE_HALO_COLUMNS) - 1;
            let c = i32(first_column + i % WIDE_HALO_COLUMNS) - 1;
            conv_wide_halo[i] = conv_load(r, c, quad);
        }
        if lane < 36u { conv_few_taps[lane] = conv_filters[quad * FILTERS + lane * 16u]; }
        workgroupBarrier();
        for (var u = 0u; u < 3u; u++) {
            for (var v = 0u; v < 3u; v++) {
                let tap = (u * 3u + v) * 4u;
                let start = (own_row + u) * WIDE_HALO_COLUMNS + own_column + v;
                let x0 = conv_wide_halo[start];
                let x1 = conv_wide_halo[start + 1u];
                let x2 = conv_wide_halo[start + 2u];
                let x3 = conv_wide_halo[start + 3u];
                let x4 = conv_wide_halo[start + WIDE_HALO_COLUMNS];
                let x5 = conv_wide_halo[start + WIDE_HALO_COLUMNS + 1u];
                let x6 = conv_wide_halo[start + WIDE_HALO_COLUMNS + 2u];
                let x7 = conv_wide_halo[start + WIDE_HALO_COLUMNS + 3u];
                let w0 = conv_few_taps[tap];
                let w1 = conv_few_taps[tap + 1u];
                let w2 = conv_few_taps[tap + 2u];
                let w3 = conv_few_taps[tap + 3u];
                sum[0] += x0.x * w0 + x0.y * w1 + x0.z * w2 + x0.w * w3;
                sum[1] += x1.x * w0 + x1.y * w1 + x1.z * w2 + x1.w * w3;
                sum[2] += x2.x * w0 + x2.y * w1 + x2.z * w2 + x2.w * w3;
                sum[3] += x3.x * w0 + x3.y * w1 + x3.z * w2 + x3.w * w3;
                sum[4] += x4.x * w0 + x4.y * w1 + x4.z * w2 + x4.w * w3;
                sum[5] += x5.x * w0 + x5.y * w1 + x5.z * w2 + x5.w * w3;
                sum[6] += x6.x * w0 + x6.y * w1 + x6.z * w2 + x6.w * w3;
                sum[7] += x7.x * w0 + x7.y * w1 + x7.z * w2 + x7.w * w3;
            }
        }
    }
    conv_end_few(first_row + own_row, first_column + own_column, Block(sum[0], sum[1], sum[2], sum[3], sum[4], sum[5], sum[6], sum[7]));
}

// The values on the ring around the picture, added to the border of dx: the adjoint of a repeated border. A thread has four
// channels of a position of the border.
@compute @workgroup_size(64)
fn conv2d_fold(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = conv_args;
    let own = shared_number(group, groups, a.first, a.count);
    if own == NO_GROUP { return; }
    let number = own * 64u + lane;
    let quad = number % a.y_quads;
    let i = number / a.y_quads;
    let h = i32(a.height);
    let w = i32(a.width);
    // The top and bottom rows, then the rest of the left and right columns.
    let across = 2u * a.width;
    var row: i32;
    var column: i32;
    if i < across {
        row = select(h - 1, 0, i < a.width);
        column = i32(i % a.width);
        if h == 1 && i >= a.width { return; }
    } else {
        let k = i32(i - across);
        row = 1 + k / 2;
        column = select(w - 1, 0, k % 2 == 0);
        if row >= h - 1 || (w == 1 && k % 2 == 1) { return; }
    }
    var sum = vec4<f32>();
    for (var r = row - 1; r <= row + 1; r++) {
        for (var c = column - 1; c <= column + 1; c++) {
            // Positions of the ring whose nearest pixel is this one.
            let inside = r >= 0 && r < h && c >= 0 && c < w;
            if inside || clamp(r, 0, h - 1) != row || clamp(c, 0, w - 1) != column { continue; }
            for (var tap = 0u; tap < 9u; tap++) {
                for (var x_quad = 0u; x_quad < a.x_quads; x_quad++) {
                    let x = conv_load(r + i32(tap / 3u) - 1, c + i32(tap % 3u) - 1, x_quad);
                    let start = (quad / 16u * a.x_quads + x_quad) * FILTERS + tap * 64u + quad % 16u;
                    sum += x.x * conv_filters[start] + x.y * conv_filters[start + 16u] + x.z * conv_filters[start + 32u]
                        + x.w * conv_filters[start + 48u];
                }
            }
        }
    }
    let position = u32(row) * a.width + u32(column);
    conv_write_few(position, quad, sum);
}
