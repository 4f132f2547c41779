//! Picture files in and out, and the picture as it is shown: with the photograph's colours, its transparency and the mask.

use style_transfer::Image;
use style_transfer::pictures::{Format, Picture};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::{Error, Result};
use crate::look::{self, Look};

/// A larger picture is reduced to this long side, that of the largest result.
const LONGEST: usize = 2048;

/// The most pixels of a picture. Decoding takes about 20 bytes for each.
const MOST_PIXELS: u64 = 32_000_000;

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
    Ok(look::mask(file, [width, height])?.map(|mask| mask.encode(Format::Png)).transpose()?)
}

/// A painted picture as it is shown (`jpeg`) and saved (`png`, or `tiff` in 16 bits, both at the result's size).
///
/// # Errors
/// A picture is unusable, or there is not enough memory.
#[wasm_bindgen]
pub fn shown(painted: &[u8], original: &[u8], mask: Option<Vec<u8>>, colours: f64, kind: &str) -> Result<Vec<u8>> {
    let mask = mask.map(|mask| Picture::from_bytes(&mask)).transpose()?;
    let look = Look { original: &Picture::from_bytes(original)?, mask: mask.as_ref(), colours };
    file_of(&look, Picture::from_bytes(painted)?.image, kind)
}

/// A file of a painted picture.
pub(crate) fn file_of(look: &Look<'_>, painted: Image, kind: &str) -> Result<Vec<u8>> {
    let format = match kind {
        "jpeg" => Format::Jpeg,
        "png" => Format::Png,
        "tiff" => Format::Tiff16,
        _ => return Err(Error::Invalid(format!("there are no files of the kind {kind}"))),
    };
    let original = &look.original.image;
    let painted = match format {
        Format::Jpeg => painted,
        // At a coarse scale it is enlarged.
        _ => Picture::from(painted).stretched(original.width(), original.height())?.image,
    };
    Ok(look.applied(painted)?.encode(format)?)
}
