//! AVX-512 F: one register of sixteen.

use std::arch::x86_64::*;

use super::{Kernel, Simd};
use crate::gemm::{Product, products};

/// Witness of AVX-512 F; only functions compiled with it make one.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

/// # Safety
/// The processor must have AVX-512 F, AVX2 and FMA.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512(()))
}

// SAFETY of every block below: `self` is a witness that the processor has AVX-512 F; loads and stores touch the
// sixteen values that the caller vouches for, unaligned.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Simd for Avx512 {
    type V = __m512;
    const ROWS: usize = 14;
    const PANELS: usize = 2;
    const GRAM_ROWS: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, v: __m512, p: *mut f32) {
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn positive(self, v: __m512) -> u16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(v, _mm512_setzero_ps()) }
    }
    #[inline(always)]
    fn gate(self, mask: u16, v: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(mask, v) }
    }
    #[inline(always)]
    unsafe fn multiply_positions(self, product: Product, rows: usize, panels: usize) {
        unsafe { positions(product, rows, panels) }
    }
    #[inline(always)]
    unsafe fn multiply_pixels(self, product: Product, rows: usize, panels: usize) {
        unsafe { pixels(product, rows, panels) }
    }
    #[inline(always)]
    unsafe fn multiply_channels(self, product: Product, panels: usize) {
        unsafe { channels(product, Self::GRAM_ROWS, panels) }
    }
}

products! {
    Avx512(()),
    #[target_feature(enable = "avx512f,avx2,fma")]
    positions:
        (1, 1) (2, 1) (3, 1) (4, 1) (5, 1) (6, 1) (7, 1)
        (8, 1) (9, 1) (10, 1) (11, 1) (12, 1) (13, 1) (14, 1)
        (1, 2) (2, 2) (3, 2) (4, 2) (5, 2) (6, 2) (7, 2)
        (8, 2) (9, 2) (10, 2) (11, 2) (12, 2) (13, 2) (14, 2);
    channels: (8, 1) (8, 2)
}
