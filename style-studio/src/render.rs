//! From the picture that the session paints to the one that is shown: the photograph's colours and the mask.

use style_transfer::pictures::{Format, Picture, keep_colours, mask_of};
use style_transfer::{Image, Mask};

use crate::error::{Error, Result};
use crate::id::Id;
use crate::store::{Of, Store};

/// What is shown besides the painted image.
pub(crate) struct Look {
    /// The share of the photograph's colours.
    pub(crate) colours: f64,
    pub(crate) masked: bool,
}

/// The picture of a job as it is shown and saved, with the photograph's transparency.
pub(crate) fn shown(store: &Store, id: Id, painted: &Image, look: &Look) -> Result<Picture> {
    let (width, height) = (painted.width(), painted.height());
    let Some(original) = store.get(id, Of::Original)? else { return Ok(Picture::from(painted.clone())) };
    let original = original.stretched(width, height)?;
    let mut image = painted.clone();
    if look.colours > 0.0 {
        image = blended(&image, &keep_colours(&image, &original.image)?, |_| look.colours as f32)?;
    }
    if look.masked
        && let Some(mask) = store.get(id, Of::Mask)?
    {
        let mask = mask_of(&mask.stretched(width, height)?.image)?;
        image = blended(&original.image, &image, |i| mask.values().get(i).copied().unwrap_or(1.0))?;
    }
    Ok(Picture { image, extras: original.extras })
}

/// `a` where the share is 0, and `b` where it is 1.
fn blended(a: &Image, b: &Image, share: impl Fn(usize) -> f32) -> Result<Image> {
    let n = a.width() * a.height();
    let pixels = a.pixels().iter().zip(b.pixels()).enumerate();
    let pixels = pixels.map(|(i, (a, b))| a + share(i % n.max(1)) * (b - a)).collect();
    Ok(Image::from_planar(a.width(), a.height(), pixels)?)
}

/// A mask that the page painted, checked: white where to paint. `None` if it is white everywhere.
pub(crate) fn mask(bytes: &[u8], [width, height]: [usize; 2]) -> Result<Option<Picture>> {
    const MOST_PIXELS: u64 = 1 << 23;
    let picture = Picture::from_bytes_within(bytes, MOST_PIXELS)?.stretched(width, height)?;
    let mask = mask_of(&picture.image)
        .map_err(|_| Error::Invalid("the mask protects the whole picture; leave some of it to paint".into()))?;
    if mask.values().iter().all(|v| *v > 0.99) {
        return Ok(None);
    }
    Ok(Some(picture))
}

/// The mask of a job, for its session.
pub(crate) fn session_mask(store: &Store, id: Id) -> Result<Option<Mask>> {
    Ok(store.get(id, Of::Mask)?.map(|picture| mask_of(&picture.image)).transpose()?)
}

/// A JPEG file for the page.
pub(crate) fn jpeg(picture: &Picture) -> Result<Vec<u8>> {
    Ok(picture.encode(Format::Jpeg)?)
}
