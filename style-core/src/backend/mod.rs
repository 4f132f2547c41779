//! The interface of a backend: storage, and one op trait per module of [`ops`].

pub mod ops;
pub(crate) mod shape;
pub(crate) mod storage;

pub use shape::{Acc, Shape, expect_shape};
pub use storage::Storage;

use crate::backend::ops::conv2d::Conv2dOps;
use crate::backend::ops::cosine::CosineOps;
use crate::backend::ops::gram::GramOps;
use crate::backend::ops::guide::GuideOps;
use crate::backend::ops::history::HistoryOps;
use crate::backend::ops::loss::LossOps;
use crate::backend::ops::moments::MomentsOps;
use crate::backend::ops::nearest::NearestOps;
use crate::backend::ops::pool2d::Pool2dOps;
use crate::backend::ops::product::ProductOps;
use crate::backend::ops::relu::ReluOps;
use crate::backend::ops::sample::SampleOps;
use crate::backend::ops::transport::TransportOps;
use crate::backend::ops::tv::TvOps;
use crate::backend::ops::vector::VectorOps;
use crate::backend::ops::window::WindowOps;

/// Everything the algorithm requires of a device.
///
/// A backend value is one instance (an instruction set and its threads, or a device and its stream), never a global. All
/// ops are deterministic: the same inputs give the same bits for any number of threads.
pub trait Backend:
    Storage
    + Conv2dOps
    + Pool2dOps
    + ReluOps
    + CosineOps
    + GramOps
    + MomentsOps
    + GuideOps
    + HistoryOps
    + LossOps
    + NearestOps
    + ProductOps
    + SampleOps
    + TransportOps
    + TvOps
    + VectorOps
    + WindowOps
{
}

impl<B> Backend for B where
    B: Storage
        + Conv2dOps
        + Pool2dOps
        + ReluOps
        + CosineOps
        + GramOps
        + MomentsOps
        + GuideOps
        + HistoryOps
        + LossOps
        + NearestOps
        + ProductOps
        + SampleOps
        + TransportOps
        + TvOps
        + VectorOps
        + WindowOps
{
}
