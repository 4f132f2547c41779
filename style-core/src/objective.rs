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
//! The paper's `1/(4 N^2 M^2) sum (G - A)^2` is the same where both pictures have one size; dividing each matrix by
//! its own `M` lets them differ.
//!
//! Adjoint: `dF = content_weight w_l (F - P)`, and `dF = style_weight w_l / (N^2 M) (G/M - A/M_s) F`.

use crate::chain::Chain;
use crate::{Acc, Backend, Network, Result, Shape};

/// One layer's part in a loss.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWeight {
    /// The layer, `conv4_2` say.
    pub layer: String,
    /// `w_l`, zero or more.
    pub weight: f64,
}

/// One layer's loss, before any weight.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerLoss {
    /// The layer.
    pub layer: String,
    /// `1/2 sum (F - P)^2` for a content layer, `E_l` for a style layer.
    pub loss: f64,
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
    /// The image's squared total variation, [`crate::ops::TvOps`].
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
}

/// A content layer: its features are held to `target`.
pub(crate) struct ContentTerm<B: Backend> {
    pub(crate) layer: LayerWeight,
    pub(crate) tap: usize,
    pub(crate) target: B::Tensor,
}

/// A style layer: its Gram matrix is held to `target`.
pub(crate) struct StyleTerm<B: Backend> {
    pub(crate) layer: LayerWeight,
    pub(crate) tap: usize,
    /// `G/M` of the image, from the forward pass.
    pub(crate) gram: B::Tensor,
    /// `A/M_s`, or a mean of several styles' matrices.
    pub(crate) target: B::Tensor,
}

/// Losses and image gradient for one picture size.
pub(crate) struct Objective<B: Backend> {
    pub(crate) chain: Chain<B>,
    pub(crate) content: Vec<ContentTerm<B>>,
    pub(crate) style: Vec<StyleTerm<B>>,
    pub(crate) weights: Weights,
    /// `dG` of the style layer at work.
    pub(crate) dgram: B::Tensor,
    pub(crate) scalars: B::Scalars,
    pub(crate) workspace: B::Workspace,
}

impl<B: Backend> Objective<B> {
    /// Losses at `image`, and their gradient.
    pub(crate) fn evaluate(
        &mut self,
        network: &Network<B>,
        image: &B::Tensor,
        gradient: &mut B::Tensor,
    ) -> Result<Losses> {
        let Self { chain, content, style, weights, dgram, scalars, workspace } = self;
        let backend = network.backend();
        let tv_slot = content.len() + style.len();

        chain.forward(network, image, workspace, |tap, features, workspace| {
            for (slot, term) in content.iter().enumerate().filter(|(_, t)| t.tap == tap) {
                backend.half_squared_distance(features, &term.target, scalars, slot)?;
            }
            for (i, term) in style.iter_mut().enumerate().filter(|(_, t)| t.tap == tap) {
                let m = backend.shape(features).positions();
                backend.gram(features, 1.0 / m as f32, Acc::Store, &mut term.gram, workspace)?;
                backend.half_squared_distance(&term.gram, &term.target, scalars, content.len() + i)?;
            }
            Ok(())
        })?;

        chain.backward(network, gradient, workspace, |tap, features, mut acc, dfeatures, workspace| {
            for term in content.iter().filter(|t| t.tap == tap) {
                let scale = weights.content * term.layer.weight;
                backend.half_squared_distance_bwd(features, &term.target, scale as f32, acc, dfeatures)?;
                acc = Acc::Add;
            }
            for term in style.iter().filter(|t| t.tap == tap) {
                let Shape { channels: n, .. } = backend.shape(features);
                let m = backend.shape(features).positions();
                let scale = weights.style * term.layer.weight / (2.0 * (n * n) as f64);
                backend.reshape(dgram, Shape::gram(n))?;
                backend.half_squared_distance_bwd(&term.gram, &term.target, scale as f32, Acc::Store, dgram)?;
                backend.gram_bwd(features, dgram, 1.0 / m as f32, acc, dfeatures, workspace)?;
                acc = Acc::Add;
            }
            Ok(())
        })?;

        backend.tv(crate::ops::Tv::Squared, image, scalars, tv_slot)?;
        if weights.tv > 0.0 {
            backend.tv_bwd(crate::ops::Tv::Squared, image, weights.tv as f32, Acc::Add, gradient)?;
        }
        let mut values = vec![0.0; tv_slot + 1];
        backend.read_scalars(scalars, &mut values)?;
        Ok(self.losses(&values))
    }

    fn losses(&self, values: &[f64]) -> Losses {
        let (content, rest) = values.split_at(self.content.len());
        let (style, tv) = rest.split_at(self.style.len());
        let layers = |terms: Vec<(&LayerWeight, f64)>| {
            let sum = terms.iter().map(|(l, v)| l.weight * v).sum::<f64>();
            (sum, terms.into_iter().map(|(l, loss)| LayerLoss { layer: l.layer.clone(), loss }).collect())
        };
        let (content, content_layers) = layers(self.content.iter().zip(content).map(|(t, &v)| (&t.layer, v)).collect());
        let style_terms = self.style.iter().zip(style).map(|(t, &v)| {
            // 1/(4 N^2) sum (.)^2 is 1/(2 N^2) of half the squared distance.
            let n = self.chain.plan().tap_shape(t.tap).map_or(1, |s| s.channels);
            (&t.layer, v / (2.0 * (n * n) as f64))
        });
        let (style, style_layers) = layers(style_terms.collect());
        let Weights { content: alpha, style: beta, tv: gamma } = self.weights;
        let total = alpha * content + beta * style + gamma * tv[0];
        Losses { total, content, style, tv: tv[0], content_layers, style_layers }
    }
}
