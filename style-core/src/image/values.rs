//! Images from values in the layouts and units that programs have them in, and back.
//!
//! Most mistakes of scale would pass silently: a picture of 0 to 1 paints as black, one of 16 bits as white. Each
//! constructor therefore holds the values to the scale that it names.

use std::ops::RangeInclusive;

use crate::alloc::collected;
use crate::error::{Error, ErrorKind, Result};
use crate::image::mask::Mask;
use crate::image::{Image, check_len, place};

/// The values of a plausible picture, where white is 1: results and filters overshoot, but hardly by so much.
const PLAUSIBLE: RangeInclusive<f32> = -10.0..=11.0;

/// White, in 8-bit units.
const WHITE: f32 = 255.0;

/// A picture whose values all lie within this range and are not whole is not in 8-bit units: it would look black. It has
/// values of 0 to 1, or has been normalised by a mean and a deviation.
const UNITS: RangeInclusive<f32> = -3.0..=3.0;

impl Image {
    /// A picture from planar values in 8-bit units, `[3, H, W]` row-major: all of red, then green, then blue.
    ///
    /// Values may overshoot 0..=255 as results do, up to -2550..=2805. Values of other scales are refused, also a picture of
    /// 0 to 1; one of whole numbers, and so a black one, is taken. Interleaved values, `[H, W, 3]`, have the same number and
    /// cannot be told apart: [`from_interleaved`](Self::from_interleaved) takes them.
    ///
    /// ```
    /// use style_core::Image;
    ///
    /// let red = Image::from_planar(2, 1, vec![255.0, 255.0, 0.0, 0.0, 0.0, 0.0])?;
    /// assert_eq!(red.to_rgb8(), [255, 0, 0, 255, 0, 0]);
    /// let error = Image::from_planar(2, 1, vec![0.9, 0.8, 0.1, 0.1, 0.0, 0.0]).unwrap_err();
    /// assert!(error.to_string().contains("from_unit_planar"));
    /// # Ok::<(), style_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if a side is zero or has more than `u32::MAX` pixels, or `pixels` does not have `3 * height * width` values;
    /// `NonFinite` if one is NaN or infinite; `Image` if the values are not in 8-bit units.
    pub fn from_planar(width: usize, height: usize, pixels: Vec<f32>) -> Result<Self> {
        let image = Self::from_finite_planar(width, height, pixels)?;
        let refused = |what: String| Err(Error::new(ErrorKind::Image, what));
        let taken = PLAUSIBLE.start() * WHITE..=PLAUSIBLE.end() * WHITE;
        if let Some(i) = image.pixels.iter().position(|v| !taken.contains(v)) {
            return refused(format!(
                "{} is {}, where 0 (black) to 255 (white) is wanted; scale the values (those of 16 bits by 1/257), or clamp \
                 them; from_finite_planar takes any",
                place(width, height, i),
                image.pixels[i]
            ));
        }
        if image.pixels.iter().all(|v| UNITS.contains(v)) && image.pixels.iter().any(|v| v.fract() != 0.0) {
            let least = image.pixels.iter().copied().fold(f32::INFINITY, f32::min);
            let most = image.pixels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let remedy = if least >= 0.0 && most <= 1.0 {
                "multiply the values by 255, or give planar ones to Image::from_unit_planar"
            } else {
                "undo the normalisation, or give values that are meant so dark to Image::from_finite_planar"
            };
            return refused(format!(
                "the values of a {width}x{height} picture are from {least} to {most}, where 0 (black) to 255 (white) is \
                 wanted; {remedy}"
            ));
        }
        Ok(image)
    }

    /// A picture from planar values of 0 (black) to 1 (white), `[3, H, W]` row-major, as most libraries for neural networks
    /// have it.
    ///
    /// # Errors
    /// `Shape` as for [`from_planar`](Self::from_planar); `NonFinite` if a value is NaN or infinite; `Image` if one is below
    /// -10 or above 11.
    pub fn from_unit_planar(width: usize, height: usize, mut pixels: Vec<f32>) -> Result<Self> {
        if let Some(i) = pixels.iter().position(|v| v.is_finite() && !PLAUSIBLE.contains(v)) {
            check_len(width, height, ("RGB", 3), pixels.len())?;
            let message = format!(
                "{} is {}, where 0 (black) to 1 (white) is wanted; Image::from_planar takes values of 0 to 255",
                place(width, height, i),
                pixels[i]
            );
            return Err(Error::new(ErrorKind::Image, message));
        }
        pixels.iter_mut().for_each(|v| *v *= WHITE);
        Self::from_finite_planar(width, height, pixels)
    }

    /// A picture from interleaved values in 8-bit units, `[H, W, 3]` row-major: red, green and blue of each pixel in turn.
    ///
    /// ```
    /// use style_core::Image;
    ///
    /// let values = [255.0, 0.0, 0.0, 0.0, 0.0, 64.5];
    /// let image = Image::from_interleaved(2, 1, &values)?;
    /// assert_eq!(image.pixels(), [255.0, 0.0, 0.0, 0.0, 0.0, 64.5]);
    /// assert_eq!(image.to_interleaved(), values);
    /// # Ok::<(), style_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`from_planar`](Self::from_planar).
    pub fn from_interleaved(width: usize, height: usize, values: &[f32]) -> Result<Self> {
        check_len(width, height, ("RGB", 3), values.len())?;
        Self::from_planar(width, height, collected(values.len(), "an image", planar(values, 3).copied())?)
    }

    /// A picture from interleaved bytes, `[H, W, 3]` row-major.
    ///
    /// # Errors
    /// `Shape` if a side is zero or has more than `u32::MAX` pixels, or `bytes` does not have `3 * height * width` values.
    pub fn from_rgb8(width: usize, height: usize, bytes: &[u8]) -> Result<Self> {
        check_len(width, height, ("RGB", 3), bytes.len())?;
        Self::from_bytes(width, height, planar(bytes, 3))
    }

    /// A picture from interleaved bytes, `[H, W, 4]` row-major, and its opacity as a mask; `None` if all of it is opaque.
    ///
    /// The colours are not premultiplied, and are kept where they are transparent: the network sees them there. Give the
    /// mask to [`Style::region`](crate::Style::region) or
    /// [`content_mask`](crate::SessionBuilder::content_mask) where they should not count.
    ///
    /// ```
    /// use style_core::Image;
    ///
    /// let bytes = [200, 100, 0, 255, 0, 0, 0, 51];
    /// let (image, alpha) = Image::from_rgba8(2, 1, &bytes)?;
    /// assert_eq!(image.to_rgb8(), [200, 100, 0, 0, 0, 0]);
    /// assert_eq!(alpha.as_ref().unwrap().values(), [1.0, 0.2]);
    /// assert_eq!(image.to_rgba8(alpha.as_ref())?, bytes);
    /// # Ok::<(), style_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Shape` if a side is zero or has more than `u32::MAX` pixels, or `bytes` does not have `4 * height * width` values;
    /// `Image` if every pixel is transparent.
    pub fn from_rgba8(width: usize, height: usize, bytes: &[u8]) -> Result<(Self, Option<Mask>)> {
        check_len(width, height, ("RGBA", 4), bytes.len())?;
        let image = Self::from_bytes(width, height, planar(bytes, 4))?;
        let alpha = || bytes.iter().copied().skip(3).step_by(4);
        if alpha().all(|a| a == u8::MAX) {
            return Ok((image, None));
        }
        if alpha().all(|a| a == 0) {
            let message = "every pixel is transparent: nothing of the picture can be seen; make it opaque";
            return Err(Error::new(ErrorKind::Image, message));
        }
        let alpha = Mask::from_luma8(width, height, &collected(width * height, "a mask", alpha())?)?;
        Ok((image, Some(alpha)))
    }

    /// A grey picture from bytes, `[H, W]` row-major.
    ///
    /// # Errors
    /// `Shape` if a side is zero or has more than `u32::MAX` pixels, or `bytes` does not have `height * width` values.
    pub fn from_luma8(width: usize, height: usize, bytes: &[u8]) -> Result<Self> {
        check_len(width, height, ("grey", 1), bytes.len())?;
        Self::from_bytes(width, height, [bytes; 3].into_iter().flatten())
    }

    /// From planar bytes, as many as there should be.
    fn from_bytes<'a>(width: usize, height: usize, bytes: impl Iterator<Item = &'a u8>) -> Result<Self> {
        let count = 3usize.saturating_mul(width).saturating_mul(height);
        Ok(Self { width, height, pixels: collected(count, "an image", bytes.map(|&b| f32::from(b)))? })
    }

    /// Interleaved bytes, `[H, W, 3]` row-major, rounded and clamped to 0..=255.
    #[must_use]
    pub fn to_rgb8(&self) -> Vec<u8> {
        self.interleaved().map(byte).collect()
    }

    /// Interleaved bytes, `[H, W, 4]` row-major, with this opacity, or opaque; rounded and clamped to 0..=255.
    ///
    /// # Errors
    /// `Shape` if the opacity has another size.
    pub fn to_rgba8(&self, alpha: Option<&Mask>) -> Result<Vec<u8>> {
        let size = (self.width, self.height);
        if let Some(alpha) = alpha.filter(|alpha| (alpha.width(), alpha.height()) != size) {
            let message = format!(
                "the opacity of a picture of {}x{} must have its size, but has {}x{}",
                self.width,
                self.height,
                alpha.width(),
                alpha.height()
            );
            return Err(Error::new(ErrorKind::Shape, message));
        }
        let opacity = |i: usize| alpha.map_or(u8::MAX, |alpha| byte(WHITE * alpha.values()[i]));
        let n = self.width * self.height;
        let pixel = |i: usize| [0, 1, 2].map(|c| byte(self.pixels[c * n + i])).into_iter().chain([opacity(i)]);
        Ok((0..n).flat_map(pixel).collect())
    }

    /// Interleaved values in 8-bit units, `[H, W, 3]` row-major.
    #[must_use]
    pub fn to_interleaved(&self) -> Vec<f32> {
        self.interleaved().collect()
    }

    /// Planar values of 0 (black) to 1 (white), `[3, H, W]` row-major; not clamped.
    #[must_use]
    pub fn to_unit_planar(&self) -> Vec<f32> {
        self.pixels.iter().map(|v| v / WHITE).collect()
    }

    fn interleaved(&self) -> impl Iterator<Item = f32> + '_ {
        let n = self.width * self.height;
        (0..3 * n).map(move |i| self.pixels[i % 3 * n + i / 3])
    }
}

/// The first three of each pixel's values, plane after plane.
fn planar<T>(values: &[T], channels: usize) -> impl Iterator<Item = &T> {
    (0..3).flat_map(move |c| values.iter().skip(c).step_by(channels))
}

fn byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}
