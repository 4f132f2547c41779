//! WebAssembly's SIMD: four vectors of four. A module has it or not as a whole, so there is nothing to detect: it is there
//! where the compiler was told so (`-C target-feature=+simd128,+relaxed-simd`).

use std::arch::wasm32::*;

use super::Simd;

/// Four `v128`.
#[derive(Clone, Copy)]
pub(crate) struct Simd128;

type V = [v128; 4];

/// The bit of each lane in a mask.
#[inline(always)]
fn bits() -> [v128; 4] {
    [i32x4(1, 2, 4, 8), i32x4(16, 32, 64, 128), i32x4(256, 512, 1024, 2048), i32x4(4096, 8192, 16384, 32768)]
}

#[inline(always)]
fn each(a: V, b: V, f: impl Fn(v128, v128) -> v128) -> V {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

/// The lanes of both in turn.
#[inline(always)]
fn zip(a: v128, b: v128) -> [v128; 2] {
    [i32x4_shuffle::<0, 4, 1, 5>(a, b), i32x4_shuffle::<2, 6, 3, 7>(a, b)]
}

/// `a b + c`, rounded once if the processor has an instruction for that.
#[inline(always)]
fn multiply_add(a: v128, b: v128, c: v128) -> v128 {
    #[cfg(target_feature = "relaxed-simd")]
    return f32x4_relaxed_madd(a, b, c);
    #[cfg(not(target_feature = "relaxed-simd"))]
    f32x4_add(f32x4_mul(a, b), c)
}

impl Simd for Simd128 {
    type V = V;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        [f32x4_splat(x); 4]
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> V {
        let p = p.cast::<v128>();
        // SAFETY: the caller guarantees sixteen readable values; loads need no alignment.
        unsafe { [v128_load(p), v128_load(p.add(1)), v128_load(p.add(2)), v128_load(p.add(3))] }
    }
    #[inline(always)]
    unsafe fn store(self, [v0, v1, v2, v3]: V, p: *mut f32) {
        let p = p.cast::<v128>();
        // SAFETY: the caller guarantees sixteen writable values; stores need no alignment.
        unsafe {
            v128_store(p, v0);
            v128_store(p.add(1), v1);
            v128_store(p.add(2), v2);
            v128_store(p.add(3), v3);
        }
    }
    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        each(a, b, |a, b| f32x4_add(a, b))
    }
    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        each(a, b, |a, b| f32x4_sub(a, b))
    }
    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        each(a, b, |a, b| f32x4_mul(a, b))
    }
    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        [
            multiply_add(a[0], b[0], c[0]),
            multiply_add(a[1], b[1], c[1]),
            multiply_add(a[2], b[2], c[2]),
            multiply_add(a[3], b[3], c[3]),
        ]
    }
    #[inline(always)]
    fn fma_f64(self, a: f64, b: f64, c: f64) -> f64 {
        a * b + c
    }
    #[inline(always)]
    fn interleave(self, a: V, b: V) -> (V, V) {
        let (v, w) = (zip(a[0], b[0]), zip(a[1], b[1]));
        let (x, y) = (zip(a[2], b[2]), zip(a[3], b[3]));
        ([v[0], v[1], w[0], w[1]], [x[0], x[1], y[0], y[1]])
    }
    #[inline(always)]
    fn positive(self, v: V) -> u16 {
        let [a, b, c, d] = v.map(|v| u16::from(i32x4_bitmask(f32x4_gt(v, f32x4_splat(0.0)))));
        a | b << 4 | c << 8 | d << 12
    }
    #[inline(always)]
    fn gate(self, mask: u16, v: V) -> V {
        let mask = i32x4_splat(i32::from(mask));
        each(bits(), v, |bit, v| v128_and(i32x4_eq(v128_and(mask, bit), bit), v))
    }
}
