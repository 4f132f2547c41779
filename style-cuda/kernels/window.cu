// A window of a tensor: see style-core/src/ops/window.rs.
#include "device.cuh"

struct Window {
    const void *from;
    void *to;
    u32 whole_height, whole_width;
    u32 top, left, height, width; // of the window
    u32 stride;                   // of a position
    u32 from_type, to_type, acc;
};
static_assert(sizeof(Window) == 56, "as in window.rs");

// The number of an item in a tensor of this width. An item is a piece, or a value with up to four channels; a position has
// `lanes` items.
DEVICE u64 index(u64 row, u64 column, u32 width, u64 lane, u32 lanes) { return (row * width + column) * lanes + lane; }

// The index of item `i` of the window in the whole tensor; false beyond the last item.
DEVICE bool in_whole(const Window &a, u64 i, u32 lanes, u64 &at) {
    u64 position = i / lanes, row = position / a.width;
    at = index(a.top + row, a.left + position % a.width, a.whole_width, i % lanes, lanes);
    return row < a.height;
}

// The index of item `i` of the whole tensor in the window; false outside.
DEVICE bool in_window(const Window &a, u64 i, u32 lanes, u64 &at) {
    u64 position = i / lanes, row = position / a.whole_width, column = position % a.whole_width;
    at = index(row - a.top, column - a.left, a.width, i % lanes, lanes);
    return row >= a.top && row - a.top < a.height && column >= a.left && column - a.left < a.width;
}

// One piece of the window per thread.
KERNEL(256) window_fwd(Window a) {
    u64 i = global_thread(), at;
    if (in_whole(a, i, a.stride / 8, at)) store(a.to, a.to_type, i, load(a.from, a.from_type, at));
}

// One piece per thread: of the window under Add, of the whole tensor under Store.
KERNEL(256) window_bwd(Window a) {
    u32 lanes = a.stride / 8;
    u64 i = global_thread(), at;
    if (a.acc == ADD) {
        if (in_whole(a, i, lanes, at)) put(a.to, a.to_type, ADD, at, load(a.from, a.from_type, i));
        return;
    }
    if (i / lanes / a.whole_width >= a.whole_height) return;
    Piece v = {};
    if (in_window(a, i, lanes, at)) v = load(a.from, a.from_type, at);
    store(a.to, a.to_type, i, v);
}

// The same for up to four channels in f32; one value per thread.
KERNEL(256) window_fwd_few(Window a) {
    u64 i = global_thread(), at;
    if (in_whole(a, i, a.stride, at)) ((float *)a.to)[i] = ((const float *)a.from)[at];
}

KERNEL(256) window_bwd_few(Window a) {
    const float *from = (const float *)a.from;
    float *to = (float *)a.to;
    u64 i = global_thread(), at;
    if (a.acc == ADD) {
        if (in_whole(a, i, a.stride, at)) to[at] += from[i];
        return;
    }
    if (i / a.stride / a.whole_width >= a.whole_height) return;
    to[i] = in_window(a, i, a.stride, at) ? from[at] : 0.0f;
}
