// Convolution of features by Winograd's minimal filtering F(2x2, 3x3), both directions: see conv2d.wgsl, which precedes this.
//
// A tile of 2 x 2 outputs takes 16 products of each channel instead of 36 (Lavin and Gray 2016, "Fast Algorithms for
// Convolutional Neural Networks"). With d the tile's 4 x 4 inputs and g a filter, both of one channel in,
//
//   Y = sum over channels of A' [(G g G') . (B' d B)] A = A' [sum over channels of (G g G') . (B' d B)] A,
//
//        | 1  0 -1  0 |        | 1    0    0  |
//   B' = | 0  1  1  0 |    G = | 1/2  1/2 1/2 |    A' = | 1  1  1  0 |
//        | 0 -1  1  0 |        | 1/2 -1/2 1/2 |         | 0  1 -1 -1 |
//        | 0  1  0 -1 |        | 0    0    1  |
//
// The adjoint is the same with filters turned by 180 degrees and transposed. G g G' is packed. At each of the 16 points the sum
// is a product of matrices, tiles by channels in by channels out, so there are three kernels for a block of tiles: B' d B of all
// channels, the products, A' [..] A. The first two write to scratch memory.
//
// Tiles are numbered row by row, an even number in a row, so that a pair of them has whole words of a gate. A block has whole
// strips of 128; what lies behind the last tile of the map is computed and never written.

@group(0) @binding(7) var<storage, read_write> winograd: array<vec4<f32>>; // [16][tiles / 128][x_quads][128] B' d B, [16][tiles][y_quads] products

const POINTS = 16u;
const STRIP = 128u;

struct Four { a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32> }

// B' v
fn winograd_forth(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> Four {
    return Four(a - c, b + c, c - b, b - d);
}

// A column of B' d.
fn winograd_column(row: i32, column: i32, quad: u32) -> Four {
    return winograd_forth(
        conv_load(row, column, quad), conv_load(row + 1, column, quad), conv_load(row + 2, column, quad), conv_load(row + 3, column, quad),
    );
}

// Writes four points, a row of B' d B.
fn winograd_keep(at: u32, step: u32, v: Four) {
    winograd[at] = v.a;
    winograd[at + step] = v.b;
    winograd[at + 2u * step] = v.c;
    winograd[at + 3u * step] = v.d;
}

// A workgroup has 8 quads of 32 tiles, a thread one of each.
@compute @workgroup_size(256)
fn conv2d_winograd_input(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = conv_args;
    let number = shared_number(group, groups, a.first, a.count);
    if number == NO_GROUP { return; }
    let across = (a.x_quads + 7u) / 8u;
    let quad = number % across * 8u + lane % 8u;
    let tile = number / across * 32u + lane / 8u;
    if quad >= a.x_quads { return; }
    let row = i32((a.base + tile) / a.columns * 2u) - 1;
    let column = i32((a.base + tile) % a.columns * 2u) - 1;
    let d0 = winograd_column(row, column, quad);
    let d1 = winograd_column(row, column + 1, quad);
    let d2 = winograd_column(row, column + 2, quad);
    let d3 = winograd_column(row, column + 3, quad);
    let at = (tile / STRIP * a.x_quads + quad) * STRIP + tile % STRIP;
    let step = a.tiles * a.x_quads;
    winograd_keep(at, step, winograd_forth(d0.a, d1.a, d2.a, d3.a));
    winograd_keep(at + 4u * step, step, winograd_forth(d0.b, d1.b, d2.b, d3.b));
    winograd_keep(at + 8u * step, step, winograd_forth(d0.c, d1.c, d2.c, d3.c));
    winograd_keep(at + 12u * step, step, winograd_forth(d0.d, d1.d, d2.d, d3.d));
}

var<workgroup> winograd_tiles: array<vec4<f32>, 256>; // [2 quads in][128 tiles]
var<workgroup> winograd_taps: array<vec4<f32>, 128>; // [2 quads in][4][64 / 4 out]

// Writes the products of eight tiles.
fn winograd_put(at: u32, step: u32, s: Block) {
    winograd[at] = s.a0;
    winograd[at + step] = s.a1;
    winograd[at + 2u * step] = s.a2;
    winograd[at + 3u * step] = s.a3;
    winograd[at + 4u * step] = s.b0;
    winograd[at + 5u * step] = s.b1;
    winograd[at + 6u * step] = s.b2;
    winograd[at + 7u * step] = s.b3;
}

// A workgroup has 64 output channels of the 128 tiles of a strip at one point; a thread eight channels of every sixteenth tile.
@compute @workgroup_size(128)
fn conv2d_winograd_product(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = conv_args;
    let number = shared_number(group, groups, a.first, a.count);
    if number == NO_GROUP { return; }
    // The blocks of channels of a strip run side by side, because they read the same input.
    let block = number % a.blocks;
    let strip = number / a.blocks;
    let point = strip / (a.tiles / STRIP);
    let own_quad = lane % 8u;
    let own_tile = lane / 8u;
    let tiles = strip * a.x_quads * STRIP;
    let taps = (point * a.blocks + block) * a.x_quads * 64u;
    var sum: array<vec4<f32>, 16>; // [2 quads][8 tiles]
    for (var first = 0u; first < a.x_quads; first += 2u) {
        workgroupBarrier();
        // The last turn may have one quad.
        for (var i = lane; i < 256u; i += 128u) {
            var v = vec4<f32>();
            if first + i / STRIP < a.x_quads { v = winograd[tiles + first * STRIP + i]; }
            winograd_tiles[i] = v;
        }
        var w = vec4<f32>();
        if first + lane / 64u < a.x_quads { w = conv_filters[taps + first * 64u + lane]; }
        winograd_taps[lane] = w;
        workgroupBarrier();
        for (var k = 0u; k < 2u; k++) {
            let start = k * STRIP + own_tile;
            let x0 = winograd_tiles[start];
            let x1 = winograd_tiles[start + 16u];
            let x2 = winograd_tiles[start + 32u];
            let x3 = winograd_tiles[start + 48u];
            let x4 = winograd_tiles[start + 64u];
            let x5 = winograd_tiles[start + 80u];
            let x6 = winograd_tiles[start + 96u];
            let x7 = winograd_tiles[start + 112u];
            let tap = k * 64u + own_quad;
            let w00 = winograd_taps[tap];
            let w01 = winograd_taps[tap + 16u];
            let w02 = winograd_taps[tap + 32u];
            let w03 = winograd_taps[tap + 48u];
            sum[0] += x0.x * w00 + x0.y * w01 + x0.z * w02 + x0.w * w03;
            sum[1] += x1.x * w00 + x1.y * w01 + x1.z * w02 + x1.w * w03;
            sum[2] += x2.x * w00 + x2.y * w01 + x2.z * w02 + x2.w * w03;
            sum[3] += x3.x * w00 + x3.y * w01 + x3.z * w02 + x3.w * w03;
            sum[4] += x4.x * w00 + x4.y * w01 + x4.z * w02 + x4.w * w03;
            sum[5] += x5.x * w00 + x5.y * w01 + x5.z * w02 + x5.w * w03;
            sum[6] += x6.x * w00 + x6.y * w01 + x6.z * w02 + x6.w * w03;
            sum[7] += x7.x * w00 + x7.y * w01 + x7.z * w02 + x7.w * w03;
            let w10 = winograd_taps[tap + 8u];
            let w11 = winograd_taps[tap + 24u];
            let w12 = winograd_taps[tap + 40u];
            let w13 = winograd_taps[tap + 56u];
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
    // Indexed by constants alone, so that it stays in registers.
    let quad = block * 16u + own_quad;
    let at = POINTS * a.tiles * a.x_quads + (strip * STRIP + own_tile) * a.y_quads + quad;
    let step = 16u * a.y_quads;
    if quad < a.y_quads { winograd_put(at, step, Block(sum[0], sum[1], sum[2], sum[3], sum[4], sum[5], sum[6], sum[7])); }
    if quad + 8u < a.y_quads { winograd_put(at + 8u, step, Block(sum[8], sum[9], sum[10], sum[11], sum[12], sum[13], sum[14], sum[15])); }
}

struct Two { a: vec4<f32>, b: vec4<f32> }

// A' v
fn winograd_back(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> Two {
    return Two(a + b + c, b - c - d);
}

// A column of A' m, with m from `at` on.
fn winograd_half(at: u32, step: u32) -> Two {
    return winograd_back(winograd[at], winograd[at + 4u * step], winograd[at + 8u * step], winograd[at + 12u * step]);
}

// Four channels of the outputs of a tile: above left and right, below left and right.
fn winograd_tile(at: u32) -> Four {
    let step = conv_args.tiles * conv_args.y_quads;
    let m0 = winograd_half(at, step);
    let m1 = winograd_half(at + step, step);
    let m2 = winograd_half(at + 2u * step, step);
    let m3 = winograd_half(at + 3u * step, step);
    let above = winograd_back(m0.a, m1.a, m2.a, m3.a);
    let below = winograd_back(m0.b, m1.b, m2.b, m3.b);
    return Four(above.a, above.b, below.a, below.b);
}

// A workgroup has 8 quads of 32 pairs of tiles, a thread one of each.
@compute @workgroup_size(256)
fn conv2d_winograd_output(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let a = conv_args;
    let number = shared_number(group, groups, a.first, a.count);
    if number == NO_GROUP { return; }
    let across = (a.y_quads + 7u) / 8u;
    let quad = number % across * 8u + lane % 8u;
    let tile = (number / across * 32u + lane / 8u) * 2u;
    if quad >= a.y_quads { return; }
    let at = POINTS * a.tiles * a.x_quads + tile * a.y_quads + quad;
    let left = winograd_tile(at);
    let right = winograd_tile(at + a.y_quads);
    let row = (a.base + tile) / a.columns * 2u;
    let column = (a.base + tile) % a.columns * 2u;
    conv_end(row, column, quad, Block(left.a, left.b, right.a, right.b, left.c, left.d, right.c, right.d));
}
