//! NEON: four registers of four.

use std::arch::aarch64::*;
use std::arch::asm;

use super::Simd;

/// Witness for NEON; only functions compiled with it create one.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

impl Neon {
    /// # Safety
    /// The processor must have these instructions.
    #[inline(always)]
    pub(crate) const unsafe fn witness() -> Self {
        Self(())
    }

    /// The bit of each lane in a mask.
    #[inline(always)]
    fn bits(self) -> [uint32x4_t; 4] {
        const FIRST: [u32; 4] = [1, 2, 4, 8];
        // SAFETY: `self` is a witness that the processor has NEON; the load touches the four values of the array.
        unsafe {
            let first = vld1q_u32(FIRST.as_ptr());
            [first, vshlq_n_u32::<4>(first), vshlq_n_u32::<8>(first), vshlq_n_u32::<12>(first)]
        }
    }
}

type V = [float32x4_t; 4];

// SAFETY of every block below: `self` is a witness that the processor has NEON; loads and stores are unaligned and touch
// only the sixteen values that the caller guarantees.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Simd for Neon {
    type V = V;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        [unsafe { vdupq_n_f32(x) }; 4]
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> V {
        unsafe { [vld1q_f32(p), vld1q_f32(p.add(4)), vld1q_f32(p.add(8)), vld1q_f32(p.add(12))] }
    }
    #[inline(always)]
    unsafe fn store(self, [v0, v1, v2, v3]: V, p: *mut f32) {
        unsafe {
            vst1q_f32(p, v0);
            vst1q_f32(p.add(4), v1);
            vst1q_f32(p.add(8), v2);
            vst1q_f32(p.add(12), v3);
        }
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        // The intrinsic is unstable. The instruction is a hint: it reads nothing and faults at no address.
        unsafe { asm!("prfm pldl1keep, [{}]", in(reg) p.addr(), options(nomem, nostack, preserves_flags)) }
    }
    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        unsafe { [vaddq_f32(a[0], b[0]), vaddq_f32(a[1], b[1]), vaddq_f32(a[2], b[2]), vaddq_f32(a[3], b[3])] }
    }
    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        unsafe { [vsubq_f32(a[0], b[0]), vsubq_f32(a[1], b[1]), vsubq_f32(a[2], b[2]), vsubq_f32(a[3], b[3])] }
    }
    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        unsafe { [vmulq_f32(a[0], b[0]), vmulq_f32(a[1], b[1]), vmulq_f32(a[2], b[2]), vmulq_f32(a[3], b[3])] }
    }
    /// With a splat as `a`, `fmla` takes it from one lane of a register, and the splat itself needs no instruction.
    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        unsafe {
            [
                vfmaq_f32(c[0], b[0], a[0]),
                vfmaq_f32(c[1], b[1], a[1]),
                vfmaq_f32(c[2], b[2], a[2]),
                vfmaq_f32(c[3], b[3], a[3]),
            ]
        }
    }
    #[inline(always)]
    fn interleave(self, a: V, b: V) -> (V, V) {
        unsafe {
            let (v, w) = (vzipq_f32(a[0], b[0]), vzipq_f32(a[1], b[1]));
            let (x, y) = (vzipq_f32(a[2], b[2]), vzipq_f32(a[3], b[3]));
            ([v.0, v.1, w.0, w.1], [x.0, x.1, y.0, y.1])
        }
    }
    #[inline(always)]
    fn positive(self, v: V) -> u16 {
        let bits = self.bits();
        unsafe {
            let a = vandq_u32(vcgtzq_f32(v[0]), bits[0]);
            let b = vandq_u32(vcgtzq_f32(v[1]), bits[1]);
            let c = vandq_u32(vcgtzq_f32(v[2]), bits[2]);
            let d = vandq_u32(vcgtzq_f32(v[3]), bits[3]);
            vaddvq_u32(vorrq_u32(vorrq_u32(a, b), vorrq_u32(c, d))) as u16
        }
    }
    #[inline(always)]
    fn gate(self, mask: u16, v: V) -> V {
        let bits = self.bits();
        unsafe {
            let mask = vdupq_n_u32(u32::from(mask));
            let a = vandq_u32(vtstq_u32(mask, bits[0]), vreinterpretq_u32_f32(v[0]));
            let b = vandq_u32(vtstq_u32(mask, bits[1]), vreinterpretq_u32_f32(v[1]));
            let c = vandq_u32(vtstq_u32(mask, bits[2]), vreinterpretq_u32_f32(v[2]));
            let d = vandq_u32(vtstq_u32(mask, bits[3]), vreinterpretq_u32_f32(v[3]));
            [vreinterpretq_f32_u32(a), vreinterpretq_f32_u32(b), vreinterpretq_f32_u32(c), vreinterpretq_f32_u32(d)]
        }
    }
}
