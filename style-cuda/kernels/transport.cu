// Transport on a line: see style-core/src/backend/ops/transport.rs. A bitonic sort (Batcher, 1968) of each channel, whose
// order of exchanges depends on the size alone.
//
// A value and its position are a pair, 64 bits that ascend with the value and, among equal values, with the position. A
// channel has `size` pairs, a power of two; those beyond the positions are larger than all others.
#include "device.cuh"

enum { RUN = 2048 }; // pairs that a block sorts in shared memory

DEVICE u64 pair(float v, u32 position) {
    u32 bits = __builtin_bit_cast(u32, v + 0.0f); // -0.0 becomes 0.0
    return (u64)(bits >> 31 ? ~bits : bits | 0x80000000u) << 32 | position;
}

struct Sort {
    const float *x; // the first of the channels to sort
    u64 *pairs;     // [channels][size]
    u32 positions, stride, size;
    u32 merged, step; // of a pass: it makes runs of `merged` pairs, and exchanges pairs that are `step` apart
    u32 padding;
};
static_assert(sizeof(Sort) == 40, "as in transport.rs");

// The lower of the two places that exchange `t` of a step compares.
DEVICE u32 lower(u32 t, u32 step) { return 2 * t - (t & (step - 1)); }

// Puts pairs `i` and `i + step` in order: ascending or descending in turn, by runs of `merged`. `first` is the place of
// pair 0 in its channel.
DEVICE void exchange(u64 *pairs, u32 i, u32 step, u32 merged, u32 first) {
    u64 low = pairs[i], high = pairs[i + step];
    bool ascending = ((first + i) & merged) == 0;
    if ((low > high) == ascending) pairs[i] = high, pairs[i + step] = low;
}

// The steps from `step` down to 1, by a block in shared memory.
DEVICE void merge(u64 *run, u32 count, u32 step, u32 merged, u32 first) {
    for (; step; step /= 2) {
        __syncthreads();
        for (u32 t = thread(); t < count / 2; t += 256) exchange(run, lower(t, step), step, merged, first);
    }
}

// Block (x, y) makes the pairs of run x of channel y, and sorts them.
KERNEL(256) transport_begin(Sort a) {
    __shared__ u64 run[RUN];
    u32 count = a.size < RUN ? a.size : RUN, first = block_x() * RUN;
    for (u32 i = thread(); i < count; i += 256) {
        u32 position = first + i;
        run[i] = position < a.positions ? pair(a.x[(u64)position * a.stride + block_y()], position) : ~0ull;
    }
    for (u32 merged = 2; merged <= count; merged *= 2) merge(run, count, merged / 2, merged, first);
    __syncthreads();
    u64 *to = a.pairs + (u64)block_y() * a.size + first;
    for (u32 i = thread(); i < count; i += 256) to[i] = run[i];
}

// One step across runs; one exchange per thread, channel y.
KERNEL(256) transport_step(Sort a) {
    u32 t = global_thread();
    if (t < a.size / 2) exchange(a.pairs + (u64)block_y() * a.size, lower(t, a.step), a.step, a.merged, 0);
}

// All steps within runs; block (x, y) has run x of channel y.
KERNEL(256) transport_merge(Sort a) {
    __shared__ u64 run[RUN];
    u32 first = block_x() * RUN;
    u64 *pairs = a.pairs + (u64)block_y() * a.size + first;
    for (u32 i = thread(); i < RUN; i += 256) run[i] = pairs[i];
    merge(run, RUN, RUN / 2, a.merged, first);
    __syncthreads();
    for (u32 i = thread(); i < RUN; i += 256) pairs[i] = run[i];
}

struct Transport {
    const float *x, *t; // the first of the sorted channels; the same for d
    float *d;
    const u64 *pairs;
    double *partial; // [channels][blocks]
    u32 positions, stride, size;
    u32 padding; // channels that follow the last of these channels, to be zeroed
};
static_assert(sizeof(Transport) == 56, "as in transport.rs");

// d, and each block's part of sum d^2, of channel y.
KERNEL(256) transport(Transport a) {
    const u64 *pairs = a.pairs + (u64)block_y() * a.size;
    bool last = block_y() + 1 == blocks_y();
    double sum = 0.0;
    for (u64 i = global_thread(); i < a.positions; i += (u64)blocks_x() * 256) {
        u64 from = (u64)(u32)pairs[i] * a.stride + block_y();
        float d = a.x[from] - a.t[i * a.stride + block_y()];
        a.d[from] = d;
        if (last)
            for (u32 k = 1; k <= a.padding; k++) a.d[from + k] = 0.0f;
        sum += (double)d * d;
    }
    sum = block_sum(sum);
    if (thread() == 0) a.partial[(u64)block_y() * blocks_x() + block_x()] = sum;
}
