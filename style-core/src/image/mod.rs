//! The picture type of this library's input and output.

#[cfg(feature = "ndarray")]
mod arrays;
#[cfg(feature = "image")]
mod dynamic;
pub(crate) mod mask;
pub(crate) mod resample;
mod values;

use std::ops::Range;

use fast_image_resize::FilterType;

use crate::alloc::{collected, reserved, zeros};
use crate::backend::shape::Shape;
use crate::error::{Error, ErrorKind, Result};
use crate::image::resample::resample_by;

/// An RGB picture: planar `[3, H, W]`, `f32` in 8-bit units (0 is black, 255 white), as encoded (no linearisation).
///
/// Results may lie slightly outside 0..=255; [`to_rgb8`](Image::to_rgb8) clamps.
///
/// | values at hand | constructor | and back |
/// |---|---|---|
/// | bytes, RGB | [`from_rgb8`](Self::from_rgb8) | [`to_rgb8`](Self::to_rgb8) |
/// | bytes, RGBA | [`from_rgba8`](Self::from_rgba8) | [`to_rgba8`](Self::to_rgba8) |
/// | bytes, grey | [`from_luma8`](Self::from_luma8) | |
/// | `f32` of 0 to 255, `[3, H, W]` | [`from_planar`](Self::from_planar) | [`pixels`](Self::pixels), [`into_pixels`](Self::into_pixels) |
/// | `f32` of 0 to 255, `[H, W, 3]` | [`from_interleaved`](Self::from_interleaved) | [`to_interleaved`](Self::to_interleaved) |
/// | `f32` of 0 to 1, `[3, H, W]` | [`from_unit_planar`](Self::from_unit_planar) | [`to_unit_planar`](Self::to_unit_planar) |
/// | `f32` at any scale, `[3, H, W]` | [`from_finite_planar`](Self::from_finite_planar) | |
///
/// Feature `image` adds `TryFrom<image::DynamicImage>` and `From<&Image> for image::RgbImage`; feature `ndarray` adds
/// `TryFrom<ndarray::ArrayView3<f32>>` and `From<&Image> for ndarray::Array3<f32>`, both `[3, H, W]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    width: usize,
    height: usize,
    pixels: Vec<f32>,
}

impl Image {
    /// A picture from planar values at any scale, `[3, H, W]` row-major: for values computed from those of other pictures,
    /// which may leave the limits of [`from_planar`](Self::from_planar), or be very dark.
    ///
    /// # Errors
    /// `Shape` if a side is zero or has more than `u32::MAX` pixels, or `pixels` does not have `3 * height * width` values;
    /// `NonFinite` if one is NaN or infinite.
    pub fn from_finite_planar(width: usize, height: usize, pixels: Vec<f32>) -> Result<Self> {
        check_len(width, height, ("RGB", 3), pixels.len())?;
        if let Some(i) = pixels.iter().position(|v| !v.is_finite()) {
            let message = format!("{} is {}; a finite value is wanted", place(width, height, i), pixels[i]);
            return Err(Error::new(ErrorKind::NonFinite, message));
        }
        Ok(Self { width, height, pixels })
    }

    /// A black picture.
    pub(crate) fn blank(width: usize, height: usize) -> Result<Self> {
        Ok(Self { width, height, pixels: zeros(3usize.saturating_mul(width).saturating_mul(height), "an image")? })
    }

    /// A part of the picture.
    ///
    /// # Errors
    /// `Shape` if the part is empty or exceeds the picture.
    pub fn crop(&self, columns: Range<usize>, rows: Range<usize>) -> Result<Self> {
        if columns.is_empty() || rows.is_empty() || columns.end > self.width || rows.end > self.height {
            let message =
                format!("a picture of {}x{} has no columns {columns:?} and rows {rows:?}", self.width, self.height);
            return Err(Error::new(ErrorKind::Shape, message));
        }
        let planes = self.pixels.chunks_exact(self.width * self.height);
        let rows_of_planes = planes.flat_map(|plane| plane.chunks_exact(self.width).take(rows.end).skip(rows.start));
        let pixels = rows_of_planes.flat_map(|row| row[columns.clone()].iter().copied());
        let count = 3 * columns.len() * rows.len();
        Self::from_finite_planar(columns.len(), rows.len(), collected(count, "an image", pixels)?)
    }

    /// The picture resized by a three-lobed Lanczos filter on the encoded values; unchanged at its own size. The filter may
    /// overshoot slightly at edges.
    /// # Errors
    /// `Shape` if a side is zero or has more than `u32::MAX` pixels.
    pub fn resized(&self, width: usize, height: usize) -> Result<Self> {
        self.resized_by(FilterType::Lanczos3, width, height)
    }

    /// The picture enlarged by the Mitchell-Netravali filter. A painting has strong content near its Nyquist frequency, and
    /// Lanczos keeps so much of it that it beats with the new pixels and leaves a persistent lattice.
    pub(crate) fn enlarged(&self, width: usize, height: usize) -> Result<Self> {
        self.resized_by(FilterType::Mitchell, width, height)
    }

    fn resized_by(&self, filter: FilterType, width: usize, height: usize) -> Result<Self> {
        let (from, to) = ((self.width, self.height), (width, height));
        let planes = self.pixels.chunks_exact(self.width * self.height);
        let mut pixels = reserved(3usize.saturating_mul(width).saturating_mul(height), "an image")?;
        for plane in planes {
            pixels.extend(resample_by(filter, plane, from, to)?);
        }
        Self::from_finite_planar(width, height, pixels)
    }

    /// A fallible clone.
    pub(crate) fn copied(&self) -> Result<Self> {
        Ok(Self { pixels: collected(self.pixels.len(), "an image", self.pixels.iter().copied())?, ..*self })
    }

    /// Width in pixels, at least 1.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels, at least 1.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The values, planar: `[3, H, W]` row-major.
    #[must_use]
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// The values, planar: `[3, H, W]` row-major.
    #[must_use]
    pub fn into_pixels(self) -> Vec<f32> {
        self.pixels
    }

    /// `[1, 3, H, W]`.
    #[must_use]
    pub fn shape(&self) -> Shape {
        Shape::new(3, self.height, self.width)
    }
}

/// Checks sides, and the number of values of `channels` per pixel, which `kind` names.
fn check_len(width: usize, height: usize, (kind, channels): (&str, usize), len: usize) -> Result<()> {
    let wanted = Shape::new(channels, height, width);
    let message = if wanted.is_empty() || wanted.len() != len {
        format!(
            "a {width}x{height} {kind} picture wants {} values and at least one pixel; {len} were given",
            wanted.len()
        )
    } else if u32::try_from(width.max(height)).is_err() {
        format!("a picture of {width}x{height} is too large: a side may have {} pixels", u32::MAX)
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Shape, message))
}

/// Names value `i` of a planar picture.
fn place(width: usize, height: usize, i: usize) -> String {
    let (channel, pixel) = (["red", "green", "blue"][i / (width * height) % 3], i % (width * height));
    format!("the {channel} at ({}, {}) of a {width}x{height} picture", pixel % width, pixel / width)
}
