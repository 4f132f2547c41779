//! Resampling by a three-lobed Lanczos filter.

use fast_image_resize::images::TypedImage;
use fast_image_resize::pixels::F32;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::alloc::{collected, reserved};
use crate::error::{Error, ErrorKind, Result};

/// Resamples one plane of row-major values from `(width, height)` to another size by a three-lobed Lanczos filter, as
/// [`Image::resized`](crate::Image::resized) does for each colour.
///
/// # Errors
/// `Shape` if a side is zero or has more than `u32::MAX` pixels, or there are not `width * height` values.
pub fn resample(plane: &[f32], from: (usize, usize), to: (usize, usize)) -> Result<Vec<f32>> {
    resample_by(FilterType::Lanczos3, plane, from, to)
}

pub(super) fn resample_by(
    filter: FilterType,
    plane: &[f32],
    from: (usize, usize),
    to: (usize, usize),
) -> Result<Vec<f32>> {
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
    // The crate allocates a plane between its two passes and aborts if that fails.
    drop(reserved::<f32>(to.0.saturating_mul(from.1), "an image")?);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new().resize_typed(&source, &mut target, &options).map_err(|e| failed(e.to_string()))?;
    let pixels = target.pixels();
    collected(pixels.len(), "an image", pixels.iter().map(|p| p.0))
}
