//! A picture as this library takes and gives it.

use std::ops::Range;

use fast_image_resize::images::TypedImage;
use fast_image_resize::pixels::F32;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::memory::{collected, reserved, zeros};
use crate::{Error, ErrorKind, Result, Shape};

/// An RGB picture: planar `[3, H, W]`, `f32` in 8-bit units (0 is black, 255 white), as encoded (no linearisation).
///
/// Results may lie a little outside of 0..=255; [`to_rgb8`](Image::to_rgb8) clamps.
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
    /// `Shape` if a side is zero or `pixels` has not `3 * height * width` values; `NonFinite` if one is NaN or infinite.
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
    /// `Shape` if a side is zero or `bytes` has not `3 * height * width` values.
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
    /// `Shape` if the part is empty or not within the picture.
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

    /// The picture at another size, by Lanczos' filter of three lobes, on the values as they are encoded; the very same
    /// values at its own size. The filter may overshoot a little at edges.
    ///
    /// # Errors
    /// `Shape` if a side is zero or has more than `u32::MAX` pixels.
    pub fn resized(&self, width: usize, height: usize) -> Result<Self> {
        self.resized_by(FilterType::Lanczos3, width, height)
    }

    /// The picture at a larger size, by Mitchell and Netravali's filter: a painting has much near the highest frequency of
    /// its pixels, of which Lanczos' keeps so much that it beats with the new pixels, in a lattice that lasts.
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

    /// A clone, or an error.
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

/// One plane of values, row-major, from `(width, height)` to another size by Lanczos' filter of three lobes; what
/// [`Image::resized`] does with each colour.
///
/// # Errors
/// `Shape` if a side is zero or has more than `u32::MAX` pixels, or there are not `width * height` values.
pub fn resample(plane: &[f32], from: (usize, usize), to: (usize, usize)) -> Result<Vec<f32>> {
    resample_by(FilterType::Lanczos3, plane, from, to)
}

fn resample_by(filter: FilterType, plane: &[f32], from: (usize, usize), to: (usize, usize)) -> Result<Vec<f32>> {
    if from == to {
        return collected(plane.len(), "an image", plane.iter().copied());
    }
    let failed = |e: String| {
        let message = format!("a picture of {}x{} cannot be resampled to {}x{}", from.0, from.1, to.0, to.1);
        Error::new(ErrorKind::Shape, message).with_source(e)
    };
    let side = |n: usize| match u32::try_from(n) {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(failed(format!("no side of {n} pixels"))),
    };
    let [fw, fh, tw, th] = [side(from.0)?, side(from.1)?, side(to.0)?, side(to.1)?];
    let pixels = collected(plane.len(), "an image", plane.iter().map(|&v| F32::new(v)))?;
    let source = TypedImage::from_pixels(fw, fh, pixels).map_err(|e| failed(e.to_string()))?;
    let room = to.0.saturating_mul(to.1);
    let pixels = collected(room, "an image", std::iter::repeat_n(F32::new(0.0), room))?;
    let mut target = TypedImage::from_pixels(tw, th, pixels).map_err(|e| failed(e.to_string()))?;
    // The crate takes a plane between its two passes, and aborts where there is no memory for it.
    drop(reserved::<f32>(to.0.saturating_mul(from.1), "an image")?);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new().resize_typed(&source, &mut target, &options).map_err(|e| failed(e.to_string()))?;
    let pixels = target.pixels();
    collected(pixels.len(), "an image", pixels.iter().map(|p| p.0))
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
