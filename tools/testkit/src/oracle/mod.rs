//! Each op in `f64`, written straight from its equation in [`style_core::ops`] with the dullest loops possible.
//!
//! Nothing here is fast, and nothing here may become clever: it has to be obviously right.

pub mod conv2d;
pub mod gram;
pub mod guide;
pub mod loss;
pub mod moments;
pub mod pool2d;
pub mod relu;
pub mod tv;
pub mod vector;
pub mod window;
