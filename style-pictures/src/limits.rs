//! Limits that hold for every format, and the errors and notes shared by all decoders.

use image::{DynamicImage, ImageDecoder, ImageError, Limits};
use style_core::{Error, ErrorKind, Result};

/// The longest side of a picture, in pixels.
pub const LARGEST_SIDE: u32 = 32_768;

/// The most pixels of a picture: 268 million, or 16384 x 16384.
pub const LARGEST_AREA: u64 = 1 << 28;

/// Memory limit for a file, and for its decoded pixels: those of 16-bit RGBA.
pub(crate) const MOST_BYTES: u64 = 8 * LARGEST_AREA;

/// Memory limit for a file's metadata.
pub(crate) const MOST_METADATA: u64 = 64 << 20;

/// Deflate's largest expansion per byte.
pub(crate) const DEFLATE: u64 = 1032;

/// A file's pixels, and the notes on their colours.
pub(crate) struct Decoded {
    /// 8 or 16 bits, grey or RGB, with or without alpha; upright.
    pub(crate) pixels: DynamicImage,
    pub(crate) icc: Option<Vec<u8>>,
    /// Information that could not be kept or used, as messages.
    pub(crate) notes: Vec<String>,
}

pub(crate) fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Image, message)
}

pub(crate) fn first_frame() -> String {
    "the picture is animated; only the first frame is used".into()
}

/// Decodes with one of `image`'s decoders; reports whether the file has a profile, even a damaged one.
pub(crate) fn decode_by(mut decoder: impl ImageDecoder, has_profile: bool, most: u64) -> Result<Decoded> {
    let (width, height) = decoder.dimensions();
    check_size(width, height, most)?;
    decoder.set_limits(limits(MOST_BYTES)).map_err(refused)?;
    let orientation = decoder.orientation().map_err(refused)?;
    let icc = decoder.icc_profile().map_err(refused)?;
    let mut pixels = DynamicImage::from_decoder(decoder).map_err(refused)?;
    pixels.apply_orientation(orientation);
    let lost = (has_profile && icc.is_none()).then(|| unusable("it is damaged"));
    Ok(Decoded { pixels, icc, notes: lost.into_iter().collect() })
}

/// The error for a file that is too short for its picture.
pub(crate) fn cut(what: &str) -> Error {
    bad(format!("the {what} file ends before its picture does; it is damaged or truncated, copy it again"))
}

pub(crate) fn limits(bytes: u64) -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(bytes);
    limits
}

/// Whether a file can hold this many bytes of pixels, if no byte expands to more than `ratio`: decoders allocate memory
/// for all pixels before they read any.
pub(crate) fn could_hold(file: &[u8], ratio: u64, pixels: u64) -> bool {
    pixels <= (file.len() as u64).saturating_mul(ratio)
}

/// Refuses a picture of more than `most` pixels, or of more than any may have, before memory is allocated for them.
pub(crate) fn check_size(width: u32, height: u32, most: u64) -> Result<()> {
    let most = most.min(LARGEST_AREA);
    if width.max(height) > LARGEST_SIDE || u64::from(width) * u64::from(height) > most {
        return Err(bad(format!(
            "the picture is too large: {width}x{height} pixels, at most {LARGEST_SIDE} per side and {most} in total \
             are supported; scale it down"
        )));
    }
    Ok(())
}

pub(crate) fn refused(e: ImageError) -> Error {
    let what = match e {
        ImageError::Limits(_) => {
            format!(
                "the picture is too large: at most {LARGEST_SIDE} pixels per side and {LARGEST_AREA} in total are supported"
            )
        }
        ImageError::Unsupported(_) => "unsupported variant of the picture format; save the picture as PNG".into(),
        _ => "the picture is damaged or truncated; copy it again".into(),
    };
    bad(what).with_source(e)
}

/// The note for an unusable profile.
pub(crate) fn unusable(why: &str) -> String {
    format!("the colour profile is unusable ({why}); colours are treated as sRGB")
}

/// This many copies of a value, or an error if there is no memory for them.
pub(crate) fn room<T: Clone>(n: usize, value: T) -> Result<Vec<T>> {
    let mut values = reserved(n)?;
    values.resize(n, value);
    Ok(values)
}

/// An empty vector with this capacity, or an error.
pub(crate) fn reserved<T>(n: usize) -> Result<Vec<T>> {
    let mut values = vec![];
    values.try_reserve_exact(n).map_err(|e| {
        Error::new(
            ErrorKind::OutOfMemory,
            format!("not enough memory for a picture of {n} values; use a smaller picture"),
        )
        .with_source(e)
    })?;
    Ok(values)
}
