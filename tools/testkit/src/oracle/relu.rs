//! `max(0, x)`, with 0 for NaN.

use crate::Array;

/// `x` where it is positive, zero elsewhere.
#[must_use]
pub fn rectify(x: &Array) -> Array {
    x.map(|v| if v > 0.0 { v } else { 0.0 })
}
