//! One file an op: its equation, its adjoint, its shapes, and the trait that a backend implements.
//!
//! Notation: `F` features of shape `[1, N, H, W]`, `M = H W` positions, `d.` the gradient of the total loss with
//! respect to `.`; `(=|+=)` is [`crate::Acc`]. "Adjoint" is meant literally: `<dy, A x> = <A^T dy, x>`, and the
//! conformance cases check it.

mod conv2d;
mod gram;
mod guide;
mod loss;
mod moments;
mod pool2d;
mod relu;
mod tv;
mod vector;
mod window;

pub use conv2d::{Conv2d, Conv2dOps, Epilogue, Padding, Part, Rows};
pub use gram::GramOps;
pub use guide::GuideOps;
pub use loss::LossOps;
pub use moments::MomentsOps;
pub use pool2d::{Pool2d, Pool2dOps};
pub use relu::{ReluOps, ReluRule};
pub use tv::{Tv, TvOps};
pub use vector::{AdamStep, VectorOps};
pub use window::{WindowOps, expect_window};
