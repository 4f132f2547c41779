//! The micro-kernel: one small matrix product in registers. Convolution, the Gram matrix and its gradient all reduce to
//! it.
//!
//! `C[r, j] (=|+=) sum_k A[r, k] B[k, j]` for a few rows `r` and one or two panels of sixteen columns `j`. Each sum is
//! accumulated in order of `k` from its initial value, so a result does not depend on the partition of the work.
//!
//! - `A[r, k] = a[a_stride (k / PART) + ROW r + STEP (k % PART)]`. With `PART = 16, ROW = 16, STEP = 1`, rows are
//!   positions of a blocked tensor and `k` its channels; with `PART = 16, ROW = 1, STEP = 16`, rows are channels of one
//!   block and `k` positions; with `PART = 3, ROW = 1, STEP = 1`, rows are pixels of a line and `k` their neighbours.
//! - `B[k, j] = b[panel_stride (j / 16) + 16 k + j % 16]`: a panel is `k` vectors.
//! - `C[r, j] = c[c_stride (j / 16) + 16 r + j % 16]`: positions of a blocked tensor.
//!
//! An element of `A` and of `B` is a word: one `f32`, or two values in bf16, whose products are both added
//! ([`Gemm::VALUES`]). Then `k` counts words.
//!
//! [`products`] generates the functions of one instruction set; they are compiled once each and called from every op.

mod tiles;

use style_core::backend::Acc;

use crate::simd::{LANES, Simd};

/// The prefetch distance in terms of a panel, which streams from the second-level cache or beyond.
const AHEAD: usize = 12;

/// The operands of a product.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    pub(crate) a: *const f32,
    pub(crate) a_stride: usize,
    pub(crate) b: *const f32,
    pub(crate) panel_stride: usize,
    /// The number of terms of each sum.
    pub(crate) k: usize,
    /// Whether the sums start from zero or from the contents of `C`.
    pub(crate) acc: Acc,
    pub(crate) c: *mut f32,
    pub(crate) c_stride: usize,
}

/// The micro-kernel of an instruction set, with its own register tile sizes.
pub(crate) trait Gemm: Simd {
    /// Rows of the micro-kernel's register tile.
    const ROWS: usize;
    /// Vectors in a row of the micro-kernel's register tile, 1 or 2.
    const PANELS: usize;
    /// Rows of the Gram matrix's register tile; divides [`LANES`].
    const GRAM_ROWS: usize;
    /// Values in a word of the operands of [`multiply_words`](Gemm::multiply_words).
    const VALUES: usize = 1;

    /// The micro-kernel with positions as rows; see the [module](self).
    ///
    /// # Safety
    /// As for [`tile`], with `rows <= ROWS` and `panels <= PANELS`.
    unsafe fn multiply_positions(self, product: Product, rows: usize, panels: usize);
    /// The micro-kernel with positions as rows, of words of [`VALUES`](Gemm::VALUES) values; a position's sixteen channels
    /// are `16 / VALUES` words.
    ///
    /// # Safety
    /// As for [`multiply_positions`](Gemm::multiply_positions).
    #[inline(always)]
    unsafe fn multiply_words(self, product: Product, rows: usize, panels: usize) {
        // SAFETY: the caller guarantees the operands.
        unsafe { self.multiply_positions(product, rows, panels) }
    }
    /// The micro-kernel with pixels of a line as rows.
    ///
    /// # Safety
    /// As for [`multiply_positions`](Gemm::multiply_positions).
    unsafe fn multiply_pixels(self, product: Product, rows: usize, panels: usize);
    /// The micro-kernel with [`GRAM_ROWS`](Gemm::GRAM_ROWS) channels of one block as rows.
    ///
    /// # Safety
    /// As for [`tile`], with `panels <= PANELS`.
    unsafe fn multiply_channels(self, product: Product, panels: usize);
}

/// Computes one register tile of the product, `R` rows by `P` panels.
///
/// # Safety
/// For `r < R`, `k < product.k` and `j < 16 P`, every `A[r, k]` and `B[k, j]` as defined above must be readable and
/// every `C[r, j]` writable; for `Acc::Add`, `C[r, j]` must also be readable.
#[inline(always)]
pub(crate) unsafe fn tile<
    S: Simd,
    const R: usize,
    const P: usize,
    const PART: usize,
    const ROW: usize,
    const STEP: usize,
>(
    simd: S,
    product: Product,
) {
    let Product { mut a, a_stride, mut b, panel_stride, k, acc, c, c_stride } = product;
    let mut sums = [[simd.splat(0.0); P]; R];
    // SAFETY: the caller guarantees the operands; pointers one block past their last one are computed but never read.
    unsafe {
        if acc == Acc::Add {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (p, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.load(c.add(p * c_stride + r * LANES));
                }
            }
        }
        for _ in 0..k / PART {
            // Four terms per iteration: as few branches as the smallest sums need, and small code.
            for l in (0..PART / 4 * 4).step_by(4) {
                let (a, b) = (a.add(l * STEP), b.add(l * LANES));
                step::<S, R, P, ROW>(simd, a, b, panel_stride, &mut sums);
                step::<S, R, P, ROW>(simd, a.add(STEP), b.add(LANES), panel_stride, &mut sums);
                step::<S, R, P, ROW>(simd, a.add(2 * STEP), b.add(2 * LANES), panel_stride, &mut sums);
                step::<S, R, P, ROW>(simd, a.add(3 * STEP), b.add(3 * LANES), panel_stride, &mut sums);
            }
            for l in PART / 4 * 4..PART {
                step::<S, R, P, ROW>(simd, a.add(l * STEP), b.add(l * LANES), panel_stride, &mut sums);
            }
            a = a.wrapping_add(a_stride);
            b = b.wrapping_add(PART * LANES);
        }
        for l in 0..k % PART {
            step::<S, R, P, ROW>(simd, a.add(l * STEP), b.add(l * LANES), panel_stride, &mut sums);
        }
        for (r, sums) in sums.iter().enumerate() {
            for (p, &sum) in sums.iter().enumerate() {
                simd.store(sum, c.add(p * c_stride + r * LANES));
            }
        }
    }
}

/// Adds one term to every sum: `A[r, k] B[k, j]`. A function rather than a closure, because only a function can be
/// marked as always inlined, and code that is not inlined loses the caller's instruction set.
///
/// # Safety
/// `a` and `b` must be the addresses of `A[0, k]` and `B[k, 0]`.
#[inline(always)]
unsafe fn step<S: Simd, const R: usize, const P: usize, const ROW: usize>(
    simd: S,
    a: *const f32,
    b: *const f32,
    panel_stride: usize,
    sums: &mut [[S::V; P]; R],
) {
    // SAFETY: the caller guarantees both; any address may be prefetched.
    unsafe {
        let mut columns = [simd.splat(0.0); P];
        for (p, column) in columns.iter_mut().enumerate() {
            *column = simd.load(b.add(p * panel_stride));
            simd.prefetch(b.wrapping_add(p * panel_stride + AHEAD * LANES));
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            let x = simd.splat(*a.add(r * ROW));
            for (sum, &column) in sums.iter_mut().zip(&columns) {
                *sum = simd.dot(x, column, *sum);
            }
        }
    }
}

/// Generates the product functions of one instruction set: `positions` for rows that are positions, `pixels` for rows
/// that are pixels of a line, `channels` for rows that are channels. Each selects the tile for `rows` and `panels` from
/// those listed.
macro_rules! products {
    ($simd:expr, $words:literal words, $(#[$features:meta])* positions: $(($r:literal, $p:literal))*) => {
        /// # Safety
        /// The processor must have these instructions; operands as for [`crate::gemm::tile`].
        $(#[$features])*
        pub(super) unsafe fn positions(product: crate::gemm::Product, rows: usize, panels: usize) {
            match (rows, panels) {
                // SAFETY: the caller guarantees the operands.
                $(($r, $p) => unsafe { crate::gemm::tile::<_, $r, $p, $words, $words, 1>($simd, product) },)*
                _ => debug_assert!(false, "no tile of {rows} x {panels}"),
            }
        }
    };
    ($simd:expr, $(#[$features:meta])* positions: $(($r:literal, $p:literal))*; channels: $(($cr:literal, $cp:literal))*) => {
        crate::gemm::products! { $simd, 16 words, $(#[$features])* positions: $(($r, $p))* }

        /// # Safety
        /// As for `positions`.
        $(#[$features])*
        pub(super) unsafe fn pixels(product: crate::gemm::Product, rows: usize, panels: usize) {
            match (rows, panels) {
                // SAFETY: the caller guarantees the operands.
                $(($r, $p) => unsafe { crate::gemm::tile::<_, $r, $p, 3, 1, 1>($simd, product) },)*
                _ => debug_assert!(false, "no tile of {rows} x {panels}"),
            }
        }

        /// # Safety
        /// As for `positions`.
        $(#[$features])*
        pub(super) unsafe fn channels(product: crate::gemm::Product, rows: usize, panels: usize) {
            match (rows, panels) {
                // SAFETY: the caller guarantees the operands.
                $(($cr, $cp) => unsafe { crate::gemm::tile::<_, $cr, $cp, 16, 1, 16>($simd, product) },)*
                _ => debug_assert!(false, "no tile of {rows} x {panels}"),
            }
        }
    };
}
pub(crate) use products;

/// Splits `n` rows into nearly equal groups of at most `most`; yields the row range of each group.
pub(crate) fn groups(n: usize, most: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = n.div_ceil(most).max(1);
    (0..count).map(move |i| i * n / count..(i + 1) * n / count).filter(|r| !r.is_empty())
}
