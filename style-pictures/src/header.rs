//! The size of a picture by its header, without decoding it.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageFormat, ImageResult};
use style_core::Result;

use crate::decode::decode_bytes;
use crate::limits::{LARGEST_AREA, MOST_METADATA, check_size, limits};
use crate::{jpeg, tiff};

/// Width and height of the picture in a file, upright as [`Picture::from_bytes`](crate::Picture::from_bytes) gives it. Only
/// its header is read, so that many files can be compared fast; the pixels behind it may be damaged or missing.
///
/// ```
/// use style_pictures::{Format, Image, Picture, dimensions};
///
/// let file = Picture::from(Image::from_rgb8(30, 20, &[90; 1800])?).encode(Format::Png)?;
/// assert_eq!(dimensions(&file)?, [30, 20]);
/// assert_eq!(dimensions(&file[..file.len() - 20])?, [30, 20]);
/// # Ok::<(), style_pictures::Error>(())
/// ```
///
/// # Errors
/// `Image` if the file is empty, too large, of an unreadable kind, or its header is damaged.
pub fn dimensions(bytes: &[u8]) -> Result<[usize; 2]> {
    let Some((width, height, orientation)) = header(bytes) else {
        // Rare kinds, and the message for what is no picture.
        let pixels = decode_bytes(bytes, LARGEST_AREA)?.pixels;
        return Ok([pixels.width() as usize, pixels.height() as usize]);
    };
    check_size(width, height, LARGEST_AREA)?;
    let turned = match orientation {
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH => {
            true
        }
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => false,
    };
    let (width, height) = (width as usize, height as usize);
    Ok(if turned { [height, width] } else { [width, height] })
}

/// Width and height in the file, and how it is turned; `None` if it cannot be told.
fn header(bytes: &[u8]) -> Option<(u32, u32, Orientation)> {
    if tiff::is_tiff(bytes) {
        return tiff::header(bytes);
    }
    let file = Cursor::new(bytes);
    match image::guess_format(bytes).ok()? {
        ImageFormat::Png => by(PngDecoder::with_limits(file, limits(MOST_METADATA))),
        ImageFormat::Jpeg => jpeg::header(bytes),
        ImageFormat::WebP => by(WebPDecoder::new(file)),
        ImageFormat::Gif => by(GifDecoder::new(file)),
        ImageFormat::Bmp => by(BmpDecoder::new(file)),
        _ => None,
    }
}

fn by<D: ImageDecoder>(decoder: ImageResult<D>) -> Option<(u32, u32, Orientation)> {
    let mut decoder = decoder.ok()?;
    let (width, height) = decoder.dimensions();
    Some((width, height, decoder.orientation().ok()?))
}
