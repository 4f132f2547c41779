//! Validation of a description, before anything is computed.

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::ops::tv::Tv;
use crate::backend::shape::{Shape, expect_shape};
use crate::describe::builder::SessionBuilder;
use crate::describe::init::Start;
use crate::describe::settings::ContentWeight;
use crate::describe::targets::{ResolvedLayer, StyleTargets, Targets};
use crate::distributed::share::expect_shares;
use crate::error::{Error, ErrorKind, Result, bad};
use crate::image::Image;
use crate::image::mask::Mask;
use crate::loss::custom::{Described, Loss};
use crate::loss::losses::{CONTENT, STYLE, StyleLayer, TV};
use crate::loss::statistics::covariance::Covariance;
use crate::loss::statistics::gram::Gram;
use crate::loss::statistics::statistic::Statistic;
use crate::loss::term::Additivity;
use crate::network::taps::Taps;
use crate::pass::plan::ChainPlan;
use crate::pass::tiles::unit;

/// The checked parts of a description.
pub(crate) struct Checked<B: Backend> {
    /// Shape of the image.
    pub(crate) shape: Shape,
    pub(crate) layers: Layers<B>,
    /// The taps of a pass over the image.
    pub(crate) taps: Taps,
    /// The tap of each content layer and of each style layer in such a pass.
    pub(crate) content_taps: Vec<usize>,
    pub(crate) style_taps: Vec<usize>,
    /// The taps of each custom loss.
    pub(crate) loss_taps: Vec<Vec<usize>>,
}

/// The layers of a description, resolved in the network, in the description's order.
pub(crate) struct Layers<B: Backend> {
    /// Positions in the chain.
    pub(crate) content: Vec<usize>,
    pub(crate) style: Vec<ResolvedLayer<B>>,
    /// Positions in the chain for each custom loss.
    pub(crate) losses: Vec<Vec<usize>>,
}

impl<B: Backend> Layers<B> {
    /// The taps of a pass over the content picture.
    pub(crate) fn content_taps(&self) -> Taps {
        Taps::new(self.content.iter().copied())
    }

    /// The taps of a pass over a style picture.
    pub(crate) fn style_taps(&self) -> Taps {
        Taps::new(self.style.iter().map(|l| l.position))
    }
}

pub(crate) fn check_weight(what: &str, weight: f64) -> Result<()> {
    if (0.0..=1e30).contains(&weight) {
        return Ok(());
    }
    Err(bad(format!("{what} must be in 0..=1e30; found {weight:e}")))
}

/// The default share of noise for a start from the content picture.
pub(crate) const NOISE_RATIO: f32 = 0.2;

/// The default statistic of a style layer: the Gram matrix at the first convolution, where the means are the painting's
/// colours, and the covariance at later layers, which forms large structures and leaves even areas alone.
fn default_statistic<B: Backend>(position: usize) -> Arc<dyn Statistic<B>> {
    if position == 0 { Arc::new(Gram::default()) } else { Arc::new(Covariance) }
}

impl<B: Backend> SessionBuilder<B> {
    /// The start image.
    pub(crate) fn chosen_init(&self) -> Start {
        let default = if self.content_image().is_some() { Start::Content } else { Start::Noise };
        self.settings.init.unwrap_or(default)
    }

    /// The share of noise in the start. The default start includes some: even areas, such as an overcast sky, have no features
    /// for the style to act on, and deep layers would then draw their grid there. Below a style strength of 1 there is less,
    /// since noise stays where little style covers it.
    pub(crate) fn chosen_noise_ratio(&self) -> f32 {
        self.settings.noise_ratio.unwrap_or(match (self.settings.init, self.chosen_init()) {
            (None, Start::Content) if self.settings.content_weight == ContentWeight::Relative => {
                NOISE_RATIO * self.settings.style_weight.min(1.0) as f32
            }
            (None, Start::Content) => NOISE_RATIO,
            (_, init) => init.default_noise_ratio(),
        })
    }

    pub(crate) fn content_image(&self) -> Option<&Image> {
        self.content.as_ref().or_else(|| self.given.iter().find_map(|t| t.content.as_ref()).map(|c| &c.image))
    }

    /// The first style picture.
    pub(crate) fn style_image(&self) -> Option<&Image> {
        self.styles.first().map(|s| &s.image).or(self.given_style().map(|s| &s.image))
    }

    pub(crate) fn given_style(&self) -> Option<&StyleTargets<B>> {
        self.given.iter().find_map(|t| t.style.as_ref())
    }

    /// Masks and shares of the styles' terms at each layer.
    pub(crate) fn regions(&self) -> Vec<(Option<&Mask>, f64)> {
        if let Some(style) = self.given_style() {
            return style.regions.iter().map(|r| (r.mask.as_ref(), r.share)).collect();
        }
        let free = self.styles.iter().any(|s| s.mask.is_none()).then_some((None, 1.0));
        let masked = self.styles.iter().filter(|s| s.mask.is_some()).map(|s| (s.mask.as_ref(), s.share));
        free.into_iter().chain(masked).collect()
    }

    /// Positions in the chain.
    fn positions(&self, layers: &[&str]) -> Result<Vec<usize>> {
        for (i, layer) in layers.iter().enumerate() {
            if layers[..i].contains(layer) {
                return Err(bad(format!("layer {layer} appears twice")));
            }
        }
        layers.iter().map(|layer| self.network.position(layer)).collect()
    }

    /// The names of the content layers.
    pub(crate) fn content_names(&self) -> Vec<&str> {
        self.settings.content_layers.iter().map(|l| l.layer.as_str()).collect()
    }

    /// The names of the style layers.
    pub(crate) fn style_names(&self) -> Vec<&str> {
        self.settings.style_layers.iter().map(|l| l.layer.as_str()).collect()
    }

    /// The statistic of a style layer.
    fn statistic_of(&self, layer: &StyleLayer, position: usize) -> Result<Arc<dyn Statistic<B>>> {
        let Some(kind) = layer.statistic.as_ref().or(self.settings.statistic.as_ref()) else {
            return Ok(default_statistic(position));
        };
        let identity = String::from(kind.clone());
        let own = || self.statistics.iter().find(|s| s.identity() == identity).cloned();
        kind.built_in().or_else(own).ok_or_else(|| {
            let layer = &layer.layer;
            bad(format!("the settings name the statistic {identity:?} at {layer}, which is not built in; pass it with statistic or statistic_at"))
        })
    }

    /// The layers and the statistic of each style layer. Checks everything about them and the weights that can be checked
    /// without pictures.
    pub(crate) fn layers(&self) -> Result<Layers<B>> {
        self.check_layers()?;
        let content = self.positions(&self.content_names())?;
        let positions = self.positions(&self.style_names())?;
        let style = match self.given_style() {
            Some(given) => {
                let find = |l: &StyleLayer| given.layers.iter().find(|g| g.name == l.layer).cloned();
                self.settings.style_layers.iter().filter_map(find).collect()
            }
            None => {
                let layer = |(l, position): (&StyleLayer, usize)| {
                    Ok(ResolvedLayer { name: l.layer.clone(), position, statistic: self.statistic_of(l, position)? })
                };
                self.settings.style_layers.iter().zip(positions).map(layer).collect::<Result<_>>()?
            }
        };
        let losses = self.all_losses().iter().map(|(_, loss)| self.places(&**loss)).collect::<Result<_>>()?;
        Ok(Layers { content, style, losses })
    }

    /// Positions in the chain of a loss's layers.
    fn places(&self, loss: &dyn Loss<B>) -> Result<Vec<usize>> {
        let layers: Vec<_> = loss.layers().into_iter().map(|layer| self.network.own_name(layer)).collect();
        let names: Vec<_> = layers.iter().map(String::as_str).collect();
        self.positions(&names).map_err(|e| e.context(format!("the loss {:?}", loss.name())))
    }

    /// Checks the names and weights of custom losses.
    fn check_losses(&self) -> Result<()> {
        let mut names = vec![CONTENT.to_owned(), STYLE.to_owned(), TV.to_owned()];
        for (weight, loss) in &self.all_losses() {
            let name = loss.name();
            check_weight(&format!("the weight of the loss {name:?}"), *weight)?;
            if names.contains(&name) {
                return Err(bad(format!("two losses are named {name:?}; names must be unique")));
            }
            names.push(name);
        }
        Ok(())
    }

    /// The statistic or loss that needs all features at once, if there is one: the pictures cannot be tiled.
    pub(crate) fn whole(&self, layers: &Layers<B>) -> Option<String> {
        let statistic = |l: &ResolvedLayer<B>| match l.statistic.additivity() {
            Additivity::Whole => Some(format!("the statistic {:?} at {}", l.statistic.identity(), l.name)),
            _ => None,
        };
        let loss = |(_, loss): &(f64, Arc<dyn Loss<B>>)| match loss.additivity() {
            Additivity::Whole if !loss.layers().is_empty() => Some(format!("the loss {:?}", loss.name())),
            _ => None,
        };
        layers.style.iter().find_map(statistic).or_else(|| self.all_losses().iter().find_map(loss))
    }

    /// Checks that nothing needs all features at once if the session is to be tiled or shared by processes, and that all
    /// statistics take masks if there are any.
    pub(crate) fn check_parts(&self, layers: &Layers<B>) -> Result<()> {
        let shared = self.communicator.processes() > 1;
        if let Some(what) = self.whole(layers)
            && (shared || self.tiles.is_some_and(|[rows, columns]| rows.max(columns) > 1))
        {
            let how = if shared { "shared by several processes" } else { "tiled" };
            return Err(bad(format!("{what} needs the features of the whole picture; it cannot be {how}")));
        }
        let masked = self.styles.iter().any(|s| s.mask.is_some() || s.region.is_some())
            || self.given_style().is_some_and(|given| given.regions.iter().any(|r| r.mask.is_some()));
        if let Some(layer) = layers.style.iter().find(|l| masked && !l.statistic.takes_masks()) {
            let (what, layer) = (layer.statistic.identity(), &layer.name);
            return Err(bad(format!(
                "the statistic {what:?} at {layer} does not support masks and regions of a style (a transparent painting has a \
                 region); choose gram, covariance, moments or wasserstein"
            )));
        }
        let free = self.styles.iter().filter(|s| s.mask.is_none()).count();
        if let Some(layer) = layers.style.iter().find(|l| free > 1 && !l.statistic.blends()) {
            let (what, layer) = (layer.statistic.identity(), &layer.name);
            return Err(bad(format!("the statistic {what:?} at {layer} takes one style picture; {free} are given")));
        }
        Ok(())
    }

    /// Checks statistics, shares and weights.
    fn check_layers(&self) -> Result<()> {
        if let Some(name) = self.misplaced.first() {
            return Err(bad(format!(
                "{name} has a statistic but is not a style layer; add it to the style layers first"
            )));
        }
        let free: Vec<_> = self.styles.iter().filter(|s| s.mask.is_none()).map(|s| s.share).collect();
        if !free.is_empty() && free.iter().all(|share| *share == 0.0) {
            return Err(bad("the shares of all styles are zero; at least one must be positive"));
        }
        let shares = self.styles.iter().map(|s| ("the share of a style", s.share));
        let content_layers = self.settings.content_layers.iter().map(|l| (l.layer.as_str(), l.weight));
        let layers = content_layers.chain(self.settings.style_layers.iter().map(|l| (l.layer.as_str(), l.weight)));
        let (content, style) = match self.settings.content_weight {
            ContentWeight::Relative => (1.0, "the style strength"),
            ContentWeight::Sum(weight) | ContentWeight::Mean(weight) => (weight, "the style weight"),
        };
        let weights = [
            ("the content weight", content),
            (style, self.settings.style_weight),
            ("the total variation weight", self.settings.tv_weight),
        ];
        for (what, weight) in weights.into_iter().chain(shares).chain(layers) {
            check_weight(what, weight)?;
        }
        Ok(())
    }

    /// Checks given targets: same network, same settings, and all required layers.
    fn check_given(&self) -> Result<()> {
        let parts = |of: &dyn Fn(&Targets<B>) -> bool| self.given.iter().filter(|t| of(t)).count();
        let content = parts(&|t| t.content.is_some()) + usize::from(self.content.is_some());
        let style = parts(&|t| t.style.is_some()) + usize::from(!self.styles.is_empty());
        for (what, count) in [("content", content), ("style", style)] {
            if count > 1 {
                return Err(bad(format!(
                    "the {what} is given {count} times; pass either a picture or precomputed targets"
                )));
            }
        }
        for targets in &self.given {
            if !Arc::ptr_eq(&targets.network, &self.network) {
                return Err(bad("the targets belong to another network; compute them on the network of this session"));
            }
            if targets.pooling != self.settings.pooling {
                let message = format!(
                    "the targets were computed with {:?} pooling, but this session uses {:?}",
                    targets.pooling, self.settings.pooling
                );
                return Err(bad(message));
            }
            if targets.padding != self.settings.padding {
                let message = format!(
                    "the targets were computed with {:?} padding, but this session uses {:?}",
                    targets.padding, self.settings.padding
                );
                return Err(bad(message));
            }
            if targets.content.is_some() && targets.seamless != self.settings.seamless {
                return Err(bad(
                    "the content targets and this session differ in whether the picture is seamless; compute the targets with the session's setting",
                ));
            }
            let lacks = |wanted: Vec<&str>, there: Vec<&str>| match wanted.iter().find(|layer| !there.contains(layer)) {
                None => Ok(()),
                Some(layer) => Err(bad(format!(
                    "the targets do not include layer {layer}; they were computed for {}",
                    there.join(", ")
                ))),
            };
            if let Some(content) = &targets.content {
                lacks(self.content_names(), content.layers.iter().map(|(name, _)| name.as_str()).collect())?;
            }
            if let Some(style) = &targets.style {
                lacks(self.style_names(), style.layers.iter().map(|l| l.name.as_str()).collect())?;
                if self.settings.style_layers.iter().any(|l| l.statistic.is_some()) {
                    return Err(bad(
                        "a layer's statistic cannot be set together with precomputed targets, which have their own",
                    ));
                }
                if let Some(chosen) = self.settings.statistic.clone().map(String::from)
                    && let Some(other) = style.layers.iter().map(|l| l.statistic.identity()).find(|s| *s != chosen)
                {
                    return Err(bad(format!(
                        "the targets were computed with the statistic {other}, but this session sets {chosen}; remove the setting"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The image's shape.
    fn shape(&self) -> Result<Shape> {
        let content = self.content_image().map(Image::shape);
        let size = self.size.map(|(width, height)| Shape::new(3, height, width));
        if let (Some(content), Some(size)) = (content, size) {
            expect_shape("the content picture (a size is also given)", size, content)?;
        }
        let start = self.start.as_ref().map(Image::shape);
        let shape = content.or(size).or(start).or_else(|| self.style_image().map(Image::shape));
        let shape = shape.ok_or_else(|| bad("no picture; a session needs a content picture or a style picture"))?;
        if shape.is_empty() {
            return Err(Error::new(
                ErrorKind::Shape,
                format!("the size of the result is {}x{}; expected at least one pixel", shape.width, shape.height),
            ));
        }
        Ok(shape)
    }

    /// Checks that the features are large enough for the statistics.
    fn check_smallest(&self, layers: &Layers<B>, shape: Shape) -> Result<()> {
        let styles = self.styles.iter().enumerate().map(|(i, s)| (format!("style picture {}", i + 1), s.image.shape()));
        let pictures: Vec<_> = [("the result".to_owned(), shape)].into_iter().chain(styles).collect();
        for layer in &layers.style {
            let (least, pools) = (layer.statistic.smallest(), self.network.pools_before(layer.position));
            for (what, Shape { height, width, .. }) in &pictures {
                let (rows, columns) = (height >> pools, width >> pools);
                if least == 0 || rows.min(columns) < least {
                    let (name, statistic) = (&layer.name, layer.statistic.identity());
                    return Err(Error::new(
                        ErrorKind::TooSmall { least: least.saturating_mul(1 << pools) },
                        format!(
                            "{what} has {columns}x{rows} positions at {name}, too few for the statistic {statistic:?}; use a \
                             larger picture, no smaller scales, or that statistic at earlier layers only"
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Has a custom loss check what it is for.
    fn check_loss(&self, loss: &dyn Loss<B>, at: &[usize], image: Shape) -> Result<()> {
        let features = |&position: &usize| {
            let pools = self.network.pools_before(position);
            Shape::new(self.network.layers[position].channels, image.height >> pools, image.width >> pools)
        };
        let shapes: Vec<_> = if at.is_empty() { vec![image] } else { at.iter().map(features).collect() };
        let context = |e: Error| e.context(format!("the loss {:?}", loss.name()));
        self.described(image, &shapes, |of| loss.check(of)).map_err(context)
    }

    /// Calls `f` with what a custom loss is for, its features of these shapes.
    pub(crate) fn described<T>(&self, image: Shape, features: &[Shape], f: impl FnOnce(&Described<'_>) -> T) -> T {
        let styles: Vec<_> = self.styles.iter().map(|s| s.image.shape()).collect();
        f(&Described {
            image,
            features,
            content: self.content_image().is_some(),
            styles: &styles,
            masked: self.styles.iter().any(|s| s.mask.is_some() || s.region.is_some()),
            seamless: self.settings.seamless,
        })
    }

    /// Checks that all pools divide the sides of a seamless picture.
    pub(crate) fn check_seams(&self, shape: Shape, taps: &Taps) -> Result<()> {
        let unit = unit(&self.network, taps);
        let nearest = |n: usize| n.checked_next_multiple_of(unit).unwrap_or(usize::MAX);
        let Shape { height, width, .. } = shape;
        if !self.settings.seamless || (nearest(height), nearest(width)) == (height, width) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Shape,
            format!(
                "the sides of a seamless picture must be multiples of {unit} pixels; found {width}x{height}; use {}x{}",
                nearest(width),
                nearest(height)
            ),
        ))
    }

    /// The unit of the sides of a scale: those of a seamless picture are multiples of it.
    pub(crate) fn side_unit(&self) -> Result<usize> {
        if !self.settings.seamless {
            return Ok(1);
        }
        let layers = self.layers()?;
        let style = layers.style.iter().map(|l| l.position);
        let all = layers.content.iter().chain(layers.losses.iter().flatten()).copied().chain(style);
        Ok(unit(&self.network, &Taps::new(all)))
    }

    pub(crate) fn check_memory(&self) -> Result<()> {
        if self.tiles.is_some_and(|[rows, columns]| rows == 0 || columns == 0) {
            return Err(bad("the number of tiles is zero; expected at least one row and one column"));
        }
        if self.communicator.processes() == 0 || self.communicator.process() >= self.communicator.processes() {
            let (process, processes) = (self.communicator.process(), self.communicator.processes());
            return Err(bad(format!("process {process} of {processes} does not exist; processes are numbered from 0")));
        }
        Ok(())
    }

    pub(crate) fn check(&self) -> Result<Checked<B>> {
        if self.content_image().is_none() && !self.settings.content_layers.is_empty() {
            return Err(bad(
                "content layers are set but there is no content picture; for a texture, call without_content",
            ));
        }
        if self.styles.is_empty() && self.given_style().is_none() && !self.settings.style_layers.is_empty() {
            return Err(bad(
                "style layers are set but there is no style picture; for a reconstruction, call without_style",
            ));
        }
        if self.settings.content_layers.is_empty()
            && self.settings.style_layers.is_empty()
            && self.all_losses().is_empty()
        {
            return Err(bad("no loss; a session needs a content layer, a style layer or a loss of your own"));
        }
        if self.content_mask.is_some() && self.settings.content_layers.is_empty() {
            return Err(bad("a content mask is set but there are no content layers"));
        }
        if self.settings.iterations == 0 {
            return Err(bad("the number of iterations is 0; expected at least 1"));
        }
        let layers = self.layers()?;
        self.check_losses()?;
        self.check_parts(&layers)?;
        self.check_given()?;
        if let Tv::Power(b) = self.settings.tv
            && !(1.0..=4.0).contains(&b)
        {
            return Err(bad(format!("the exponent of the total variation must be in 1..=4; found {b}")));
        }
        self.settings.optimizer.check()?;
        self.check_memory()?;
        if let Some(decay) = self.settings.running_mean.filter(|decay| !(0.0..1.0).contains(decay)) {
            return Err(bad(format!("the decay of the running mean must be in 0..1; found {decay}")));
        }
        if let Some(fraction) = self.settings.tolerance.filter(|fraction| !(0.0..1.0).contains(fraction)) {
            return Err(bad(format!("the tolerance must be in 0..1; found {fraction}")));
        }
        let shape = self.shape()?;
        expect_shares(&*self.communicator, shape)?;
        let (has_content, ratio) = (self.content_image().is_some(), self.chosen_noise_ratio());
        self.chosen_init().check(self.start.as_ref(), shape, has_content, self.settings.noise, ratio)?;

        let of_losses = layers.losses.iter().flatten();
        let style = layers.style.iter().map(|l| l.position);
        let taps = Taps::new(layers.content.iter().chain(of_losses).copied().chain(style));
        let content_taps = layers.content.iter().filter_map(|&position| taps.at(position)).collect();
        let style_taps = layers.style.iter().filter_map(|l| taps.at(l.position)).collect();
        self.check_seams(shape, &taps)?;
        let own = |positions: &Vec<usize>| positions.iter().filter_map(|&position| taps.at(position)).collect();
        let loss_taps = layers.losses.iter().map(own).collect();
        let large_enough = |shape: Shape, taps: &Taps, what: &str| {
            let plan =
                ChainPlan::new(&self.network, shape, taps, self.settings.pooling, self.settings.padding, false, None);
            plan.map(drop).map_err(|e| e.context(what))
        };
        large_enough(shape, &taps, "the result")?;
        if let Some(image) = &self.content {
            large_enough(image.shape(), &layers.content_taps(), "the content picture")?;
        }
        let of_style = layers.style_taps();
        for (i, style) in self.styles.iter().enumerate() {
            large_enough(style.image.shape(), &of_style, &format!("style picture {}", i + 1))?;
        }
        self.check_smallest(&layers, shape)?;
        self.all_losses()
            .iter()
            .zip(&layers.losses)
            .try_for_each(|((_, loss), at)| self.check_loss(&**loss, at, shape))?;
        Ok(Checked { shape, layers, taps, content_taps, style_taps, loss_taps })
    }
}
