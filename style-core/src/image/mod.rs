//! The picture type of this library's input and output.

pub(crate) mod mask;
pub(crate) mod resample;

use std::ops::Range;

use fast_image_resize::FilterType;

use crate::alloc::{collected, reserved, zeros};
use crate::backend::shape::Shape;
use crate::error::{Error, ErrorKind, Result};
use crate::image::resample::resample_by;

/// An RGB picture: planar `[3, H, W]`, `f32` in 8-bit units (0 is black, 255 white), as encoded (no linearisation).
///
/// Results may lie slightly outside 0..=255; [`to_rgb8`](Image::to_rgb8) clamps.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    width: usize,
    height: usize,
    pixels: Vec<f32>,
}

impl Image {
    /// A picture from planar values, `[3, H, W]` row-major.
    ///
    /// # Errors
    /// `Shape` if a side is zero or `pixels` does not have `3 * height * width` values; `NonFinite` if one is NaN or
    /// infinite.
    pub fn from_planar(width: usize, height: usize, pixels: Vec<f32>) -> Result<Self> {
        check_len(width, height, pixels.len())?;
        if let Some(i) = pixels.iter().position(|v| !v.is_finite()) {
            return Err(Error::new(
                ErrorKind::NonFinite,
                format!("value {i} of a {width}x{height} picture is {}", pixels[i]),
            ));
        }
        Ok(Self { width, height, pixels })
    }

    /// A picture from interleaved bytes, `[H, W, 3]` row-major.
    ///
    /// # Errors
    /// `Shape` if a side is zero or `bytes` does not have `3 * height * width` values.
    pub fn from_rgb8(width: usize, height: usize, bytes: &[u8]) -> Result<Self> {
        check_len(width, height, bytes.len())?;
        let pixels = (0..3).flat_map(|c| bytes.iter().skip(c).step_by(3).map(|&b| f32::from(b)));
        Ok(Self { width, height, pixels: collected(bytes.len(), "an image", pixels)? })
    }

    /// Interleaved bytes, `[H, W, 3]` row-major, rounded and clamped to 0..=255.
    #[must_use]
    pub fn to_rgb8(&self) -> Vec<u8> {
        let n = self.width * self.height;
        (0..3 * n).map(|i| self.pixels[i % 3 * n + i / 3].round().clamp(0.0, 255.0) as u8).collect()
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
        Self::from_planar(columns.len(), rows.len(), collected(count, "an image", pixels)?)
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
        Self::from_planar(width, height, pixels)
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

fn check_len(width: usize, height: usize, len: usize) -> Result<()> {
    let wanted = Shape::new(3, height, width);
    if wanted.is_empty() || wanted.len() != len {
        return Err(Error::new(
            ErrorKind::Shape,
            format!(
                "a {width}x{height} RGB picture wants {} values and at least one pixel; {len} were given",
                wanted.len()
            ),
        ));
    }
    Ok(())
}
