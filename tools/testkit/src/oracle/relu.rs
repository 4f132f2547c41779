//! `max(0, x)`, and 0 of NaN.

use crate::Array;

/// `x` where it is above zero, else zero.
#[must_use]
pub fn rectify(x: &Array) -> Array {
    x.map(|v| if v > 0.0 { v } else { 0.0 })
}
