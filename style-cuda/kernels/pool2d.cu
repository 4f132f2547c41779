// Pooling over 2x2 windows, stride 2: see style-core/src/ops/pool2d.rs.
#include "device.cuh"

struct Pool {
    const void *from;
    void *to;
    u8 *switches; // two bits per value; a byte holds values 4j .. 4j+3 of a position
    u32 height, width; // before the pool
    u32 stride;        // of a position
    u32 from_type, to_type, acc;
    u32 max; // otherwise average
    u32 padding;
};
static_assert(sizeof(Pool) == 56, "as in pool2d.rs");

// A piece has 8 values of a position; with up to four channels, values are processed one by one, as pieces of one.
DEVICE void window(const Pool &a, u64 row, u64 column, u64 lane, u32 lanes, u64 at[4]) {
    UNROLL for (u32 k = 0; k < 4; k++) at[k] = ((2 * row + k / 2) * a.width + 2 * column + k % 2) * lanes + lane;
}

DEVICE float pooled(const float v[4], bool max, u32 &taken) {
    taken = 0;
    if (!max) return 0.25f * ((v[0] + v[1]) + (v[2] + v[3]));
    float most = v[0];
    UNROLL for (u32 k = 1; k < 4; k++)
        if (v[k] > most) most = v[k], taken = k;
    return most;
}

// One piece of the output per thread.
KERNEL(256) pool2d_fwd(Pool a) {
    u32 lanes = a.stride / 8, width = a.width / 2;
    u64 i = global_thread(), position = i / lanes, row = position / width;
    if (row >= a.height / 2) return;
    u64 at[4];
    window(a, row, position % width, i % lanes, lanes, at);
    Piece from[4], to;
    UNROLL for (int k = 0; k < 4; k++) from[k] = load(a.from, a.from_type, at[k]);
    u32 all = 0;
    UNROLL for (int k = 0; k < 8; k++) {
        float v[4] = {from[0].v[k], from[1].v[k], from[2].v[k], from[3].v[k]};
        u32 taken;
        to.v[k] = pooled(v, a.max, taken);
        all |= taken << 2 * k;
    }
    store(a.to, a.to_type, i, to);
    if (a.switches) ((u16 *)a.switches)[i] = all;
}

// One piece of the input per thread; dropped rows and columns get zero.
KERNEL(256) pool2d_bwd(Pool a) {
    u32 lanes = a.stride / 8, width = a.width / 2;
    u64 i = global_thread(), position = i / lanes;
    u32 row = position / a.width, column = position % a.width;
    if (row >= a.height) return;
    Piece to = {};
    if (row / 2 < a.height / 2 && column / 2 < width) {
        u64 at = ((u64)(row / 2) * width + column / 2) * lanes + i % lanes;
        Piece from = load(a.from, a.from_type, at);
        u32 taken = a.max ? ((const u16 *)a.switches)[at] : 0, mine = row % 2 * 2 + column % 2;
        UNROLL for (int k = 0; k < 8; k++) {
            bool mark = (taken >> 2 * k & 3) == mine;
            to.v[k] = a.max ? mark ? from.v[k] : 0.0f : 0.25f * from.v[k];
        }
    }
    put(a.to, a.to_type, a.acc, i, to);
}

// The same for up to four channels in f32; one value per thread, one byte per switch.
KERNEL(256) pool2d_fwd_few(Pool a) {
    u32 width = a.width / 2;
    u64 i = global_thread(), position = i / a.stride, row = position / width;
    if (row >= a.height / 2) return;
    u64 at[4];
    window(a, row, position % width, i % a.stride, a.stride, at);
    float v[4];
    UNROLL for (int k = 0; k < 4; k++) v[k] = ((const float *)a.from)[at[k]];
    u32 taken;
    ((float *)a.to)[i] = pooled(v, a.max, taken);
    if (a.switches) a.switches[i] = taken;
}

KERNEL(256) pool2d_bwd_few(Pool a) {
    u32 width = a.width / 2;
    u64 i = global_thread(), position = i / a.stride;
    u32 row = position / a.width, column = position % a.width;
    if (row >= a.height) return;
    float v = 0.0f;
    if (row / 2 < a.height / 2 && column / 2 < width) {
        u64 at = ((u64)(row / 2) * width + column / 2) * a.stride + i % a.stride;
        bool mine = !a.max || a.switches[at] == row % 2 * 2 + column % 2;
        v = mine ? ((const float *)a.from)[at] : 0.0f;
        if (!a.max) v *= 0.25f;
    }
    float *to = (float *)a.to + i;
    *to = a.acc == ADD ? *to + v : v;
}
