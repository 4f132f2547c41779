//! What is minimised, and its gradient: the whole algorithm on one page.
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
//! The paper's `1/(4 N^2 M^2) sum (G - A)^2` is the same where both pictures have one size; dividing each matrix by its
//! own `M` lets them differ. A layer may have another [statistic](crate::statistics) than the Gram matrix, with its own
//! `E`. A style with a mask has an `E` of its own, `share area E`, added to the layer's, so that a mask says where the
//! style acts and not how strongly; a content mask `m` makes the content loss `1/2 sum m (F - P)^2`.
//!
//! Adjoint: `dF = content_weight w_l (F - P)`, and `dF = style_weight w_l / (N^2 M) (G/M - A/M_s) F`.

use std::sync::Arc;

use crate::chain::{Chain, Tapped};
use crate::mask::{ContentGuide, Guide};
use crate::ops::{ReluRule, Tv};
use crate::statistics::{Scratch, Site, Statistic};
use crate::{Acc, Backend, Network, Result, Shape};

/// One layer's part in a loss.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWeight {
    /// The layer, `conv4_2` say.
    pub layer: String,
    /// `w_l`, zero or more.
    pub weight: f64,
}

impl LayerWeight {
    /// A layer and its weight.
    pub fn new(layer: impl Into<String>, weight: f64) -> Self {
        Self { layer: layer.into(), weight }
    }
}

/// One layer's loss, before any weight.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerLoss {
    /// The layer.
    pub layer: String,
    /// `1/2 sum (F - P)^2` for a content layer, `E_l` for a style layer (with masks, their sum).
    pub loss: f64,
}

impl Losses {
    /// Takes the values of `other`, of the same layers, without allocating.
    pub(crate) fn set(&mut self, other: &Self) {
        (self.total, self.content, self.style, self.tv) = (other.total, other.content, other.style, other.tv);
        let layers = self.content_layers.iter_mut().chain(&mut self.style_layers);
        let others = other.content_layers.iter().chain(&other.style_layers);
        layers.zip(others).for_each(|(to, from)| to.loss = from.loss);
    }
}

/// The losses of one evaluation.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Losses {
    /// `content_weight content + style_weight style + tv_weight tv`: what is minimised.
    pub total: f64,
    /// `sum_l w_l 1/2 sum (F - P)^2`.
    pub content: f64,
    /// `sum_l w_l E_l`.
    pub style: f64,
    /// The image's total variation, [`Tv`].
    pub tv: f64,
    /// Each content layer.
    pub content_layers: Vec<LayerLoss>,
    /// Each style layer.
    pub style_layers: Vec<LayerLoss>,
}

/// The weights of equation 7.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Weights {
    pub(crate) content: f64,
    pub(crate) style: f64,
    pub(crate) tv: f64,
    pub(crate) tv_kind: Tv,
}

/// A content layer: its features are held to `target`.
pub(crate) struct ContentTerm<B: Backend> {
    pub(crate) layer: LayerWeight,
    pub(crate) tap: usize,
    pub(crate) target: Arc<B::Tensor>,
    pub(crate) guide: Option<ContentGuide<B>>,
}

/// A style at a layer: the values of a statistic are held to `targets`.
pub(crate) struct StyleTerm<B: Backend> {
    /// Which of the style layers.
    pub(crate) layer: usize,
    pub(crate) tap: usize,
    pub(crate) statistic: Arc<dyn Statistic<B>>,
    /// The statistic's factor `c` at this layer.
    pub(crate) scale: f64,
    /// Where the style applies, if not everywhere.
    pub(crate) guide: Option<Guide<B>>,
    /// Factor of its loss beside the layer's weight.
    pub(crate) share: f64,
    /// Of the image, from the forward pass.
    pub(crate) values: Vec<B::Tensor>,
    /// Of a style picture, or the mean of several.
    pub(crate) targets: Arc<Vec<B::Tensor>>,
    /// Shapes of the values, and of the scratch tensors that the statistic wants.
    pub(crate) value_shapes: Vec<Shape>,
    pub(crate) scratch_shapes: Vec<Shape>,
}

impl<B: Backend> StyleTerm<B> {
    fn site<'a>(backend: &'a B, at: &Tapped<'a, B>, guide: Option<&'a Guide<B>>) -> Site<'a, B> {
        let acc = if at.first { Acc::Store } else { Acc::Add };
        Site { backend, features: at.features, whole: at.whole, rows: at.rows, acc, guide }
    }
}

/// Losses and image gradient for one picture size.
pub(crate) struct Objective<B: Backend> {
    pub(crate) chain: Chain<B>,
    pub(crate) content: Vec<ContentTerm<B>>,
    pub(crate) style_layers: Vec<LayerWeight>,
    pub(crate) style: Vec<StyleTerm<B>>,
    pub(crate) weights: Weights,
    /// Scratch of the term at work.
    pub(crate) scratch: Vec<B::Tensor>,
    /// Gradients of the values of the style term at work.
    pub(crate) dvalues: Vec<B::Tensor>,
    /// The half squared distances of all terms, and the total variation: on the device and read back.
    pub(crate) scalars: B::Scalars,
    pub(crate) distances: Vec<f64>,
    pub(crate) workspace: B::Workspace,
    /// Of [`enqueue`](Self::enqueue).
    pub(crate) recording: B::Recording,
}

impl<B: Backend> Objective<B> {
    /// Losses at `image`, and their gradient. `losses` are of these layers: from [`no_losses`](Self::no_losses).
    pub(crate) fn evaluate(
        &mut self,
        network: &Network<B>,
        image: &B::Tensor,
        gradient: &mut B::Tensor,
        losses: &mut Losses,
    ) -> Result<()> {
        let backend = network.backend();
        let mut recording = std::mem::take(&mut self.recording);
        let enqueued =
            backend.repeat(&mut recording, image, gradient, |image, gradient| self.enqueue(network, image, gradient));
        self.recording = recording;
        enqueued?;
        backend.read_scalars(&self.scalars, &mut self.distances)?;
        self.add_up(losses);
        Ok(())
    }

    /// Everything that the device does in an evaluation.
    fn enqueue(&mut self, network: &Network<B>, image: &B::Tensor, gradient: &mut B::Tensor) -> Result<()> {
        let Self { chain, content, style_layers, style, weights, scratch, dvalues, scalars, workspace, .. } = self;
        let backend = network.backend();

        chain.forward(network, image, workspace, |tapped, workspace| {
            let &Tapped { tap, features, last, .. } = tapped;
            for (slot, term) in content.iter().enumerate().filter(|(_, t)| t.tap == tap) {
                let Some(guide) = &term.guide else {
                    backend.half_squared_distance(features, &term.target, scalars, slot)?;
                    continue;
                };
                let masked = &mut shaped(backend, scratch, &[backend.shape(features)])?[0];
                backend.guide(features, &guide.root, 1.0, Acc::Store, masked)?;
                backend.half_squared_distance(masked, &guide.target, scalars, slot)?;
            }
            let mut slot = content.len();
            for term in style.iter_mut() {
                if term.tap == tap {
                    let tensors = shaped(backend, scratch, &term.scratch_shapes)?;
                    let site = StyleTerm::site(backend, tapped, term.guide.as_ref());
                    term.statistic.forward(&site, &mut term.values, Scratch { tensors, workspace })?;
                    for (i, (value, target)) in term.values.iter().zip(&*term.targets).enumerate().filter(|_| last) {
                        backend.half_squared_distance(value, target, scalars, slot + i)?;
                    }
                }
                slot += term.values.len();
            }
            Ok(())
        })?;

        chain.backward(
            network,
            ReluRule::Gradient,
            image,
            gradient,
            workspace,
            |tapped, mut acc, dfeatures, workspace| {
                let &Tapped { tap, features, .. } = tapped;
                for term in content.iter().filter(|t| t.tap == tap) {
                    let scale = (weights.content * term.layer.weight) as f32;
                    match &term.guide {
                        None => backend.half_squared_distance_bwd(features, &term.target, scale, acc, dfeatures)?,
                        Some(guide) => {
                            backend.guide(features, &guide.weights, scale, acc, dfeatures)?;
                            backend.guide(&guide.target, &guide.root, -scale, Acc::Add, dfeatures)?;
                        }
                    }
                    acc = Acc::Add;
                }
                for term in style.iter().filter(|t| t.tap == tap) {
                    let weight = weights.style * style_layers[term.layer].weight * term.share;
                    let scale = (weight * term.scale) as f32;
                    let dvalues = shaped(backend, dvalues, &term.value_shapes)?;
                    for ((value, target), dvalue) in term.values.iter().zip(&*term.targets).zip(&mut *dvalues) {
                        backend.half_squared_distance_bwd(value, target, scale, Acc::Store, dvalue)?;
                    }
                    let tensors = shaped(backend, scratch, &term.scratch_shapes)?;
                    let site = StyleTerm::site(backend, tapped, term.guide.as_ref());
                    let scratch = Scratch { tensors, workspace };
                    term.statistic.backward(&site, &term.values, dvalues, acc, dfeatures, scratch)?;
                    acc = Acc::Add;
                }
                Ok(())
            },
        )?;

        let tv_slot = content.len() + style.iter().map(|t| t.values.len()).sum::<usize>();
        backend.tv(weights.tv_kind, image, scalars, tv_slot)?;
        if weights.tv > 0.0 {
            backend.tv_bwd(weights.tv_kind, image, weights.tv as f32, Acc::Add, gradient)?;
        }
        Ok(())
    }

    /// The losses of these layers, to be set by [`evaluate`](Self::evaluate).
    pub(crate) fn no_losses(&self) -> Losses {
        let named = |layer: &LayerWeight| LayerLoss { layer: layer.layer.clone(), loss: 0.0 };
        Losses {
            content_layers: self.content.iter().map(|t| named(&t.layer)).collect(),
            style_layers: self.style_layers.iter().map(named).collect(),
            ..Losses::default()
        }
    }

    /// Losses from the half squared distances of all terms, and the total variation.
    fn add_up(&self, losses: &mut Losses) {
        let (content, rest) = self.distances.split_at(self.content.len());
        losses.content_layers.iter_mut().zip(content).for_each(|(layer, &distance)| layer.loss = distance);
        losses.content = self.content.iter().zip(content).map(|(t, v)| t.layer.weight * v).sum();

        losses.style_layers.iter_mut().for_each(|layer| layer.loss = 0.0);
        let mut rest = rest.iter();
        for term in &self.style {
            let distance: f64 = rest.by_ref().take(term.values.len()).sum();
            losses.style_layers[term.layer].loss += term.share * term.scale * distance;
        }
        losses.style = self.style_layers.iter().zip(&losses.style_layers).map(|(l, e)| l.weight * e.loss).sum();

        losses.tv = rest.next().copied().unwrap_or(0.0);
        let w = &self.weights;
        losses.total = w.content * losses.content + w.style * losses.style + w.tv * losses.tv;
    }
}

/// The first of `tensors`, with these shapes.
pub(crate) fn shaped<'a, B: Backend>(
    backend: &B,
    tensors: &'a mut [B::Tensor],
    shapes: &[Shape],
) -> Result<&'a mut [B::Tensor]> {
    let tensors = &mut tensors[..shapes.len()];
    tensors.iter_mut().zip(shapes).try_for_each(|(tensor, &shape)| backend.reshape(tensor, shape))?;
    Ok(tensors)
}

/// Room for tensors of any of these lists of shapes, one list at a time: the largest first, the largest second...
pub(crate) fn largest<B: Backend>(backend: &B, lists: impl IntoIterator<Item = Vec<Shape>>) -> Vec<Shape> {
    let mut all: Vec<Shape> = vec![];
    for list in lists {
        for (i, shape) in list.into_iter().enumerate() {
            match all.get_mut(i) {
                None => all.push(shape),
                Some(most) if backend.tensor_bytes(shape) > backend.tensor_bytes(*most) => *most = shape,
                Some(_) => {}
            }
        }
    }
    all
}
