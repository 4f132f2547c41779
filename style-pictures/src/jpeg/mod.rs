//! JPEG, baseline and progressive, 8 bits: pixels bit-identical to libjpeg's.
//!
//! Available decoders silently get whole kinds of files wrong: scans of one component, and components of unusual sizes.
//! They also fill missing data with grey.

mod pixels;
mod scan;

use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer};
use style_core::{Error, Result};

use crate::limits::{Decoded, LARGEST_AREA, bad, check_size, room, unusable};
pub(crate) use pixels::{Colours, inks_to_rgb};
use pixels::{Plane, idct, interleaved};
use scan::{Band, Bits, Huffman, State, ZIGZAG, cut_short, damaged, progressive_ac, progressive_dc, sequential};

fn unsupported(kind: &str) -> Error {
    bad(format!("unsupported JPEG: {kind}; save the picture as PNG or as a baseline JPEG with 8 bits"))
}

/// The note for every conversion of inks to colours.
pub(crate) const CMYK: &str = "the picture is in CMYK; it is converted to RGB approximately, without its profile";

/// A file with at most this many pixels.
pub(crate) fn decode(bytes: &[u8], most: u64) -> Result<Decoded> {
    let mut stream = Stream { area: Some(most), ..Stream::default() };
    stream.read(bytes)?;
    let mut notes = vec![];
    if !stream.ended {
        notes.push("the JPEG file has no end marker, but the picture is complete".into());
    }
    let (has_profile, mut icc) = (!stream.profile.is_empty(), stream.take_profile());
    let orientation = stream.orientation.take();
    let pixels = stream.pixels(None)?;
    let (width, height) = (pixels.width, pixels.height);
    let rgb = |values| ImageBuffer::from_raw(width, height, values).map(DynamicImage::ImageRgb8);
    let image = match pixels.channels {
        1 => ImageBuffer::from_raw(width, height, pixels.values).map(DynamicImage::ImageLuma8),
        3 => rgb(pixels.values),
        _ => {
            let mut values = pixels.values;
            // In place: four values become three.
            for i in 0..values.len() / 4 {
                let inks = [0, 1, 2, 3].map(|c| values[4 * i + c]);
                values[3 * i..3 * i + 3].copy_from_slice(&inks_to_rgb(inks));
            }
            values.truncate(values.len() / 4 * 3);
            icc = None;
            notes.push(CMYK.into());
            rgb(values)
        }
    };
    if has_profile && icc.is_none() && pixels.channels < 4 {
        notes.push(unusable("it is damaged"));
    }
    let mut image = image.ok_or_else(damaged)?;
    image.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    Ok(Decoded { pixels: image, icc, notes })
}

/// Width and height in a file's header, and how the picture is turned.
pub(crate) fn header(bytes: &[u8]) -> Option<(u32, u32, Orientation)> {
    let (mut at, mut orientation) = (2, None);
    while let Some((marker, data, end)) = segment(bytes, at).ok()? {
        at = end;
        match marker {
            0xe1 if orientation.is_none() => {
                orientation = data.strip_prefix(b"Exif\0\0").and_then(Orientation::from_exif_chunk);
            }
            0xc0..=0xc2 => {
                let [_, y1, y0, x1, x0, ..] = data else { return None };
                let side = |bytes: [&u8; 2]| u32::from(u16::from_be_bytes(bytes.map(|b| *b)));
                let (width, height) = (side([x1, x0]), side([y1, y0]));
                let turned = orientation.unwrap_or(Orientation::NoTransforms);
                return (width > 0 && height > 0).then_some((width, height, turned));
            }
            0xd9 | 0xda => return None,
            _ => {}
        }
    }
    None
}

/// A piece of a TIFF file, with separate tables, of at most this many pixels: larger pieces would take time repeatedly.
pub(crate) fn piece(tables: Option<&[u8]>, bytes: &[u8], colours: Colours, most: [usize; 2]) -> Result<Pixels> {
    let mut stream = Stream { most: Some(most), ..Stream::default() };
    if let Some(tables) = tables {
        stream.tables(tables)?;
    }
    stream.read(bytes)?;
    stream.pixels(Some(colours))
}

/// Interleaved values of one, three or four channels per pixel; four channels give the light that the inks leave.
pub(crate) struct Pixels {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: usize,
    pub(crate) values: Vec<u8>,
}

struct Component {
    id: u8,
    /// Sampling factors.
    h: usize,
    v: usize,
    quantiser: usize,
    /// The table when the component's first scan began.
    table: Option<Box<[u16; 64]>>,
    /// Samples inside the picture.
    width: usize,
    height: usize,
    /// Blocks stored per row: whole MCUs.
    across: usize,
    samples: Vec<u8>,
    /// The coefficients, if they arrive in several scans.
    coefficients: Vec<[i16; 64]>,
    /// Bits still missing from each coefficient; initially all.
    missing: [u8; 64],
}

const ALL: u8 = u8::MAX;

struct Frame {
    width: usize,
    height: usize,
    progressive: bool,
    /// The largest sampling factors.
    h: usize,
    v: usize,
    components: Vec<Component>,
}

#[derive(Default)]
struct Stream {
    quantisers: [Option<Box<[u16; 64]>>; 4],
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    interval: usize,
    frame: Option<Frame>,
    is_jfif: bool,
    adobe: Option<u8>,
    orientation: Option<Orientation>,
    /// Pieces, with their numbers and total count.
    profile: Vec<(u8, u8, Vec<u8>)>,
    /// Whether the end mark is present.
    ended: bool,
    /// The largest sides, if known.
    most: Option<[usize; 2]>,
    /// The most pixels.
    area: Option<u64>,
}

impl Stream {
    /// Reads to the end of the picture, which must be complete.
    fn read(&mut self, bytes: &[u8]) -> Result<()> {
        let mut at = 2;
        loop {
            let (marker, data, end) = segment(bytes, at)?.ok_or_else(cut_short)?;
            at = end;
            match marker {
                0xd8 => {}
                0xd9 => return Err(cut_short()),
                0xda => {
                    at = self.scan(data, bytes, at)?;
                    if self.frame.as_ref().is_some_and(Frame::is_whole) {
                        self.ended = bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]);
                        return Ok(());
                    }
                }
                0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(&marker) => self.start_frame(marker, data, bytes.len())?,
                0xf7 => return Err(unsupported("JPEG-LS")),
                0xdc => return Err(unsupported("height stored after the picture (DNL)")),
                _ => self.table(marker, data)?,
            }
        }
    }

    /// Reads tables without a picture.
    fn tables(&mut self, bytes: &[u8]) -> Result<()> {
        let mut at = 2;
        while let Some((marker, data, end)) = segment(bytes, at)? {
            if marker == 0xd9 {
                break;
            }
            self.table(marker, data)?;
            at = end;
        }
        Ok(())
    }

    fn table(&mut self, marker: u8, mut data: &[u8]) -> Result<()> {
        match marker {
            0xdb => {
                while let [head, rest @ ..] = data {
                    let wide = usize::from(head >> 4 > 0);
                    let values = rest.get(..64 << wide).ok_or_else(damaged)?;
                    let mut table = Box::new([0; 64]);
                    for (i, place) in ZIGZAG.iter().enumerate() {
                        let at = i << wide;
                        let value = values[at..=at + wide].iter().fold(0, |sum, v| sum << 8 | u16::from(*v));
                        table[usize::from(*place)] = value;
                    }
                    *self.quantisers.get_mut(usize::from(head & 15)).ok_or_else(damaged)? = Some(table);
                    data = &rest[64 << wide..];
                }
            }
            0xc4 => {
                while let [head, rest @ ..] = data {
                    let counts = rest.get(..16).ok_or_else(damaged)?;
                    let end = 16 + counts.iter().map(|n| usize::from(*n)).sum::<usize>();
                    let table = Huffman::new(counts, rest.get(16..end).ok_or_else(damaged)?)?;
                    let tables = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
                    *tables.get_mut(usize::from(head & 15)).ok_or_else(damaged)? = Some(table);
                    data = &rest[end..];
                }
            }
            0xdd => self.interval = usize::from(u16::from_be_bytes(data.try_into().map_err(|_| damaged())?)),
            0xe0 => self.is_jfif |= data.starts_with(b"JFIF\0"),
            0xe1 if self.orientation.is_none() => {
                self.orientation = data.strip_prefix(b"Exif\0\0").and_then(Orientation::from_exif_chunk);
            }
            0xe2 => {
                if let Some([n, of, piece @ ..]) = data.strip_prefix(b"ICC_PROFILE\0") {
                    self.profile.push((*n, *of, piece.to_vec()));
                }
            }
            0xee if data.starts_with(b"Adobe") => self.adobe = data.get(11).copied(),
            _ => {}
        }
        Ok(())
    }

    fn start_frame(&mut self, marker: u8, data: &[u8], file: usize) -> Result<()> {
        let unsupported = |kind: &str| Err(unsupported(kind));
        match marker {
            0xc0..=0xc2 => {}
            0xc3 => return unsupported("lossless coding"),
            0xc5..=0xc7 | 0xcd..=0xcf => return unsupported("hierarchical coding"),
            _ => return unsupported("arithmetic coding"),
        }
        let [bits, y1, y0, x1, x0, count, parts @ ..] = data else { return Err(damaged()) };
        let (width, height) = (u16::from_be_bytes([*x1, *x0]), u16::from_be_bytes([*y1, *y0]));
        if *bits != 8 {
            return unsupported(&format!("{bits} bits per channel"));
        }
        if height == 0 {
            return unsupported("height stored after the picture (DNL)");
        }
        if self.frame.is_some() || width == 0 || parts.len() != 3 * usize::from(*count) {
            return Err(damaged());
        }
        if ![1, 3, 4].contains(count) {
            return unsupported(&format!("{count} channels"));
        }
        check_size(width.into(), height.into(), self.area.unwrap_or(LARGEST_AREA))?;
        let (width, height) = (usize::from(width), usize::from(height));
        if self.most.is_some_and(|[w, h]| width > w || height > h) {
            return Err(damaged());
        }
        // Each block of 64 pixels takes at least one bit.
        if file * 8 * 64 < width * height {
            return Err(cut_short());
        }
        let factors = parts.chunks_exact(3).map(|p| [usize::from(p[1] >> 4), usize::from(p[1] & 15)]);
        if factors.clone().flatten().any(|n| !(1..=4).contains(&n)) {
            return Err(damaged());
        }
        let [h, v] = [0, 1].map(|i| factors.clone().map(|f| f[i]).max().unwrap_or(1));
        if factors.clone().any(|f| h % f[0] > 0 || v % f[1] > 0) {
            return unsupported("channels with non-integer sampling ratios");
        }
        let progressive = marker == 0xc2;
        let mut components = vec![];
        for (part, [ch, cv]) in parts.chunks_exact(3).zip(factors) {
            let [across, down] = [width.div_ceil(8 * h) * ch, height.div_ceil(8 * v) * cv];
            let blocks = across * down;
            components.push(Component {
                id: part[0],
                h: ch,
                v: cv,
                quantiser: usize::from(part[2]),
                table: None,
                width: (width * ch).div_ceil(h),
                height: (height * cv).div_ceil(v),
                across,
                samples: if progressive { vec![] } else { room(64 * blocks, 0)? },
                coefficients: if progressive { room(blocks, [0; 64])? } else { vec![] },
                missing: [ALL; 64],
            });
        }
        self.frame = Some(Frame { width, height, progressive, h, v, components });
        Ok(())
    }

    /// Reads a scan; returns its end.
    fn scan(&mut self, head: &[u8], bytes: &[u8], at: usize) -> Result<usize> {
        let frame = self.frame.as_mut().ok_or_else(damaged)?;
        let [count, parts @ ..] = head else { return Err(damaged()) };
        let [parts @ .., start, end, bits_of] = parts else { return Err(damaged()) };
        if !(1..=4).contains(count) || parts.len() != 2 * usize::from(*count) {
            return Err(damaged());
        }
        let mut band = Band { start: 0, end: 63, refines: false, low: 0 };
        if frame.progressive {
            let (high, low) = (bits_of >> 4, bits_of & 15);
            band = Band { start: (*start).into(), end: (*end).into(), refines: high > 0, low: low.into() };
            let ends = if band.start == 0 { band.end == 0 } else { band.end < 64 && *count == 1 };
            if !ends || band.start > band.end || low > 13 || (high > 0 && high != low + 1) {
                return Err(damaged());
            }
        }
        let mut which: Vec<(usize, Option<&Huffman>, Option<&Huffman>)> = vec![];
        for part in parts.chunks_exact(2) {
            // Names may repeat: then the next component is meant.
            let taken = |c: usize| which.iter().any(|(other, ..)| *other == c);
            let mut those = frame.components.iter().enumerate().filter(|(_, c)| c.id == part[0]).map(|(c, _)| c);
            let c = those.find(|c| !taken(*c)).ok_or_else(damaged)?;
            let component = &mut frame.components[c];
            let wanted = if band.refines { band.low as u8 + 1 } else { ALL };
            let places = &mut component.missing[band.start..=band.end];
            if places.iter().any(|bits| *bits != wanted) {
                return Err(damaged());
            }
            places.fill(band.low as u8);
            if component.table.is_none() {
                let table = self.quantisers.get(component.quantiser).cloned().flatten();
                component.table = Some(table.ok_or_else(damaged)?);
            }
            let tables = (
                self.dc.get(usize::from(part[1] >> 4)).and_then(Option::as_ref),
                self.ac.get(usize::from(part[1] & 15)).and_then(Option::as_ref),
            );
            which.push((c, tables.0, tables.1));
        }

        let (mut bits, mut state) = (Bits::new(bytes, at), State::default());
        // With a single component, its blocks lie in rows without padding.
        let alone = which.len() == 1;
        let (across, down) = if alone {
            let c = &frame.components[which[0].0];
            (c.width.div_ceil(8), c.height.div_ceil(8))
        } else {
            (frame.width.div_ceil(8 * frame.h), frame.height.div_ceil(8 * frame.v))
        };
        for n in 0..across * down {
            if self.interval > 0 && n > 0 && n % self.interval == 0 {
                bits.restart(n / self.interval - 1)?;
                state = State::default();
            }
            let (mx, my) = (n % across, n / across);
            for (i, (c, dc, ac)) in which.iter().enumerate() {
                let component = &mut frame.components[*c];
                let (h, v) = if alone { (1, 1) } else { (component.h, component.v) };
                for y in my * v..(my + 1) * v {
                    for x in mx * h..(mx + 1) * h {
                        let before = &mut state.dc[i];
                        if !frame.progressive {
                            let mut block = [0; 64];
                            let tables = [dc.ok_or_else(damaged)?, ac.ok_or_else(damaged)?];
                            sequential(&mut bits, tables, before, &mut block)?;
                            component.put(x, y, &block);
                            continue;
                        }
                        let block = &mut component.coefficients[y * component.across + x];
                        if band.start == 0 {
                            progressive_dc(&mut bits, *dc, band, before, block)?;
                        } else {
                            progressive_ac(&mut bits, ac.ok_or_else(damaged)?, band, &mut state.run, block)?;
                        }
                    }
                }
            }
        }
        Ok(bits.end())
    }

    /// The profile, if all its pieces are present.
    fn take_profile(&mut self) -> Option<Vec<u8>> {
        let mut pieces = std::mem::take(&mut self.profile);
        pieces.sort_by_key(|piece| piece.0);
        let whole = pieces.iter().enumerate().all(|(i, (n, of, _))| {
            usize::from(*n) == i + 1 && usize::from(*of) == pieces.len() // numbers begin with 1
        });
        (whole && !pieces.is_empty()).then(|| pieces.into_iter().flat_map(|piece| piece.2).collect())
    }

    /// The interpretation of the values, decided as in libjpeg.
    fn colours(&self, frame: &Frame) -> Colours {
        let ids: Vec<u8> = frame.components.iter().map(|c| c.id).collect();
        match (ids.as_slice(), self.adobe) {
            ([_, _, _], _) if self.is_jfif => Colours::Ycc,
            ([_, _, _], Some(0)) => Colours::Plain,
            (b"RGB", None) => Colours::Plain,
            ([_, _, _], _) => Colours::Ycc,
            ([_, _, _, _], Some(2)) => Colours::Ycck,
            _ => Colours::Plain,
        }
    }

    fn pixels(mut self, colours: Option<Colours>) -> Result<Pixels> {
        let mut frame = self.frame.take().ok_or_else(damaged)?;
        let colours = colours.unwrap_or_else(|| self.colours(&frame));
        let mut planes = vec![];
        for component in &mut frame.components {
            if frame.progressive {
                component.samples = room(64 * component.coefficients.len(), 0)?;
                let blocks = std::mem::take(&mut component.coefficients);
                for (i, block) in blocks.iter().enumerate() {
                    component.put(i % component.across, i / component.across, block);
                }
            }
            planes.push(Plane {
                samples: std::mem::take(&mut component.samples),
                stride: 8 * component.across,
                width: component.width,
                height: component.height,
                across: frame.h / component.h,
                down: frame.v / component.v,
            });
        }
        let (width, height, channels) = (frame.width, frame.height, planes.len());
        let mut values = room(width * height * channels, 0)?;
        interleaved(&planes, width, colours, &mut values);
        Ok(Pixels { width: width as u32, height: height as u32, channels, values })
    }
}

impl Component {
    /// Writes a block's samples to their position.
    fn put(&mut self, x: usize, y: usize, block: &[i16; 64]) {
        let Some(table) = &self.table else { return };
        let stride = 8 * self.across;
        let rows = self.samples[8 * y * stride + 8 * x..].chunks_mut(stride);
        for (to, from) in rows.zip(idct(block, table).chunks_exact(8)) {
            to[..8].copy_from_slice(from);
        }
    }
}

impl Frame {
    fn is_whole(&self) -> bool {
        self.components.iter().all(|c| c.missing == [0; 64])
    }
}

/// The next marker, its payload, and the end of that.
fn segment(bytes: &[u8], mut at: usize) -> Result<Option<(u8, &[u8], usize)>> {
    // Fill bytes, and stray bytes, may come first.
    let marker = loop {
        match bytes.get(at..at + 2) {
            None => return Ok(None),
            Some([0xff, marker]) if ![0, 0xff].contains(marker) => break *marker,
            Some(_) => at += 1,
        }
    };
    at += 2;
    if matches!(marker, 0x01 | 0xd0..=0xd9) {
        return Ok(Some((marker, &[], at)));
    }
    let Some([high, low]) = bytes.get(at..at + 2) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length < 2 {
        return Err(damaged());
    }
    Ok(bytes.get(at + 2..at + length).map(|data| (marker, data, at + length)))
}
