// Convolution of features in f32, in both directions: see style-core/src/ops/conv2d.rs. Backward-data is the same
// computation with the filters rotated by 180 degrees and transposed.
//
// A block computes 8 rows of 16 columns by 64 output channels ("outs"), 8 input channels at a time; a thread computes 8
// adjacent columns of a row by 8 outs. Ten values of a row in registers serve the eight columns for all three horizontal
// taps, so 192 of 201 instructions are multiply-adds. Filters: [outs / 64][chunks of 8 channels][9 taps][8 channels][64 outs].
#include "conv2d.cuh"

enum { ROWS = 8, COLUMNS = 16, OUTS = 64, CHUNK = 8, LINE = COLUMNS + 4 };

KERNEL(128) conv2d(Conv2d a) {
    __shared__ f32x4 filters[9 * CHUNK * OUTS / 4];
    __shared__ float x[CHUNK][ROWS + 2][LINE] __attribute__((aligned(16)));
    u32 t = thread(), across = (a.width + COLUMNS - 1) / COLUMNS;
    u32 row = block_x() / across * ROWS, first = block_x() % across * COLUMNS, tile = block_y();
    u32 chunks = a.x_stride / CHUNK;
    // Bits of the thread number: outs (3), half of the columns (1), row (3).
    u32 group = t % 8, left = t / 8 % 2 * 8, down = t / 16;
    float sum[8][8] = {};
    for (u32 chunk = 0; chunk < chunks; chunk++) {
        __syncthreads(); // the previous chunk has been read
        const f32x4 *packed = (const f32x4 *)a.filters + ((u64)tile * chunks + chunk) * (9 * CHUNK * OUTS / 4);
        UNROLL for (u32 k = 0; k < 9; k++) filters[t + 128 * k] = packed[t + 128 * k];
        // Each thread copies four channels, half a position's chunk.
        UNROLL for (u32 k = 0; k < 3; k++) {
            u32 i = t + 128 * k, half = i % 2, u = i / 2 / (COLUMNS + 2), c = i / 2 % (COLUMNS + 2);
            if (u >= ROWS + 2) continue;
            u32 r = row + u - 1, column = first + c - 1;
            f32x4 v = {};
            if (r < a.height && column < a.width) {
                u64 position = (u64)r * a.width + column, from = position;
                bool there = true;
                if (a.pooled_in) {
                    there = r / 2 < a.height / 2 && column / 2 < a.width / 2;
                    from = (u64)(r / 2) * (a.width / 2) + column / 2;
                }
                if (there) {
                    v = *(const f32x4 *)((const float *)a.x + from * a.x_stride + chunk * CHUNK + half * 4);
                    u32 gate = a.gate_in ? a.gate_in[position * chunks + chunk] >> half * 4 : 0xf;
                    UNROLL for (u32 j = 0; j < 4; j++) v[j] = gate >> j & 1 ? v[j] : 0.0f;
                }
            }
            UNROLL for (u32 j = 0; j < 4; j++) x[half * 4 + j][u][c] = v[j];
        }
        __syncthreads();
        for (u32 i = 0; i < CHUNK; i++) {
            UNROLL for (u32 u = 0; u < 3; u++) {
                const float *line = &x[i][down + u][left];
                f32x4 v0 = *(const f32x4 *)line, v1 = *(const f32x4 *)(line + 4);
                f32x2 v2 = *(const f32x2 *)(line + 8);
                float v[10] = {v0[0], v0[1], v0[2], v0[3], v1[0], v1[1], v1[2], v1[3], v2[0], v2[1]};
                UNROLL for (u32 tap = 0; tap < 3; tap++) {
                    const f32x4 *w = &filters[((u * 3 + tap) * CHUNK + i) * (OUTS / 4)];
                    f32x4 w0 = w[group], w1 = w[8 + group];
                    UNROLL for (u32 c = 0; c < 8; c++) {
                        UNROLL for (u32 k = 0; k < 4; k++) {
                            sum[c][k] = __builtin_fmaf(v[c + tap], w0[k], sum[c][k]);
                            sum[c][4 + k] = __builtin_fmaf(v[c + tap], w1[k], sum[c][4 + k]);
                        }
                    }
                }
            }
        }
    }

    // Outs 4 group .. 4 group + 3 of the tile, then the same plus 32.
    u32 r = row + down, outs[2] = {tile * OUTS + 4 * group, tile * OUTS + 32 + 4 * group};
    bool forward = a.epilogue != BACKWARD, relu = a.epilogue >= RELU;
    bool gated = a.epilogue == RELU_GATE || a.epilogue == RELU_POOL_GATE;
    bool pool = a.epilogue == RELU_POOL || a.epilogue == RELU_POOL_GATE;
    float factor = a.pooled_in ? 0.25f : 1.0f;
    UNROLL for (u32 part = 0; part < 2; part++) {
        u32 out = outs[part];
        bool there = out < a.y_stride;
        f32x4 bias = {};
        if (forward && there) bias = *(const f32x4 *)(a.bias + out);
        UNROLL for (u32 c = 0; c < 8; c++) {
            UNROLL for (u32 k = 0; k < 4; k++) {
                float v = sum[c][4 * part + k] * factor + bias[k];
                sum[c][4 * part + k] = relu ? max0(v) : v;
            }
            u32 column = first + left + c;
            bool inside = there && r < a.height && column < a.width;
            u64 position = (u64)r * a.width + column;
            if (gated) {
                u32 gate = 0;
                UNROLL for (u32 k = 0; k < 4; k++) gate |= (sum[c][4 * part + k] > 0.0f) << k;
                // The neighbouring thread has the other half of the byte.
                u32 other = __nvvm_shfl_sync_bfly_i32(0xffffffff, gate, 1, 31);
                if (inside && group % 2 == 0) a.gate_out[(position * a.y_stride + out) / 8] = gate | other << 4;
            }
            if (inside && !pool) {
                f32x4 *to = (f32x4 *)((float *)a.y + position * a.y_stride + out);
                f32x4 y = {sum[c][4 * part], sum[c][4 * part + 1], sum[c][4 * part + 2], sum[c][4 * part + 3]};
                *to = a.acc == ADD ? *to + y : y;
            }
        }
        if (!pool) continue;
        UNROLL for (u32 c = 0; c < 8; c += 2) {
            f32x4 y;
            UNROLL for (u32 k = 0; k < 4; k++) {
                float here = sum[c][4 * part + k] + sum[c + 1][4 * part + k];
                // The row above or below is 16 threads away.
                float there = __builtin_bit_cast(float, __nvvm_shfl_sync_bfly_i32(0xffffffff, __builtin_bit_cast(u32, here), 16, 31));
                y[k] = 0.25f * (here + there);
            }
            u32 half_column = (first + left + c) / 2;
            if (there && down % 2 == part && r / 2 < a.height / 2 && half_column < a.width / 2) {
                u64 position = (u64)(r / 2) * (a.width / 2) + half_column;
                *(f32x4 *)((float *)a.y + position * a.y_stride + out) = y;
            }
        }
    }
}
