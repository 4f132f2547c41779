//! Losses, by term and layer, and their weights.

use serde::{Deserialize, Serialize};

use crate::loss::statistics::kind::StatisticKind;

/// The weight of one layer in a loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// A layer with a weight of 1.
impl From<&str> for LayerWeight {
    fn from(layer: &str) -> Self {
        Self::new(layer, 1.0)
    }
}

impl<S: Into<String>> From<(S, f64)> for LayerWeight {
    fn from((layer, weight): (S, f64)) -> Self {
        Self::new(layer, weight)
    }
}

/// A style layer, its weight, and its statistic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StyleLayer {
    /// The layer, such as `conv4_1`.
    pub layer: String,
    /// `w_l`, zero or more.
    pub weight: f64,
    /// The statistic; `None` stands for that of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistic: Option<StatisticKind>,
}

impl StyleLayer {
    /// A layer and its weight, with the statistic of the session.
    pub fn new(layer: impl Into<String>, weight: f64) -> Self {
        Self { layer: layer.into(), weight, statistic: None }
    }
}

/// A layer with a weight of 1.
impl From<&str> for StyleLayer {
    fn from(layer: &str) -> Self {
        Self::new(layer, 1.0)
    }
}

impl<S: Into<String>> From<(S, f64)> for StyleLayer {
    fn from((layer, weight): (S, f64)) -> Self {
        Self::new(layer, weight)
    }
}

impl From<LayerWeight> for StyleLayer {
    fn from(LayerWeight { layer, weight }: LayerWeight) -> Self {
        Self::new(layer, weight)
    }
}

/// One layer's loss, before any weight.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LayerLoss {
    /// The layer.
    pub layer: String,
    /// `1/2 sum (F - P)^2` for a content layer, in the relative form too; `E_l` for a style layer (with masks, their sum),
    /// in the relative form `sum (v - t)^2 / sum t^2`.
    pub loss: f64,
}

/// A term of the objective.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TermLoss {
    /// Its name: [`CONTENT`], [`STYLE`], [`TV`], or that of a [loss of your own](crate::losses::Loss).
    pub name: String,
    /// Its weight in the objective, at this scale. In the relative form, that of the content is 0.037 and that of the style
    /// is the strength. With [balanced](crate::SessionBuilder::balanced) weights, those of layers are divided by norms, and so is
    /// that of a loss of your own.
    pub weight: f64,
    /// Its value before the weight. Content: `sum_l w_l 1/2 sum (F - P)^2`; in the relative form `sum_l w_l sum (F - P)^2 /
    /// sum P^2`. Style: `sum_l w_l E_l`; in the relative form each `E_l` is relative to its target.
    pub loss: f64,
    /// The loss of each of its layers, if it is a sum over layers.
    pub layers: Vec<LayerLoss>,
}

/// Name of the content loss.
pub const CONTENT: &str = "content";
/// Name of the style loss.
pub const STYLE: &str = "style";
/// Name of the total variation.
pub const TV: &str = "tv";

/// The losses of one evaluation: absolute, or relative to their targets
/// ([`SessionBuilder::style_strength`](crate::SessionBuilder::style_strength), the default).
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub struct Losses {
    /// The objective: `sum_terms weight loss`.
    pub total: f64,
    /// The terms: content, style and total variation, then losses of your own in the order given. A session without
    /// content layers or style layers has no such term.
    pub terms: Vec<TermLoss>,
}

impl Losses {
    /// The term of this name.
    #[must_use]
    pub fn term(&self, name: &str) -> Option<&TermLoss> {
        self.terms.iter().find(|term| term.name == name)
    }

    /// The loss of the term of this name, before its weight; 0 without such a term.
    #[must_use]
    pub fn loss(&self, name: &str) -> f64 {
        self.term(name).map_or(0.0, |term| term.loss)
    }

    /// The weight of the term of this name; 0 without such a term.
    #[must_use]
    pub fn weight(&self, name: &str) -> f64 {
        self.term(name).map_or(0.0, |term| term.weight)
    }

    /// The layers of the term of this name; empty without such a term.
    #[must_use]
    pub fn layers(&self, name: &str) -> &[LayerLoss] {
        self.term(name).map_or(&[], |term| &term.layers)
    }

    /// The content loss.
    #[must_use]
    pub fn content(&self) -> f64 {
        self.loss(CONTENT)
    }

    /// The style loss.
    #[must_use]
    pub fn style(&self) -> f64 {
        self.loss(STYLE)
    }

    /// The image's total variation, [`Tv`](crate::Tv).
    #[must_use]
    pub fn tv(&self) -> f64 {
        self.loss(TV)
    }

    /// All values, in order.
    pub(crate) fn numbers(&self) -> Vec<f64> {
        let term = |t: &TermLoss| [t.loss].into_iter().chain(t.layers.iter().map(|l| l.loss)).collect::<Vec<_>>();
        [self.total].into_iter().chain(self.terms.iter().flat_map(term)).collect()
    }

    /// The inverse, for losses of the same terms and layers.
    pub(crate) fn set_numbers(&mut self, numbers: &[f64]) {
        let mut numbers = numbers.iter().copied();
        let mut set = |to: &mut f64| *to = numbers.next().unwrap_or(*to);
        set(&mut self.total);
        for term in &mut self.terms {
            set(&mut term.loss);
            term.layers.iter_mut().for_each(|layer| set(&mut layer.loss));
        }
    }

    /// Copies the values of `other`, which has the same terms and layers, without allocating.
    pub(crate) fn set(&mut self, other: &Self) {
        self.total = other.total;
        for (to, from) in self.terms.iter_mut().zip(&other.terms) {
            (to.weight, to.loss) = (from.weight, from.loss);
            to.layers.iter_mut().zip(&from.layers).for_each(|(to, from)| to.loss = from.loss);
        }
    }
}
