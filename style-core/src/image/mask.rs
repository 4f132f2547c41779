//! Masks: how much each part of a picture counts.

use crate::alloc::collected;
use crate::backend::shape::Shape;
use crate::error::{Error, ErrorKind, Result};

/// The buffer's name in error messages.
pub(crate) const MASK: &str = "a mask";

/// How much each part of a picture counts: a map of values from 0 (not at all) to 1, with soft edges if desired.
///
/// A mask may have any size. It is resampled to the picture it applies to, each value being the mean of the area it covers.
/// At each pool it is halved like the features, by the mean of 2x2 values.
///
/// Feature `ndarray` adds `TryFrom<ndarray::ArrayView2<f32>>` and `From<&Mask> for ndarray::Array2<f32>`, both `[H, W]`.
///
/// ```
/// use style_core::Mask;
///
/// let left_half = Mask::new(2, 1, vec![1.0, 0.0])?;
/// assert_eq!(left_half.inverted()?.values(), [0.0, 1.0]);
/// let upper_half = Mask::new(1, 2, vec![1.0, 0.0])?;
/// assert_eq!(upper_half.and(&left_half)?.values(), [0.5, 0.0]);
/// # Ok::<(), style_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Mask {
    /// A mask from its values, `[H, W]` row-major.
    ///
    /// # Errors
    /// `Shape` if a side is zero or there are not `height * width` values; `Argument` if a value is outside 0..=1 or all
    /// are zero, so that nothing would count.
    pub fn new(width: usize, height: usize, values: Vec<f32>) -> Result<Self> {
        let shape = Shape::new(1, height, width);
        if shape.is_empty() || shape.len() != values.len() {
            let message = format!(
                "a mask of {width}x{height} wants {} values, and at least one; {} were given",
                shape.len(),
                values.len()
            );
            return Err(Error::new(ErrorKind::Shape, message));
        }
        if let Some((i, v)) = values.iter().enumerate().find(|(_, v)| !(0.0..=1.0).contains(*v)) {
            let (x, y) = (i % width, i / width);
            let message = format!(
                "the values of a mask must lie in 0..=1, but at ({x}, {y}) it is {v}; Mask::from_luma8 takes bytes of 0 to 255"
            );
            return Err(Error::new(ErrorKind::Argument, message));
        }
        if values.iter().all(|&v| v == 0.0) {
            let message =
                "a mask is zero everywhere: nothing of the picture would count; leave the picture out instead";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        Ok(Self { width, height, values })
    }

    /// A mask from bytes, `[H, W]` row-major: 255 is 1.
    ///
    /// # Errors
    /// `Shape` if a side is zero or there are not `height * width` bytes; `Argument` if all are zero.
    pub fn from_luma8(width: usize, height: usize, bytes: &[u8]) -> Result<Self> {
        Self::new(width, height, collected(bytes.len(), MASK, bytes.iter().map(|&b| f32::from(b) / 255.0))?)
    }

    /// One minus the mask.
    ///
    /// # Errors
    /// `Argument` if the mask is 1 everywhere.
    pub fn inverted(&self) -> Result<Self> {
        Self::new(self.width, self.height, self.values.iter().map(|v| 1.0 - v).collect())
    }

    /// The intersection: the product of this mask and the other, which is resampled to this one's size.
    ///
    /// # Errors
    /// `Argument` if the masks do not overlap.
    pub fn and(&self, other: &Self) -> Result<Self> {
        let (_, other) = other.at(self.width, self.height, 0)?;
        let values = self.values.iter().zip(other).map(|(a, b)| (f64::from(*a) * b).clamp(0.0, 1.0) as f32);
        Self::new(self.width, self.height, values.collect())
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// The values, `[H, W]` row-major.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The mask resampled to `width x height` pixels and halved by `pools` pools.
    pub(crate) fn at(&self, width: usize, height: usize, pools: usize) -> Result<(Shape, Vec<f64>)> {
        let wide = collected(self.values.len(), MASK, self.values.iter().map(|&v| f64::from(v)))?;
        let rows = spread(&wide, self.width, width)?;
        let mut map = transposed(&spread(&transposed(&rows, width)?, self.height, height)?, height)?;
        let (mut w, mut h) = (width, height);
        for _ in 0..pools {
            let (w2, h2) = (w / 2, h / 2);
            let pooled = |i: usize| {
                let (r, c) = (2 * (i / w2), 2 * (i % w2));
                let row = |r: usize| map[r * w + c] + map[r * w + c + 1];
                (row(r) + row(r + 1)) / 4.0
            };
            map = collected(w2 * h2, MASK, (0..w2 * h2).map(pooled))?;
            (w, h) = (w2, h2);
        }
        Ok((Shape::new(1, h, w), map))
    }
}

/// Resamples rows of length `from` to length `to`; each value is the mean of the interval it covers.
fn spread(rows: &[f64], from: usize, to: usize) -> Result<Vec<f64>> {
    let scale = from as f64 / to as f64;
    let mean = |row: &[f64], i: usize| {
        let (a, b) = (i as f64 * scale, (i + 1) as f64 * scale);
        let cells = (a as usize)..(b.ceil() as usize).min(from);
        let overlap = |j: usize| (b.min(j as f64 + 1.0) - a.max(j as f64)).max(0.0);
        let (sum, weight) = cells.fold((0.0, 0.0), |(s, w), j| (s + overlap(j) * row[j], w + overlap(j)));
        if weight > 0.0 { sum / weight } else { row[(a as usize).min(from - 1)] }
    };
    let values = rows.chunks_exact(from).flat_map(|row| (0..to).map(move |i| mean(row, i)));
    collected(rows.len() / from * to, MASK, values)
}

/// The transpose of a map with `width` columns.
fn transposed(map: &[f64], width: usize) -> Result<Vec<f64>> {
    collected(map.len(), MASK, (0..width).flat_map(|c| map.iter().skip(c).step_by(width).copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_keeps_its_mean_whatever_its_size() {
        let mask = Mask::new(5, 3, (0..15).map(|i| i as f32 / 15.0).collect()).unwrap();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        for (w, h) in [(5, 3), (1, 1), (10, 9), (4, 2), (17, 16)] {
            let (shape, values) = mask.at(w, h, 0).unwrap();
            assert_eq!((shape, values.len()), (Shape::new(1, h, w), w * h));
            assert!((mean(&values) - 7.0 / 15.0).abs() < 1e-7, "{w}x{h}");
        }
        let (shape, values) = mask.at(8, 8, 2).unwrap();
        assert_eq!(shape, Shape::new(1, 2, 2));
        assert!((mean(&values) - 7.0 / 15.0).abs() < 1e-7);
    }

    #[test]
    fn pools_drop_what_the_features_drop() {
        let mask = Mask::new(5, 1, vec![0.0, 0.5, 1.0, 1.0, 0.0]).unwrap();
        let (shape, values) = mask.at(5, 2, 1).unwrap();
        assert_eq!((shape, &values[..]), (Shape::new(1, 1, 2), &[0.25, 1.0][..]));
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        let kind = |w, h, values| Mask::new(w, h, values).unwrap_err().kind();
        assert_eq!(kind(0, 3, vec![]), ErrorKind::Shape);
        assert_eq!(kind(2, 2, vec![1.0; 3]), ErrorKind::Shape);
        assert_eq!(kind(usize::MAX, 2, vec![1.0; 3]), ErrorKind::Shape);
        for bad in [-0.1, 1.5, f32::NAN, f32::INFINITY] {
            assert_eq!(kind(1, 2, vec![1.0, bad]), ErrorKind::Argument);
        }
        assert_eq!(kind(2, 1, vec![0.0; 2]), ErrorKind::Argument);
    }
}
