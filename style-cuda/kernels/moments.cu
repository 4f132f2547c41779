// Mean and standard deviation of each channel: see style-core/src/ops/moments.rs.
#include "device.cuh"

struct Sum {
    const void *x;
    const float *t;     // weights of positions; null: 1 each
    const double *mean; // null: sum t x; else sum t (x - mean)^2
    double *partial;    // [blocks x][channels]
    u64 positions;
    u32 channels, stride, type;
    u32 padding;
};
static_assert(sizeof(Sum) == 56, "as in moments.rs");

// Block (x, y) sums 32 channels from 32 y on, over every x-th group of 8 positions; one position per warp.
KERNEL(256) moments_sum(Sum a) {
    __shared__ double rows[8][32];
    u32 lane = thread() % 32, row = thread() / 32, channel = block_y() * 32 + lane;
    double sum = 0.0;
    if (channel < a.channels) {
        double mean = a.mean ? a.mean[channel] : 0.0;
        for (u64 p = (u64)block_x() * 8 + row; p < a.positions; p += (u64)blocks_x() * 8) {
            double x = load_value(a.x, a.type, p * a.stride + channel), t = a.t ? a.t[p] : 1.0;
            sum += a.mean ? t * (x - mean) * (x - mean) : t * x;
        }
    }
    rows[row][lane] = sum;
    __syncthreads();
    if (row == 0 && channel < a.channels) {
        sum = 0.0;
        UNROLL for (u32 k = 0; k < 8; k++) sum += rows[k][lane];
        a.partial[(u64)block_x() * a.channels + channel] = sum;
    }
}

struct Finish {
    const double *partial; // [count][channels]
    double *exact;
    float *out;
    double scale;
    u32 count, channels, root;
    u32 padding;
};
static_assert(sizeof(Finish) == 48, "as in moments.rs");

// scale sum, or its square root; one channel per thread.
KERNEL(256) moments_finish(Finish a) {
    u64 channel = global_thread();
    if (channel >= a.channels) return;
    double sum = 0.0;
    for (u32 i = 0; i < a.count; i++) sum += a.partial[(u64)i * a.channels + channel];
    sum *= a.scale;
    if (a.root) sum = __builtin_sqrt(sum);
    a.exact[channel] = sum;
    a.out[channel] = sum;
}

struct MomentsBwd {
    const void *x;
    const float *t, *mean, *dmean, *deviation, *ddeviation;
    void *dx;
    u64 positions;
    float even; // the weight of each position if t is null
    u32 stride, x_type, dx_type, acc;
    u32 channels;
};
static_assert(sizeof(MomentsBwd) == 88, "as in moments.rs");

// t (dmean + ddeviation (x - mean) / deviation) of a channel; no division where the weight is zero.
#define BACK(channel, x, t) \
    ((t) * a.dmean[channel] + (a.deviation && a.deviation[channel] >= SMALLEST_NORMAL \
        ? a.ddeviation[channel] * ((t) * ((x) - a.mean[channel]) / a.deviation[channel]) : 0.0f))

// One piece per thread.
KERNEL(256) moments_bwd(MomentsBwd a) {
    u32 lanes = a.stride / 8;
    u64 i = global_thread(), position = i / lanes;
    if (position >= a.positions) return;
    Piece x = load(a.x, a.x_type, i);
    float t = a.t ? a.t[position] : own(a.even);
    UNROLL for (u32 k = 0; k < 8; k++) {
        u32 channel = (u32)(i % lanes) * 8 + k;
        x.v[k] = channel < a.channels ? BACK(channel, x.v[k], t) : 0.0f;
    }
    put(a.dx, a.dx_type, a.acc, i, x);
}

// The same for up to four channels in f32; one value per thread.
KERNEL(256) moments_bwd_few(MomentsBwd a) {
    u64 i = global_thread(), position = i / a.stride;
    if (position >= a.positions) return;
    u32 channel = i % a.stride;
    float t = a.t ? a.t[position] : own(a.even), v = BACK(channel, ((const float *)a.x)[i], t), *dx = (float *)a.dx + i;
    *dx = a.acc == ADD ? *dx + v : v;
}
