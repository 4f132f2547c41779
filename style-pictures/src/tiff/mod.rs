//! TIFF reading and writing, with the crate that `image` uses. Direct use distinguishes premultiplied alpha from
//! straight alpha, reads grey with alpha, and keeps the declared meaning of the fourth channel.

mod directory;
mod jpeg;
mod write;

use std::borrow::Cow;
use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer};
use style_core::{Error, Result};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{ExtraSamples, Tag};
use tiff::{ColorType, TiffError};

use crate::jpeg::{CMYK, Colours, inks_to_rgb};
use crate::limits::{Decoded, MOST_BYTES, MOST_METADATA, bad, check_size, could_hold, cut, reserved, room, unusable};
use directory::{Directory, tag};
pub(crate) use write::{encode8, encode16};

/// Above the expansion of any compression: LZW has the highest, a text of 3837 bytes from a 12-bit code.
const PACKED: u64 = 4096;

/// TIFF and BigTIFF, in either byte order.
pub(crate) fn is_tiff(bytes: &[u8]) -> bool {
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| bytes.starts_with(*magic))
}

/// The layout of values, which determines their conversion.
struct Kind {
    /// Values per pixel, including alpha.
    channels: usize,
    inks: bool,
    alpha: bool,
    bits: u8,
}

impl Kind {
    fn new(kind: ColorType, extra: usize) -> Result<Self> {
        let bits = kind.bit_depth();
        let (channels, inks) = match kind {
            ColorType::Gray(1 | 2 | 4) => (1, false),
            _ if ![8, 16, 32, 64].contains(&bits) => (0, false),
            ColorType::Gray(_) => (1, false),
            ColorType::Multiband { num_samples: 2, .. } if extra == 1 => (2, false),
            ColorType::RGB(_) | ColorType::YCbCr(_) => (3, false),
            ColorType::RGBA(_) => (4, false),
            ColorType::CMYK(_) => (4, true),
            ColorType::CMYKA(_) => (5, true),
            _ => (0, false),
        };
        if channels == 0 {
            return Err(bad(format!(
                "expected a TIFF in grey, RGB or CMYK, with or without alpha, found {kind:?}; convert it"
            )));
        }
        Ok(Self { channels, inks, alpha: channels == if inks { 5 } else { 4 } || channels == 2, bits })
    }
}

/// Width and height of the first picture in a file, and how it is turned.
pub(crate) fn header(bytes: &[u8]) -> Option<(u32, u32, Orientation)> {
    let directory = Directory::new(bytes)?;
    if !directory.counts_fit() || directory.check().is_err() {
        return None;
    }
    let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?;
    let (width, height) = decoder.dimensions().ok()?;
    let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation).ok().flatten();
    let turned = orientation.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms);
    Some((width, height, turned))
}

/// The first picture in a file, of at most this many pixels.
pub(crate) fn decode(bytes: &[u8], most: u64) -> Result<Decoded> {
    let directory = Directory::new(bytes);
    if directory.as_ref().is_some_and(|directory| !directory.counts_fit()) {
        return Err(cut("TIFF"));
    }
    let value = |tag| directory.as_ref().and_then(|directory| directory.value(tag));
    let (photometric, compression) = (value(tag::PHOTOMETRIC).unwrap_or(1), value(tag::COMPRESSION).unwrap_or(1));
    let mut file = Cow::Borrowed(bytes);
    if let Some(directory) = &directory {
        directory.check()?;
        // The decoder does not support palettes, and inverts black and white for some files only: present both as grey.
        if photometric == 0 || photometric == 3 {
            let at = directory.short(tag::PHOTOMETRIC).ok_or_else(|| bad("the TIFF file is damaged"))?;
            let mut copy = reserved(bytes.len())?;
            copy.extend_from_slice(bytes);
            copy[at..at + 2].copy_from_slice(if bytes.starts_with(b"MM") { &[0, 1] } else { &[1, 0] });
            file = Cow::Owned(copy);
        }
    }
    let mut decoder = Decoder::new(Cursor::new(&*file)).map_err(refused)?;
    let (width, height) = decoder.dimensions().map_err(refused)?;
    check_size(width, height, most)?;
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut limits = Limits::default();
    limits.decoding_buffer_size = size(MOST_METADATA);
    limits.ifd_value_size = size(MOST_METADATA);
    decoder = decoder.with_limits(limits.clone());

    let mut notes = vec![];
    let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation).ok().flatten();
    let icc = decoder.find_tag(Tag::IccProfile).and_then(|tag| tag.map(|tag| tag.into_u8_vec()).transpose());
    let mut icc = icc.unwrap_or_else(|e| {
        notes.push(unusable(&e.to_string()));
        None
    });
    let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).map_err(refused)?.unwrap_or_default();
    let premultiplied = extra.first().is_some_and(|kind| *kind == ExtraSamples::AssociatedAlpha.to_u16());
    let kind = Kind::new(decoder.colortype().map_err(refused)?, extra.len())?;
    let pixels = u64::from(width) * u64::from(height);
    // Values of fewer than 8 bits take a byte here.
    if !could_hold(bytes, PACKED, pixels * kind.channels as u64 * u64::from(kind.bits.max(8)) / 8) {
        return Err(cut("TIFF"));
    }
    if decoder.more_images() {
        notes.push("the file has several pictures; only the first is used".into());
    }
    let map = if photometric == 3 { Some(palette(&mut decoder, kind.bits)?) } else { None };

    limits.decoding_buffer_size = size(MOST_BYTES);
    limits.intermediate_buffer_size = size(MOST_BYTES);
    decoder = decoder.with_limits(limits);
    let (values, stored) = if compression == 7 {
        if kind.bits != 8 {
            return Err(bad(
                "unsupported TIFF: JPEG compression with other than 8 bits; save it with Deflate compression",
            ));
        }
        let colours = if photometric == 6 { Colours::Ycc } else { Colours::Plain };
        let sides = [width as usize, height as usize];
        (DecodingResult::U8(jpeg::read(&mut decoder, bytes, sides, kind.channels, colours)?), 0)
    } else {
        let mut values = DecodingResult::U8(vec![]);
        let layout = decoder.read_image_to_buffer(&mut values).map_err(refused)?;
        (values, if layout.planes > 1 { layout.planes } else { 0 })
    };
    drop(decoder);

    let n = pixels as usize;
    let mut values = match values {
        DecodingResult::U8(packed) if kind.bits < 8 => {
            // Palette indices are not scaled.
            let scale = if map.is_some() { 1 } else { 255 / ((1 << kind.bits) - 1) };
            Values::Narrow(unpacked(&packed, width as usize, n, kind.bits, scale)?)
        }
        DecodingResult::U8(values) => Values::Narrow(interleaved(values, n, kind.channels, stored)?),
        DecodingResult::U16(values) => Values::Wide(interleaved(values, n, kind.channels, stored)?),
        DecodingResult::U32(values) => {
            let values = interleaved(values, n, kind.channels, stored)?;
            Values::Wide(values.into_iter().map(|v| (v >> 16) as u16).collect())
        }
        DecodingResult::F16(values) => {
            from_floats(interleaved(values, n, kind.channels, stored)?, |v| v.to_f32(), &mut notes)?
        }
        DecodingResult::F32(values) => from_floats(interleaved(values, n, kind.channels, stored)?, |v| v, &mut notes)?,
        DecodingResult::F64(values) => {
            from_floats(interleaved(values, n, kind.channels, stored)?, |v| v as f32, &mut notes)?
        }
        _ => return Err(bad("unsupported TIFF: unknown number type; save it with 8 or 16 bits per channel")),
    };
    if photometric == 0 {
        // The first value of each pixel, the grey.
        match &mut values {
            Values::Narrow(values) => values.iter_mut().step_by(kind.channels).for_each(|v| *v = 255 - *v),
            Values::Wide(values) => values.iter_mut().step_by(kind.channels).for_each(|v| *v = 65535 - *v),
        }
    }
    let mut channels = kind.channels;
    if let (Some(map), Values::Narrow(numbers)) = (&map, &values) {
        if channels > 1 {
            return Err(bad("unsupported TIFF: palette with alpha; save it as RGB"));
        }
        let colour = |n: &u8| map.get(usize::from(*n)).copied().unwrap_or([0; 3]);
        let mut colours = reserved(3 * n)?;
        colours.extend(numbers.iter().flat_map(colour));
        (values, channels) = (Values::Narrow(colours), 3);
    }
    // After division they have more than 8 bits.
    if premultiplied && kind.alpha {
        values = Values::Wide(divided(values.wide(), channels));
    }
    if kind.inks {
        // The same rule of thumb as for JPEG.
        let bytes = match values {
            Values::Narrow(values) => values,
            Values::Wide(values) => values.into_iter().map(|v| ((u32::from(v) + 128) / 257) as u8).collect(),
        };
        let rgb = |p: &[u8]| inks_to_rgb([255 - p[0], 255 - p[1], 255 - p[2], 255 - p[3]]);
        let colours = bytes.chunks_exact(channels).flat_map(|p| rgb(p).into_iter().chain(p.get(4).copied())).collect();
        (values, channels) = (Values::Narrow(colours), channels - 1);
        icc = None;
        notes.push(CMYK.into());
    }
    let pixels = match values {
        Values::Narrow(values) => narrow(values, width, height, channels),
        Values::Wide(values) => wide(values, width, height, channels),
    };
    let mut pixels = pixels.ok_or_else(|| bad("the TIFF file is damaged: its pixel data do not match its size"))?;
    pixels.apply_orientation(orientation.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms));
    Ok(Decoded { pixels, icc, notes })
}

enum Values {
    Narrow(Vec<u8>),
    Wide(Vec<u16>),
}

impl Values {
    fn wide(self) -> Vec<u16> {
        match self {
            Self::Narrow(values) => values.into_iter().map(|v| u16::from(v) * 257).collect(),
            Self::Wide(values) => values,
        }
    }
}

/// The palette colours. Some programs write them as 8 bits where 16 are required.
fn palette(decoder: &mut Decoder<Cursor<&[u8]>>, bits: u8) -> Result<Vec<[u8; 3]>> {
    let map = decoder.find_tag_unsigned_vec::<u16>(Tag::ColorMap).map_err(refused)?.unwrap_or_default();
    let n = 1 << bits;
    if map.len() != 3 * n {
        return Err(bad(format!(
            "the TIFF file is damaged: expected a palette of {} values, found {}",
            3 * n,
            map.len()
        )));
    }
    let shift = if map.iter().all(|v| *v < 256) { 0 } else { 8 };
    Ok((0..n).map(|i| [0, 1, 2].map(|c| (map[c * n + i] >> shift) as u8)).collect())
}

/// Unpacks values of fewer bits than a byte; rows are byte-aligned.
fn unpacked(packed: &[u8], width: usize, pixels: usize, bits: u8, scale: u8) -> Result<Vec<u8>> {
    let row = (width * usize::from(bits)).div_ceil(8);
    let mut values: Vec<u8> = room(pixels, 0)?;
    if packed.len() < row * (pixels / width) {
        return Err(cut("TIFF"));
    }
    for (to, from) in values.chunks_exact_mut(width).zip(packed.chunks_exact(row)) {
        for (x, to) in to.iter_mut().enumerate() {
            let at = x * usize::from(bits);
            *to = (from[at / 8] >> (8 - usize::from(bits) - at % 8) & ((1 << bits) - 1)) * scale;
        }
    }
    Ok(values)
}

/// Numbers from 0 to 1, encoded like other values. A few may lie outside, as sharpening can cause.
fn from_floats<T: Copy>(values: Vec<T>, number: impl Fn(T) -> f32, notes: &mut Vec<String>) -> Result<Values> {
    let (mut least, mut most, mut beyond) = (0f32, 1f32, 0);
    let mut wide = reserved(values.len())?;
    for v in &values {
        let v = number(*v);
        if !v.is_finite() {
            return Err(bad("the TIFF picture has values that are not finite; save it with values from 0 to 1"));
        }
        (least, most) = (least.min(v), most.max(v));
        beyond += usize::from(!(0.0..=1.0).contains(&v));
        wide.push((v.clamp(0.0, 1.0) * 65535.0).round() as u16);
    }
    if beyond * 100 > values.len() {
        return Err(bad(format!(
            "expected floating-point values from 0 (black) to 1 (white), found {least} to {most}; scale them, or save \
             the picture with 16 bits per channel"
        )));
    }
    if beyond > 0 {
        notes.push(format!("{beyond} values outside 0 to 1 are clamped (the values range from {least} to {most})"));
    }
    Ok(Values::Wide(wide))
}

/// This many channels per pixel, from values that are interleaved or in planes, possibly with extra channels.
fn interleaved<T: Copy>(values: Vec<T>, pixels: usize, channels: usize, planes: usize) -> Result<Vec<T>> {
    let wrong = || bad("the TIFF file is damaged: its pixel data do not match its size");
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

/// Undoes premultiplication by alpha.
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
    let what = match &e {
        // The source has the name of the kind; this is for display.
        TiffError::UnsupportedError(kind) => {
            format!("unsupported TIFF ({kind}); save it as PNG")
        }
        TiffError::LimitsExceeded => "the TIFF picture exceeds the memory limit; scale it down".into(),
        _ => "the picture is damaged or truncated; copy it again".into(),
    };
    bad(what).with_source(e)
}
