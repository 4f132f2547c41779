//! Sixteen `f32` at once, on whatever the processor has. Kernels are written once over [`Simd`] and compiled for each
//! instruction set; [`Level::run`](crate::isa::Level::run) picks at run time.
//!
//! Kernels must call vector operations from functions marked `#[inline(always)]`, never from closures: what is not
//! inlined loses its caller's instruction set, and then each operation is a call. CI looks for such calls.
//!
//! An implementation's value is a witness: it is only made where its instructions are known to be there.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod portable;

/// Lanes of a vector, and channels of a block of the tensor layout.
pub(crate) const LANES: usize = 16;

/// Sixteen lanes of `f32`.
pub(crate) trait Simd: Copy {
    /// The vector.
    type V: Copy;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::V;
    /// Lanes from memory.
    ///
    /// # Safety
    /// Sixteen values must be readable at `p`; no alignment is asked.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// Lanes to memory.
    ///
    /// # Safety
    /// Sixteen values must be writable at `p`; no alignment is asked.
    unsafe fn store(self, v: Self::V, p: *mut f32);
    /// Asks for the line at `p`, of any address.
    #[inline(always)]
    fn prefetch(self, _p: *const f32) {}
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b + c`, rounded once where the instruction set can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Bit `i` says whether lane `i` is above zero.
    fn positive(self, v: Self::V) -> u16;
    /// Lanes whose bit is set, zero in the others.
    fn gate(self, mask: u16, v: Self::V) -> Self::V;

    /// Lanes of an array.
    #[inline(always)]
    fn get(self, lanes: &[f32; LANES]) -> Self::V {
        // SAFETY: the array has sixteen values.
        unsafe { self.load(lanes.as_ptr()) }
    }

    /// Lanes to an array.
    #[inline(always)]
    fn put(self, v: Self::V, lanes: &mut [f32; LANES]) {
        // SAFETY: the array has sixteen values.
        unsafe { self.store(v, lanes.as_mut_ptr()) }
    }

    /// `a + k b`.
    #[inline(always)]
    fn add_scaled(self, a: Self::V, k: f32, b: Self::V) -> Self::V {
        self.fma(self.splat(k), b, a)
    }
}
