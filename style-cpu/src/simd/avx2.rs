//! AVX2 and FMA: two registers of eight.

use std::arch::x86_64::*;

use super::Simd;

/// Witness for AVX2 and FMA; only functions compiled with them create one.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The processor must have these instructions.
    #[inline(always)]
    pub(crate) const unsafe fn witness() -> Self {
        Self(())
    }
}

type V = (__m256, __m256);

// SAFETY of every block below: `self` is a witness that the processor has AVX2 and FMA; loads and stores are unaligned
// and touch only the sixteen values that the caller guarantees.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Simd for Avx2 {
    type V = V;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        let v = unsafe { _mm256_set1_ps(x) };
        (v, v)
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> V {
        unsafe { (_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))) }
    }
    #[inline(always)]
    unsafe fn store(self, v: V, p: *mut f32) {
        unsafe {
            _mm256_storeu_ps(p, v.0);
            _mm256_storeu_ps(p.add(8), v.1);
        }
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        unsafe { (_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)) }
    }
    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        unsafe { (_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)) }
    }
    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        unsafe { (_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)) }
    }
    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        unsafe { (_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1)) }
    }
    #[inline(always)]
    fn interleave(self, a: V, b: V) -> (V, V) {
        unsafe {
            // Interleaved within each half of a register.
            let (low0, high0) = (_mm256_unpacklo_ps(a.0, b.0), _mm256_unpackhi_ps(a.0, b.0));
            let (low1, high1) = (_mm256_unpacklo_ps(a.1, b.1), _mm256_unpackhi_ps(a.1, b.1));
            (
                (_mm256_permute2f128_ps::<0x20>(low0, high0), _mm256_permute2f128_ps::<0x31>(low0, high0)),
                (_mm256_permute2f128_ps::<0x20>(low1, high1), _mm256_permute2f128_ps::<0x31>(low1, high1)),
            )
        }
    }
    #[inline(always)]
    fn positive(self, v: V) -> u16 {
        unsafe {
            let zero = _mm256_setzero_ps();
            let low = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(v.0, zero)) as u16;
            low | (_mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(v.1, zero)) as u16) << 8
        }
    }
    #[inline(always)]
    fn gate(self, mask: u16, v: V) -> V {
        unsafe {
            let mask = _mm256_set1_epi32(i32::from(mask));
            let low = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let high = _mm256_slli_epi32::<8>(low);
            let low = _mm256_cmpeq_epi32(_mm256_and_si256(mask, low), low);
            let high = _mm256_cmpeq_epi32(_mm256_and_si256(mask, high), high);
            (_mm256_and_ps(_mm256_castsi256_ps(low), v.0), _mm256_and_ps(_mm256_castsi256_ps(high), v.1))
        }
    }
}
