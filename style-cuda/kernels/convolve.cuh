// Convolution on tensor cores, with a halo tile in shared memory: 3x3 for conv2d_tensor.cu, 1x1 for gram_tensor.cu.
//
// A block computes 8 rows of COLUMNS positions by OUTS outs, 32 input channels at a time. The values at and around its
// positions are copied to shared memory once, in two alternating buffers, and all taps read them there. Filters arrive tap
// by tap, in three rotating buffers: [outs / 64][chunks of 32 channels][taps][64 outs][32 channels], in permuted pieces.
// Four warps share positions and outs, two by two.
//
// In shared memory, a position, or an out of a tap, has 64 bytes: four pieces of eight channels. Piece j of row p is stored
// at index j ^ (p / 2 % 4), so that eight rows of a matrix are in different banks.
#pragma once
#include "conv2d.cuh"
#include "mma.cuh"

enum { ROWS = 8, CHUNK = 32, LINE = 64, SLICE = 64 * LINE, THREADS = 128 };

// The offset of piece j of a row.
DEVICE u32 place(u32 row, u32 j) { return row * LINE + ((j ^ (row >> 1 & 3)) << 4); }

template <u32 TYPE, u32 TAPS, u32 COLUMNS, u32 OUTS> DEVICE void convolve(Conv2d a) {
    constexpr u32 WIDE = COLUMNS + TAPS - 1, HALO = (ROWS + TAPS - 1) * WIDE, PIECES = (HALO * 4 + THREADS - 1) / THREADS;
    constexpr u32 M = ROWS * COLUMNS / 2, N = OUTS / 2; // per warp
    constexpr u32 X = HALO * LINE, W = OUTS * LINE;     // bytes per buffer
    constexpr u32 PITCH = OUTS * 2 + 16;                // bytes per output position, spread over the banks
    constexpr u32 BYTES = 2 * X + 3 * W > ROWS * COLUMNS * PITCH ? 2 * X + 3 * W : ROWS * COLUMNS * PITCH;
    __shared__ u8 memory[BYTES] __attribute__((aligned(128)));
    u32 base = shared_address(memory);

    u32 t = thread(), lane = t % 32, warp = t / 32;
    u32 across = (a.width + COLUMNS - 1) / COLUMNS;
    u32 row = block_x() / across * ROWS, first = block_x() % across * COLUMNS, tile = block_y();
    u32 chunks = (a.x_stride + CHUNK - 1) / CHUNK, steps = chunks * TAPS * TAPS;
    const u8 *filters = (const u8 *)a.filters + (u64)tile * (OUTS / 64) * steps * SLICE;
    bool prepared = a.gate_in || a.from_f16;
    u32 gates[(PIECES + 3) / 4];

    auto copy_filters = [&](u32 step) INLINE {
        UNROLL for (u32 k = 0; k < W / 16 / THREADS; k++) {
            u32 at = (t + THREADS * k) * 16;
            const u8 *slice = filters + ((u64)(at / SLICE) * steps + step) * SLICE;
            copy_async(base + 2 * X + step % 3 * W + at, slice + at % SLICE, 16);
        }
    };
    // Zero outside the picture and beyond its channels. Gates are kept until the copy has arrived.
    auto copy_positions = [&](u32 chunk) INLINE {
        UNROLL for (u32 k = 0; k < (PIECES + 3) / 4; k++) gates[k] = 0;
        UNROLL for (u32 k = 0; k < PIECES; k++) {
            u32 i = t + THREADS * k, p = i / 4, j = i % 4, channel = chunk * CHUNK + j * 8;
            if (p >= HALO) continue;
            // Wraps around to a large number above and left of the picture.
            u32 r = row + p / WIDE - TAPS / 2, c = first + p % WIDE - TAPS / 2;
            bool inside = r < a.height && c < a.width && channel < a.x_stride;
            u64 position = (u64)r * a.width + c, from = position;
            if (inside && a.gate_in) gates[k / 4] |= (u32)a.gate_in[(position * a.x_stride + channel) / 8] << 8 * (k % 4);
            if (a.pooled_in) {
                inside = inside && r / 2 < a.height / 2 && c / 2 < a.width / 2;
                from = (u64)(r / 2) * (a.width / 2) + c / 2;
            }
            const u8 *at = (const u8 *)a.x + (inside ? (from * a.x_stride + channel) * 2 : 0);
            copy_async(base + chunk % 2 * X + place(p, j), at, inside ? 16 : 0);
        }
    };
    // Applies gates to the pieces that this thread copied and converts them to the type of the filters.
    auto prepare = [&](u32 chunk) INLINE {
        UNROLL for (u32 k = 0; k < PIECES; k++) {
            u32 i = t + THREADS * k, p = i / 4, j = i % 4;
            if (p >= HALO) continue;
            u32x4 *at = (u32x4 *)(memory + chunk % 2 * X + place(p, j));
            u32x4 v = *at;
            u32 gate = a.gate_in ? gates[k / 4] >> 8 * (k % 4) : 0xff;
            UNROLL for (u32 h = 0; h < 4; h++) {
                u32 both = v[h];
                if (a.from_f16) both = pair<BF16>(low_of<F16>(both), high_of<F16>(both));
                v[h] = both & ((gate >> 2 * h & 1 ? 0xffff : 0) | (gate >> (2 * h + 1) & 1 ? 0xffff0000 : 0));
            }
            *at = v;
        }
    };

    // This warp's positions start at m0, its outs at n0.
    u32 m0 = warp / 2 * M, n0 = warp % 2 * N;
    float sum[M / 16][N / 8][4] = {};
    copy_positions(0);
    copy_filters(0);
    commit_copies();
    if (steps > 1) copy_filters(1);
    commit_copies();
    for (u32 step = 0; step < steps; step++) {
        u32 chunk = step / (TAPS * TAPS), tap = step % (TAPS * TAPS);
        // With one tap, the positions of this step are in the last group.
        if (TAPS == 1) wait_for_copies();
        else wait_for_all_but_one();
        if (tap == 0 && prepared) prepare(chunk);
        __syncthreads(); // all copies are visible, and the buffers of the previous step are free
        if (tap == 0 && chunk + 1 < chunks) copy_positions(chunk + 1);
        if (step + 2 < steps) copy_filters(step + 2);
        commit_copies();
        u32 xs = base + chunk % 2 * X, ws = base + 2 * X + step % 3 * W;
        UNROLL for (u32 k = 0; k < CHUNK / 16; k++) {
            u32 x[M / 16][4];
            UNROLL for (u32 m = 0; m < M / 16; m++) {
                u32 position = m0 + 16 * m + lane % 16;
                u32 p = (position / COLUMNS + tap / TAPS) * WIDE + position % COLUMNS + tap % TAPS;
                load_matrices(x[m], xs + place(p, 2 * k + lane / 16));
            }
            UNROLL for (u32 n = 0; n < N / 16; n++) {
                u32 w[4], out = n0 + 16 * n + lane % 8 + lane / 16 * 8;
                load_matrices(w, ws + place(out, 2 * k + lane / 8 % 2));
                UNROLL for (u32 m = 0; m < M / 16; m++) {
                    multiply_add<TYPE>(sum[m][2 * n], x[m], w[0], w[1]);
                    multiply_add<TYPE>(sum[m][2 * n + 1], x[m], w[2], w[3]);
                }
            }
        }
    }

    // Results pass through shared memory, so that each thread has eight channels of a position.
    wait_for_copies();
    __syncthreads();
    float factor = a.pooled_in ? 0.25f : 1.0f;
    UNROLL for (u32 n = 0; n < N / 8; n++) {
        u32 column = n0 + 8 * n + lane % 4 * 2, out = tile * OUTS + column;
        f32x2 bias = {};
        if (a.epilogue != BACKWARD && out < a.y_stride) bias = *(const f32x2 *)(a.bias + out);
        UNROLL for (u32 m = 0; m < M / 16; m++) {
            UNROLL for (u32 h = 0; h < 2; h++) {
                float low = sum[m][n][2 * h] * factor + bias[0], high = sum[m][n][2 * h + 1] * factor + bias[1];
                if (a.epilogue >= RELU) low = max0(low), high = max0(high);
                u32 position = m0 + 16 * m + lane / 4 + 8 * h;
                *(u32 *)(memory + position * PITCH + column * 2) = pair<TYPE>(low, high);
            }
        }
    }
    __syncthreads();
    bool pool = a.epilogue == RELU_POOL || a.epilogue == RELU_POOL_GATE;
    bool gated = a.epilogue == RELU_GATE || a.epilogue == RELU_POOL_GATE;
    UNROLL for (u32 k = 0; k < ROWS * COLUMNS * (OUTS / 8) / THREADS; k++) {
        u32 i = t + THREADS * k, position = i / (OUTS / 8), j = i % (OUTS / 8), out = tile * OUTS + j * 8;
        u32 r = row + position / COLUMNS, c = first + position % COLUMNS;
        if (out >= a.y_stride || r >= a.height || c >= a.width) continue;
        const u8 *mine = memory + position * PITCH + j * 16;
        u32x4 v = *(const u32x4 *)mine;
        u64 at = ((u64)r * a.width + c) * a.y_stride + out;
        if (gated) {
            u32 gate = 0;
            // Open where the stored value is above zero: neither zero nor negative.
            UNROLL for (u32 h = 0; h < 4; h++) {
                gate |= (u32)((v[h] & 0x7fff) && !(v[h] & 0x8000)) << 2 * h;
                gate |= (u32)((v[h] & 0x7fff0000) && !(v[h] & 0x80000000)) << (2 * h + 1);
            }
            a.gate_out[at / 8] = gate;
        }
        if (!pool) {
            u32x4 *to = (u32x4 *)((u8 *)a.y + at * 2);
            if (a.acc == ADD) {
                u32x4 old = *to;
                UNROLL for (u32 h = 0; h < 4; h++)
                    v[h] = pair<TYPE>(low_of<TYPE>(old[h]) + low_of<TYPE>(v[h]), high_of<TYPE>(old[h]) + high_of<TYPE>(v[h]));
            }
            *to = v;
        } else if (r % 2 == 0 && c % 2 == 0 && r / 2 < a.height / 2 && c / 2 < a.width / 2) {
            u32x4 right = *(const u32x4 *)(mine + PITCH), below = *(const u32x4 *)(mine + COLUMNS * PITCH);
            u32x4 across = *(const u32x4 *)(mine + (COLUMNS + 1) * PITCH);
            UNROLL for (u32 h = 0; h < 4; h++) {
                float low = (low_of<TYPE>(v[h]) + low_of<TYPE>(right[h])) + (low_of<TYPE>(below[h]) + low_of<TYPE>(across[h]));
                float high = (high_of<TYPE>(v[h]) + high_of<TYPE>(right[h])) + (high_of<TYPE>(below[h]) + high_of<TYPE>(across[h]));
                v[h] = pair<TYPE>(0.25f * low, 0.25f * high);
            }
            u64 pooled = ((u64)(r / 2) * (a.width / 2) + c / 2) * a.y_stride + out;
            *(u32x4 *)((u8 *)a.y + pooled * 2) = v;
        }
    }
}
