// Nearest neighbours of patches: see style-core/src/backend/ops/nearest.rs. Products and norms are f32, in two levels of
// 32 channels at a time. A norm below 1e-19, whose square is not a normal number, counts as zero.
#include "device.cuh"

enum { TILE = 64, BATCH = 32 };

struct Candidate {
    float quotient;
    u32 patch;
};

// The first of those with the largest quotient.
DEVICE void take(Candidate &best, Candidate other) {
    if (other.quotient > best.quotient || (other.quotient == best.quotient && other.patch < best.patch)) best = other;
}

struct Nearest {
    const void *x, *y;
    Candidate *best; // [parts][patches of x]
    u32 channels, stride, side;
    u32 x_width, x_columns, x_patches; // of the features; of the patches; in total
    u32 y_width, y_columns, y_patches;
    u32 part; // tiles of patches of y
    u32 x_type, y_type;
};
static_assert(sizeof(Nearest) == 72, "as in nearest.rs");

// The position of the first value of a patch.
DEVICE u64 corner(u32 patch, u32 columns, u32 width) { return (u64)(patch / columns) * width + patch % columns; }

// The sum over the four lanes that load one patch.
DEVICE float quad_sum(float v) {
    UNROLL for (u32 by = 2; by; by /= 2)
        v += __builtin_bit_cast(float, __nvvm_shfl_sync_bfly_i32(0xffffffff, __builtin_bit_cast(u32, v), by, 31));
    return v;
}

// Block (x, y): the best neighbours of 64 patches of x in part y of the patches of y; a thread compares 4 with 4 at a time.
KERNEL(256) nearest(Nearest a) {
    __shared__ f32x4 u[BATCH][TILE / 4 + 1], v[BATCH][TILE / 4 + 1];
    __shared__ float inverse[TILE]; // of the norms
    u32 t = thread(), load_patch = t / 4, load_channel = t % 4 * 8, row = t / 16, column = t % 16;
    u32 p = block_x() * TILE + load_patch, tiles = (a.y_patches + TILE - 1) / TILE;
    u32 begin = block_y() * a.part, end = begin + a.part < tiles ? begin + a.part : tiles;
    u64 at_x = corner(p, a.x_columns, a.x_width);
    Candidate best[4];
    UNROLL for (u32 i = 0; i < 4; i++) best[i] = Candidate{-__builtin_inff(), 0};
    for (u32 tile = begin; tile < end; tile++) {
        u32 q = tile * TILE + load_patch;
        u64 at_y = corner(q, a.y_columns, a.y_width);
        float sum[4][4] = {}, squares = 0.0f;
        for (u32 offset = 0; offset < a.side * a.side; offset++) {
            u32 r = offset / a.side, c = offset % a.side;
            for (u32 k = 0; k < a.channels; k += BATCH) {
                Piece of_x = {}, of_y = {};
                u32 channel = k + load_channel;
                if (p < a.x_patches)
                    of_x = channels_at(a.x, a.x_type, a.channels, a.stride, at_x + (u64)r * a.x_width + c, channel);
                if (q < a.y_patches)
                    of_y = channels_at(a.y, a.y_type, a.channels, a.stride, at_y + (u64)r * a.y_width + c, channel);
                float batch_squares = 0.0f;
                UNROLL for (u32 i = 0; i < 8; i++) batch_squares = __builtin_fmaf(of_y.v[i], of_y.v[i], batch_squares);
                squares += batch_squares;
                __syncthreads(); // the previous batch has been read
                UNROLL for (u32 i = 0; i < 8; i++) {
                    ((float *)u[load_channel + i])[load_patch] = of_x.v[i];
                    ((float *)v[load_channel + i])[load_patch] = of_y.v[i];
                }
                __syncthreads();
                float batch[4][4] = {};
                for (u32 first = 0; first < BATCH && k + first < a.channels; first += 8)
                    UNROLL for (u32 n = 0; n < 8; n++) {
                        f32x4 left = u[first + n][row], right = v[first + n][column];
                        UNROLL for (u32 i = 0; i < 4; i++)
                            UNROLL for (u32 j = 0; j < 4; j++)
                                batch[i][j] = __builtin_fmaf(left[i], right[j], batch[i][j]);
                    }
                UNROLL for (u32 i = 0; i < 4; i++)
                    UNROLL for (u32 j = 0; j < 4; j++) sum[i][j] += batch[i][j];
            }
        }
        squares = quad_sum(squares);
        if (t % 4 == 0) inverse[load_patch] = squares >= SMALLEST_NORMAL ? 1.0f / __builtin_sqrtf(squares) : 0.0f;
        __syncthreads();
        UNROLL for (u32 j = 0; j < 4; j++) {
            u32 patch = tile * TILE + 4 * column + j;
            if (patch >= a.y_patches) continue;
            UNROLL for (u32 i = 0; i < 4; i++) take(best[i], Candidate{sum[i][j] * inverse[4 * column + j], patch});
        }
    }
    UNROLL for (u32 i = 0; i < 4; i++) {
        // Over the 16 threads of a row.
        UNROLL for (u32 by = 8; by; by /= 2) {
            u32 quotient = __nvvm_shfl_sync_bfly_i32(0xffffffff, __builtin_bit_cast(u32, best[i].quotient), by, 31);
            u32 patch = __nvvm_shfl_sync_bfly_i32(0xffffffff, best[i].patch, by, 31);
            take(best[i], Candidate{__builtin_bit_cast(float, quotient), patch});
        }
        u32 to = block_x() * TILE + 4 * row + i;
        if (column == 0 && to < a.x_patches) a.best[(u64)block_y() * a.x_patches + to] = best[i];
    }
}

struct Pick {
    const Candidate *best; // [parts][patches]
    float *found;
    u32 parts, patches;
};
static_assert(sizeof(Pick) == 24, "as in nearest.rs");

// The best neighbour of all parts; one patch per thread.
KERNEL(256) nearest_pick(Pick a) {
    u64 p = global_thread();
    if (p >= a.patches) return;
    Candidate best = {-__builtin_inff(), 0};
    for (u32 part = 0; part < a.parts; part++) take(best, a.best[(u64)part * a.patches + p]);
    a.found[p] = best.patch;
}

struct Distance {
    const void *x, *y;
    const float *found;
    float *d;
    double *partial; // [blocks]
    u64 positions;
    u32 channels, stride, side;
    u32 width, rows, columns; // of x; of its patches
    u32 y_width, y_columns, last; // of y; of its patches, and the number of the last
    u32 x_type, y_type;
    u32 padding;
};
static_assert(sizeof(Distance) == 96, "as in nearest.rs");

// d, and each block's part of sum |x_p - y_q(p)|^2. A thread has eight channels of a position at a time.
KERNEL(256) nearest_distance(Distance a) {
    u32 lanes = (a.stride + 7) / 8;
    double sum = 0.0;
    for (u64 i = global_thread(); i < a.positions * lanes; i += (u64)blocks_x() * 256) {
        u64 position = i / lanes;
        u32 channel = i % lanes * 8, row = position / a.width, column = position % a.width;
        Piece x = channels_at(a.x, a.x_type, a.channels, a.stride, position, channel), d = {};
        for (u32 r = 0; r < a.side && r <= row; r++) {
            for (u32 c = 0; c < a.side && c <= column; c++) {
                if (row - r >= a.rows || column - c >= a.columns) continue;
                u32 q = number(a.found[(u64)(row - r) * a.columns + column - c], a.last);
                u64 at = corner(q, a.y_columns, a.y_width) + (u64)r * a.y_width + c;
                Piece y = channels_at(a.y, a.y_type, a.channels, a.stride, at, channel);
                UNROLL for (u32 k = 0; k < 8; k++) {
                    float difference = x.v[k] - y.v[k];
                    d.v[k] += difference;
                    sum += (double)difference * difference;
                }
            }
        }
        if (a.stride % 8 == 0) store(a.d, F32, i, d);
        else
            UNROLL for (u32 k = 0; k < 8; k++)
                if (channel + k < a.channels) a.d[position * a.stride + channel + k] = d.v[k];
    }
    sum = block_sum(sum);
    if (thread() == 0) a.partial[block_x()] = sum;
}
