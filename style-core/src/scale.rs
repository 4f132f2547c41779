//! Painting from coarse to fine: large structures of the style form where the network sees much of the picture at once,
//! and a larger size starts from them. Not in the paper; Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style
//! Transfer", have two scales.

use crate::builder::Balance;
use crate::check::bad;
use crate::ops::Tv;
use crate::planning::Layout;
use crate::{Backend, Image, Init, Optimizer, Plan, Result, SessionBuilder, Shape, Style};

/// A size to paint at before the result's own; see [`SessionBuilder::scales`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Long side in pixels.
    pub size: usize,
    /// Evaluations of loss and gradient.
    pub iterations: usize,
    /// How the image descends; `None`: as it does at the result's own size.
    pub optimizer: Option<Optimizer>,
}

/// Of the iterations of [`Scale::coarse_to_fine`], the share that each coarser scale gets.
const COARSE: usize = 3;

/// The short side that a coarser scale has at least: two positions of conv5_1.
const SHORTEST: usize = 32;

/// Long side of the coarsest scale of a [pyramid](Scale::pyramid).
const COARSEST: usize = 128;

/// The short side that a style picture keeps at every scale, if it has it: a few positions of the deepest layers.
const SMALLEST_STYLE: usize = 48;

impl Scale {
    /// The scales below a size, from 128 pixels on, each with twice the area of the one before and this number of iterations.
    /// All of them together take less time than the same number of iterations at the size itself. It depends on the long side
    /// alone: for a picture far from square, leave out the scales whose short side is too small for the network (16 pixels
    /// for conv5_1), as [`coarse_to_fine`](Self::coarse_to_fine) does.
    ///
    /// ```
    /// let sizes: Vec<_> = style_core::Scale::pyramid(512, 60).iter().map(|scale| scale.size).collect();
    /// assert_eq!(sizes, [128, 181, 256, 362]);
    /// ```
    #[must_use]
    pub fn pyramid(size: usize, iterations: usize) -> Vec<Self> {
        let halvings = |i: i32| (size as f64 / 2f64.powf(f64::from(i) / 2.0)).round() as usize;
        let mut scales: Vec<_> = (1..).map(halvings).take_while(|&size| size >= COARSEST).collect();
        scales.reverse();
        scales.into_iter().map(|size| Self { size, iterations, optimizer: None }).collect()
    }

    /// A schedule that takes as long as `iterations` at the size itself: the scales of a [pyramid](Scale::pyramid) whose short
    /// side has enough pixels for conv5_1, each with a third of the iterations, and the number of iterations that remain for
    /// the size itself. 80 are enough for a good picture with the default losses; `stylize` uses this schedule.
    ///
    /// ```
    /// # use style_core::{Backend, Image, Scale, SessionBuilder};
    /// # fn describe<B: Backend>(builder: SessionBuilder<B>, photo: Image) {
    /// let (scales, iterations) = Scale::coarse_to_fine(photo.width(), photo.height(), 80);
    /// let builder = builder.content(photo).scales(scales).iterations(iterations);
    /// # }
    /// ```
    #[must_use]
    pub fn coarse_to_fine(width: usize, height: usize, iterations: usize) -> (Vec<Self>, usize) {
        let (long_side, short_side) = (width.max(height), width.min(height));
        let mut coarse = Self::pyramid(long_side, iterations.div_ceil(COARSE));
        coarse.retain(|scale| scale.size * short_side >= SHORTEST * long_side);
        let area = |size: usize| (size as f64).powi(2);
        let spent = coarse.iter().map(|s| s.iterations as f64 * area(s.size) / area(long_side)).sum::<f64>().round();
        (coarse, if iterations == 0 { 0 } else { iterations.saturating_sub(spent as usize).max(1) })
    }
}

impl<B: Backend> SessionBuilder<B> {
    /// That each scale is larger than the one before and smaller than the result, and can be painted.
    pub(crate) fn check_scales(&self, shape: Shape) -> Result<()> {
        let mut last = 0;
        for scale in &self.scales {
            if scale.size <= last || scale.size >= shape.height.max(shape.width) {
                return Err(bad(format!(
                    "the scales must grow, up to less than the result's {} pixels, but one of {} comes after {last}",
                    shape.height.max(shape.width),
                    scale.size
                )));
            }
            if scale.iterations == 0 {
                return Err(bad(format!("the scale of {} pixels needs at least one iteration", scale.size)));
            }
            last = scale.size;
        }
        if !self.scales.is_empty() && !self.given.is_empty() {
            return Err(bad(
                "targets that were computed before are of one size; with several scales give the pictures",
            ));
        }
        Ok(())
    }

    /// The description of a scale: the pictures smaller, and weights with the meaning that they have at the result's size.
    /// For a plan the pictures are `blank`.
    pub(crate) fn at_scale(&self, scale: &Scale, shape: Shape, blank: bool) -> Result<Self> {
        let factor = scale.size as f64 / shape.height.max(shape.width) as f64;
        let side = |n: usize| ((n as f64 * factor).round() as usize).max(1);
        let (width, height) = (side(shape.width), side(shape.height));
        let resize = |image: &Image, width, height| {
            if blank { Image::blank(width, height) } else { within_range(image, width, height) }
        };
        let resized = |image: &Image| resize(image, width, height);
        let style = |style: &Style| {
            let (w, h) = (style.image.width(), style.image.height());
            let least = (SMALLEST_STYLE as f64 / w.min(h) as f64).min(1.0);
            let side = |n: usize| ((n as f64 * factor.max(least)).round() as usize).max(1);
            let (mask, region) = (style.mask.clone(), style.region.clone());
            Ok(Style { image: resize(&style.image, side(w), side(h))?, share: style.share, mask, region })
        };
        // A sum over positions counts each of them as it does at the result's size.
        let more = shape.positions() as f64 / (width * height) as f64;
        let init = match &self.init {
            Some(Init::Image(_)) if blank => Some(Init::Image(Image::blank(width, height)?)),
            Some(Init::Image(image)) => Some(Init::Image(image.resized(width, height)?)),
            other => other.clone(),
        };
        Ok(Self {
            content: self.content.as_ref().map(resized).transpose()?,
            styles: self.styles.iter().map(style).collect::<Result<_>>()?,
            size: self.size.map(|_| (width, height)).or(self.content.is_none().then_some((width, height))),
            balance: match self.balance {
                Balance::Sum(weight) => Balance::Sum(weight * more),
                other => other,
            },
            tv_weight: if self.tv == Tv::Means { self.tv_weight } else { self.tv_weight * more },
            init,
            optimizer: scale.optimizer.unwrap_or(self.optimizer),
            iterations: scale.iterations,
            scales: vec![],
            ..self.shallow()
        })
    }

    /// Checks all scales; the plan of that which takes most, and how each is cut: as before, where that suits.
    pub(crate) fn plan_all(&self, before: Option<&[Layout]>) -> Result<(Plan, Vec<Layout>)> {
        let checked = self.check()?;
        let shape = checked.shape;
        self.check_scales(shape)?;
        let before = |scale: usize| before.and_then(|b| b.get(scale));
        let (mut most, last) = self.lay_out(&checked, before(self.scales.len()))?;
        let mut layouts = vec![];
        for (i, scale) in self.scales.iter().enumerate() {
            let smaller = self.at_scale(scale, shape, true)?;
            let laid_out = smaller.check().and_then(|checked| smaller.lay_out(&checked, before(i)));
            let (mut plan, layout) = laid_out.map_err(|e| e.context(format!("the scale of {} pixels", scale.size)))?;
            // Until the last scale the pictures are kept at their own size.
            let pictures = self.content.iter().chain(self.styles.iter().map(|s| &s.image));
            let bytes = pictures.map(|image| image.pixels().len().saturating_mul(size_of::<f32>()));
            plan.pictures = bytes.fold(plan.pictures, usize::saturating_add);
            if plan.peak() > most.peak() {
                most = plan;
            }
            layouts.push(layout);
        }
        layouts.push(last);
        Ok((most, layouts))
    }
}

/// A picture at another size, without values beyond those that it has.
fn within_range(image: &Image, width: usize, height: usize) -> Result<Image> {
    let range = |(low, high): (f32, f32), v: &f32| (low.min(*v), high.max(*v));
    let (low, high) = image.pixels().iter().fold((f32::INFINITY, f32::NEG_INFINITY), range);
    let resized = image.resized(width, height)?;
    let mut pixels = resized.into_pixels();
    pixels.iter_mut().for_each(|v| *v = v.clamp(low, high));
    Image::from_planar(width, height, pixels)
}
