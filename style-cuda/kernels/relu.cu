// max(0, x) in place: see style-core/src/ops/relu.rs.
#include "device.cuh"

struct Rectify {
    void *x;
    u64 pieces;
    u32 type;
    u32 padding;
};
static_assert(sizeof(Rectify) == 24, "as in relu.rs");

KERNEL(256) rectify(Rectify a) {
    u64 i = global_thread();
    if (i >= a.pieces) return;
    Piece x = load(a.x, a.type, i);
    UNROLL for (u32 k = 0; k < 8; k++) x.v[k] = max0(x.v[k]);
    store(a.x, a.type, i, x);
}
