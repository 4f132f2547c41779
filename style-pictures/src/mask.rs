//! Masks from pictures.

use std::path::Path;

use style_core::{Image, Mask, Result};

use crate::colour::y;
use crate::decode::{decode, planes};

/// The brightest value, of 255, of a mask that looks black.
const BLACK: f32 = 16.0;

/// The largest difference, of 255, between the channels of a grey pixel: JPEG may shift them this far.
const GREY: f32 = 32.0;

/// The largest share of coloured pixels in a mask that is meant to be grey.
const COLOURED: f64 = 0.005;

/// The mask given by a picture, of the picture's size, and notes on its interpretation, one sentence each; most masks
/// have none.
///
/// White is 1, black 0, with grey between, as encoded. A coloured picture is converted to its luminance,
/// `0.299 R + 0.587 G + 0.114 B`, with a note. Values are multiplied by opacity, so fully transparent pixels are 0. A
/// picture of only the values 0 and 1, as label maps have, is read as black and white, with a note. Files are read as
/// by [`Picture::open`](crate::Picture::open), with 8 or 16 bits per channel, but at any size and whatever their colour
/// profile.
///
/// ```
/// use style_pictures::{Image, mask, save};
///
/// # fn main() -> style_pictures::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let file = folder.path().join("mask.png");
/// save(&file, &Image::from_rgb8(2, 1, &[255, 255, 255, 51, 51, 51])?)?;
/// let (mask, notes) = mask(&file)?;
/// assert_eq!(mask.values(), [1.0, 0.2]);
/// assert!(notes.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Io` if the file cannot be read; `Image` if it is damaged, too large or not a picture; `Argument` if it is black
/// everywhere.
pub fn mask(path: impl AsRef<Path>) -> Result<(Mask, Vec<String>)> {
    let path = path.as_ref();
    let decoded = decode(path)?;
    let (pixels, mut notes) = (decoded.pixels, decoded.notes);
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let n = width * height;
    // The smallest step of the file's values, of 255.
    let step = if pixels.color().bytes_per_pixel() > pixels.color().channel_count() { 255.0 / 65535.0 } else { 1.0 };
    let (mut colours, alpha) = planes(&pixels, None)?;
    drop(pixels);

    let most = colours.iter().fold(0.0, |most: f32, v| most.max(*v));
    if most > 0.0 && most < step * 1.5 {
        notes.push("its values are 0 and 1; 1 is treated as white".into());
        colours.iter_mut().for_each(|v| *v = if *v > 0.0 { 255.0 } else { 0.0 });
    } else if most > 0.0 && most <= BLACK {
        notes.push(format!(
            "its brightest value is {most:.0} of 255, so it applies almost nowhere; a mask is white where it applies"
        ));
    }
    let rgb = |i: usize| [colours[i], colours[n + i], colours[2 * n + i]];
    let coloured = |i: &usize| {
        let [r, g, b] = rgb(*i);
        r.max(g).max(b) - r.min(g).min(b) > GREY
    };
    if (0..n).filter(coloured).count() as f64 > COLOURED * n as f64 {
        notes.push(
            "it has colours, but only brightness counts in a mask; if its colours are regions, it is a map: give it as \
             --map with a --style-map (SemanticMap in the library), or save one mask per colour, white on black"
                .into(),
        );
    }
    let alpha = |i: usize| alpha.as_ref().map_or(1.0, |alpha| alpha[i]);
    let mask = Mask::new(width, height, (0..n).map(|i| weight(rgb(i), alpha(i))).collect());
    Ok((mask.map_err(|e| e.context(path.display()))?, notes))
}

/// The same for an opaque picture in memory; values outside 0..=255 are clamped.
///
/// ```
/// use style_pictures::{Image, mask_of};
///
/// let white = Image::from_rgb8(2, 1, &[255; 6])?;
/// assert_eq!(mask_of(&white)?.values(), [1.0, 1.0]);
/// # Ok::<(), style_pictures::Error>(())
/// ```
///
/// # Errors
/// `Argument` if the picture is black everywhere.
pub fn mask_of(image: &Image) -> Result<Mask> {
    let n = image.width() * image.height();
    let p = image.pixels();
    Mask::new(image.width(), image.height(), (0..n).map(|i| weight([p[i], p[n + i], p[2 * n + i]], 1.0)).collect())
}

/// In `f64`, since white would otherwise slightly exceed 1.
fn weight(rgb: [f32; 3], alpha: f32) -> f32 {
    ((y(rgb.map(f64::from)) / 255.0).clamp(0.0, 1.0) * f64::from(alpha)) as f32
}
