//! One file an op, under the names of `style_core::ops`.

mod conv2d;
mod gram;
mod loss;
mod pool2d;
mod tv;
mod vector;

pub use conv2d::Filter;

use style_core::{Error, ErrorKind, Result};

use crate::simd::LANES;
use crate::tensor::Scalars;

/// Values that one item of an elementwise op or a reduction takes: fixed, so that sums have one order.
const CHUNK: usize = 1 << 14;

/// `sum term(a, b)` over the pairs of two slices of one length, in sixteen sums and then one.
#[inline(always)]
fn sum_pairs(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f64) -> f64 {
    let mut sums = [0.0f64; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    for (sum, (&a, &b)) in sums.iter_mut().zip(a.remainder().iter().zip(b.remainder())) {
        *sum = term(a, b);
    }
    for (a, b) in a.zip(b) {
        for i in 0..LANES {
            sums[i] += term(a[i], b[i]);
        }
    }
    sums.iter().sum()
}

impl Scalars {
    /// `count` scalars from `first` on.
    fn slots(&mut self, first: usize, count: usize) -> Result<&mut [f64]> {
        let len = self.values.len();
        first
            .checked_add(count)
            .and_then(|end| self.values.get_mut(first..end))
            .ok_or_else(|| Error::new(ErrorKind::Shape, format!("{count} scalars from {first} on do not fit in {len}")))
    }
}
