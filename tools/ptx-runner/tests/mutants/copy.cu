// y = x turned around within each tile of 1024 values, by one block of 256 threads: while a tile is stored, the next is
// on its way into the other buffer.
#include "device.cuh"

struct Args {
    const float *x;
    float *y;
    u32 tiles;
};

DEVICE u32 shared_address(const void *p) { return (u32)(u64)(const __attribute__((address_space(3))) void *)p; }

DEVICE void fetch(u32 to, const float *from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}

KERNEL(256) copy(Args a) {
    __shared__ __attribute__((aligned(16))) float buffer[2][1024];
    u32 t = thread();
    fetch(shared_address(&buffer[0][4 * t]), a.x + 4 * t);
    asm volatile("cp.async.commit_group;" ::: "memory");
    for (u32 i = 0; i < a.tiles; i++) {
        if (i + 1 < a.tiles) fetch(shared_address(&buffer[(i + 1) % 2][4 * t]), a.x + (i + 1) * 1024 + 4 * t);
        asm volatile("cp.async.commit_group;" ::: "memory");
        asm volatile("cp.async.wait_group 1;" ::: "memory");
        __syncthreads();
        UNROLL for (u32 k = 0; k < 4; k++) a.y[i * 1024 + k * 256 + t] = buffer[i % 2][1023 - k * 256 - t];
        __syncthreads();
    }
}
