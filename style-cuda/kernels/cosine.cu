// Cosine distances, position by position: see style-core/src/backend/ops/cosine.rs. Sums are f64. A norm below the smallest
// normal number, whose reciprocal may be no number of f32, counts as zero.
#include "device.cuh"

struct Cosine {
    const float *x, *t;
    float *d;
    double *partial; // [blocks]
    u64 positions;
    u32 channels, stride;
};
static_assert(sizeof(Cosine) == 48, "as in cosine.rs");

// The sum over a warp; every lane has the result.
DEVICE double warp_sum(double v) {
    UNROLL for (u32 by = 16; by; by /= 2) {
        u64 bits = __builtin_bit_cast(u64, v);
        u32 low = __nvvm_shfl_sync_bfly_i32(0xffffffff, (u32)bits, by, 31);
        u32 high = __nvvm_shfl_sync_bfly_i32(0xffffffff, (u32)(bits >> 32), by, 31);
        v += __builtin_bit_cast(double, (u64)high << 32 | low);
    }
    return v;
}

// d, and each block's part of the sum of 1 - c. A warp has a position at a time, a lane every 32nd piece of its channels.
KERNEL(256) cosine(Cosine a) {
    u32 lane = thread() % 32, pieces = (a.stride + 7) / 8;
    double sum = 0.0;
    for (u64 p = (u64)block_x() * 8 + thread() / 32; p < a.positions; p += (u64)blocks_x() * 8) {
        double xx = 0.0, xt = 0.0, tt = 0.0;
        for (u32 i = lane; i < pieces; i += 32) {
            Piece x = channels_at(a.x, F32, a.channels, a.stride, p, i * 8);
            Piece t = channels_at(a.t, F32, a.channels, a.stride, p, i * 8);
            UNROLL for (u32 k = 0; k < 8; k++) {
                xx += (double)x.v[k] * x.v[k];
                xt += (double)x.v[k] * t.v[k];
                tt += (double)t.v[k] * t.v[k];
            }
        }
        double of_x = __builtin_sqrt(warp_sum(xx)), of_t = __builtin_sqrt(warp_sum(tt));
        xt = warp_sum(xt);
        // NaN is not small, so it shows in the result.
        bool zero = of_x < SMALLEST_NORMAL || of_t < SMALLEST_NORMAL;
        double c = 0.0, by_x = 0.0, by_t = 0.0; // d = by_x x - by_t t
        if (!zero) {
            c = xt / (of_x * of_t);
            by_x = c / (of_x * of_x);
            by_t = 1.0 / (of_x * of_t);
        }
        sum += 1.0 - c;
        for (u32 i = lane; i < pieces; i += 32) {
            Piece x = channels_at(a.x, F32, a.channels, a.stride, p, i * 8);
            Piece t = channels_at(a.t, F32, a.channels, a.stride, p, i * 8), d;
            UNROLL for (u32 k = 0; k < 8; k++) d.v[k] = by_x * x.v[k] - by_t * t.v[k];
            u64 at = p * a.stride + i * 8;
            if (a.stride % 8 == 0) store(a.d, F32, at / 8, d);
            else
                UNROLL for (u32 k = 0; k < 4; k++)
                    if (k < a.stride) a.d[at + k] = d.v[k];
        }
    }
    // All lanes of a warp have the same sum.
    sum = block_sum(lane == 0 ? sum : 0.0);
    if (thread() == 0) a.partial[block_x()] = sum;
}
