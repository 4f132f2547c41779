//! AVX-512 F: one register of sixteen; and AVX-512 BF16 for products.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::Simd;

/// Witness for AVX-512 F, and with `PAIRS` for AVX-512 BF16; only functions compiled with them create one.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<const PAIRS: bool>(());

impl<const PAIRS: bool> Avx512<PAIRS> {
    /// # Safety
    /// The processor must have these instructions.
    #[inline(always)]
    pub(crate) const unsafe fn witness() -> Self {
        Self(())
    }
}

// SAFETY of every block below: `self` is a witness that the processor has AVX-512 F, and with `PAIRS` AVX-512 BF16, which is
// used only then; loads and stores are unaligned and touch only the values that the caller guarantees.
#[allow(clippy::undocumented_unsafe_blocks)]
impl<const PAIRS: bool> Simd for Avx512<PAIRS> {
    type V = __m512;

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
    fn dot(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        if !PAIRS {
            return self.fma(a, b, c);
        }
        unsafe { _mm512_dpbf16_ps(c, transmute::<__m512, __m512bh>(a), transmute::<__m512, __m512bh>(b)) }
    }
    #[inline(always)]
    unsafe fn store_words(self, v: __m512, p: *mut f32) {
        unsafe {
            if PAIRS {
                _mm256_storeu_si256(p.cast(), transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(v)));
            } else {
                self.store(v, p);
            }
        }
    }
    #[inline(always)]
    fn pair(self, even: __m512, odd: __m512) -> __m512 {
        if !PAIRS {
            return even;
        }
        unsafe {
            let even = _mm512_cvtepu16_epi32(transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(even)));
            let odd = _mm512_cvtepu16_epi32(transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(odd)));
            _mm512_castsi512_ps(_mm512_or_si512(even, _mm512_slli_epi32::<16>(odd)))
        }
    }
    #[inline(always)]
    fn interleave(self, a: __m512, b: __m512) -> (__m512, __m512) {
        unsafe {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            (_mm512_permutex2var_ps(a, low, b), _mm512_permutex2var_ps(a, high, b))
        }
    }
    #[inline(always)]
    fn positive(self, v: __m512) -> u16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(v, _mm512_setzero_ps()) }
    }
    #[inline(always)]
    fn gate(self, mask: u16, v: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(mask, v) }
    }
}
