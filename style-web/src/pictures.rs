//! Picture files in and out, and the picture as it is shown: with the photograph's colours, its transparency and the mask.

use style_transfer::Image;
use style_transfer::pictures::{Format, Picture, keep_colours, mask_of};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::{Error, Result};

/// A larger picture is reduced to this long side, that of the largest result.
const LONGEST: usize = 2048;

/// The most pixels of a picture. Decoding takes about 20 bytes for each.
const MOST_PIXELS: u64 = 32_000_000;

/// The most pixels of a mask.
const MOST_MASK_PIXELS: u64 = 1 << 23;

/// A picture that was brought.
#[wasm_bindgen]
pub struct Kept {
    file: Vec<u8>,
    notes: Vec<String>,
}

#[wasm_bindgen]
impl Kept {
    /// Its pixels, as a PNG file that this module has written.
    #[wasm_bindgen(getter)]
    pub fn file(&self) -> Vec<u8> {
        self.file.clone()
    }

    /// What of its file could not be used.
    #[wasm_bindgen(getter)]
    pub fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

/// Decodes a file, which is not trusted, and encodes its pixels anew.
///
/// # Errors
/// The picture is damaged, too small or too large, or of a kind that cannot be read.
#[wasm_bindgen]
pub fn keep(file: &[u8]) -> Result<Kept> {
    let picture = Picture::from_bytes_within(file, MOST_PIXELS)?;
    let notes = picture.notes().to_vec();
    let factor = LONGEST as f64 / picture.long_side() as f64;
    let picture = if factor < 1.0 { picture.scaled(factor)? } else { picture };
    Ok(Kept { file: picture.encode(Format::Png)?, notes })
}

/// A picture reduced to this long side, as JPEG.
///
/// # Errors
/// The picture is unusable, or there is not enough memory.
#[wasm_bindgen]
pub fn thumbnail(file: &[u8], side: u32) -> Result<Vec<u8>> {
    let picture = Picture::from_bytes(file)?;
    let picture = if picture.long_side() > side as usize { picture.sized(side)? } else { picture };
    Ok(picture.encode(Format::Jpeg)?)
}

/// The photograph at the result's size, as PNG.
///
/// # Errors
/// The picture is unusable, or there is not enough memory.
#[wasm_bindgen]
pub fn photograph(file: &[u8], side: u32) -> Result<Vec<u8>> {
    Ok(Picture::from_bytes(file)?.sized(side)?.encode(Format::Png)?)
}

/// A painted picture at another size, in 16 bits.
///
/// # Errors
/// The picture is unusable, or there is not enough memory.
#[wasm_bindgen]
pub fn stretched(file: &[u8], width: usize, height: usize) -> Result<Vec<u8>> {
    Ok(Picture::from_bytes(file)?.stretched(width, height)?.encode(Format::Png16)?)
}

/// A mask that the page painted, checked, at the result's size: white where to paint. `None` if it is white everywhere.
///
/// # Errors
/// The mask is unusable, or protects everything.
#[wasm_bindgen]
pub fn mask(file: &[u8], width: usize, height: usize) -> Result<Option<Vec<u8>>> {
    let picture = Picture::from_bytes_within(file, MOST_MASK_PIXELS)?.stretched(width, height)?;
    let mask = mask_of(&picture.image)
        .map_err(|_| Error::Invalid("the mask protects the whole picture; leave some of it to paint".into()))?;
    if mask.values().iter().all(|v| *v > 0.99) {
        return Ok(None);
    }
    Ok(Some(picture.encode(Format::Png)?))
}

/// A painted picture as it is shown (`jpeg`) and saved (`png`, or `tiff` in 16 bits, both at the result's size).
///
/// # Errors
/// A picture is unusable, or there is not enough memory.
#[wasm_bindgen]
pub fn shown(painted: &[u8], original: &[u8], mask: Option<Vec<u8>>, colours: f64, kind: &str) -> Result<Vec<u8>> {
    let mask = mask.map(|mask| Picture::from_bytes(&mask)).transpose()?;
    let look = Look { original: &Picture::from_bytes(original)?, mask: mask.as_ref(), colours };
    look.file(Picture::from_bytes(painted)?.image, kind)
}

/// What is shown besides the painted image.
pub(crate) struct Look<'a> {
    /// The photograph at the result's size.
    pub(crate) original: &'a Picture,
    pub(crate) mask: Option<&'a Picture>,
    /// The share of the photograph's colours.
    pub(crate) colours: f64,
}

impl Look<'_> {
    pub(crate) fn file(&self, painted: Image, kind: &str) -> Result<Vec<u8>> {
        let format = match kind {
            "jpeg" => Format::Jpeg,
            "png" => Format::Png,
            "tiff" => Format::Tiff16,
            _ => return Err(Error::Invalid(format!("there are no files of the kind {kind}"))),
        };
        let original = &self.original.image;
        let painted = match format {
            Format::Jpeg => painted,
            // At a coarse scale it is enlarged.
            _ => Picture::from(painted).stretched(original.width(), original.height())?.image,
        };
        Ok(self.applied(painted)?.encode(format)?)
    }

    fn applied(&self, painted: Image) -> Result<Picture> {
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
