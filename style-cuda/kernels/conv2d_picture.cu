// Convolutions that read or write a picture of up to four channels (f32): see style-core/src/ops/conv2d.rs. Backward-data
// of one is the other, with the filters rotated by 180 degrees and transposed; gates are applied as values are read.
#include "conv2d.cuh"

struct Picture {
    const void *x;
    void *y;
    const float *filters; // layout: see each kernel
    const float *bias;    // [y_stride]
    const u8 *gate_in;    // of x, or null
    u8 *gate_out;         // of y
    u32 height, width;
    u32 x_channels, y_channels, x_stride, y_stride;
    u32 x_type, y_type;
    u32 epilogue, acc;
    u32 replicate; // whether the border is repeated instead of padded with zeros
    u32 padding;
};
static_assert(sizeof(Picture) == 96, "as in conv2d/picture.rs");

enum { COLUMNS = 64, OUTS = 64 };

// The row or column of the picture nearest to at - 1.
DEVICE u32 nearest(u32 at, u32 extent) { return (at < 1 ? 1 : at > extent ? extent : at) - 1; }

// From a picture. Filters: [outs / 64][9 taps][4 channels][64 outs]. A block computes 64 columns of a row and 64 outs; a
// thread computes four columns, 16 apart, and eight outs.
KERNEL(128) conv2d_from_picture(Picture a) {
    __shared__ f32x4 filters[9 * 4 * OUTS / 4];
    __shared__ float x[3][4][COLUMNS + 2];
    u32 row = block_y(), first = block_x() * COLUMNS, tile = block_z();
    const f32x4 *packed = (const f32x4 *)a.filters + (u64)tile * (9 * 4 * OUTS / 4);
    UNROLL for (u32 k = 0; k < 5; k++) {
        u32 i = thread() + 128 * k;
        if (i < 9 * 4 * OUTS / 4) filters[i] = packed[i];
    }
    // Row u, channel i, column c of the patch; outside the picture, zero or the nearest pixel. Missing channels are zero.
    for (u32 k = thread(); k < 3 * 4 * (COLUMNS + 2); k += 128) {
        u32 u = k / (4 * (COLUMNS + 2)), i = k / (COLUMNS + 2) % 4, c = k % (COLUMNS + 2);
        // Wraps around to a large number above and left of the picture.
        u32 r = row + u - 1, column = first + c - 1;
        if (a.replicate) r = nearest(row + u, a.height), column = nearest(first + c, a.width);
        float v = 0.0f;
        if (r < a.height && column < a.width && i < a.x_channels) {
            u64 at = (u64)r * a.width + column;
            if (!a.gate_in || a.gate_in[at] >> i & 1) v = ((const float *)a.x)[at * a.x_stride + i];
        }
        x[u][i][c] = v;
    }
    __syncthreads();
    u32 group = thread() % 8, column = thread() / 8;
    float sum[4][8] = {};
    UNROLL for (u32 tap = 0; tap < 9; tap++) {
        UNROLL for (u32 i = 0; i < 4; i++) {
            if (i >= a.x_channels) continue;
            f32x4 w0 = filters[(tap * 4 + i) * (OUTS / 4) + 2 * group];
            f32x4 w1 = filters[(tap * 4 + i) * (OUTS / 4) + 2 * group + 1];
            UNROLL for (u32 j = 0; j < 4; j++) {
                float v = x[tap / 3][i][column + 16 * j + tap % 3];
                UNROLL for (u32 k = 0; k < 4; k++) {
                    sum[j][k] = __builtin_fmaf(v, w0[k], sum[j][k]);
                    sum[j][4 + k] = __builtin_fmaf(v, w1[k], sum[j][4 + k]);
                }
            }
        }
    }
    u32 out = tile * OUTS + 8 * group;
    if (out >= a.y_stride) return;
    UNROLL for (u32 j = 0; j < 4; j++) {
        u32 c = first + column + 16 * j;
        if (c >= a.width) continue;
        u64 position = (u64)row * a.width + c;
        Piece y;
        u32 gate = 0;
        UNROLL for (u32 k = 0; k < 8; k++) {
            float v = sum[j][k];
            bool there = out + k < a.y_channels;
            if (a.epilogue != BACKWARD && there) v += a.bias[out + k];
            if (a.epilogue >= RELU) v = max0(v);
            y.v[k] = there ? v : 0.0f;
        }
        if (a.y_stride < 8) {
            UNROLL for (u32 k = 0; k < 4; k++) {
                if (k >= a.y_stride) continue;
                float *to = (float *)a.y + position * a.y_stride + k;
                *to = a.acc == ADD ? *to + y.v[k] : y.v[k];
                gate |= (y.v[k] > 0.0f) << k;
            }
        } else {
            u64 i = (position * a.y_stride + out) / 8;
            put(a.y, a.y_type, a.acc, i, y);
            // The gate of the stored values: closed where they round to zero.
            UNROLL for (u32 k = 0; k < 8; k++) gate |= (rounded(y.v[k], a.y_type) > 0.0f) << k;
        }
        if (a.epilogue == RELU_GATE) a.gate_out[(position * ((a.y_stride + 7) / 8 * 8) + out) / 8] = gate;
    }
}

enum { ROWS = 16, WIDE = 32 };

// To a picture. Filters: [chunks of 8 channels][9 taps][8 channels][4 outs]. A block computes 16 rows and 32 columns; a
// thread computes four rows of a column.
KERNEL(128) conv2d_to_picture(Picture a) {
    __shared__ f32x4 filters[9 * 8];
    __shared__ f32x4 x[2][ROWS + 2][WIDE + 2]; // channels 4 h .. 4 h + 3 of a chunk
    u32 row = block_y() * ROWS, first = block_x() * WIDE, chunks = a.x_stride / 8;
    u32 column = thread() % 32, top = thread() / 32 * 4;
    float sum[4][4] = {};
    for (u32 chunk = 0; chunk < chunks; chunk++) {
        __syncthreads(); // the previous chunk has been read
        if (thread() < 72) filters[thread()] = ((const f32x4 *)a.filters)[(u64)chunk * 72 + thread()];
        for (u32 k = thread(); k < (ROWS + 2) * (WIDE + 2); k += 128) {
            u32 u = k / (WIDE + 2), c = k % (WIDE + 2), r = row + u - 1, at_column = first + c - 1;
            Piece p = {};
            if (r < a.height && at_column < a.width) {
                u64 i = ((u64)r * a.width + at_column) * chunks + chunk;
                p = load(a.x, a.x_type, i);
                u32 gate = a.gate_in ? a.gate_in[i] : 0xff;
                UNROLL for (u32 j = 0; j < 8; j++) p.v[j] = gate >> j & 1 ? p.v[j] : 0.0f;
            }
            x[0][u][c] = f32x4{p.v[0], p.v[1], p.v[2], p.v[3]};
            x[1][u][c] = f32x4{p.v[4], p.v[5], p.v[6], p.v[7]};
        }
        __syncthreads();
        UNROLL for (u32 half = 0; half < 2; half++) {
            UNROLL for (u32 v = 0; v < 3; v++) {
                f32x4 rows[6];
                UNROLL for (u32 u = 0; u < 6; u++) rows[u] = x[half][top + u][column + v];
                UNROLL for (u32 u = 0; u < 3; u++) {
                    UNROLL for (u32 i = 0; i < 4; i++) {
                        f32x4 w = filters[(u * 3 + v) * 8 + half * 4 + i];
                        UNROLL for (u32 j = 0; j < 4; j++)
                            UNROLL for (u32 o = 0; o < 4; o++)
                                sum[j][o] = __builtin_fmaf(rows[j + u][i], w[o], sum[j][o]);
                    }
                }
            }
        }
    }
    if (first + column >= a.width) return;
    UNROLL for (u32 j = 0; j < 4; j++) {
        u32 r = row + top + j;
        if (r >= a.height) continue;
        u64 position = (u64)r * a.width + first + column;
        u32 gate = 0;
        UNROLL for (u32 o = 0; o < 4; o++) {
            if (o >= a.y_channels) continue;
            float v = sum[j][o], *to = (float *)a.y + position * a.y_stride + o;
            if (a.epilogue != BACKWARD) v += a.bias[o];
            if (a.epilogue >= RELU) v = max0(v);
            gate |= (v > 0.0f) << o;
            *to = a.acc == ADD ? *to + v : v;
        }
        if (a.epilogue == RELU_GATE) a.gate_out[position] = gate;
    }
}

// With a repeated border, adds the gradient on the ring around the picture to the border, after one of the kernels above has
// written the rest. Filters are those of that kernel. A warp computes one position of the border; its terms are pairs of a
// neighbour and a tap, with eight channels each. Along each axis, tap t of neighbour n falls on offset n - t from this
// position: n = t is the position itself; at the first (last) row or column, t = n + 1 (n = t + 1) is outside the picture.
KERNEL(128) conv2d_fold_picture(Picture a) {
    u64 i = (u64)block_x() * 4 + thread() / 32;
    u32 lane = thread() % 32, row, column;
    // The first and last row, then the first and last column without their ends.
    u64 across = (u64)a.width * (a.height > 1 ? 2 : 1), high = a.height > 2 ? a.height - 2 : 0;
    if (i < across) {
        row = i < a.width ? 0 : a.height - 1, column = i % a.width;
    } else if (i < across + high * (a.width > 1 ? 2 : 1)) {
        i -= across;
        row = 1 + i % high, column = i < high ? 0 : a.width - 1;
    } else {
        return;
    }
    u32 pieces = (a.x_channels + 7) / 8;
    float sum[4] = {};
    for (u32 term = lane; term < 25 * pieces; term += 32) {
        // Pairs of each axis: (0, 0), (1, 1), (2, 2), (1, 2), (1, 0).
        u32 piece = term / 25, down = term % 25 / 5, right = term % 5;
        if (down < 3 && right < 3) continue;
        if ((down == 3 && row != 0) || (down == 4 && row + 1 != a.height)) continue;
        if ((right == 3 && column != 0) || (right == 4 && column + 1 != a.width)) continue;
        u32 r = row + (down < 3 ? down : 1) - 1, c = column + (right < 3 ? right : 1) - 1;
        if (r >= a.height || c >= a.width) continue;
        u32 tap = (down < 3 ? down : down == 3 ? 2 : 0) * 3 + (right < 3 ? right : right == 3 ? 2 : 0);
        u64 at = (u64)r * a.width + c;
        if (a.x_stride < 8) {
            UNROLL for (u32 k = 0; k < 4; k++) {
                if (k >= a.x_channels || (a.gate_in && !(a.gate_in[at] >> k & 1))) continue;
                float v = ((const float *)a.x)[at * a.x_stride + k];
                UNROLL for (u32 o = 0; o < 4; o++) sum[o] += v * a.filters[(tap * 4 + k) * OUTS + o];
            }
        } else {
            u64 i = at * (a.x_stride / 8) + piece;
            Piece p = load(a.x, a.x_type, i);
            u32 gate = a.gate_in ? a.gate_in[i] : 0xff;
            UNROLL for (u32 k = 0; k < 8; k++) {
                f32x4 w = ((const f32x4 *)a.filters)[((u64)piece * 9 + tap) * 8 + k];
                float v = gate >> k & 1 ? p.v[k] : 0.0f;
                UNROLL for (u32 o = 0; o < 4; o++) sum[o] += v * w[o];
            }
        }
    }
    UNROLL for (u32 by = 16; by; by /= 2) {
        UNROLL for (u32 o = 0; o < 4; o++) {
            u32 other = __nvvm_shfl_sync_down_i32(0xffffffff, __builtin_bit_cast(u32, sum[o]), by, 31);
            sum[o] += __builtin_bit_cast(float, other);
        }
    }
    if (lane) return;
    UNROLL for (u32 o = 0; o < 4; o++)
        if (o < a.y_channels) ((float *)a.y)[((u64)row * a.width + column) * a.y_stride + o] += sum[o];
}
