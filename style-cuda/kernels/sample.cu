// Samples of features by a sparse matrix: see style-core/src/backend/ops/sample.rs. Sums are f32, in the order of the entries.
#include "device.cuh"

struct Sample {
    const void *from;
    void *to;
    const float *offsets, *columns, *values; // [rows + 1], [entries], [entries]
    u64 rows;                                // positions of `to`
    u32 entries, last;                       // the last position of `from`
    u32 from_channels, from_stride, from_first;
    u32 to_stride, to_first;
    u32 channels, lanes; // that are computed; the pieces that they are in, with the channels that get zeros
    u32 from_type, to_type, acc;
    float scale;
    u32 padding;
};
static_assert(sizeof(Sample) == 104, "as in sample.rs");

// to (=|+=) scale S from, both directions: eight channels of a row per thread.
KERNEL(256) sample(Sample a) {
    u64 i = global_thread(), row = i / a.lanes;
    if (row >= a.rows) return;
    u32 channel = i % a.lanes * 8;
    Piece sum = {};
    if (channel < a.channels) {
        u32 end = number(a.offsets[row + 1], a.entries);
        for (u32 e = number(a.offsets[row], a.entries); e < end; e++) {
            u32 position = number(a.columns[e], a.last);
            float value = a.values[e];
            Piece x =
                channels_at(a.from, a.from_type, a.from_channels, a.from_stride, position, a.from_first + channel);
            UNROLL for (u32 k = 0; k < 8; k++) sum.v[k] = __builtin_fmaf(value, x.v[k], sum.v[k]);
        }
    }
    // The padding of a tensor holds zeros, and `from` may hold others' channels behind those that are sampled.
    UNROLL for (u32 k = 0; k < 8; k++) sum.v[k] = channel + k < a.channels ? a.scale * sum.v[k] : 0.0f;
    u64 at = row * a.to_stride + a.to_first + channel;
    if (a.to_stride % 8 == 0) put(a.to, a.to_type, a.acc, at / 8, sum);
    else
        UNROLL for (u32 k = 0; k < 4; k++)
            if (channel + k < a.to_stride) {
                float *to = (float *)a.to + at + k;
                *to = a.acc == ADD ? *to + sum.v[k] : sum.v[k];
            }
}
