// y[j][i] = x[i][j], of h rows and w columns, by tiles of 32 x 32 and blocks of 256 threads.
#include "device.cuh"

struct Args {
    const float *x;
    float *y;
    u32 h, w;
};

KERNEL(256) transpose(Args a) {
    __shared__ float tile[32][33];
    u32 tx = thread() % 32, ty = thread() / 32;
    u32 column = block_x() * 32 + tx, row = block_y() * 32 + ty;
    for (u32 k = 0; k < 32; k += 8)
        if (column < a.w && row + k < a.h) tile[ty + k][tx] = a.x[(row + k) * a.w + column];
    __syncthreads();
    column = block_y() * 32 + tx, row = block_x() * 32 + ty;
    for (u32 k = 0; k < 32; k += 8)
        if (column < a.h && row + k < a.w) a.y[(row + k) * a.h + column] = tile[tx][ty + k];
}
