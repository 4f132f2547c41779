// Gram matrices of features in half precision on tensor cores: see style-core/src/ops/gram.rs. Products are exact. Sums are
// f32 over up to 128 positions in a tensor core's accumulator and up to 2048 in another, and f64 beyond (gram_finish).
#include "convolve.cuh"

struct GramTensor {
    const u8 *features; // the first row of the range
    float *partial;     // [parts][tiles][64][64]
    u64 positions, part; // in total, and per part
    u32 stride;
    u32 padding;
};
static_assert(sizeof(GramTensor) == 40, "as in gram/tensor.rs");

enum { TILE = 64, BATCH = 32, PIECES = TILE / 8, ROW = TILE * 2, STAGE = 2 * BATCH * ROW };

// Block (x, y) computes tile x of those on or above the diagonal, numbered along columns, over part y of the positions. Four
// warps have 32 x 32 values each. Piece j of position p is stored at index j ^ (p % 8).
template <u32 TYPE> DEVICE void gram(GramTensor a) {
    __shared__ u8 memory[3 * STAGE] __attribute__((aligned(128)));
    u32 base = shared_address(memory), t = thread(), lane = t % 32, warp = t / 32;
    u32 row = block_x(), column = 0;
    while (row > column) row -= ++column;
    u64 begin = block_y() * a.part, end = begin + a.part < a.positions ? begin + a.part : a.positions;
    u32 batches = (u32)((end - begin + BATCH - 1) / BATCH);

    auto copy = [&](u32 batch) INLINE {
        UNROLL for (u32 k = 0; k < 2 * BATCH * PIECES / THREADS; k++) {
            u32 i = t + THREADS * k, side = i / (BATCH * PIECES), p = i / PIECES % BATCH, j = i % PIECES;
            u64 position = begin + batch * BATCH + p;
            u32 channel = (side ? column : row) * TILE + j * 8;
            bool inside = position < end && channel < a.stride;
            const u8 *at = inside ? a.features + (position * a.stride + channel) * 2 : a.features;
            u32 to = batch % 3 * STAGE + side * (BATCH * ROW) + p * ROW + ((j ^ (p & 7)) << 4);
            copy_async(base + to, at, inside ? 16 : 0);
        }
    };

    u32 m0 = warp / 2 * 32, n0 = warp % 2 * 32;
    float sum[2][4][4] = {}, some[2][4][4] = {};
    copy(0);
    commit_copies();
    if (batches > 1) copy(1);
    commit_copies();
    for (u32 batch = 0; batch < batches; batch++) {
        wait_for_all_but_one();
        __syncthreads(); // all copies are visible, and the stage of the previous batch is free
        if (batch + 2 < batches) copy(batch + 2);
        commit_copies();
        u32 left = base + batch % 3 * STAGE, right = left + BATCH * ROW;
        UNROLL for (u32 k = 0; k < BATCH; k += 16) {
            u32 u[2][4];
            UNROLL for (u32 m = 0; m < 2; m++) {
                u32 p = k + lane % 8 + lane / 16 * 8, j = (m0 + 16 * m) / 8 + lane / 8 % 2;
                load_matrices_transposed(u[m], left + p * ROW + ((j ^ (p & 7)) << 4));
            }
            UNROLL for (u32 n = 0; n < 2; n++) {
                u32 v[4], p = k + lane % 8 + lane / 8 % 2 * 8, j = (n0 + 16 * n) / 8 + lane / 16;
                load_matrices_transposed(v, right + p * ROW + ((j ^ (p & 7)) << 4));
                UNROLL for (u32 m = 0; m < 2; m++) {
                    multiply_add<TYPE>(some[m][2 * n], u[m], v[0], v[1]);
                    multiply_add<TYPE>(some[m][2 * n + 1], u[m], v[2], v[3]);
                }
            }
        }
        if (batch % 4 == 3 || batch + 1 == batches) {
            UNROLL for (u32 m = 0; m < 2; m++)
                UNROLL for (u32 n = 0; n < 4; n++)
                    UNROLL for (u32 k = 0; k < 4; k++) sum[m][n][k] += some[m][n][k], some[m][n][k] = 0.0f;
        }
    }
    float *to = a.partial + ((u64)block_y() * blocks_x() + block_x()) * (TILE * TILE);
    UNROLL for (u32 m = 0; m < 2; m++) {
        UNROLL for (u32 n = 0; n < 4; n++) {
            UNROLL for (u32 h = 0; h < 2; h++) {
                u32 i = m0 + 16 * m + lane / 4 + 8 * h, j = n0 + 8 * n + lane % 4 * 2;
                *(f32x2 *)(to + i * TILE + j) = f32x2{sum[m][n][2 * h], sum[m][n][2 * h + 1]};
            }
        }
    }
}

KERNEL(128) gram_f16(GramTensor a) { gram<F16>(a); }
KERNEL(128) gram_bf16(GramTensor a) { gram<BF16>(a); }

struct Filters {
    const float *dg;
    u8 *filters; // in the layout of convolve.cuh, with one tap
    u32 channels, chunks;
    float scale;
    u32 padding;
};
static_assert(sizeof(Filters) == 32, "as in gram/tensor.rs");

// scale (dg + dg^T) in bf16, as filters of a 1x1 convolution; one piece per thread. dF is that convolution of F.
KERNEL(256) gram_filters(Filters a) {
    u64 at = global_thread();
    u32 place = at % 4, o = at / 4 % 64, chunk = at / 256 % a.chunks, tile = at / 256 / a.chunks, n = a.channels;
    if (tile >= (n + 63) / 64) return;
    u32 out = tile * 64 + o, first = chunk * 32 + (place ^ (o / 2 % 4)) * 8;
    u32x4 piece;
    UNROLL for (u32 h = 0; h < 4; h++) {
        float v[2];
        UNROLL for (u32 k = 0; k < 2; k++) {
            u32 i = first + 2 * h + k;
            v[k] = i < n && out < n ? a.scale * (a.dg[(u64)i * n + out] + a.dg[(u64)out * n + i]) : 0.0f;
        }
        piece[h] = pair<BF16>(v[0], v[1]);
    }
    ((u32x4 *)a.filters)[at] = piece;
}

KERNEL(128) gram_bwd_bf16(Conv2d a) { convolve<BF16, 1, 16, 128>(a); }
KERNEL(128) gram_bwd_bf16_narrow(Conv2d a) { convolve<BF16, 1, 16, 64>(a); }
KERNEL(128) gram_bwd_bf16_small(Conv2d a) { convolve<BF16, 1, 8, 64>(a); }
