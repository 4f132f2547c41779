//! A style picture and how it is applied.

use crate::image::Image;
use crate::image::mask::Mask;

/// A picture to take the style from, of any size; made `From` an [`Image`], or built with more settings.
///
/// Styles without a mask act together on the whole result: each layer's target is the mean of their statistics, weighted by
/// their shares (the mean of Gram matrices). A style with a mask acts separately, within its mask.
///
/// ```
/// use style_core::{Image, Mask, Style};
///
/// let (sky, stone) = (Image::from_rgb8(2, 1, &[90; 6])?, Image::from_rgb8(1, 2, &[20; 6])?);
/// let above = Mask::new(1, 3, vec![1.0, 0.5, 0.0])?;
/// let styles = [Style::new(sky).mask(above.clone()), Style::new(stone).mask(above.inverted()?).share(2.0)];
/// # Ok::<(), style_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Style {
    pub(crate) image: Image,
    pub(crate) share: f64,
    pub(crate) mask: Option<Mask>,
    pub(crate) region: Option<Mask>,
}

impl Style {
    /// The whole picture, applied to the whole result, with a share of 1.
    #[must_use]
    pub fn new(image: Image) -> Self {
        Self { image, share: 1.0, mask: None, region: None }
    }

    /// For styles without a mask, the share in their mean, relative to the others; for a style with a mask, a factor of its
    /// loss. Zero or more.
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// The part of the result that the style applies to: spatial guidance (Gatys et al. 2017). Its loss counts in
    /// proportion to the area, so the mask does not change the strength of the style within it.
    #[must_use]
    pub fn mask(mut self, mask: Mask) -> Self {
        self.mask = Some(mask);
        self
    }

    /// The part of the style picture that the style is taken from.
    #[must_use]
    pub fn region(mut self, region: Mask) -> Self {
        self.region = Some(region);
        self
    }
}

impl From<Image> for Style {
    fn from(image: Image) -> Self {
        Self::new(image)
    }
}
