// y (=|+=) s t x: see style-core/src/ops/guide.rs.
#include "device.cuh"

struct Guide {
    const void *x;
    const float *t;
    void *y;
    u64 positions;
    u32 stride;
    u32 x_type, y_type, acc;
    float scale;
    u32 padding;
};
static_assert(sizeof(Guide) == 56, "as in guide.rs");

// One piece per thread.
KERNEL(256) guide(Guide a) {
    u32 lanes = a.stride / 8;
    u64 i = global_thread(), position = i / lanes;
    if (position >= a.positions) return;
    Piece x = load(a.x, a.x_type, i);
    float t = a.scale * a.t[position];
    UNROLL for (u32 k = 0; k < 8; k++) x.v[k] *= t;
    put(a.y, a.y_type, a.acc, i, x);
}

// The same for up to four channels in f32; one value per thread.
KERNEL(256) guide_few(Guide a) {
    u64 i = global_thread(), position = i / a.stride;
    if (position >= a.positions) return;
    float v = a.scale * a.t[position] * ((const float *)a.x)[i], *y = (float *)a.y + i;
    *y = a.acc == ADD ? *y + v : v;
}
