//! A style picture and how it is to be used.

use crate::image::Image;
use crate::image::mask::Mask;

/// A picture to take the style from, of any size; made `From` an [`Image`] alone, or with more said.
///
/// Styles without a mask act together on the whole result: each layer's target is the mean of their statistics, by
/// their shares (the mean of Gram matrices). A style with a mask acts by itself, there.
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
    /// All of a picture, for all of the result, with a share of 1.
    #[must_use]
    pub fn new(image: Image) -> Self {
        Self { image, share: 1.0, mask: None, region: None }
    }

    /// Of styles without a mask, the share in their mean, relative to the others'; of a style with one, a factor of
    /// its loss. Zero or more.
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Where in the result the style applies: spatial guidance (Gatys et al. 2017). Its loss counts in
    /// proportion to the area, so that a mask does not change how strongly the style acts within it.
    #[must_use]
    pub fn mask(mut self, mask: Mask) -> Self {
        self.mask = Some(mask);
        self
    }

    /// Which part of the style picture the style is taken from.
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
