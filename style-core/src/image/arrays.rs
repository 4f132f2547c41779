//! Conversions from and to `ndarray`'s arrays.

use ndarray::{Array2, Array3, ArrayView2, ArrayView3};

use crate::alloc::collected;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::image::mask::{MASK, Mask};

/// An array `[3, H, W]` in 8-bit units, of any memory layout, under the rules of [`Image::from_planar`].
impl TryFrom<ArrayView3<'_, f32>> for Image {
    type Error = Error;

    /// # Errors
    /// `Shape` if there are not three channels, or those of [`Image::from_planar`].
    fn try_from(array: ArrayView3<'_, f32>) -> Result<Self> {
        let (channels, height, width) = array.dim();
        if channels != 3 {
            let remedy = if width == 3 { "; `permuted_axes([2, 0, 1])` of its view makes it one" } else { "" };
            let message = format!("an array [3, H, W] is wanted, not {:?}{remedy}", array.shape());
            return Err(Error::new(ErrorKind::Shape, message));
        }
        Self::from_planar(width, height, collected(array.len(), "an image", array.iter().copied())?)
    }
}

/// `[3, H, W]`, in 8-bit units.
impl From<&Image> for Array3<f32> {
    fn from(image: &Image) -> Self {
        let (height, width) = (image.height, image.width);
        Self::from_shape_fn((3, height, width), |(c, y, x)| image.pixels[(c * height + y) * width + x])
    }
}

/// An array `[H, W]` of any memory layout, under the rules of [`Mask::new`].
impl TryFrom<ArrayView2<'_, f32>> for Mask {
    type Error = Error;

    /// # Errors
    /// Those of [`Mask::new`].
    fn try_from(array: ArrayView2<'_, f32>) -> Result<Self> {
        let (height, width) = array.dim();
        Self::new(width, height, collected(array.len(), MASK, array.iter().copied())?)
    }
}

/// `[H, W]`.
impl From<&Mask> for Array2<f32> {
    fn from(mask: &Mask) -> Self {
        Self::from_shape_fn((mask.height(), mask.width()), |(y, x)| mask.values()[y * mask.width() + x])
    }
}
