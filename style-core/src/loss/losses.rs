//! Losses, by term and layer, and their weights.

use crate::backend::ops::tv::Tv;

/// The weight of one layer in a loss.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWeight {
    /// The layer, such as `conv4_2`.
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
    /// `1/2 sum (F - P)^2` for a content layer, in the relative form too; `E_l` for a style layer (with masks, their sum),
    /// in the relative form `sum (v - t)^2 / sum t^2`.
    pub loss: f64,
}

impl Losses {
    /// All values, with the layers in order.
    pub(crate) fn numbers(&self) -> Vec<f64> {
        let layers = self.content_layers.iter().chain(&self.style_layers).map(|l| l.loss);
        [self.total, self.content, self.style, self.tv].into_iter().chain(layers).collect()
    }

    /// The inverse, for losses of the same layers.
    pub(crate) fn set_numbers(&mut self, numbers: &[f64]) {
        let own = [&mut self.total, &mut self.content, &mut self.style, &mut self.tv];
        let layers = self.content_layers.iter_mut().chain(&mut self.style_layers).map(|l| &mut l.loss);
        own.into_iter().chain(layers).zip(numbers).for_each(|(to, from)| *to = *from);
    }

    /// Copies the values of `other`, which has the same layers, without allocating.
    pub(crate) fn set(&mut self, other: &Self) {
        (self.total, self.content, self.style, self.tv) = (other.total, other.content, other.style, other.tv);
        let layers = self.content_layers.iter_mut().chain(&mut self.style_layers);
        let others = other.content_layers.iter().chain(&other.style_layers);
        layers.zip(others).for_each(|(to, from)| to.loss = from.loss);
    }
}

/// The losses of one evaluation: absolute, or relative to their targets
/// ([`SessionBuilder::style_strength`](crate::SessionBuilder::style_strength), the default).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Losses {
    /// The objective: `content_weight content + style_weight style + tv_weight tv`, with the weights of
    /// [`Session::weights`](crate::Session::weights).
    pub total: f64,
    /// `sum_l w_l 1/2 sum (F - P)^2`; in the relative form `sum_l w_l sum (F - P)^2 / sum P^2`.
    pub content: f64,
    /// `sum_l w_l E_l`; in the relative form each `E_l` is relative to its target.
    pub style: f64,
    /// The image's total variation, [`Tv`].
    pub tv: f64,
    /// The loss of each content layer.
    pub content_layers: Vec<LayerLoss>,
    /// The loss of each style layer.
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

impl Weights {
    /// The weights of content, style and total variation.
    pub(crate) fn all(&self) -> [f64; 3] {
        [self.content, self.style, self.tv]
    }
}
