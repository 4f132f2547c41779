//! Sixteen `f32` at once, on whatever the processor has. Kernels are written once over [`Simd`] and compiled for each
//! instruction set; [`Isa::run`] picks at run time.
//!
//! Kernels must call vector operations from functions marked `#[inline(always)]`, never from closures: what is not
//! inlined loses its caller's instruction set, and then each operation is a call. CI looks for such calls.
//!
//! An implementation's value is a witness: it is only made where its instructions are known to be there.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use style_core::{Error, ErrorKind, Result};

use crate::gemm::Product;

/// Lanes of a vector, and channels of a block of the tensor layout.
pub(crate) const LANES: usize = 16;

/// An instruction set that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust: runs everywhere, and is what the others are checked against.
    Portable,
    /// AVX2 and FMA: Intel since 2013, AMD since 2015.
    Avx2,
    /// AVX-512 F.
    Avx512,
}

impl Isa {
    /// All there are, slowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The fastest that this processor has.
    #[must_use]
    pub fn best() -> Self {
        Self::ALL.into_iter().rev().find(|isa| isa.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this processor has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Self::Avx2.is_available() && std::arch::is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    pub(crate) fn check(self) -> Result<Level> {
        if self.is_available() {
            return Ok(Level(self));
        }
        Err(Error::new(ErrorKind::Unavailable, format!("this processor has no {}", self.name())))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

/// An [`Isa`] that this processor was found to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level(Isa);

/// Work that is compiled once for each instruction set.
pub(crate) trait Kernel {
    /// What it gives.
    type Output;
    /// Does it; `#[inline(always)]`, so that it takes on the caller's instruction set.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

impl Level {
    pub(crate) fn isa(self) -> Isa {
        self.0
    }

    /// Runs a kernel with this level's instructions.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Isa::Portable => kernel.run(portable::Portable),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Isa::check` made this level, so the processor has these instructions.
            Isa::Avx2 => unsafe { avx2::run(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx512 => unsafe { avx512::run(kernel) },
            #[cfg(not(target_arch = "x86_64"))]
            _ => kernel.run(portable::Portable),
        }
    }
}

/// Sixteen lanes of `f32`.
pub(crate) trait Simd: Copy {
    /// The vector.
    type V: Copy;
    /// Rows of the micro-kernel's register tile.
    const ROWS: usize;
    /// Vectors in a row of the micro-kernel's register tile, 1 or 2.
    const PANELS: usize;
    /// Rows of the Gram matrix' register tile; divides [`LANES`].
    const GRAM_ROWS: usize;

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

    /// The micro-kernel, rows being positions: see [`crate::gemm`].
    ///
    /// # Safety
    /// As for [`crate::gemm::tile`], with `rows <= ROWS` and `panels <= PANELS`.
    unsafe fn multiply_positions(self, product: Product, rows: usize, panels: usize);
    /// The micro-kernel, rows being pixels of a line.
    ///
    /// # Safety
    /// As for [`multiply_positions`](Simd::multiply_positions).
    unsafe fn multiply_pixels(self, product: Product, rows: usize, panels: usize);
    /// The micro-kernel, rows being channels of one block, [`GRAM_ROWS`](Simd::GRAM_ROWS) of them.
    ///
    /// # Safety
    /// As for [`crate::gemm::tile`], with `panels <= PANELS`.
    unsafe fn multiply_channels(self, product: Product, panels: usize);

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
