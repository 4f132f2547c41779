//! A picture as this library takes and gives it.

use std::ops::Range;

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
        let pixels = (0..3).flat_map(|c| bytes.iter().skip(c).step_by(3).map(|&b| f32::from(b))).collect();
        Ok(Self { width, height, pixels })
    }

    /// Interleaved bytes, `[H, W, 3]` row-major, rounded and clamped to 0..=255.
    #[must_use]
    pub fn to_rgb8(&self) -> Vec<u8> {
        let n = self.width * self.height;
        (0..3 * n).map(|i| self.pixels[i % 3 * n + i / 3].round().clamp(0.0, 255.0) as u8).collect()
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
        let row = |plane: &'_ [f32], r: usize| plane[r * self.width..][columns.clone()].to_vec();
        let pixels = planes.flat_map(|plane| rows.clone().flat_map(move |r| row(plane, r)));
        Self::from_planar(columns.len(), rows.len(), pixels.collect())
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
