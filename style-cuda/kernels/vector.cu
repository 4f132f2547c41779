// Vector operations of the optimisers: see style-core/src/ops/vector.rs. Values are f32, but for the histories of history.rs,
// sums f64.
#include "device.cuh"

// The most vectors per call; the host splits longer lists. Arguments take at most 4 KiB.
enum { LEFT = 4, RIGHT = 240, TERMS = 240 };

struct Dots {
    const float *left[LEFT];
    const void *right[RIGHT];
    double *partial; // [left][right][blocks]
    u64 length;
    u32 lefts, rights;
    u32 right_type;
    u32 padding;
};
static_assert(sizeof(Dots) == 1984, "as in vector.rs");

// Block (x, y) computes the products of right vector y with all left vectors, over every x-th run of 256 pieces.
KERNEL(256) dots(Dots a) {
    const void *right = a.right[block_y()];
    double sum[LEFT] = {};
    for (u64 i = global_thread(); i * 8 < a.length; i += (u64)blocks_x() * 256) {
        Piece r = load(right, a.right_type, i);
        UNROLL for (u32 l = 0; l < LEFT; l++) {
            if (l >= a.lefts) continue;
            Piece p = load(a.left[l], F32, i);
            UNROLL for (u32 k = 0; k < 8; k++)
                if (i * 8 + k < a.length) sum[l] += (double)p.v[k] * r.v[k];
        }
    }
    UNROLL for (u32 l = 0; l < LEFT; l++) {
        if (l >= a.lefts) continue;
        double total = block_sum(sum[l]);
        if (thread() == 0) a.partial[((u64)l * a.rights + block_y()) * blocks_x() + block_x()] = total;
    }
}

struct Reduce {
    const double *partial; // [blocks][count]
    double *out;
    double scale;
    u32 count;
    u32 padding;
};
static_assert(sizeof(Reduce) == 32, "as in vector.rs");

// out[x] = scale sum_i partial[x][i], in a fixed order.
KERNEL(256) reduce(Reduce a) {
    double sum = 0.0;
    for (u32 i = thread(); i < a.count; i += 256) sum += a.partial[(u64)block_x() * a.count + i];
    sum = block_sum(sum);
    if (thread() == 0) a.out[block_x()] = a.scale * sum;
}

struct Combine {
    const void *x[TERMS]; // the first `halves` in bf16
    double c[TERMS];
    float *y;
    u64 pieces;
    u32 terms;
    u32 halves;
};
static_assert(sizeof(Combine) == 3864, "as in vector.rs");

KERNEL(256) combine(Combine a) {
    u64 i = global_thread();
    if (i >= a.pieces) return;
    double sum[8] = {};
    for (u32 t = 0; t < a.terms; t++) {
        Piece p = load(a.x[t], t < a.halves ? BF16 : F32, i);
        double c = a.c[t];
        UNROLL for (u32 k = 0; k < 8; k++) sum[k] += c * p.v[k];
    }
    Piece y;
    UNROLL for (u32 k = 0; k < 8; k++) y.v[k] = sum[k];
    store(a.y, F32, i, y);
}

struct ScaleBy {
    const float *x;
    const double *s;
    float *y;
    double power;
    u64 pieces;
};
static_assert(sizeof(ScaleBy) == 40, "as in vector.rs");

KERNEL(256) scale_by(ScaleBy a) {
    __shared__ double factor;
    if (thread() == 0) factor = *a.s > 0.0 ? power(*a.s, a.power) : 0.0;
    __syncthreads();
    u64 i = global_thread();
    if (i >= a.pieces) return;
    Piece x = load(a.x, F32, i), y = {};
    if (factor > 0.0)
        UNROLL for (u32 k = 0; k < 8; k++) y.v[k] = factor * x.v[k];
    store(a.y, F32, i, y);
}

struct Adam {
    const float *g;
    float *m, *v, *x;
    u64 pieces;
    float rate, beta1, beta2, correction2, epsilon;
    u32 padding;
};
static_assert(sizeof(Adam) == 64, "as in vector.rs");

KERNEL(256) adam(Adam a) {
    u64 i = global_thread();
    if (i >= a.pieces) return;
    Piece g = load(a.g, F32, i), m = load(a.m, F32, i), v = load(a.v, F32, i), x = load(a.x, F32, i);
    UNROLL for (u32 k = 0; k < 8; k++) {
        m.v[k] = a.beta1 * m.v[k] + (1.0f - a.beta1) * g.v[k];
        v.v[k] = a.beta2 * v.v[k] + (1.0f - a.beta2) * g.v[k] * g.v[k];
        x.v[k] -= a.rate * m.v[k] / (__builtin_sqrtf(v.v[k] / a.correction2) + a.epsilon);
    }
    store(a.m, F32, i, m);
    store(a.v, F32, i, v);
    store(a.x, F32, i, x);
}
