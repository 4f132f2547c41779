// Half the squared distance: see style-core/src/ops/loss.rs.
#include "device.cuh"

struct Distance {
    const void *a, *b;
    double *partial; // [blocks]
    u64 length;      // values, including padding
    u32 a_type, b_type;
};
static_assert(sizeof(Distance) == 40, "as in loss.rs");

// Each block's part of sum (a - b)^2.
KERNEL(256) half_squared_distance(Distance d) {
    double sum = 0.0;
    for (u64 i = global_thread(); i * 8 < d.length; i += (u64)blocks_x() * 256) {
        Piece a = load(d.a, d.a_type, i), b = load(d.b, d.b_type, i);
        UNROLL for (u32 k = 0; k < 8; k++) {
            double difference = (double)a.v[k] - b.v[k];
            if (i * 8 + k < d.length) sum += difference * difference;
        }
    }
    sum = block_sum(sum);
    if (thread() == 0) d.partial[block_x()] = sum;
}

struct DistanceBwd {
    const void *a, *b;
    void *da;
    u64 pieces;
    u32 a_type, b_type, da_type, acc;
    float scale;
    u32 padding;
};
static_assert(sizeof(DistanceBwd) == 56, "as in loss.rs");

KERNEL(256) half_squared_distance_bwd(DistanceBwd d) {
    u64 i = global_thread();
    if (i >= d.pieces) return;
    Piece a = load(d.a, d.a_type, i), b = load(d.b, d.b_type, i);
    UNROLL for (u32 k = 0; k < 8; k++) a.v[k] = d.scale * (a.v[k] - b.v[k]);
    put(d.da, d.da_type, d.acc, i, a);
}
