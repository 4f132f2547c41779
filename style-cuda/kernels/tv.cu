// Total variation: see style-core/src/ops/tv.rs. Differences and powers are f64: pictures are small compared with features.
#include "device.cuh"

enum Kind : u32 { SQUARES = 0, ABSOLUTE = 1, POWER = 2, NINE_POINT = 3 };

struct Tv {
    const float *x;
    union {
        double *partial; // [blocks]
        float *dx;
    };
    // `SQUARES`: the sum of vertical v^2 + horizontal h^2. `POWER`: `vertical` is half the exponent.
    // `NINE_POINT`: `vertical` is the weight of straight pairs, `horizontal` that of diagonal ones.
    double vertical, horizontal;
    double scale;
    u32 height, width, stride;
    u32 kind, acc;
    u32 padding;
};
static_assert(sizeof(Tv) == 64, "as in tv.rs");

DEVICE double sign(double d) { return d > 0.0 ? 1.0 : d < 0.0 ? -1.0 : 0.0; }

// The weight of a pair along a line of the picture: at an edge it is also the difference of two diagonals.
DEVICE double along(Tv a, bool before, bool after) {
    return a.vertical + 2.0 * a.horizontal * ((before ? 0 : 1) + (after ? 0 : 1));
}

// Each block's part of the sum. A value contributes its differences with the values below it and to its right.
KERNEL(256) tv(Tv a) {
    double sum = 0.0;
    u64 line = (u64)a.width * a.stride, all = a.height * line;
    for (u64 i = global_thread(); i < all; i += (u64)blocks_x() * 256) {
        bool below = i + line < all, right = i % line + a.stride < line;
        double x = a.x[i], v = below ? a.x[i + line] - x : 0.0, h = right ? a.x[i + a.stride] - x : 0.0;
        double s = v * v + h * h;
        if (a.kind == SQUARES) sum += a.vertical * (v * v) + a.horizontal * (h * h);
        else if (a.kind == ABSOLUTE) sum += __builtin_fabs(v) + __builtin_fabs(h);
        else if (a.kind == NINE_POINT) {
            bool above = i >= line, left = i % line >= a.stride;
            sum += along(a, left, right) * (v * v) + along(a, above, below) * (h * h);
            double on = below && right ? a.x[i + line + a.stride] - x : 0.0;
            double back = below && left ? a.x[i + line - a.stride] - x : 0.0;
            sum += a.horizontal * (on * on + back * back);
        } else if (below && right && s > 0.0) sum += power(s, a.vertical);
    }
    sum = block_sum(sum);
    if (thread() == 0) a.partial[block_x()] = sum;
}

// The derivative of (v^2 + h^2)^p by v or h, p = b/2, is 2 p (v^2 + h^2)^(p - 1) times v or h; this returns the factor.
DEVICE double slope(double v, double h, double p) {
    double s = v * v + h * h;
    return s > 0.0 ? 2.0 * p * power(s, p - 1.0) : 0.0;
}

// One value per thread.
KERNEL(256) tv_bwd(Tv a) {
    u64 i = global_thread(), line = (u64)a.width * a.stride, all = a.height * line;
    if (i >= all) return;
    bool above = i >= line, below = i + line < all, left = i % line >= a.stride, right = i % line + a.stride < line;
    double x = a.x[i];
    // x[p] - x[q] for each existing neighbour q.
    double up = above ? x - a.x[i - line] : 0.0, down = below ? x - a.x[i + line] : 0.0;
    double back = left ? x - a.x[i - a.stride] : 0.0, on = right ? x - a.x[i + a.stride] : 0.0;
    double d = 0.0;
    if (a.kind == SQUARES) d = 2.0 * (a.vertical * (up + down) + a.horizontal * (back + on));
    else if (a.kind == NINE_POINT) {
        d = along(a, left, right) * (up + down) + along(a, above, below) * (back + on);
        if (above && left) d += a.horizontal * (x - a.x[i - line - a.stride]);
        if (above && right) d += a.horizontal * (x - a.x[i - line + a.stride]);
        if (below && left) d += a.horizontal * (x - a.x[i + line - a.stride]);
        if (below && right) d += a.horizontal * (x - a.x[i + line + a.stride]);
        d *= 2.0;
    } else if (a.kind == ABSOLUTE) d = sign(up) + sign(down) + sign(back) + sign(on);
    else {
        if (below && right) d += slope(down, on, a.vertical) * (down + on);
        if (above && right) d += slope(up, (double)a.x[i - line + a.stride] - a.x[i - line], a.vertical) * up;
        if (left && below) d += slope(back, (double)a.x[i + line - a.stride] - a.x[i - a.stride], a.vertical) * back;
    }
    float v = a.scale * d;
    a.dx[i] = a.acc == ADD ? a.dx[i] + v : v;
}
