// Gram matrices in f32: see style-core/src/ops/gram.rs. Features may have any type. Sums over up to 2048 positions
// are f32 (in two levels, 32 at a time), longer ones f64.
#include "device.cuh"

enum { TILE = 64, BATCH = 32 };

struct Gram {
    const void *features; // the first row of the range
    float *partial;       // [parts][tiles][64][64]
    u64 positions, part;  // in total, and per part
    u32 channels, stride, type;
    u32 padding;
};
static_assert(sizeof(Gram) == 48, "as in gram.rs");

// The row and column of a tile on or above the diagonal, numbered along columns.
DEVICE void tile_of(u32 index, u32 &row, u32 &column) {
    column = 0;
    while (index > column) index -= ++column;
    row = index;
}

// Block (x, y) computes tile x over part y of the positions; a thread computes 4 x 4 values.
KERNEL(256) gram(Gram a) {
    __shared__ f32x4 rows[BATCH][TILE / 4], columns[BATCH][TILE / 4];
    u32 row, column, t = thread();
    tile_of(block_x(), row, column);
    u64 begin = block_y() * a.part, end = begin + a.part < a.positions ? begin + a.part : a.positions;
    u32 load_position = t / 8, load_channel = t % 8 * 8, y = t / 16, x = t % 16;
    float sum[4][4] = {};
    for (u64 p = begin; p < end; p += BATCH) {
        Piece r = {}, c = {};
        if (p + load_position < end) {
            r = channels_at(a.features, a.type, a.channels, a.stride, p + load_position, row * TILE + load_channel);
            c = channels_at(a.features, a.type, a.channels, a.stride, p + load_position, column * TILE + load_channel);
        }
        __syncthreads(); // the previous batch has been read
        UNROLL for (u32 h = 0; h < 2; h++) {
            rows[load_position][load_channel / 4 + h] = f32x4{r.v[4 * h], r.v[4 * h + 1], r.v[4 * h + 2], r.v[4 * h + 3]};
            columns[load_position][load_channel / 4 + h] = f32x4{c.v[4 * h], c.v[4 * h + 1], c.v[4 * h + 2], c.v[4 * h + 3]};
        }
        __syncthreads();
        float batch[4][4] = {};
        UNROLL for (u32 k = 0; k < BATCH; k++) {
            f32x4 u = rows[k][y], v = columns[k][x];
            UNROLL for (u32 i = 0; i < 4; i++)
                UNROLL for (u32 j = 0; j < 4; j++) batch[i][j] = __builtin_fmaf(u[i], v[j], batch[i][j]);
        }
        UNROLL for (u32 i = 0; i < 4; i++)
            UNROLL for (u32 j = 0; j < 4; j++) sum[i][j] += batch[i][j];
    }
    f32x4 *to = (f32x4 *)(a.partial + ((u64)block_y() * blocks_x() + block_x()) * (TILE * TILE));
    UNROLL for (u32 i = 0; i < 4; i++)
        to[(4 * y + i) * (TILE / 4) + x] = f32x4{sum[i][0], sum[i][1], sum[i][2], sum[i][3]};
}

struct Finish {
    const float *partial; // [parts][tiles][64][64]
    float *g;
    u32 parts, tiles, channels, acc;
    float scale;
    u32 padding;
};
static_assert(sizeof(Finish) == 40, "as in gram.rs");

// Tile x, 16 blocks of rows each: g = scale times the sum over the parts in a fixed order, on both sides of the diagonal.
KERNEL(256) gram_finish(Finish a) {
    u32 row, column, inside = block_y() * 256 + thread();
    tile_of(block_x(), row, column);
    u64 i = row * TILE + inside / TILE, j = column * TILE + inside % TILE;
    if (i >= a.channels || j >= a.channels || i > j) return;
    double sum = 0.0;
    for (u32 part = 0; part < a.parts; part++)
        sum += a.partial[((u64)part * a.tiles + block_x()) * (TILE * TILE) + inside];
    float v = a.scale * sum, *upper = a.g + i * a.channels + j, *lower = a.g + j * a.channels + i;
    *upper = a.acc == ADD ? *upper + v : v;
    if (i != j) *lower = a.acc == ADD ? *lower + v : v;
}

struct Symmetric {
    const float *dg;
    float *s; // for `project`: [32 rows][64 columns], both rounded up
    u32 channels, columns;
    float scale;
    u32 padding;
};
static_assert(sizeof(Symmetric) == 32, "as in gram.rs");

// s = scale (dg + dg^T), zero beyond the channels.
KERNEL(256) gram_symmetric(Symmetric a) {
    u64 at = global_thread(), i = at / a.columns, j = at % a.columns, n = a.channels;
    if (i >= (n + BATCH - 1) / BATCH * BATCH) return;
    a.s[at] = i < n && j < n ? a.scale * (a.dg[i * n + j] + a.dg[j * n + i]) : 0.0f;
}
