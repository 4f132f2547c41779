//! Conversions from and to the pictures of crate `image`.

use ::image::{DynamicImage, Rgb, RgbImage};

use crate::alloc::collected;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;

/// A picture of 8 or 16 bits per channel, in colour or grey, taken as sRGB. An alpha channel must be opaque everywhere:
/// [`Image::from_rgba8`] and `style_pictures::Picture` keep transparency.
impl TryFrom<DynamicImage> for Image {
    type Error = Error;

    /// # Errors
    /// `Image` if a pixel is not opaque; `Unsupported` if channels have neither 8 nor 16 bits; `Shape` if a side is zero.
    fn try_from(picture: DynamicImage) -> Result<Self> {
        let (w, h) = (picture.width(), picture.height());
        let deep = |v: u16| f32::from(v) / 257.0;
        match &picture {
            DynamicImage::ImageLuma8(p) => from_values(w, h, 1, p, u8::MAX, f32::from),
            DynamicImage::ImageLumaA8(p) => from_values(w, h, 2, p, u8::MAX, f32::from),
            DynamicImage::ImageRgb8(p) => from_values(w, h, 3, p, u8::MAX, f32::from),
            DynamicImage::ImageRgba8(p) => from_values(w, h, 4, p, u8::MAX, f32::from),
            DynamicImage::ImageLuma16(p) => from_values(w, h, 1, p, u16::MAX, deep),
            DynamicImage::ImageLumaA16(p) => from_values(w, h, 2, p, u16::MAX, deep),
            DynamicImage::ImageRgb16(p) => from_values(w, h, 3, p, u16::MAX, deep),
            DynamicImage::ImageRgba16(p) => from_values(w, h, 4, p, u16::MAX, deep),
            other => {
                let kind = other.color();
                let message = format!(
                    "a picture of 8 or 16 bits a channel is wanted, not {kind:?}; `into_rgb8` or `into_rgb16` convert it"
                );
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }
}

fn from_values<T: Copy + PartialEq>(
    width: u32,
    height: u32,
    channels: usize,
    values: &[T],
    opaque: T,
    unit: impl Fn(T) -> f32,
) -> Result<Image> {
    let (width, height) = (width as usize, height as usize);
    let has_alpha = matches!(channels, 2 | 4);
    if has_alpha && let Some(i) = values.iter().skip(channels - 1).step_by(channels).position(|a| *a != opaque) {
        let message = format!(
            "the picture is transparent at ({}, {}), and an Image has no opacity; Image::from_rgba8 and \
             style_pictures::Picture keep it apart, and `into_rgb8` drops it",
            i % width,
            i / width
        );
        return Err(Error::new(ErrorKind::Image, message));
    }
    let plane = |c: usize| values.iter().skip(if channels < 3 { 0 } else { c }).step_by(channels);
    let pixels = (0..3).flat_map(plane).map(|v| unit(*v));
    Image::from_finite_planar(width, height, collected(values.len() / channels * 3, "an image", pixels)?)
}

/// Rounded and clamped to 0..=255, as by [`Image::to_rgb8`].
impl From<&Image> for RgbImage {
    fn from(image: &Image) -> Self {
        // No side has more than `u32::MAX` pixels.
        let (width, n) = (image.width, image.width * image.height);
        Self::from_fn(image.width as u32, image.height as u32, |x, y| {
            let at = y as usize * width + x as usize;
            Rgb([0, 1, 2].map(|c| image.pixels[c * n + at].round().clamp(0.0, 255.0) as u8))
        })
    }
}
