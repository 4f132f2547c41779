// Instructions of compute capability 8.0 without clang builtins: asynchronous copies, matrices in shared memory, and
// products on tensor cores.
#pragma once
#include "device.cuh"

// The address within shared memory.
DEVICE u32 shared_address(const void *at) {
    return (u32)(u64)(const __attribute__((address_space(3))) char *)at;
}

// Copies 16 bytes from global to shared memory asynchronously: `bytes` are read, the rest is zero.
DEVICE void copy_async(u32 to, const void *from, u32 bytes) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

// Ends a group of copies.
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits for all of this thread's groups of copies except the last, or for all.
DEVICE void wait_for_all_but_one() { asm volatile("cp.async.wait_group 1;" ::: "memory"); }
DEVICE void wait_for_copies() { asm volatile("cp.async.wait_group 0;" ::: "memory"); }

// Loads four 8 x 8 matrices of 16-bit values. Each lane gives the address of a row of 16 bytes: lanes 0 to 7 for the first
// matrix, and so on.
DEVICE void load_matrices(u32 m[4], u32 row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
                 : "r"(row)
                 : "memory");
}

// The same with each matrix transposed.
DEVICE void load_matrices_transposed(u32 m[4], u32 row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
                 : "r"(row)
                 : "memory");
}

// d += a b, with a 16 x 16, b 16 x 8 and d 16 x 8 in f32. With g = lane / 4 and t = lane % 4, a lane holds the values
// [g][2t], [g][2t + 1], [g + 8][2t], [g + 8][2t + 1] of d.
template <u32 TYPE> DEVICE void multiply_add(float d[4], const u32 a[4], u32 b0, u32 b1) {
    if (TYPE == F16) {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    } else {
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
}

// Packs two values into 16 bits each, the first in the lower half; f16 saturates.
template <u32 TYPE> DEVICE u32 pair(float low, float high) {
    u32 both;
    if (TYPE == F16) {
        low = low > 65504.0f ? 65504.0f : low < -65504.0f ? -65504.0f : low;
        high = high > 65504.0f ? 65504.0f : high < -65504.0f ? -65504.0f : high;
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    } else {
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    }
    return both;
}

template <u32 TYPE> DEVICE float low_of(u32 both) { return TYPE == F16 ? from_f16(both & 0xffff) : from_bf16(both & 0xffff); }
template <u32 TYPE> DEVICE float high_of(u32 both) { return TYPE == F16 ? from_f16(both >> 16) : from_bf16(both >> 16); }
