// Products with small dense matrices in f32: see style-core/src/backend/ops/product.rs. Features may have any type.
#include "device.cuh"

enum { TILE = 64, BATCH = 32 };

struct Spread {
    const float *matrix;
    float *s; // [32 rows][64 columns], both rounded up
    u64 row_step, column_step; // of the matrix
    u32 rows, columns, s_columns;
    float scale;
};
static_assert(sizeof(Spread) == 48, "as in product.rs");

// s = scale matrix, or scale matrix^T by its steps; zero beyond the rows and columns.
KERNEL(256) product_spread(Spread a) {
    u64 at = global_thread(), i = at / a.s_columns, j = at % a.s_columns;
    if (i >= ((u64)a.rows + BATCH - 1) / BATCH * BATCH) return;
    a.s[at] = i < a.rows && j < a.columns ? a.scale * a.matrix[i * a.row_step + j * a.column_step] : 0.0f;
}

struct Project {
    const void *x;
    const float *s; // from product_spread or gram_symmetric
    void *to;
    u64 positions;
    u32 channels, stride, s_columns, to_stride, x_type, to_type, acc;
    u32 padding;
};
static_assert(sizeof(Project) == 64, "as in product.rs");

// to (=|+=) x s. Block (x, y) computes 64 positions by 64 channels; a thread computes 4 x 4 values.
KERNEL(256) project(Project a) {
    __shared__ f32x4 x[BATCH][TILE / 4 + 1], s[BATCH][TILE / 4];
    u32 t = thread(), load_position = t / 4, load_channel = t % 4 * 8, row = t / 16, column = t % 16;
    u64 first = (u64)block_x() * TILE;
    float sum[4][4] = {};
    for (u32 k = 0; k < a.channels; k += BATCH) {
        Piece p = {};
        if (first + load_position < a.positions)
            p = channels_at(a.x, a.x_type, a.channels, a.stride, first + load_position, k + load_channel);
        __syncthreads(); // the previous batch has been read
        UNROLL for (u32 i = 0; i < 8; i++) ((float *)x[load_channel + i])[load_position] = p.v[i];
        UNROLL for (u32 i = 0; i < 2; i++) {
            u32 at = t + 256 * i, from = at / (TILE / 4), to = at % (TILE / 4);
            s[from][to] = ((const f32x4 *)(a.s + (u64)(k + from) * a.s_columns + block_y() * TILE))[to];
        }
        __syncthreads();
        UNROLL for (u32 i = 0; i < BATCH; i++) {
            f32x4 u = x[i][row], v = s[i][column];
            UNROLL for (u32 p = 0; p < 4; p++)
                UNROLL for (u32 c = 0; c < 4; c++) sum[p][c] = __builtin_fmaf(u[p], v[c], sum[p][c]);
        }
    }
    u32 channel = block_y() * TILE + 4 * column;
    UNROLL for (u32 i = 0; i < 4; i++) {
        u64 position = first + 4 * row + i;
        if (position >= a.positions || channel >= a.to_stride) continue;
        u64 at = position * a.to_stride + channel;
        if (a.to_type == F32) {
            UNROLL for (u32 c = 0; c < 4; c++) {
                float *to = (float *)a.to + at + c;
                if (channel + c < a.to_stride) *to = a.acc == ADD ? *to + sum[i][c] : sum[i][c];
            }
        } else {
            UNROLL for (u32 c = 0; c < 4; c++) {
                float v = sum[i][c] + (a.acc == ADD ? load_value(a.to, a.to_type, at + c) : 0.0f);
                ((u16 *)a.to)[at + c] = a.to_type == F16 ? to_f16(v) : to_bf16(v);
            }
        }
    }
}
