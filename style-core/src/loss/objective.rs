//! The objective and its gradient: the whole algorithm on one page.
//!
//! With `F` the image's features at a layer, `N` channels, `M` positions; `P` the content picture's features; `A` the
//! style picture's Gram matrix over its own `M_s` positions:
//!
//! ```text
//! content = sum_l w_l 1/2 sum (F - P)^2                            (paper, equation 1)
//! E_l     = 1/(4 N^2) sum (G/M - A/M_s)^2,  G = F F^T              (equations 3 and 4)
//! style   = sum_l w_l E_l                                          (equation 5)
//! total   = content_weight content + style_weight style + tv_weight tv(image)    (equation 7; TV is not the paper's)
//! ```
//!
//! The paper's `1/(4 N^2 M^2) sum (G - A)^2` is the same if both pictures have the same size; dividing each matrix by its
//! own `M` lets the sizes differ. A layer may use another [statistic](crate::statistics) than the Gram matrix, with its own
//! `E`. A style with a mask has a separate `E` and adds `share area E` to the layer's loss, so that a mask controls where
//! the style acts and not how strongly. A content mask `m` makes the content loss `1/2 sum m (F - P)^2`.
//!
//! Adjoint: `dF = content_weight w_l (F - P)`, and `dF = style_weight w_l / (N^2 M) (G/M - A/M_s) F`.
//!
//! The relative form, which is the default and not in the paper, divides each layer's loss by its value at zero. With `v`
//! the values of the statistic on the image and `t` those on the painting,
//!
//! ```text
//! content = sum_l w_l c_l 1/2 sum (F - P)^2,  c_l = 1 / (1/2 sum P^2)
//! E_l     = c_l 1/2 sum (v - t)^2,            c_l = 1 / (1/2 sum t^2)
//! total   = 0.037 content + style_strength style + tv_weight tv(image)
//! ```
//!
//! The factors `c_l` are constants of the pictures, so the adjoint has the same form: `dF = 0.037 w_l c_l (F - P)`, and `dv
//! = style_strength w_l c_l (v - t)`, which the statistic propagates to `dF` (`dF = 2/M dv F` if `v = G/M`). A zero target
//! has `c_l = 1`.
//!
//! A picture of several [tiles](crate::pass::tiles) takes two passes. The first runs forward and accumulates the sums of
//! the statistics. The second runs forward and backward: with the sums known, a tile's gradient does not depend on the
//! other tiles.

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::shape::Acc;
use crate::distributed::{Reduce, share};
use crate::error::Result;
use crate::loss::losses::{LayerLoss, LayerWeight, Losses, Weights};
use crate::loss::scratch::{Rooms, own_part, rooms_of, shaped};
use crate::loss::terms::{ContentTerm, StyleTerm};
use crate::network::Network;
use crate::pass::tiled::Passes;

/// Losses and image gradient for one picture size.
pub(crate) struct Objective<B: Backend> {
    pub(crate) passes: Passes<B>,
    pub(crate) content: Vec<ContentTerm<B>>,
    pub(crate) style_layers: Vec<LayerWeight>,
    pub(crate) style: Vec<StyleTerm<B>>,
    pub(crate) weights: Weights,
    pub(crate) rooms: Rooms<B>,
    /// The half squared distances of all terms and the total variation, on the device and read back.
    pub(crate) scalars: B::Scalars,
    pub(crate) distances: Vec<f64>,
    pub(crate) workspace: B::Workspace,
    /// Recording of [`enqueue`](Self::enqueue).
    pub(crate) recording: B::Recording,
    /// The processes that share the tiles of this picture.
    pub(crate) reduce: Arc<dyn Reduce>,
    /// Host buffer for exchanging the gradient with other processes, if there are any.
    pub(crate) exchanged: Vec<f32>,
}

impl<B: Backend> Objective<B> {
    /// Sets a new style weight; discards the recording, which contains the old one.
    pub(crate) fn set_style_weight(&mut self, weight: f64) {
        self.weights.style = weight;
        self.recording = B::Recording::default();
    }

    /// Returns an error if the caller has cancelled.
    pub(crate) fn cancelled(&self) -> Result<()> {
        self.passes.plan.cancel.check()
    }

    /// Computes the losses at `image` and their gradient. `losses` must have the layers of [`no_losses`](Self::no_losses).
    pub(crate) fn evaluate(
        &mut self,
        network: &Network<B>,
        image: &B::Tensor,
        gradient: &mut B::Tensor,
        losses: &mut Losses,
    ) -> Result<()> {
        self.cancelled()?;
        let backend = network.backend();
        if self.passes.plan.is_whole() && self.reduce.processes() == 1 {
            let mut recording = std::mem::take(&mut self.recording);
            let enqueued = match backend.replay(&mut recording, image, gradient) {
                Ok(false) => backend.record(&mut recording, || self.enqueue(network, image, gradient)),
                replayed => replayed.map(|_| ()),
            };
            self.recording = recording;
            enqueued?;
        } else {
            self.in_tiles(network, image, gradient)?;
        }
        backend.read_scalars(&self.scalars, &mut self.distances)?;
        let content = self.content_slots();
        self.reduce.sum(&mut self.distances[..content])?;
        self.add_up(losses);
        Ok(())
    }

    /// Enqueues all device work of one evaluation of a single-tile picture.
    fn enqueue(&mut self, network: &Network<B>, image: &B::Tensor, gradient: &mut B::Tensor) -> Result<()> {
        self.forward(network, image, 0, true)?;
        self.compare(network.backend())?;
        self.backward(network, image, gradient)?;
        self.tv(network.backend(), image, gradient)
    }

    /// As above for several tiles, or for those assigned to this process.
    fn in_tiles(&mut self, network: &Network<B>, image: &B::Tensor, gradient: &mut B::Tensor) -> Result<()> {
        let backend = network.backend();
        let tiles = share(&*self.reduce, self.passes.plan.tiles.len());
        let styled = !self.style.is_empty();
        if styled {
            self.style.iter_mut().for_each(|term| term.measure.clear());
            for tile in tiles.clone() {
                self.forward(network, image, tile, true)?;
                self.style.iter_mut().try_for_each(|term| term.measure.add(backend, tile))?;
            }
            self.style.iter_mut().try_for_each(|term| term.measure.finish(backend, &*self.reduce))?;
            self.compare(backend)?;
        }
        backend.combine(&[], gradient)?;
        for tile in tiles.clone().rev() {
            // The last tile's features are still available from the first pass.
            if !styled || tile + 1 != tiles.end {
                self.forward(network, image, tile, false)?;
            }
            self.backward(network, image, gradient)?;
        }
        if self.reduce.processes() > 1 {
            backend.download(gradient, &mut self.exchanged)?;
            self.reduce.sum_gradient(&mut self.exchanged)?;
            backend.upload(&self.exchanged, gradient)?;
        }
        self.tv(backend, image, gradient)
    }

    /// Computes a tile's content distances and, if requested, its values of the style terms.
    fn forward(&mut self, network: &Network<B>, image: &B::Tensor, tile: usize, styled: bool) -> Result<()> {
        let Self { passes, content, style, rooms, scalars, workspace, .. } = self;
        let Rooms { scratch, own, .. } = rooms;
        let backend = network.backend();
        let first = tile * content.len();
        passes.forward(network, image, tile, workspace, |seen, workspace| {
            let tap = seen.tap;
            let [room, mut target_room, _] = rooms_of(own);
            let features = own_part(backend, seen.features, seen.window.map(|w| w.here), room)?;
            for (slot, term) in content.iter().enumerate().filter(|(_, t)| t.tap == tap) {
                let room = target_room.as_deref_mut();
                let target = own_part(backend, &term.target, seen.window.map(|w| w.whole), room)?;
                let Some(guide) = term.guides.get(tile) else {
                    backend.half_squared_distance(features, target, scalars, first + slot)?;
                    continue;
                };
                let [f, p] = shaped(backend, scratch, &[seen.own; 2])? else { continue };
                backend.guide(features, &guide.root, 1.0, Acc::Store, f)?;
                backend.guide(target, &guide.root, 1.0, Acc::Store, p)?;
                backend.half_squared_distance(f, p, scalars, first + slot)?;
            }
            let mut measures = style.iter_mut().map(|t| &mut t.measure).filter(|m| styled && m.tap == tap);
            measures.try_for_each(|m| m.forward(backend, seen, features, scratch, workspace))
        })
    }

    /// Computes the distances of the style terms' values from their targets.
    fn compare(&mut self, backend: &B) -> Result<()> {
        let mut slot = self.content_slots();
        for term in &self.style {
            for (value, target) in term.compared() {
                backend.half_squared_distance(value, target, &mut self.scalars, slot)?;
                slot += 1;
            }
        }
        Ok(())
    }

    /// Computes the gradient of content and style in the tile of the last forward pass.
    fn backward(&mut self, network: &Network<B>, image: &B::Tensor, gradient: &mut B::Tensor) -> Result<()> {
        let Self { passes, content, style_layers, style, weights, rooms, workspace, .. } = self;
        let Rooms { scratch, dvalues, own } = rooms;
        let backend = network.backend();
        passes.backward(network, image, gradient, workspace, |seen, acc, dfeatures, workspace| {
            let (tap, tile) = (seen.tap, seen.tile);
            let [room, mut target_room, mut own_gradient] = rooms_of(own);
            let features = own_part(backend, seen.features, seen.window.map(|w| w.here), room)?;
            let (to, mut to_acc) = match own_gradient.as_deref_mut() {
                None => (&mut *dfeatures, acc),
                Some(own) => {
                    backend.reshape(own, backend.shape(features))?;
                    (own, Acc::Store)
                }
            };
            for term in content.iter().filter(|t| t.tap == tap) {
                let room = target_room.as_deref_mut();
                let target = own_part(backend, &term.target, seen.window.map(|w| w.whole), room)?;
                let scale = (weights.content * term.layer.weight) as f32;
                match term.guides.get(tile) {
                    None => backend.half_squared_distance_bwd(features, target, scale, to_acc, to)?,
                    Some(guide) => {
                        backend.guide(features, &guide.weights, scale, to_acc, to)?;
                        backend.guide(target, &guide.weights, -scale, Acc::Add, to)?;
                    }
                }
                to_acc = Acc::Add;
            }
            for term in style.iter().filter(|t| t.measure.tap == tap) {
                let weight = weights.style * style_layers[term.layer].weight * term.share;
                let scale = (weight * term.scale * term.measure.shares[tile]) as f32;
                let dvalues = shaped(backend, dvalues, &term.compared)?;
                for ((value, target), dvalue) in term.compared().zip(&mut *dvalues) {
                    backend.half_squared_distance_bwd(value, target, scale, Acc::Store, dvalue)?;
                }
                term.measure.backward(backend, seen, features, dvalues, to_acc, to, scratch, workspace)?;
                to_acc = Acc::Add;
            }
            match (own_gradient, seen.window) {
                (Some(own), Some(window)) => backend.window_bwd(own, window.here.at(), acc, dfeatures),
                _ => Ok(()),
            }
        })
    }

    fn tv(&mut self, backend: &B, image: &B::Tensor, gradient: &mut B::Tensor) -> Result<()> {
        let Weights { tv, tv_kind, .. } = self.weights;
        backend.tv(tv_kind, image, &mut self.scalars, self.distances.len() - 1)?;
        if tv > 0.0 {
            backend.tv_bwd(tv_kind, image, tv as f32, Acc::Add, gradient)?;
        }
        Ok(())
    }

    /// The number of scalars for content distances: one per term and tile.
    fn content_slots(&self) -> usize {
        self.content.len() * self.passes.plan.tiles.len()
    }

    /// Losses for these layers, to be filled by [`evaluate`](Self::evaluate).
    pub(crate) fn no_losses(&self) -> Losses {
        let named = |layer: &LayerWeight| LayerLoss { layer: layer.layer.clone(), loss: 0.0 };
        Losses {
            content_layers: self.content.iter().map(|t| named(&t.layer)).collect(),
            style_layers: self.style_layers.iter().map(named).collect(),
            ..Losses::default()
        }
    }

    /// Computes the losses from the half squared distances of all terms and the total variation.
    fn add_up(&self, losses: &mut Losses) {
        let (content, rest) = self.distances.split_at(self.content_slots());
        for (i, layer) in losses.content_layers.iter_mut().enumerate() {
            layer.loss = content.iter().skip(i).step_by(self.content.len()).sum();
        }
        losses.content = self.content.iter().zip(&losses.content_layers).map(|(t, l)| t.layer.weight * l.loss).sum();

        losses.style_layers.iter_mut().for_each(|layer| layer.loss = 0.0);
        let mut rest = rest.iter();
        for term in &self.style {
            let distance: f64 = rest.by_ref().take(term.compared.len()).sum();
            losses.style_layers[term.layer].loss += term.share * term.scale * distance;
        }
        losses.style = self.style_layers.iter().zip(&losses.style_layers).map(|(l, e)| l.weight * e.loss).sum();

        losses.tv = rest.next().copied().unwrap_or(0.0);
        let w = &self.weights;
        losses.total = w.content * losses.content + w.style * losses.style + w.tv * losses.tv;
    }
}
