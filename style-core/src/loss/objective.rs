//! The objective and its gradient: the whole algorithm on one page.
//!
//! With `F` the image's features at a layer, `N` channels, `M` positions; `P` the content picture's features; `A` the
//! style picture's Gram matrix over its own `M_s` positions:
//!
//! ```text
//! content = sum_l w_l 1/2 sum (F - P)^2                            (paper, equation 1)
//! E_l     = 1/(4 N^2) sum (G/M - A/M_s)^2,  G = F F^T              (equations 3 and 4)
//! style   = sum_l w_l E_l                                          (equation 5)
//! total   = content_weight content + style_weight style + tv_weight tv(image) + ...  (equation 7; the paper has the first two)
//! ```
//!
//! The paper's `1/(4 N^2 M^2) sum (G - A)^2` is the same if both pictures have the same size; dividing each matrix by
//! its own `M` lets the sizes differ. A layer may use another [statistic](crate::statistics) than the Gram matrix, with
//! its own `E`. A style with a mask has a separate `E` and adds `share area E` to the layer's loss, so that a mask
//! controls where the style acts and not how strongly. A content mask `m` makes the content loss `1/2 sum m (F - P)^2`.
//!
//! Adjoint: `dF = content_weight w_l (F - P)`, and `dF = style_weight w_l / (N^2 M) (G/M - A/M_s) F`.
//!
//! The relative form, which is the default and not in the paper, divides each layer's loss by its value at zero. With
//! `v` the values of the statistic on the image and `t` those on the painting,
//!
//! ```text
//! content = sum_l w_l c_l 1/2 sum (F - P)^2,  c_l = 1 / (1/2 sum P^2)
//! E_l     = c_l 1/2 sum (v - t)^2,            c_l = 1 / (1/2 sum t^2)
//! total   = 0.037 content + style_strength style + tv_weight tv(image)
//! ```
//!
//! The factors `c_l` are constants of the pictures, so the adjoint has the same form: `dF = 0.037 w_l c_l (F - P)`, and
//! `dv = style_strength w_l c_l (v - t)`, which the statistic propagates to `dF` (`dF = 2/M dv F` if `v = G/M`). A zero
//! target has `c_l = 1`.
//!
//! Each loss is a [`Term`], which computes its value and gradient; custom losses are further terms.
//!
//! A picture of several [tiles](crate::pass::tiles) takes two passes if a term needs statistics of the whole picture.
//! The first runs forward and accumulates them. The second runs forward and backward: with the statistics known, a
//! tile's gradient does not depend on the other tiles.

use std::ops::Range;
use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::shape::{Acc, Rows};
use crate::distributed::gradient::TileGradient;
use crate::distributed::{Alone, Communicator, range};
use crate::error::Result;
use crate::loss::losses::{LayerLoss, LayerWeight, Losses, TV, TermLoss};
use crate::loss::scratch::{Shared, each, own_window};
use crate::loss::term::{Additivity, Buffers, Site, Term};
use crate::network::Network;
use crate::pass::tiled::Passes;

/// Losses and image gradient for one picture size.
pub(crate) struct Objective<B: Backend> {
    pub(crate) passes: Passes<B>,
    pub(crate) groups: Vec<Group<B>>,
    pub(crate) shared: Shared<B>,
    /// The scalars of all terms, on the device and read back.
    pub(crate) scalars: B::Scalars,
    pub(crate) numbers: Vec<f64>,
    pub(crate) workspace: B::Workspace,
    /// Recording of [`enqueue`](Self::enqueue).
    pub(crate) recording: B::Recording,
    /// The processes that share the tiles of this picture.
    pub(crate) communicator: Arc<dyn Communicator>,
    /// The gradient of this process's tiles, if there are other processes.
    pub(crate) tile_gradient: Option<TileGradient<B>>,
}

/// The terms under one name and weight, such as the style at all its layers.
pub(crate) struct Group<B: Backend> {
    pub(crate) name: String,
    pub(crate) weight: f64,
    /// The layers whose losses are reported, with their weights; may be empty.
    pub(crate) layers: Vec<LayerWeight>,
    pub(crate) terms: Vec<Placed<B>>,
}

/// A term, and where it stands.
pub(crate) struct Placed<B: Backend> {
    /// Index in [`Group::layers`].
    pub(crate) layer: usize,
    /// The taps of its layers; none for a term on the image.
    pub(crate) taps: Vec<usize>,
    pub(crate) additivity: Additivity,
    /// Its scalars.
    pub(crate) slots: Range<usize>,
    pub(crate) term: Box<dyn Term<B>>,
}

impl<B: Backend> Placed<B> {
    /// Index of a tap among its layers.
    fn layer_at(&self, tap: usize) -> Option<usize> {
        self.taps.iter().position(|&t| t == tap)
    }

    fn of_image(&self) -> bool {
        self.taps.is_empty()
    }
}

impl<B: Backend> Objective<B> {
    /// Sets the weight of a group; discards the recording, which contains the old one.
    pub(crate) fn set_weight(&mut self, name: &str, weight: f64) {
        self.groups.iter_mut().filter(|g| g.name == name).for_each(|g| g.weight = weight);
        self.recording = B::Recording::default();
    }

    /// Divides each layer's weight, and that of each group without layers but for the total variation, by the norm of its
    /// loss's gradient at `image`; leaves those without a gradient as they are. `gradient` is overwritten.
    pub(crate) fn balance(&mut self, network: &Network<B>, image: &B::Tensor, gradient: &mut B::Tensor) -> Result<()> {
        let backend = network.backend();
        let weights: Vec<_> = self.groups.iter().map(|g| (g.weight, g.layers.clone())).collect();
        let (mut losses, mut square) = (self.no_losses(), backend.scalars(1)?);
        let mut norms = vec![];
        for (group, (_, layers)) in weights.iter().enumerate() {
            let of_layers = if self.groups[group].name == TV { 0 } else { layers.len().max(1) };
            for layer in 0..of_layers {
                for (i, to) in self.groups.iter_mut().enumerate() {
                    to.weight = f64::from(u8::from(i == group));
                    to.layers.iter_mut().enumerate().for_each(|(l, to)| to.weight = f64::from(u8::from(l == layer)));
                }
                self.recording = B::Recording::default();
                self.evaluate(network, image, gradient, &mut losses)?;
                backend.dots(&[gradient], &[gradient], &mut square, 0)?;
                let mut found = [0.0];
                backend.read_scalars(&square, &mut found)?;
                self.communicator.sum(&mut found)?;
                norms.push((group, layer, found[0].sqrt()));
            }
        }
        self.recording = B::Recording::default();
        for (to, (weight, layers)) in self.groups.iter_mut().zip(weights) {
            (to.weight, to.layers) = (weight, layers);
        }
        for (group, layer, norm) in norms.into_iter().filter(|(.., norm)| *norm > 0.0 && norm.is_finite()) {
            let Group { weight, layers, .. } = &mut self.groups[group];
            *layers.get_mut(layer).map_or(weight, |l| &mut l.weight) /= norm;
        }
        Ok(())
    }

    /// Returns an error if the caller has cancelled.
    pub(crate) fn cancelled(&self) -> Result<()> {
        self.passes.plan.cancel.check()
    }

    /// Computes the losses at `image` and their gradient, that of this process's share. `losses` must have the terms of
    /// [`no_losses`](Self::no_losses).
    pub(crate) fn evaluate(
        &mut self,
        network: &Network<B>,
        image: &B::Tensor,
        gradient: &mut B::Tensor,
        losses: &mut Losses,
    ) -> Result<()> {
        self.cancelled()?;
        let backend = network.backend();
        let on_host = self.groups.iter().flat_map(|g| &g.terms).any(|p| p.term.on_host());
        if let Some(mut of_tiles) = self.tile_gradient.take() {
            let done = self.in_tiles(network, image, &mut of_tiles.gradient);
            let done = done.and_then(|()| of_tiles.exchange(backend, gradient));
            self.tile_gradient = Some(of_tiles);
            done?;
        } else if !self.passes.plan.is_whole() {
            self.in_tiles(network, image, gradient)?;
        } else if on_host {
            self.enqueue(network, image, gradient)?;
        } else {
            let mut recording = std::mem::take(&mut self.recording);
            let enqueued = match backend.replay(&mut recording, image, gradient) {
                Ok(false) => backend.record(&mut recording, || self.enqueue(network, image, gradient)),
                replayed => replayed.map(|_| ()),
            };
            self.recording = recording;
            enqueued?;
        }
        backend.read_scalars(&self.scalars, &mut self.numbers)?;
        let Self { groups, numbers, communicator, .. } = self;
        // All processes have the other numbers, and take those of the first: processors may round differently.
        let partial = |p: &&Placed<B>| !p.of_image() && p.additivity == Additivity::Positions;
        if communicator.process() > 0 {
            let same = groups.iter().flat_map(|g| &g.terms).filter(|p| !partial(p));
            same.for_each(|placed| numbers[placed.slots.clone()].fill(0.0));
        }
        communicator.sum(numbers)?;
        self.add_up(losses);
        Ok(())
    }

    /// Enqueues all device work of one evaluation of a single-tile picture.
    fn enqueue(&mut self, network: &Network<B>, image: &B::Tensor, gradient: &mut B::Tensor) -> Result<()> {
        self.begin();
        self.forward(network, image, 0, true)?;
        self.end_of_tile(network.backend(), 0)?;
        self.end(network.backend(), &Alone)?;
        self.backward(network, image, gradient)?;
        self.on_image(network.backend(), image, Some(gradient))
    }

    /// As above for several tiles, or for those assigned to this process.
    fn in_tiles(&mut self, network: &Network<B>, image: &B::Tensor, gradient: &mut B::Tensor) -> Result<()> {
        let backend = network.backend();
        let (process, processes) = (self.communicator.process(), self.communicator.processes());
        let tiles = range(process, processes, self.passes.plan.tiles.len());
        let of_layers = |p: &Placed<B>| !p.of_image() && p.additivity != Additivity::Positions;
        let twice = self.groups.iter().flat_map(|g| &g.terms).any(of_layers);
        self.begin();
        if twice {
            for tile in tiles.clone() {
                self.forward(network, image, tile, true)?;
                self.end_of_tile(backend, tile)?;
            }
            let communicator = Arc::clone(&self.communicator);
            self.end(backend, &*communicator)?;
        }
        backend.combine(&[], gradient)?;
        for tile in tiles.clone().rev() {
            // The last tile's features are still available from the first pass.
            if !twice || tile + 1 != tiles.end {
                self.forward(network, image, tile, !twice)?;
            }
            if !twice {
                self.end_of_tile(backend, tile)?;
            }
            self.backward(network, image, gradient)?;
        }
        if !twice {
            self.end(backend, &Alone)?;
        }
        // Each process has the whole image, and the first one adds the gradient.
        self.on_image(backend, image, (process == 0).then_some(gradient))
    }

    /// All terms, each with its weight.
    fn terms(&mut self) -> impl Iterator<Item = (f64, &mut Placed<B>)> {
        terms(&mut self.groups)
    }

    fn begin(&mut self) {
        self.terms().for_each(|(_, placed)| placed.term.begin());
    }

    /// Ends a tile for the terms on layers.
    fn end_of_tile(&mut self, backend: &B, tile: usize) -> Result<()> {
        self.terms().filter(|(_, p)| !p.of_image()).try_for_each(|(_, p)| p.term.end_of_tile(backend, tile))
    }

    /// Runs a tile forward; the terms read it if `read`.
    fn forward(&mut self, network: &Network<B>, image: &B::Tensor, tile: usize, read: bool) -> Result<()> {
        let Self { passes, groups, shared, scalars, workspace, .. } = self;
        let Shared { scratch, dvalues, own } = shared;
        let backend = network.backend();
        passes.forward(network, image, tile, workspace, |seen, workspace| {
            if !read {
                return Ok(());
            }
            let [to, mut target, _] = each(own);
            let features = own_window(backend, seen.features, seen.window.map(|w| w.here), to)?;
            for (_, placed) in terms(groups) {
                let Some(layer) = placed.layer_at(seen.tap) else { continue };
                let (slot, target) = (placed.slots.start, target.as_deref_mut());
                let buffers = Buffers { scalars, slot, workspace, scratch, dvalues, target };
                placed.term.forward(&Site::new(backend, seen, features, layer), buffers)?;
            }
            Ok(())
        })
    }

    /// Finishes the statistics of the picture.
    fn end(&mut self, backend: &B, communicator: &dyn Communicator) -> Result<()> {
        let Self { groups, shared: Shared { scratch, dvalues, .. }, scalars, workspace, .. } = self;
        for (_, Placed { term, slots, .. }) in terms(groups).filter(|(_, p)| !p.of_image()) {
            let buffers = Buffers { scalars, slot: slots.start, workspace, scratch, dvalues, target: None };
            term.end(backend, communicator, buffers)?;
        }
        Ok(())
    }

    /// Computes the gradient in the tile of the last forward pass.
    fn backward(&mut self, network: &Network<B>, image: &B::Tensor, gradient: &mut B::Tensor) -> Result<()> {
        let Self { passes, groups, shared, scalars, workspace, .. } = self;
        let Shared { scratch, dvalues, own } = shared;
        let backend = network.backend();
        passes.backward(network, image, gradient, workspace, |seen, acc, dfeatures, workspace| {
            let [to, mut target, mut own_gradient] = each(own);
            let features = own_window(backend, seen.features, seen.window.map(|w| w.here), to)?;
            let (to, mut to_acc) = match own_gradient.as_deref_mut() {
                None => (&mut *dfeatures, acc),
                Some(own) => {
                    backend.reshape(own, backend.shape(features))?;
                    (own, Acc::Store)
                }
            };
            for (weight, placed) in terms(groups) {
                let Some(layer) = placed.layer_at(seen.tap) else { continue };
                let (slot, target) = (placed.slots.start, target.as_deref_mut());
                let buffers = Buffers { scalars, slot, workspace, scratch, dvalues, target };
                let at = Site::new(backend, seen, features, layer);
                placed.term.backward(&at, weight, to_acc, to, buffers)?;
                to_acc = Acc::Add;
            }
            match (own_gradient, seen.window) {
                (Some(own), Some(window)) => backend.window_bwd(own, window.here.at(), acc, dfeatures),
                _ => Ok(()),
            }
        })
    }

    /// The terms on the image itself; adds their gradient to `gradient`, which is of the whole image if they have weight.
    fn on_image(&mut self, backend: &B, image: &B::Tensor, mut gradient: Option<&mut B::Tensor>) -> Result<()> {
        let Self { groups, shared: Shared { scratch, dvalues, .. }, scalars, workspace, .. } = self;
        let whole = backend.shape(image);
        let (rows, acc) = (Rows::all(whole), Acc::Store);
        let at =
            Site { backend, features: image, whole, rows, acc, guide: None, tile: 0, layer: 0, window: None, top: 0 };
        for (weight, Placed { term, slots, .. }) in terms(groups).filter(|(_, p)| p.of_image()) {
            let mut buffers = Buffers { scalars, slot: slots.start, workspace, scratch, dvalues, target: None };
            term.forward(&at, buffers.again())?;
            term.end(backend, &Alone, buffers.again())?;
            if let Some(gradient) = gradient.as_deref_mut().filter(|_| weight > 0.0) {
                term.backward(&at, weight, Acc::Add, gradient, buffers)?;
            }
        }
        Ok(())
    }

    /// Losses of these terms, to be filled by [`evaluate`](Self::evaluate).
    pub(crate) fn no_losses(&self) -> Losses {
        let layer = |layer: &LayerWeight| LayerLoss { layer: layer.layer.clone(), loss: 0.0 };
        let term = |group: &Group<B>| TermLoss {
            name: group.name.clone(),
            weight: group.weight,
            loss: 0.0,
            layers: group.layers.iter().map(layer).collect(),
        };
        Losses { total: 0.0, terms: self.groups.iter().map(term).collect() }
    }

    /// Computes the losses from the scalars of all terms.
    fn add_up(&self, losses: &mut Losses) {
        losses.total = 0.0;
        for (group, sum) in self.groups.iter().zip(&mut losses.terms) {
            let loss = |p: &Placed<B>| p.term.loss(&self.numbers[p.slots.clone()]);
            sum.layers.iter_mut().for_each(|layer| layer.loss = 0.0);
            for placed in group.terms.iter().filter(|_| !group.layers.is_empty()) {
                sum.layers[placed.layer].loss += loss(placed);
            }
            (sum.weight, sum.loss) = (
                group.weight,
                match group.layers.is_empty() {
                    true => group.terms.iter().map(loss).sum(),
                    false => group.layers.iter().zip(&sum.layers).map(|(l, e)| l.weight * e.loss).sum(),
                },
            );
            losses.total += sum.weight * sum.loss;
        }
    }
}

/// All terms, each with its weight.
fn terms<B: Backend>(groups: &mut [Group<B>]) -> impl Iterator<Item = (f64, &mut Placed<B>)> {
    groups.iter_mut().flat_map(|group| {
        let Group { weight, layers, terms, .. } = group;
        terms.iter_mut().map(|p| (layers.get(p.layer).map_or(*weight, |l| *weight * l.weight), p))
    })
}
