//! Sixteen `f32` at once, on any processor. Kernels are written once over [`Simd`] and compiled for each instruction
//! set; [`Level::run`](crate::isa::Level::run) selects one at run time.
//!
//! Kernels must call vector operations from functions marked `#[inline(always)]`, never from closures. Code that is not
//! inlined loses its caller's instruction set, and then every operation becomes a function call. CI checks for such
//! calls.
//!
//! A value of an implementing type is a witness: it is created only where its instructions are known to be available.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) mod simd128;

/// Lanes of a vector, and channels of a block in the tensor layout.
pub(crate) const LANES: usize = 16;

/// Sixteen lanes of `f32`.
pub(crate) trait Simd: Copy {
    /// The vector type.
    type V: Copy;

    /// Sets all lanes to `x`.
    fn splat(self, x: f32) -> Self::V;
    /// Loads the lanes from memory.
    ///
    /// # Safety
    /// Sixteen values must be readable at `p`; no alignment is required.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// Stores the lanes to memory.
    ///
    /// # Safety
    /// Sixteen values must be writable at `p`; no alignment is required.
    unsafe fn store(self, v: Self::V, p: *mut f32);
    /// Prefetches the line at `p`; any address is allowed.
    #[inline(always)]
    fn prefetch(self, _p: *const f32) {}
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a b + c`, rounded once where the instruction set supports it.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a b + c` of one lane, rounded once where the instruction set supports it.
    #[inline(always)]
    fn fma_f64(self, a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }
    /// Bit `i` is set if lane `i` is above zero.
    fn positive(self, v: Self::V) -> u16;
    /// Keeps the lanes whose bit is set and zeroes the others.
    fn gate(self, mask: u16, v: Self::V) -> Self::V;

    /// `a b + c` in the micro-kernel, where a lane of `a` and of `b` is a word of [`Gemm::VALUES`] values.
    ///
    /// [`Gemm::VALUES`]: crate::gemm::Gemm::VALUES
    #[inline(always)]
    fn dot(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        self.fma(a, b, c)
    }
    /// Stores the lanes as words: neighbours share one.
    ///
    /// # Safety
    /// That many words must be writable at `p`; no alignment is required.
    #[inline(always)]
    unsafe fn store_words(self, v: Self::V, p: *mut f32) {
        // SAFETY: a word is a lane.
        unsafe { self.store(v, p) }
    }
    /// Words of two values each, if words have two.
    #[inline(always)]
    fn pair(self, even: Self::V, _odd: Self::V) -> Self::V {
        even
    }
    /// The lanes of both in turn: `a[0], b[0], a[1], b[1], ...`.
    fn interleave(self, a: Self::V, b: Self::V) -> (Self::V, Self::V);

    /// The transpose of sixteen vectors: lane `j` of vector `i` becomes lane `i` of vector `j`.
    #[inline(always)]
    fn transpose(self, mut v: [Self::V; LANES]) -> [Self::V; LANES] {
        // Each round moves the highest bit of a vector's index below those of the lane's: four rounds exchange the two.
        for _ in 0..LANES.ilog2() {
            let from = v;
            for i in 0..LANES / 2 {
                (v[2 * i], v[2 * i + 1]) = self.interleave(from[i], from[i + LANES / 2]);
            }
        }
        v
    }

    /// Loads the lanes from an array.
    #[inline(always)]
    fn get(self, lanes: &[f32; LANES]) -> Self::V {
        // SAFETY: the array has sixteen values.
        unsafe { self.load(lanes.as_ptr()) }
    }

    /// Stores the lanes to an array.
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
