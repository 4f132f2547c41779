//! Coarse-to-fine painting: large structures of the style form at sizes where the network's receptive field covers much of
//! the picture, and larger sizes start from them. Not in the paper; Gatys et al. 2017, "Controlling Perceptual Factors in
//! Neural Style Transfer", use two scales.

use crate::backend::Backend;
use crate::backend::ops::tv::Tv;
use crate::backend::shape::Shape;
use crate::describe::builder::SessionBuilder;
use crate::describe::scale::Scale;
use crate::describe::settings::{ContentWeight, Settings};
use crate::describe::style::Style;
use crate::error::{Result, bad};
use crate::image::Image;
use crate::prepare::check::Checked;
use crate::prepare::layout::Layout;
use crate::prepare::plan::Plan;

/// The minimum short side of a style picture at every scale, if it is that large: a few positions of the deepest layers.
const SMALLEST_STYLE: usize = 48;

/// A scale, checked and tiled.
pub(crate) struct ScalePlan<B: Backend> {
    pub(crate) checked: Checked<B>,
    pub(crate) layout: Layout,
}

impl<B: Backend> SessionBuilder<B> {
    /// Checks that each scale is larger than the previous one and smaller than the result, and can be painted.
    pub(crate) fn check_scales(&self, shape: Shape) -> Result<()> {
        let mut last = 0;
        for scale in &self.settings.scales {
            if scale.size <= last || scale.size >= shape.height.max(shape.width) {
                return Err(bad(format!(
                    "expected scales in ascending order, each smaller than the result's {} pixels; found {} after {last}",
                    shape.height.max(shape.width),
                    scale.size
                )));
            }
            if scale.iterations == 0 {
                return Err(bad(format!("the scale of {} pixels has no iterations; expected at least 1", scale.size)));
            }
            last = scale.size;
        }
        if !self.settings.scales.is_empty() && !self.given.is_empty() {
            return Err(bad("precomputed targets have a single size; for several scales, pass the pictures instead"));
        }
        Ok(())
    }

    /// The description of a scale, with smaller pictures and with weights rescaled to have the same effect as at the final
    /// size. For a plan the pictures are `blank`.
    pub(crate) fn at_scale(&self, scale: &Scale, shape: Shape, blank: bool) -> Result<Self> {
        let factor = scale.size as f64 / shape.height.max(shape.width) as f64;
        let unit = self.side_unit()?;
        let side = |n: usize| ((n as f64 * factor / unit as f64).round() as usize).max(1).saturating_mul(unit);
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
        // Makes each sum over positions count as much as at the final size.
        let more = shape.positions() as f64 / (width * height) as f64;
        let start = match &self.start {
            Some(_) if blank => Some(Image::blank(width, height)?),
            start => start.as_ref().map(|image| image.resized(width, height)).transpose()?,
        };
        let settings = &self.settings;
        let settings = Settings {
            content_weight: match settings.content_weight {
                ContentWeight::Sum(weight) if !settings.balanced => ContentWeight::Sum(weight * more),
                other => other,
            },
            tv_weight: if matches!(settings.tv, Tv::Means | Tv::NinePoint) {
                settings.tv_weight
            } else {
                settings.tv_weight * more
            },
            optimizer: scale.optimizer.unwrap_or(settings.optimizer),
            iterations: scale.iterations,
            scales: vec![],
            ..settings.clone()
        };
        Ok(Self {
            content: self.content.as_ref().map(resized).transpose()?,
            styles: self.styles.iter().map(style).collect::<Result<_>>()?,
            size: self.size.map(|_| (width, height)).or(self.content.is_none().then_some((width, height))),
            settings,
            start,
            ..self.shallow()
        })
    }

    /// The plan of the scale that needs the most memory, and all scales, the final size last; each reuses its previous
    /// tiling if valid. `checked` belongs to the final size.
    pub(crate) fn plan_all(&self, checked: Checked<B>, before: Option<&[Layout]>) -> Result<(Plan, Vec<ScalePlan<B>>)> {
        let shape = checked.shape;
        self.check_scales(shape)?;
        let before = |scale: usize| before.and_then(|b| b.get(scale));
        let (mut most, layout) = self.lay_out(&checked, before(self.settings.scales.len()))?;
        let last = ScalePlan { checked, layout };
        let mut scales = vec![];
        for (i, scale) in self.settings.scales.iter().enumerate() {
            let smaller = self.at_scale(scale, shape, true)?;
            let laid_out = smaller.check().and_then(|checked| {
                let (plan, layout) = smaller.lay_out(&checked, before(i))?;
                Ok((plan, ScalePlan { checked, layout }))
            });
            let (mut plan, smaller) = laid_out.map_err(|e| e.context(format!("the scale of {} pixels", scale.size)))?;
            // Until the last scale, the pictures are also kept at their original size.
            let pictures = self.content.iter().chain(self.styles.iter().map(|s| &s.image));
            let bytes = pictures.map(|image| image.pixels().len().saturating_mul(size_of::<f32>()));
            plan.pictures = bytes.fold(plan.pictures, usize::saturating_add);
            if plan.peak() > most.peak() {
                most = plan;
            }
            scales.push(smaller);
        }
        scales.push(last);
        Ok((most, scales))
    }
}

/// The picture resized, with values clamped to its original range.
fn within_range(image: &Image, width: usize, height: usize) -> Result<Image> {
    let range = |(low, high): (f32, f32), v: &f32| (low.min(*v), high.max(*v));
    let (low, high) = image.pixels().iter().fold((f32::INFINITY, f32::NEG_INFINITY), range);
    let resized = image.resized(width, height)?;
    let mut pixels = resized.into_pixels();
    pixels.iter_mut().for_each(|v| *v = v.clamp(low, high));
    Image::from_finite_planar(width, height, pixels)
}
