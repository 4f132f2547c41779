//! The picture in each of several processes: tiles see pixels of other shares, and the last good image must not be lost if a
//! process goes away.

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::distributed::share::Share;
use crate::error::Result;

/// Copies of the picture under evaluation and of the last accepted one.
pub(crate) struct Copies<B: Backend> {
    share: Share,
    evaluated: B::Tensor,
    pub(crate) accepted: B::Tensor,
    own: Vec<f32>,
    all: Vec<f32>,
}

impl<B: Backend> Copies<B> {
    /// Of the picture that the descent begins at.
    pub(crate) fn new(backend: &B, share: Share, start: B::Tensor) -> Result<Self> {
        let own = zeros(share.shape().len(), "a share of a picture")?;
        let all = zeros(share.picture().len(), "a picture")?;
        Ok(Self { evaluated: backend.tensor(share.picture())?, accepted: start, own, all, share })
    }

    /// Size in bytes, at most.
    pub(crate) fn bytes(backend: &B, picture: Shape, processes: usize) -> usize {
        let host = picture.len().saturating_add(Share::largest(picture, processes).len());
        backend.tensor_bytes(picture).saturating_mul(2).saturating_add(host.saturating_mul(size_of::<f32>()))
    }

    /// The picture to evaluate, from each process's share of it.
    pub(crate) fn gather(&mut self, backend: &B, own: &B::Tensor) -> Result<&B::Tensor> {
        backend.download(own, &mut self.own)?;
        self.share.gather(&self.own, &mut self.all)?;
        backend.upload(&self.all, &mut self.evaluated)?;
        Ok(&self.evaluated)
    }

    /// Accepts the picture that was evaluated.
    pub(crate) fn accept(&mut self) {
        std::mem::swap(&mut self.evaluated, &mut self.accepted);
    }

    /// This process's share of the accepted picture.
    pub(crate) fn cut(&mut self, backend: &B, own: &mut B::Tensor) -> Result<()> {
        backend.download(&self.accepted, &mut self.all)?;
        backend.upload(&self.share.cut(&self.all)?, own)
    }
}
