//! The micro-kernel: one small matrix product in registers, which convolution, Gram matrix and Gram gradient all
//! come down to.
//!
//! `C[r, j] = sum_k A[r, k] B[k, j]` for a few rows `r` and one or two panels of sixteen columns `j`, each sum taken
//! in order of `k`, so a result does not depend on how the work is cut up.
//!
//! - `A[r, k] = a[offsets[k / 16] + ROW r + STEP (k % 16)]`. `ROW = 16, STEP = 1` reads rows that are positions of a
//!   blocked tensor, `k` its channels; `ROW = 1, STEP = 16` reads rows that are channels of one block, `k` positions.
//! - `B[k, j] = b[panel_stride (j / 16) + 16 k + j % 16]`: a panel is `k` vectors.
//! - `C[r, j] = c[c_stride (j / 16) + 16 r + j % 16]`: positions of a blocked tensor.
//!
//! [`products`] makes the functions of one instruction set; they are compiled once each and called from every op.

use crate::simd::{LANES, Simd};

/// The operands of a product.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    pub(crate) a: *const f32,
    pub(crate) offsets: &'a [usize],
    pub(crate) b: *const f32,
    pub(crate) panel_stride: usize,
    /// Terms of each sum; all but the last entry of `offsets` stand for sixteen.
    pub(crate) k: usize,
    pub(crate) c: *mut f32,
    pub(crate) c_stride: usize,
}

/// One tile of the product, `R` rows by `P` panels, in registers.
///
/// # Safety
/// `product.offsets` must have `k / 16` entries, rounded up; every `A[r, k]` and `B[k, j]` as defined above must be
/// readable and every `C[r, j]` writable, for `r < R`, `k < product.k`, `j < 16 P`.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, const R: usize, const P: usize, const ROW: usize, const STEP: usize>(
    simd: S,
    product: Product<'_>,
) {
    let Product { a, offsets, mut b, panel_stride, k, c, c_stride } = product;
    let mut sums = [[simd.splat(0.0); P]; R];
    for (i, &offset) in offsets.iter().enumerate() {
        // SAFETY: pointers stay within the operands that the caller vouches for.
        unsafe {
            let a = a.add(offset);
            if k - i * LANES >= LANES {
                for l in 0..LANES {
                    step::<S, R, P, ROW>(simd, a.add(l * STEP), b.add(l * LANES), panel_stride, &mut sums);
                }
            } else {
                for l in 0..k - i * LANES {
                    step::<S, R, P, ROW>(simd, a.add(l * STEP), b.add(l * LANES), panel_stride, &mut sums);
                }
            }
            b = b.add(LANES * LANES);
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (p, &sum) in sums.iter().enumerate() {
            // SAFETY: the caller vouches for `C`.
            unsafe { simd.store(sum, c.add(p * c_stride + r * LANES)) };
        }
    }
}

/// One term of every sum: `A[r, k] B[k, j]`. A function, not a closure, since only a function can be told to be
/// inlined, and what is not inlined loses the caller's instruction set.
///
/// # Safety
/// `a` and `b` must be where `A[0, k]` and `B[k, 0]` are.
#[inline(always)]
unsafe fn step<S: Simd, const R: usize, const P: usize, const ROW: usize>(
    simd: S,
    a: *const f32,
    b: *const f32,
    panel_stride: usize,
    sums: &mut [[S::V; P]; R],
) {
    // SAFETY: the caller vouches for both.
    unsafe {
        let mut columns = [simd.splat(0.0); P];
        for (p, column) in columns.iter_mut().enumerate() {
            *column = simd.load(b.add(p * panel_stride));
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            let x = simd.splat(*a.add(r * ROW));
            for (sum, &column) in sums.iter_mut().zip(&columns) {
                *sum = simd.fma(x, column, *sum);
            }
        }
    }
}

/// The product functions of one instruction set: `positions` for rows that are positions, `channels` for rows that are
/// channels; each picks the tile for `rows` and `panels` among those listed.
macro_rules! products {
    ($simd:expr, $(#[$features:meta])* positions: $(($r:literal, $p:literal))*; channels: $(($cr:literal, $cp:literal))*) => {
        /// # Safety
        /// The processor must have these instructions; operands as for [`crate::gemm::tile`].
        $(#[$features])*
        unsafe fn positions(product: crate::gemm::Product<'_>, rows: usize, panels: usize) {
            match (rows, panels) {
                // SAFETY: the caller vouches for the operands.
                $(($r, $p) => unsafe { crate::gemm::tile::<_, $r, $p, 16, 1>($simd, product) },)*
                _ => debug_assert!(false, "no tile of {rows} x {panels}"),
            }
        }

        /// # Safety
        /// As for `positions`.
        $(#[$features])*
        unsafe fn channels(product: crate::gemm::Product<'_>, rows: usize, panels: usize) {
            match (rows, panels) {
                // SAFETY: the caller vouches for the operands.
                $(($cr, $cp) => unsafe { crate::gemm::tile::<_, $cr, $cp, 1, 16>($simd, product) },)*
                _ => debug_assert!(false, "no tile of {rows} x {panels}"),
            }
        }
    };
}
pub(crate) use products;

/// Cuts `n` rows into groups of at most `most`, all but equally large: the group sizes come one by one.
pub(crate) fn groups(n: usize, most: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = n.div_ceil(most).max(1);
    (0..count).map(move |i| i * n / count..(i + 1) * n / count).filter(|r| !r.is_empty())
}
