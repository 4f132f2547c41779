//! One file per op: its equation, its adjoint, its shapes, and the trait that a backend implements.
//!
//! Notation: `F` are features of shape `[1, N, H, W]`, `M = H W` positions, `d.` the gradient of the total loss with
//! respect to `.`; `(=|+=)` is [`crate::backend::Acc`]. "Adjoint" is meant literally: `<dy, A x> = <A^T dy, x>`, and the conformance
//! cases check it.

pub(crate) mod conv2d;
pub(crate) mod cosine;
pub(crate) mod gram;
pub(crate) mod guide;
pub(crate) mod history;
pub(crate) mod loss;
pub(crate) mod moments;
pub(crate) mod nearest;
pub(crate) mod pool2d;
pub(crate) mod product;
pub(crate) mod relu;
pub(crate) mod sample;
pub(crate) mod transport;
pub(crate) mod tv;
pub(crate) mod vector;
pub(crate) mod window;

pub use crate::backend::shape::Rows;
pub use conv2d::{Conv2d, Conv2dOps, Epilogue, Padding, Part, gate_required};
pub use cosine::CosineOps;
pub use gram::GramOps;
pub use guide::GuideOps;
pub use history::HistoryOps;
pub use loss::LossOps;
pub use moments::MomentsOps;
pub use nearest::{NearestOps, expect_patches};
pub use pool2d::{Pool2d, Pool2dOps};
pub use product::ProductOps;
pub use relu::{ReluOps, ReluRule};
pub use sample::{CHANNEL_GROUP, SampleOps, Sparse, expect_sparse};
pub use transport::TransportOps;
pub use tv::{Tv, TvOps};
pub use vector::{AdamStep, VectorOps};
pub use window::{WindowOps, expect_window};
