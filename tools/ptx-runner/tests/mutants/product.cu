// c = a b, f16 with f32 sums, [m, k] by [k, n]; blocks of two warps make 32 x 16 values of c. m, n and k are multiples of
// 8; what lies beyond them is read as zeros.
#include "device.cuh"

struct Args {
    const u16 *a, *b;
    float *c;
    u32 m, n, k;
};

DEVICE u32 shared_address(const void *p) { return (u32)(u64)(const __attribute__((address_space(3))) void *)p; }

DEVICE void fetch(u32 to, const u16 *from, u32 bytes) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

KERNEL(64) product(Args g) {
    __shared__ __attribute__((aligned(16))) u16 a[32][16], b[16][16];
    u32 t = thread(), lane = t % 32, warp = t / 32;
    u32 row = block_y() * 32, column = block_x() * 16;
    u32 ar = row + t / 2, bc = column + t % 2 * 8;
    float c[2][4] = {};
    for (u32 k = 0; k < g.k; k += 16) {
        u32 ak = k + t % 2 * 8, bk = k + t / 2;
        bool in_a = ar < g.m && ak < g.k, in_b = bk < g.k && bc < g.n;
        fetch(shared_address(&a[t / 2][t % 2 * 8]), g.a + (in_a ? (u64)ar * g.k + ak : 0), in_a ? 16 : 0);
        if (t < 32) fetch(shared_address(&b[t / 2][t % 2 * 8]), g.b + (in_b ? (u64)bk * g.n + bc : 0), in_b ? 16 : 0);
        asm volatile("cp.async.commit_group;" ::: "memory");
        asm volatile("cp.async.wait_group 0;" ::: "memory");
        __syncthreads();
        u32 x[4], y[4];
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                     : "r"(shared_address(&a[warp * 16 + lane % 16][lane / 16 * 8]))
                     : "memory");
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(y[0]), "=r"(y[1]), "=r"(y[2]), "=r"(y[3])
                     : "r"(shared_address(&b[lane % 16][lane / 16 * 8]))
                     : "memory");
        UNROLL for (int j = 0; j < 2; j++)
            asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                         : "+f"(c[j][0]), "+f"(c[j][1]), "+f"(c[j][2]), "+f"(c[j][3])
                         : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[2 * j]), "r"(y[2 * j + 1]));
        __syncthreads();
    }
    UNROLL for (int j = 0; j < 2; j++)
        UNROLL for (int half = 0; half < 2; half++) {
            u32 i = row + warp * 16 + half * 8 + lane / 4, at = column + j * 8 + lane % 4 * 2;
            if (i < g.m && at < g.n) *(f32x2 *)&g.c[(u64)i * g.n + at] = f32x2{c[j][2 * half], c[j][2 * half + 1]};
        }
}
