//! TIFF both ways, by the crate that `image` reads it with: that way alpha that colours are multiplied by is told from
//! alpha that they are not, grey with alpha is read, and files say what their fourth channel is.

use std::borrow::Cow;
use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer};
use style_core::{Error, Result};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::encoder::colortype::{ColorType as Colours, RGB8, RGB16, RGBA8, RGBA16};
use tiff::encoder::compression::DeflateLevel;
use tiff::encoder::{Compression, TiffEncoder, TiffValue};
use tiff::tags::{ExtraSamples, Predictor, Tag, Type};
use tiff::{ColorType, TiffError, TiffResult};

use crate::decode::{Decoded, MOST_BYTES, MOST_METADATA, bad, check_size, could_hold, cut, unusable};

/// More than any way of packing makes of a byte: LZW makes the most, its longest text of 3837 from a code of 12 bits.
const PACKED: u64 = 4096;

/// TIFF and BigTIFF, of either byte order.
pub(crate) fn is_tiff(bytes: &[u8]) -> bool {
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| bytes.starts_with(*magic))
}

/// Whether no entry of the first directory has more values than the file has bytes: the decoder takes 32 bytes of memory for
/// each before it looks for them.
fn counts_fit(bytes: &[u8]) -> bool {
    let big_endian = bytes.starts_with(b"MM");
    let number = |at: u64, n: usize| {
        let at = usize::try_from(at).ok()?;
        let digits = bytes.get(at..at.checked_add(n)?)?.iter();
        let add = |sum: u64, digit: &u8| sum << 8 | u64::from(*digit);
        Some(if big_endian { digits.fold(0, add) } else { digits.rev().fold(0, add) })
    };
    let is_big = number(2, 2) == Some(43);
    let (start, head, entry, width) = if is_big { (number(8, 8), 8, 20, 8) } else { (number(4, 4), 2, 12, 4) };
    // Where there is no directory, the decoder says so.
    let entries = start.and_then(|start| Some((start, number(start, head)?)));
    let Some((start, entries)) = entries else { return true };
    let place = |i: u64| start.saturating_add(head as u64 + 4).saturating_add(i.saturating_mul(entry));
    (0..entries).map_while(|i| number(place(i), width)).all(|count| count <= bytes.len() as u64)
}

/// The first picture of a file.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded> {
    if !counts_fit(bytes) {
        return Err(cut("TIFF"));
    }
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(refused)?;
    let (width, height) = decoder.dimensions().map_err(refused)?;
    check_size(width, height)?;
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut limits = Limits::default();
    limits.decoding_buffer_size = size(MOST_METADATA);
    limits.ifd_value_size = size(MOST_METADATA);
    decoder = decoder.with_limits(limits.clone());

    let mut notes = vec![];
    let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation).ok().flatten();
    let icc = decoder.find_tag(Tag::IccProfile).and_then(|tag| tag.map(|tag| tag.into_u8_vec()).transpose());
    let icc = icc.unwrap_or_else(|e| {
        notes.push(unusable(&e.to_string()));
        None
    });
    let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).map_err(refused)?.unwrap_or_default();
    let premultiplied = extra.first().is_some_and(|kind| *kind == ExtraSamples::AssociatedAlpha.to_u16());
    let kind = decoder.colortype().map_err(refused)?;
    let channels = match kind {
        ColorType::Gray(8 | 16) => 1,
        ColorType::Multiband { bit_depth: 8 | 16, num_samples: 2 } if extra.len() == 1 => 2,
        ColorType::RGB(8 | 16) => 3,
        ColorType::RGBA(8 | 16) => 4,
        _ => {
            return Err(bad(format!(
                "TIFF can be read in grey or RGB, with or without alpha, of 8 or 16 bits; this is {kind:?}: convert it"
            )));
        }
    };
    if !could_hold(
        bytes,
        PACKED,
        u64::from(width) * u64::from(height) * channels as u64 * u64::from(kind.bit_depth() / 8),
    ) {
        return Err(cut("TIFF"));
    }
    if decoder.more_images() {
        notes.push("the file has several pictures; the first is taken".into());
    }

    limits.decoding_buffer_size = size(MOST_BYTES);
    limits.intermediate_buffer_size = size(MOST_BYTES);
    decoder = decoder.with_limits(limits);
    let mut values = DecodingResult::U8(vec![]);
    let layout = decoder.read_image_to_buffer(&mut values).map_err(refused)?;
    let pixels = width as usize * height as usize;
    let stored = if layout.planes > 1 { layout.planes } else { 0 };
    let pixels = match values {
        DecodingResult::U8(values) => {
            let values = interleaved(values, pixels, channels, stored)?;
            if premultiplied && channels % 2 == 0 {
                // Divided they have more than 8 bits.
                wide(divided(values.iter().map(|v| u16::from(*v) * 257).collect(), channels), width, height, channels)
            } else {
                narrow(values, width, height, channels)
            }
        }
        DecodingResult::U16(values) => {
            let values = interleaved(values, pixels, channels, stored)?;
            let values = if premultiplied && channels % 2 == 0 { divided(values, channels) } else { values };
            wide(values, width, height, channels)
        }
        _ => None,
    };
    let mut pixels =
        pixels.ok_or_else(|| bad("the TIFF file is damaged: it has not as many values as its size says"))?;
    pixels.apply_orientation(orientation.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms));
    Ok(Decoded { pixels, icc, notes })
}

/// So many channels a pixel, from values that lie so or in planes, of which there may be more.
fn interleaved<T: Copy>(values: Vec<T>, pixels: usize, channels: usize, planes: usize) -> Result<Vec<T>> {
    let wrong = || bad("the TIFF file is damaged: it has not as many values as its size says");
    if planes > 0 {
        if planes < channels || values.len() != planes * pixels {
            return Err(wrong());
        }
        return Ok((0..pixels).flat_map(|i| (0..channels).map(move |c| c * pixels + i)).map(|i| values[i]).collect());
    }
    let stored = values.len() / pixels;
    match stored {
        _ if stored * pixels != values.len() || stored < channels => Err(wrong()),
        _ if stored == channels => Ok(values),
        _ => Ok(values.chunks_exact(stored).flat_map(|p| &p[..channels]).copied().collect()),
    }
}

/// Colours as they were before they were multiplied by alpha.
fn divided(mut values: Vec<u16>, channels: usize) -> Vec<u16> {
    for pixel in values.chunks_exact_mut(channels) {
        let Some((alpha, colours)) = pixel.split_last_mut() else { continue };
        let alpha = u32::from(*alpha);
        for v in colours.iter_mut().filter(|_| alpha > 0) {
            *v = ((u32::from(*v) * 65535 + alpha / 2) / alpha).min(65535) as u16;
        }
    }
    values
}

fn narrow(values: Vec<u8>, width: u32, height: u32, channels: usize) -> Option<DynamicImage> {
    Some(match channels {
        1 => DynamicImage::ImageLuma8(ImageBuffer::from_raw(width, height, values)?),
        2 => DynamicImage::ImageLumaA8(ImageBuffer::from_raw(width, height, values)?),
        3 => DynamicImage::ImageRgb8(ImageBuffer::from_raw(width, height, values)?),
        _ => DynamicImage::ImageRgba8(ImageBuffer::from_raw(width, height, values)?),
    })
}

fn wide(values: Vec<u16>, width: u32, height: u32, channels: usize) -> Option<DynamicImage> {
    Some(match channels {
        1 => DynamicImage::ImageLuma16(ImageBuffer::from_raw(width, height, values)?),
        2 => DynamicImage::ImageLumaA16(ImageBuffer::from_raw(width, height, values)?),
        3 => DynamicImage::ImageRgb16(ImageBuffer::from_raw(width, height, values)?),
        _ => DynamicImage::ImageRgba16(ImageBuffer::from_raw(width, height, values)?),
    })
}

fn refused(e: TiffError) -> Error {
    let what = match e {
        TiffError::UnsupportedError(_) => "the TIFF picture is of a kind that cannot be read; save it anew, as PNG say",
        TiffError::LimitsExceeded => "the TIFF picture takes more memory than a picture may",
        _ => "the picture is damaged or was not copied in full",
    };
    bad(what).with_source(e)
}

/// A file of RGB or, with a fourth value a pixel, of RGBA whose colours are not multiplied by alpha.
pub(crate) fn encode8(values: &[u8], size: [u32; 2], alpha: bool, icc: &[u8]) -> TiffResult<Vec<u8>> {
    if alpha { encode::<RGBA8>(values, size, alpha, icc) } else { encode::<RGB8>(values, size, alpha, icc) }
}

/// The same of 16 bits a channel.
pub(crate) fn encode16(values: &[u16], size: [u32; 2], alpha: bool, icc: &[u8]) -> TiffResult<Vec<u8>> {
    if alpha { encode::<RGBA16>(values, size, alpha, icc) } else { encode::<RGB16>(values, size, alpha, icc) }
}

/// Bytes of the type that a profile must have.
struct Opaque<'a>(&'a [u8]);

impl TiffValue for Opaque<'_> {
    const BYTE_LEN: u8 = 1;
    const FIELD_TYPE: Type = Type::UNDEFINED;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0)
    }
}

fn encode<C: Colours>(values: &[C::Inner], [width, height]: [u32; 2], alpha: bool, icc: &[u8]) -> TiffResult<Vec<u8>>
where
    [C::Inner]: TiffValue,
{
    let mut file = Cursor::new(vec![]);
    let mut encoder = TiffEncoder::new(&mut file)?
        .with_compression(Compression::Deflate(DeflateLevel::Balanced))
        .with_predictor(Predictor::Horizontal);
    let mut picture = encoder.new_image::<C>(width, height)?;
    picture.encoder().write_tag(Tag::IccProfile, Opaque(icc))?;
    if alpha {
        picture.encoder().write_tag(Tag::ExtraSamples, &[ExtraSamples::UnassociatedAlpha.to_u16()][..])?;
    }
    picture.write_data(values)?;
    Ok(file.into_inner())
}
