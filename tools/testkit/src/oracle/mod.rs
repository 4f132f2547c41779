//! Each op in `f64`, written directly from its equation in [`style_core::backend::ops`] with the simplest possible loops.
//!
//! Nothing here is fast, and nothing here may be clever: it must be obviously correct.

pub mod conv2d;
pub mod cosine;
pub mod gram;
pub mod guide;
pub mod loss;
pub mod moments;
pub mod nearest;
pub mod pool2d;
pub mod product;
pub mod relu;
pub mod sample;
pub mod transport;
pub mod tv;
pub mod vector;
pub mod window;
