//! One file an op, under the names of `style_core::ops`.

mod conv2d;
mod gram;
mod loss;
mod pool2d;
mod tv;
mod vector;

pub use conv2d::Filter;

use style_core::{Error, ErrorKind, Result};

use crate::tensor::Scalars;

/// Values that one item of an elementwise op or a reduction takes: fixed, so that sums have one order.
const CHUNK: usize = 1 << 14;

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
