//! Masks from pictures: which part of a picture something holds for.

use std::path::Path;

use style_core::{Image, Mask, Result};

use crate::colour::y;
use crate::decode::{decode, planes};

/// The mask that a picture stands for, of the picture's size.
///
/// White is 1, black 0, and grey between, as encoded; a coloured picture counts by its luminance,
/// `0.299 R + 0.587 G + 0.114 B`. What is transparent counts by its opacity, so that nothing is 0. Files are read as by
/// [`Picture::open`](crate::Picture::open), 8 or 16 bits a channel, but of any size and whatever their colour profile.
///
/// ```
/// use style_pictures::{Image, mask, save};
///
/// # fn main() -> style_pictures::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let file = folder.path().join("mask.png");
/// save(&file, &Image::from_rgb8(2, 1, &[255, 255, 255, 51, 51, 51])?)?;
/// assert_eq!(mask(&file)?.values(), [1.0, 0.2]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Io` if the file cannot be read; `Image` if it is damaged, too large or no picture; `Argument` if it is black
/// everywhere.
pub fn mask(path: impl AsRef<Path>) -> Result<Mask> {
    let path = path.as_ref();
    let pixels = decode(path)?.pixels;
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let n = width * height;
    let (colours, alpha) = planes(&pixels, None)?;
    drop(pixels);
    let alpha = |i: usize| alpha.as_ref().map_or(1.0, |alpha| alpha[i]);
    let weight = |i: usize| weight([colours[i], colours[n + i], colours[2 * n + i]], alpha(i));
    Mask::new(width, height, (0..n).map(weight).collect()).map_err(|e| e.context(path.display()))
}

/// The same of an opaque picture in memory; values beyond 0..=255 count as the nearest of them.
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

/// In `f64`, or white would be a little more than 1.
fn weight(rgb: [f32; 3], alpha: f32) -> f32 {
    ((y(rgb.map(f64::from)) / 255.0).clamp(0.0, 1.0) * f64::from(alpha)) as f32
}
