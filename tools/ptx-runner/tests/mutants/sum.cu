// The sum of n values, by one block of 256 threads: shuffles within a warp, shared memory between warps.
#include "device.cuh"

struct Args {
    const float *x;
    float *y;
    u32 n;
};

DEVICE float warp_sum(float v) {
    UNROLL for (u32 by = 16; by; by /= 2) v += __nvvm_shfl_sync_down_f32(0xffffffff, v, by, 31);
    return v;
}

KERNEL(256) sum(Args a) {
    __shared__ float warps[8];
    u32 t = thread();
    float v = 0;
    for (u32 i = t; i < a.n; i += threads()) v += a.x[i];
    v = warp_sum(v);
    if (t % 32 == 0) warps[t / 32] = v;
    __syncthreads();
    if (t >= 32) return;
    v = warp_sum(t < 8 ? warps[t] : 0.0f);
    if (t == 0) a.y[0] = v;
}
