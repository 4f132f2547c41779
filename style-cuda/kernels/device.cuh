// The parts of the CUDA language that the kernels need, without NVIDIA's headers, and the memory layout of tensors.
//
// A tensor is position-major, `[H W][stride]`: stride = C up to four channels, otherwise C rounded up to 8, with zeros in
// the channels beyond C. A piece is 8 adjacent values; a buffer always holds whole pieces.
#pragma once

#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define UNROLL _Pragma("unroll")
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads)
#define INLINE __attribute__((always_inline))
#define DEVICE static __device__ inline INLINE

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef float f32x2 __attribute__((ext_vector_type(2)));
typedef float f32x4 __attribute__((ext_vector_type(4)));
typedef u32 u32x4 __attribute__((ext_vector_type(4)));

DEVICE u32 thread() { return __nvvm_read_ptx_sreg_tid_x(); }
DEVICE u32 threads() { return __nvvm_read_ptx_sreg_ntid_x(); }
DEVICE u32 block_x() { return __nvvm_read_ptx_sreg_ctaid_x(); }
DEVICE u32 block_y() { return __nvvm_read_ptx_sreg_ctaid_y(); }
DEVICE u32 block_z() { return __nvvm_read_ptx_sreg_ctaid_z(); }
DEVICE u32 blocks_x() { return __nvvm_read_ptx_sreg_nctaid_x(); }
DEVICE u32 blocks_y() { return __nvvm_read_ptx_sreg_nctaid_y(); }
// The number of this thread in a one-dimensional grid.
DEVICE u64 global_thread() { return (u64)block_x() * threads() + thread(); }

// The storage type of a tensor; matches `DType` in tensor.rs.
enum DType : u32 { F32 = 0, F16 = 1, BF16 = 2 };

// Whether a result replaces the old value or is added to it; matches `Acc` in style-core.
enum Acc : u32 { STORE = 0, ADD = 1 };

// Hides a value from the optimiser: otherwise clang selects between two addresses and spills both values to local memory.
DEVICE float own(float v) {
    asm("" : "+f"(v));
    return v;
}

#define SMALLEST_NORMAL 1.17549435e-38f

DEVICE float max0(float v) { return v > 0.0f ? v : 0.0f; }

DEVICE float from_f16(u32 bits) {
    float v;
    asm("{ .reg .b16 h; cvt.u16.u32 h, %1; cvt.f32.f16 %0, h; }" : "=f"(v) : "r"(bits));
    return v;
}

// Rounds to nearest even and saturates at the largest f16, so a feature is never infinite.
DEVICE u32 to_f16(float v) {
    u32 bits;
    v = v > 65504.0f ? 65504.0f : v < -65504.0f ? -65504.0f : v;
    asm("{ .reg .b16 h; cvt.rn.f16.f32 h, %1; cvt.u32.u16 %0, h; }" : "=r"(bits) : "f"(v));
    return bits;
}

DEVICE float from_bf16(u32 bits) { return __builtin_bit_cast(float, bits << 16); }

// Rounds to nearest even, in integer arithmetic, because devices before 8.0 have no instruction for it.
DEVICE u32 to_bf16(float v) {
    u32 bits = __builtin_bit_cast(u32, v);
    return v != v ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

struct Piece {
    float v[8];
};

// Piece `i` of a tensor.
DEVICE Piece load(const void *tensor, u32 dtype, u64 i) {
    Piece p;
    if (dtype == F32) {
        const f32x4 *at = (const f32x4 *)tensor + 2 * i;
        f32x4 a = at[0], b = at[1];
        UNROLL for (int k = 0; k < 4; k++) p.v[k] = a[k], p.v[4 + k] = b[k];
        return p;
    }
    u32x4 a = ((const u32x4 *)tensor)[i];
    UNROLL for (int k = 0; k < 4; k++) {
        u32 low = a[k] & 0xffff, high = a[k] >> 16;
        p.v[2 * k] = dtype == F16 ? from_f16(low) : from_bf16(low);
        p.v[2 * k + 1] = dtype == F16 ? from_f16(high) : from_bf16(high);
    }
    return p;
}

DEVICE void store(void *tensor, u32 dtype, u64 i, const Piece &p) {
    if (dtype == F32) {
        f32x4 *at = (f32x4 *)tensor + 2 * i;
        at[0] = f32x4{p.v[0], p.v[1], p.v[2], p.v[3]};
        at[1] = f32x4{p.v[4], p.v[5], p.v[6], p.v[7]};
        return;
    }
    u32x4 a;
    UNROLL for (int k = 0; k < 4; k++) {
        u32 low = dtype == F16 ? to_f16(p.v[2 * k]) : to_bf16(p.v[2 * k]);
        u32 high = dtype == F16 ? to_f16(p.v[2 * k + 1]) : to_bf16(p.v[2 * k + 1]);
        a[k] = low | high << 16;
    }
    ((u32x4 *)tensor)[i] = a;
}

// tensor[i] (=|+=) p
DEVICE void put(void *tensor, u32 dtype, u32 acc, u64 i, Piece p) {
    if (acc == ADD) {
        Piece old = load(tensor, dtype, i);
        UNROLL for (int k = 0; k < 8; k++) p.v[k] += old.v[k];
    }
    store(tensor, dtype, i, p);
}

// A value after a store and a load.
DEVICE float rounded(float v, u32 dtype) {
    return dtype == F32 ? v : dtype == F16 ? from_f16(to_f16(v)) : from_bf16(to_bf16(v));
}

// One value of a tensor.
DEVICE float load_value(const void *tensor, u32 dtype, u64 i) {
    if (dtype == F32) return ((const float *)tensor)[i];
    u32 bits = ((const u16 *)tensor)[i];
    return dtype == F16 ? from_f16(bits) : from_bf16(bits);
}

// Eight channels of a position from `channel` on, a multiple of 8; zeros beyond `channels`. A stride that is no multiple of
// 8 is that of dense f32: of up to four channels, or of a matrix with its rows as positions.
DEVICE Piece channels_at(const void *tensor, u32 dtype, u32 channels, u32 stride, u64 position, u32 channel) {
    u64 at = position * stride + channel;
    if (stride % 8 == 0) return channel < stride ? load(tensor, dtype, at / 8) : Piece{};
    Piece p = {};
    UNROLL for (u32 k = 0; k < 8; k++)
        if (channel + k < channels) p.v[k] = ((const float *)tensor)[at + k];
    return p;
}

// The whole number from 0 to `last` that is nearest to a value; 0 for NaN.
DEVICE u32 number(float v, u32 last) {
    if (!(v > 0.0f)) return 0;
    if (v >= last) return last;
    u32 whole = v;
    return v - whole >= 0.5f ? whole + 1 : whole;
}

// v^p for v > 0, to about 1e-14: splits exponent and mantissa; the logarithm is an atanh series, the exponential a Taylor
// series. Saturates at 2^-1022 and 2^1023.
DEVICE double power(double v, double p) {
    const double LN2 = 0.693147180559945309;
    u64 bits = __builtin_bit_cast(u64, v);
    int exponent = (int)(bits >> 52) - 1023;
    double m = __builtin_bit_cast(double, (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);
    if (m > 1.41421356237309505) m *= 0.5, exponent++;
    double t = (m - 1.0) / (m + 1.0), t2 = t * t, series = 0.0;
    UNROLL for (int k = 15; k >= 1; k -= 2) series = series * t2 + 1.0 / k;
    double y = p * (exponent + 2.0 * t * series / LN2);
    y = y < -1022.0 ? -1022.0 : y > 1023.0 ? 1023.0 : y;
    int whole = (int)(y < 0.0 ? y - 0.5 : y + 0.5);
    double z = (y - whole) * LN2, e = 1.0;
    UNROLL for (int k = 12; k >= 1; k--) e = 1.0 + z / k * e;
    return e * __builtin_bit_cast(double, (u64)(whole + 1023) << 52);
}

DEVICE double shuffle_down(double v, u32 by) {
    u64 bits = __builtin_bit_cast(u64, v);
    u32 low = __nvvm_shfl_sync_down_i32(0xffffffff, (u32)bits, by, 31);
    u32 high = __nvvm_shfl_sync_down_i32(0xffffffff, (u32)(bits >> 32), by, 31);
    return __builtin_bit_cast(double, (u64)high << 32 | low);
}

// The sum over a block of 256 threads, in a fixed order; thread 0 has the result.
DEVICE double block_sum(double v) {
    __shared__ double warps[8];
    UNROLL for (u32 by = 16; by; by /= 2) v += shuffle_down(v, by);
    __syncthreads(); // the previous sum has been read
    if (thread() % 32 == 0) warps[thread() / 32] = v;
    __syncthreads();
    v = 0.0;
    if (thread() == 0)
        UNROLL for (int w = 0; w < 8; w++) v += warps[w];
    return v;
}
