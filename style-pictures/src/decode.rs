//! Decoding: format detection, completeness and size checks, orientation, colour profile.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageFormat};
use style_core::{Error, ErrorKind, Result};

use crate::icc::ToSrgb;
use crate::limits::{
    DEFLATE, Decoded, LARGEST_AREA, MOST_BYTES, MOST_METADATA, bad, check_size, could_hold, cut, decode_by,
    first_frame, limits, refused, reserved, room,
};
use crate::{bmp, formats, gif, jpeg, tiff};

/// Reads a file in any supported format.
pub(crate) fn decode(path: &Path) -> Result<Decoded> {
    let bytes =
        read(path).map_err(|e| Error::new(ErrorKind::Io, format!("cannot read {}", path.display())).with_source(e))?;
    decode_bytes(&bytes, LARGEST_AREA).map_err(|e| e.context(path.display()))
}

/// Reads the whole file, up to slightly more than its limit.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![];
    File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `most` is the largest number of pixels.
pub(crate) fn decode_bytes(bytes: &[u8], most: u64) -> Result<Decoded> {
    if bytes.is_empty() {
        return Err(bad("the file is empty; use a PNG, JPEG, WebP, TIFF, GIF or BMP picture"));
    }
    if bytes.len() as u64 > MOST_BYTES {
        return Err(bad(format!("the file is too large; a picture file may have at most {} GiB", MOST_BYTES >> 30)));
    }
    if tiff::is_tiff(bytes) {
        return tiff::decode(bytes, most);
    }
    let file = Cursor::new(bytes);
    match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => {
            // Checked before the decoder, which does not report a size that it refuses.
            if let (Some(width), Some(height)) = (be32(bytes, 16), be32(bytes, 20)) {
                check_size(width, height, most)?;
                let values = match bytes.get(25) {
                    Some(2) => 3,
                    Some(4) => 2,
                    Some(6) => 4,
                    _ => 1,
                };
                let bits = values * u64::from(bytes.get(24).copied().unwrap_or(0));
                if !could_hold(bytes, DEFLATE, u64::from(width) * u64::from(height) * bits / 8) {
                    return Err(cut("PNG"));
                }
            }
            let limits = limits(MOST_METADATA);
            let said = png_colours(bytes);
            let decoder = PngDecoder::with_limits(file, limits).map_err(refused)?;
            let frames = decoder.is_apng().map_err(refused)?;
            let mut decoded = decode_by(decoder, said.profile, most)?;
            decoded.notes.extend(said.unheeded());
            decoded.notes.extend(frames.then(first_frame));
            Ok(decoded)
        }
        Ok(ImageFormat::Jpeg) => jpeg::decode(bytes, most),
        Ok(ImageFormat::WebP) => match webp_whole(bytes) {
            None => Err(cut("WebP")),
            Some(whole) if !webp_frames_fit(whole) => {
                Err(bad("the WebP file is damaged: a frame is larger than the picture or its enclosing chunk"))
            }
            Some(whole) => {
                let decoder = WebPDecoder::new(Cursor::new(whole)).map_err(refused)?;
                let frames = decoder.has_animation();
                let mut decoded = decode_by(decoder, false, most)?;
                decoded.notes.extend(frames.then(first_frame));
                Ok(decoded)
            }
        },
        Ok(ImageFormat::Gif) => gif::decode(bytes, most),
        Ok(ImageFormat::Bmp) => bmp::decode(bytes, most),
        _ => Err(match formats::known(bytes) {
            Some((name, way)) => bad(format!("unsupported picture format: {name}; {way}")),
            None => bad("unknown picture format; use PNG, JPEG, WebP, TIFF, GIF or BMP"),
        }),
    }
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Colour information of a PNG file before its pixels.
#[derive(Default)]
struct PngColours {
    profile: bool,
    srgb: bool,
    /// Other chunks that describe colours, and differ from sRGB.
    others: Vec<&'static str>,
}

impl PngColours {
    /// The note on the other chunks, if no better one applies.
    fn unheeded(&self) -> Option<String> {
        let heeded = self.profile || self.srgb || self.others.is_empty();
        let others = self.others.join(" and ");
        (!heeded)
            .then(|| format!("the colour information in the file ({others}) is ignored; colours are treated as sRGB"))
    }
}

fn png_colours(bytes: &[u8]) -> PngColours {
    const SRGB_PRIMARIES: [u32; 8] = [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000];
    let (mut said, mut at) = (PngColours::default(), 8);
    while let (Some(len), Some(kind)) = (be32(bytes, at), bytes.get(at + 4..at + 8)) {
        let number = |i: usize| be32(bytes, at + 8 + 4 * i).unwrap_or(0);
        match kind {
            b"IDAT" => break,
            b"iCCP" => said.profile = true,
            b"sRGB" => said.srgb = true,
            // 1/2.2 in hundredths.
            b"gAMA" if number(0).abs_diff(45455) > 455 => said.others.push("gAMA"),
            b"cHRM" if (0..8).any(|i| number(i).abs_diff(SRGB_PRIMARIES[i]) > 100) => said.others.push("cHRM"),
            b"cICP" if number(0) != u32::from_be_bytes([1, 13, 0, 1]) => said.others.push("cICP"),
            _ => {}
        }
        // A length and a type precede the chunk's data, a checksum follows.
        at = at.saturating_add(12).saturating_add(len as usize);
    }
    said
}

/// A WebP file up to its declared end, if all its chunks are complete: sizes in it cannot be trusted earlier. The
/// decoder would also read anything that follows.
fn webp_whole(bytes: &[u8]) -> Option<&[u8]> {
    let length = |at: usize| {
        let four = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(four) as usize)
    };
    let end = length(4).map(|n| n + 8).filter(|end| *end <= bytes.len())?;
    let mut at = 12;
    while at + 8 <= end {
        let size = length(at + 4).filter(|n| at + 8 + n <= end)?;
        at += 8 + size + size % 2;
    }
    Some(&bytes[..end])
}

/// Whether no frame is larger than the declared picture: the decoder allocates memory for each by its own size.
fn webp_frames_fit(bytes: &[u8]) -> bool {
    let number = |at: usize, n: usize| {
        let digits = bytes.get(at..at + n).unwrap_or_default();
        digits.iter().rev().fold(0, |sum, digit| sum << 8 | usize::from(*digit))
    };
    if bytes.get(12..16) != Some(b"VP8X") {
        return true;
    }
    let (width, height) = (1 + number(24, 3), 1 + number(27, 3));
    let mut at = 12;
    while let Some(kind) = bytes.get(at..at + 8).map(|head| &head[..4]) {
        let (data, size) = (at + 8, number(at + 4, 4));
        let (w, h) = match kind {
            b"VP8 " => (number(data + 6, 2) & 0x3fff, number(data + 8, 2) & 0x3fff),
            b"VP8L" => (1 + (number(data + 1, 4) & 0x3fff), 1 + (number(data + 1, 4) >> 14 & 0x3fff)),
            _ => (0, 0),
        };
        if w > width || h > height || data + size > bytes.len() {
            return false;
        }
        // An animation frame contains its image.
        at = if kind == b"ANMF" { data + 16 } else { data + size + size % 2 };
    }
    true
}

/// Planes of a picture: red, green and blue in turn, in 8-bit units, converted if there is a conversion; and opacity, 0
/// to 1, if present.
pub(crate) fn planes(pixels: &DynamicImage, convert: Option<&ToSrgb>) -> Result<(Vec<f32>, Option<Vec<f32>>)> {
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let (channels, n) = (usize::from(pixels.color().channel_count()), width * height);
    let wide = |v: &u8| u16::from(*v) * 257;
    let row = |y: usize, row: &mut Vec<u16>| {
        let range = y * width * channels..(y + 1) * width * channels;
        row.clear();
        if let Some(bytes) = bytes(pixels) {
            row.extend(bytes[range].iter().map(wide));
        } else if let Some(words) = words(pixels) {
            row.extend_from_slice(&words[range]);
        } else {
            return Err(bad("expected 8 or 16 bits per channel; convert the picture"));
        }
        Ok(())
    };
    let has_alpha = pixels.color().has_alpha();
    let colours = channels - usize::from(has_alpha);
    let mut planes = room(3 * n, 0.0)?;
    let mut alpha = if has_alpha { Some(reserved(n)?) } else { None };
    let (mut values, mut from, mut to) = (vec![], vec![], vec![0.0; 3 * width]);
    for y in 0..height {
        row(y, &mut values)?;
        // Grey pixels have three equal values, except with a grey profile.
        let pixels = values.chunks_exact(channels);
        if let Some(alpha) = &mut alpha {
            alpha.extend(pixels.clone().map(|p| f32::from(p[colours]) / 65535.0));
        }
        from.clear();
        match (colours, convert) {
            (1, Some(convert)) if convert.takes_grey() => from.extend(pixels.map(|p| p[0])),
            (1, _) => from.extend(pixels.flat_map(|p| [p[0]; 3])),
            _ => from.extend(pixels.flat_map(|p| [p[0], p[1], p[2]])),
        }
        match convert {
            Some(convert) => {
                convert.convert(&from, &mut to).map_err(|e| bad("colour conversion failed").with_source(e))?
            }
            None => to.iter_mut().zip(&from).for_each(|(to, v)| *to = f32::from(*v) / 257.0),
        }
        for c in 0..3 {
            let plane = &mut planes[c * n + y * width..][..width];
            plane.iter_mut().zip(to.iter().skip(c).step_by(3)).for_each(|(plane, v)| *plane = *v);
        }
    }
    Ok((planes, alpha))
}

fn bytes(pixels: &DynamicImage) -> Option<&[u8]> {
    match pixels {
        DynamicImage::ImageLuma8(p) => Some(p),
        DynamicImage::ImageLumaA8(p) => Some(p),
        DynamicImage::ImageRgb8(p) => Some(p),
        DynamicImage::ImageRgba8(p) => Some(p),
        _ => None,
    }
}

fn words(pixels: &DynamicImage) -> Option<&[u16]> {
    match pixels {
        DynamicImage::ImageLuma16(p) => Some(p),
        DynamicImage::ImageLumaA16(p) => Some(p),
        DynamicImage::ImageRgb16(p) => Some(p),
        DynamicImage::ImageRgba16(p) => Some(p),
        _ => None,
    }
}
