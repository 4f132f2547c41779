// Vectors in half precision: see style-core/src/ops/history.rs. Their products and sums are in vector.cu.
#include "device.cuh"

struct Convert {
    const void *from;
    void *to;
    u64 pieces;
    u32 from_type, to_type;
};
static_assert(sizeof(Convert) == 32, "as in history.rs");

KERNEL(256) convert(Convert a) {
    u64 i = global_thread();
    if (i >= a.pieces) return;
    store(a.to, a.to_type, i, load(a.from, a.from_type, i));
}
