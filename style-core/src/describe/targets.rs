//! The targets of a session's losses; several sessions may share them.

use std::fmt;
use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::ops::conv2d::Padding;
use crate::backend::ops::pool2d::Pooling;
use crate::image::Image;
use crate::image::mask::Mask;
use crate::loss::statistics::statistic::Statistic;
use crate::network::Network;

/// The features of a content picture and the statistics of style pictures, computed once by
/// [`SessionBuilder::targets`](crate::SessionBuilder::targets). Further sessions on the same network can reuse them with
/// other weights, a subset of the layers, other starts and so on, which saves evaluating the pictures again.
pub struct Targets<B: Backend> {
    pub(crate) network: Arc<Network<B>>,
    pub(crate) pooling: Pooling,
    pub(crate) padding: Padding,
    pub(crate) seamless: bool,
    pub(crate) content: Option<ContentTargets<B>>,
    pub(crate) style: Option<StyleTargets<B>>,
    /// The inputs they were computed from, for a session's manifest.
    pub(crate) described: String,
}

/// The features of a content picture.
pub(crate) struct ContentTargets<B: Backend> {
    pub(crate) image: Image,
    pub(crate) layers: Vec<(String, Arc<B::Tensor>)>,
}

/// The targets computed from style pictures.
pub(crate) struct StyleTargets<B: Backend> {
    /// The first of the pictures, for a start from it.
    pub(crate) image: Image,
    pub(crate) layers: Vec<ResolvedLayer<B>>,
    pub(crate) regions: Vec<Region<B>>,
}

/// A style layer and its statistic.
pub(crate) struct ResolvedLayer<B: Backend> {
    pub(crate) name: String,
    pub(crate) position: usize,
    pub(crate) statistic: Arc<dyn Statistic<B>>,
}

impl<B: Backend> Clone for ResolvedLayer<B> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), position: self.position, statistic: Arc::clone(&self.statistic) }
    }
}

/// A part of the result, and the values of each layer's statistic there.
pub(crate) struct Region<B: Backend> {
    pub(crate) mask: Option<Mask>,
    pub(crate) share: f64,
    pub(crate) values: Vec<Arc<Vec<B::Tensor>>>,
}

impl<B: Backend> fmt::Debug for Targets<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Targets")
            .field("network", &self.network)
            .field("content", &self.content.as_ref().map(|c| c.image.shape()))
            .field("style", &self.style.as_ref().map(|s| s.image.shape()))
            .finish_non_exhaustive()
    }
}
