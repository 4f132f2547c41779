//! From the picture that the session paints to the one that is shown: the photograph's colours and the mask. The crate `style-web`
//! has this file too.

use style_transfer::Image;
use style_transfer::pictures::{Picture, keep_colours, mask_of};

use crate::error::{Error, Result};

/// The most pixels of a mask.
const MOST_MASK_PIXELS: u64 = 1 << 23;

/// What is shown besides the painted image.
pub(crate) struct Look<'a> {
    /// The photograph at the result's size.
    pub(crate) original: &'a Picture,
    pub(crate) mask: Option<&'a Picture>,
    /// The share of the photograph's colours.
    pub(crate) colours: f64,
}

impl Look<'_> {
    /// The picture as it is shown and saved, of the painted one's size, with the photograph's transparency.
    pub(crate) fn applied(&self, painted: Image) -> Result<Picture> {
        let (width, height) = (painted.width(), painted.height());
        let original = self.original.stretched(width, height)?;
        let mut image = painted;
        if self.colours > 0.0 {
            image = blended(&image, &keep_colours(&image, &original.image)?, |_| self.colours as f32)?;
        }
        if let Some(mask) = self.mask {
            let mask = mask_of(&mask.stretched(width, height)?.image)?;
            image = blended(&original.image, &image, |i| mask.values().get(i).copied().unwrap_or(1.0))?;
        }
        Ok(Picture { image, extras: original.extras })
    }
}

/// `a` where the share is 0, and `b` where it is 1.
fn blended(a: &Image, b: &Image, share: impl Fn(usize) -> f32) -> Result<Image> {
    let n = a.width() * a.height();
    let pixels = a.pixels().iter().zip(b.pixels()).enumerate();
    let pixels = pixels.map(|(i, (a, b))| a + share(i % n.max(1)) * (b - a)).collect();
    Ok(Image::from_planar(a.width(), a.height(), pixels)?)
}

/// A mask that the page painted, checked, at the result's size: white where to paint. `None` if it is white everywhere.
pub(crate) fn mask(bytes: &[u8], [width, height]: [usize; 2]) -> Result<Option<Picture>> {
    let picture = Picture::from_bytes_within(bytes, MOST_MASK_PIXELS)?.stretched(width, height)?;
    let mask = mask_of(&picture.image)
        .map_err(|_| Error::Invalid("the mask protects the whole picture; leave some of it to paint".into()))?;
    if mask.values().iter().all(|v| *v > 0.99) {
        return Ok(None);
    }
    Ok(Some(picture))
}
