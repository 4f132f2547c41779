//! The register tiles of each instruction set.

use super::{Gemm, Product, products};
#[cfg(target_arch = "x86_64")]
use crate::simd::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::simd::avx512::Avx512;
#[cfg(target_arch = "aarch64")]
use crate::simd::neon::Neon;
use crate::simd::portable::Portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::simd::simd128::Simd128;

impl Gemm for Portable {
    const ROWS: usize = 4;
    const PANELS: usize = 1;
    const GRAM_ROWS: usize = 4;

    #[inline(always)]
    unsafe fn multiply_positions(self, product: Product, rows: usize, panels: usize) {
        // SAFETY: the caller guarantees the operands.
        unsafe { portable::positions(product, rows, panels) }
    }
    #[inline(always)]
    unsafe fn multiply_pixels(self, product: Product, rows: usize, panels: usize) {
        // SAFETY: as above.
        unsafe { portable::pixels(product, rows, panels) }
    }
    #[inline(always)]
    unsafe fn multiply_channels(self, product: Product, panels: usize) {
        // SAFETY: as above.
        unsafe { portable::channels(product, Self::GRAM_ROWS, panels) }
    }
}

mod portable {
    use super::{Portable, products};

    products! {
        Portable,
        positions:
            (1, 1) (2, 1) (3, 1) (4, 1);
        channels: (4, 1)
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
impl Gemm for Simd128 {
    const ROWS: usize = 3;
    const PANELS: usize = 1;
    const GRAM_ROWS: usize = 2;

    #[inline(always)]
    unsafe fn multiply_positions(self, product: Product, rows: usize, panels: usize) {
        // SAFETY: the caller guarantees the operands.
        unsafe { simd128::positions(product, rows, panels) }
    }
    #[inline(always)]
    unsafe fn multiply_pixels(self, product: Product, rows: usize, panels: usize) {
        // SAFETY: as above.
        unsafe { simd128::pixels(product, rows, panels) }
    }
    #[inline(always)]
    unsafe fn multiply_channels(self, product: Product, panels: usize) {
        // SAFETY: as above.
        unsafe { simd128::channels(product, Self::GRAM_ROWS, panels) }
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128 {
    use super::{Simd128, products};

    products! {
        Simd128,
        positions:
            (1, 1) (2, 1) (3, 1);
        channels: (2, 1)
    }
}

// SAFETY of every block below: `self` is a witness that the processor has these instructions; the caller guarantees the
// operands.
#[cfg(target_arch = "aarch64")]
#[allow(clippy::undocumented_unsafe_blocks)]
impl Gemm for Neon {
    const ROWS: usize = 5;
    const PANELS: usize = 1;
    const GRAM_ROWS: usize = 4;

    #[inline(always)]
    unsafe fn multiply_positions(self, product: Product, rows: usize, panels: usize) {
        unsafe { neon::positions(product, rows, panels) }
    }
    #[inline(always)]
    unsafe fn multiply_pixels(self, product: Product, rows: usize, panels: usize) {
        unsafe { neon::pixels(product, rows, panels) }
    }
    #[inline(always)]
    unsafe fn multiply_channels(self, product: Product, panels: usize) {
        unsafe { neon::channels(product, Self::GRAM_ROWS, panels) }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::{Neon, products};

    products! {
        Neon::witness(),
        #[target_feature(enable = "neon")]
        positions:
            (1, 1) (2, 1) (3, 1) (4, 1) (5, 1);
        channels: (4, 1)
    }
}

// SAFETY of every block below: `self` is a witness that the processor has these instructions; the caller guarantees the
// operands.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::undocumented_unsafe_blocks)]
impl Gemm for Avx2 {
    const ROWS: usize = 6;
    const PANELS: usize = 1;
    const GRAM_ROWS: usize = 4;

    #[inline(always)]
    unsafe fn multiply_positions(self, product: Product, rows: usize, panels: usize) {
        unsafe { avx2::positions(product, rows, panels) }
    }
    #[inline(always)]
    unsafe fn multiply_pixels(self, product: Product, rows: usize, panels: usize) {
        unsafe { avx2::pixels(product, rows, panels) }
    }
    #[inline(always)]
    unsafe fn multiply_channels(self, product: Product, panels: usize) {
        unsafe { avx2::channels(product, Self::GRAM_ROWS, panels) }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Avx2, products};

    products! {
        Avx2::witness(),
        #[target_feature(enable = "avx2,fma")]
        positions:
            (1, 1) (2, 1) (3, 1) (4, 1) (5, 1) (6, 1);
        channels: (4, 1)
    }
}

// SAFETY of every block below: `self` is a witness that the processor has these instructions; the caller guarantees the
// operands.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::undocumented_unsafe_blocks)]
impl<const PAIRS: bool> Gemm for Avx512<PAIRS> {
    const ROWS: usize = 14;
    const PANELS: usize = 2;
    const GRAM_ROWS: usize = 8;
    const VALUES: usize = if PAIRS { 2 } else { 1 };

    #[inline(always)]
    unsafe fn multiply_positions(self, product: Product, rows: usize, panels: usize) {
        unsafe { avx512::positions(product, rows, panels) }
    }
    #[inline(always)]
    unsafe fn multiply_words(self, product: Product, rows: usize, panels: usize) {
        unsafe {
            if PAIRS {
                bf16::positions(product, rows, panels);
            } else {
                avx512::positions(product, rows, panels);
            }
        }
    }
    #[inline(always)]
    unsafe fn multiply_pixels(self, product: Product, rows: usize, panels: usize) {
        unsafe { avx512::pixels(product, rows, panels) }
    }
    #[inline(always)]
    unsafe fn multiply_channels(self, product: Product, panels: usize) {
        unsafe { avx512::channels(product, Self::GRAM_ROWS, panels) }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{Avx512, products};

    products! {
        Avx512::<false>::witness(),
        #[target_feature(enable = "avx512f,avx2,fma")]
        positions:
            (1, 1) (2, 1) (3, 1) (4, 1) (5, 1) (6, 1) (7, 1)
            (8, 1) (9, 1) (10, 1) (11, 1) (12, 1) (13, 1) (14, 1)
            (1, 2) (2, 2) (3, 2) (4, 2) (5, 2) (6, 2) (7, 2)
            (8, 2) (9, 2) (10, 2) (11, 2) (12, 2) (13, 2) (14, 2);
        channels: (8, 1) (8, 2)
    }
}

#[cfg(target_arch = "x86_64")]
mod bf16 {
    use super::{Avx512, products};

    products! {
        Avx512::<true>::witness(), 8 words,
        #[target_feature(enable = "avx512f,avx512bf16,avx2,fma")]
        positions:
            (1, 1) (2, 1) (3, 1) (4, 1) (5, 1) (6, 1) (7, 1)
            (8, 1) (9, 1) (10, 1) (11, 1) (12, 1) (13, 1) (14, 1)
            (1, 2) (2, 2) (3, 2) (4, 2) (5, 2) (6, 2) (7, 2)
            (8, 2) (9, 2) (10, 2) (11, 2) (12, 2) (13, 2) (14, 2)
    }
}
