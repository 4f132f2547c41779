// Convolution of features in f32 by Winograd F(2x2, 3x3), in both directions: see style-core/src/ops/conv2d.rs. A tile of
// 2x2 outputs takes 16 products instead of 36 (Lavin and Gray 2015, "Fast Algorithms for Convolutional Neural Networks"):
//
//   Y = A' [(G g G') . (B' d B)] A, with a tile's 4x4 inputs d, a filter g, and A' and B' as below; G g G' is packed.
//
// A block computes 4 rows of 8 tiles by 64 outs, 4 input channels at a time. A warp has two of the 16 points of all its
// tiles and outs, a thread 8 outs by 8 tiles of each; finally, shared memory brings the points together. Filters:
// [outs / 64][chunks of 4 channels][16 points][4 channels][64 outs].
#include "conv2d.cuh"

enum { ROWS = 8, COLUMNS = 16, OUTS = 64, CHUNK = 4, POINTS = 16, TILES = 32 };
enum { HALO = (ROWS + 2) * (COLUMNS + 2), LINE = 24, MEETING = TILES + 4 };

KERNEL(256) conv2d_winograd(Conv2d a) {
    __shared__ f32x4 memory[POINTS * CHUNK * (TILES + OUTS) / 4];
    __shared__ float x[CHUNK][ROWS + 2][LINE];
    float *inputs = (float *)memory;                          // [points][channels][tiles]
    f32x4 *filters = memory + POINTS * CHUNK * TILES / 4;     // [points][channels][outs]
    u32 t = thread(), lane = t % 32, warp = t / 32, across = (a.width + COLUMNS - 1) / COLUMNS;
    u32 row = block_x() / across * ROWS, first = block_x() % across * COLUMNS, tile = block_y();
    u32 chunks = a.x_stride / CHUNK;

    // The next chunk: four channels of a position, and a part of the filters.
    f32x4 next_x = {}, next_filters[4];
    u32 r = row + t / (COLUMNS + 2) - 1, c = first + t % (COLUMNS + 2) - 1;
    bool inside = t < HALO && r < a.height && c < a.width;
    u64 position = (u64)r * a.width + c, from = position;
    if (a.pooled_in) {
        inside = inside && r / 2 < a.height / 2 && c / 2 < a.width / 2;
        from = (u64)(r / 2) * (a.width / 2) + c / 2;
    }
    auto fetch = [&](u32 chunk) INLINE {
        const f32x4 *packed = (const f32x4 *)a.filters + ((u64)tile * chunks + chunk) * (POINTS * CHUNK * OUTS / 4);
        UNROLL for (u32 k = 0; k < 4; k++) next_filters[k] = packed[t + 256 * k];
        if (inside) {
            next_x = *(const f32x4 *)((const float *)a.x + from * a.x_stride + chunk * CHUNK);
            u32 at = chunk * CHUNK;
            u32 gate = a.gate_in ? a.gate_in[(position * a.x_stride + at) / 8] >> at % 8 : 0xf;
            UNROLL for (u32 j = 0; j < 4; j++) next_x[j] = gate >> j & 1 ? next_x[j] : 0.0f;
        }
    };

    u32 group = lane % 8, tiles = lane / 8;
    float sum[2][8][8] = {}; // points, outs, tiles
    fetch(0);
    for (u32 chunk = 0; chunk < chunks; chunk++) {
        __syncthreads(); // the previous chunk has been read
        UNROLL for (u32 k = 0; k < 4; k++) filters[t + 256 * k] = next_filters[k];
        if (t < HALO) UNROLL for (u32 j = 0; j < 4; j++) x[j][t / (COLUMNS + 2)][t % (COLUMNS + 2)] = next_x[j];
        __syncthreads();
        {
            // B' d B of one channel of a tile: its first or its last two rows.
            u32 mine = t % 32, i = t / 32 % 4, last = t / 128;
            const float *d = &x[i][mine / 8 * 2 + last][mine % 8 * 2];
            float low[4], high[4];
            UNROLL for (u32 k = 0; k < 4; k++) {
                float d0 = d[k], d1 = d[LINE + k], d2 = d[2 * LINE + k];
                low[k] = last ? d1 - d0 : d0 - d2;
                high[k] = last ? d0 - d2 : d1 + d2;
            }
            float *to = inputs + (8 * last * CHUNK + i) * TILES + mine;
            UNROLL for (u32 k = 0; k < 2; k++) {
                float *p = k ? high : low;
                to[(4 * k) * CHUNK * TILES] = p[0] - p[2];
                to[(4 * k + 1) * CHUNK * TILES] = p[1] + p[2];
                to[(4 * k + 2) * CHUNK * TILES] = p[2] - p[1];
                to[(4 * k + 3) * CHUNK * TILES] = p[1] - p[3];
            }
        }
        if (chunk + 1 < chunks) fetch(chunk + 1);
        __syncthreads();
        UNROLL for (u32 i = 0; i < CHUNK; i++) {
            UNROLL for (u32 p = 0; p < 2; p++) {
                u32 point = (2 * warp + p) * CHUNK + i;
                f32x4 w0 = filters[point * (OUTS / 4) + group], w1 = filters[point * (OUTS / 4) + 8 + group];
                f32x4 v0 = memory[point * (TILES / 4) + tiles], v1 = memory[point * (TILES / 4) + 4 + tiles];
                UNROLL for (u32 o = 0; o < 4; o++) {
                    UNROLL for (u32 k = 0; k < 4; k++) {
                        sum[p][o][k] = __builtin_fmaf(w0[o], v0[k], sum[p][o][k]);
                        sum[p][o][4 + k] = __builtin_fmaf(w0[o], v1[k], sum[p][o][4 + k]);
                        sum[p][4 + o][k] = __builtin_fmaf(w1[o], v0[k], sum[p][4 + o][k]);
                        sum[p][4 + o][4 + k] = __builtin_fmaf(w1[o], v1[k], sum[p][4 + o][4 + k]);
                    }
                }
            }
        }
    }

    // Thread (group, tile) collects all points of eight outs of a tile, one out at a time: outs 4 group .. 4 group + 3, then
    // the same plus 32.
    u32 mine = t / 8;
    float y[8][4];
    UNROLL for (u32 o = 0; o < 8; o++) {
        __syncthreads(); // the previous contents have been read
        UNROLL for (u32 p = 0; p < 2; p++) {
            f32x4 *to = memory + ((2 * warp + p) * 8 + group) * (MEETING / 4);
            to[tiles] = f32x4{sum[p][o][0], sum[p][o][1], sum[p][o][2], sum[p][o][3]};
            to[4 + tiles] = f32x4{sum[p][o][4], sum[p][o][5], sum[p][o][6], sum[p][o][7]};
        }
        __syncthreads();
        const float *m = (const float *)memory + t % 8 * MEETING + mine;
        float top[4], bottom[4];
        UNROLL for (u32 k = 0; k < 4; k++) {
            float m0 = m[k * 8 * MEETING], m1 = m[(4 + k) * 8 * MEETING], m2 = m[(8 + k) * 8 * MEETING],
                  m3 = m[(12 + k) * 8 * MEETING];
            top[k] = m0 + m1 + m2;
            bottom[k] = m1 - m2 - m3;
        }
        y[o][0] = top[0] + top[1] + top[2];
        y[o][1] = top[1] - top[2] - top[3];
        y[o][2] = bottom[0] + bottom[1] + bottom[2];
        y[o][3] = bottom[1] - bottom[2] - bottom[3];
    }

    bool forward = a.epilogue != BACKWARD, relu = a.epilogue >= RELU;
    bool gated = a.epilogue == RELU_GATE || a.epilogue == RELU_POOL_GATE;
    bool pool = a.epilogue == RELU_POOL || a.epilogue == RELU_POOL_GATE;
    float factor = a.pooled_in ? 0.25f : 1.0f;
    UNROLL for (u32 part = 0; part < 2; part++) {
        u32 out = tile * OUTS + 32 * part + 4 * (t % 8);
        bool there = out < a.y_stride;
        f32x4 bias = {}, pooled = {};
        if (forward && there) bias = *(const f32x4 *)(a.bias + out);
        UNROLL for (u32 k = 0; k < 4; k++) {
            u32 gate = 0, at_row = row + mine / 8 * 2 + k / 2, column = first + mine % 8 * 2 + k % 2;
            bool within = there && at_row < a.height && column < a.width;
            u64 at = ((u64)at_row * a.width + column) * a.y_stride + out;
            f32x4 v;
            UNROLL for (u32 o = 0; o < 4; o++) {
                v[o] = y[4 * part + o][k] * factor + bias[o];
                if (relu) v[o] = max0(v[o]);
                gate |= (v[o] > 0.0f) << o;
                y[4 * part + o][k] = v[o];
            }
            if (gated) {
                // The neighbouring thread has the other half of the byte.
                u32 other = __nvvm_shfl_sync_bfly_i32(0xffffffff, gate, 1, 31);
                if (within && t % 2 == 0) a.gate_out[at / 8] = gate | other << 4;
            }
            if (within && !pool) {
                f32x4 *to = (f32x4 *)((float *)a.y + at);
                *to = a.acc == ADD ? *to + v : v;
            }
        }
        u32 half_row = row / 2 + mine / 8, half_column = first / 2 + mine % 8;
        if (pool && there && half_row < a.height / 2 && half_column < a.width / 2) {
            UNROLL for (u32 o = 0; o < 4; o++) {
                const float *w = y[4 * part + o];
                pooled[o] = 0.25f * ((w[0] + w[1]) + (w[2] + w[3]));
            }
            *(f32x4 *)((float *)a.y + ((u64)half_row * (a.width / 2) + half_column) * a.y_stride + out) = pooled;
        }
    }
}
