//! JPEG within TIFF: each strip or tile is a separate file, with its tables elsewhere.

use std::io::{Read, Seek};

use style_core::Result;
use tiff::decoder::Decoder;
use tiff::tags::Tag;

use crate::jpeg::{Colours, piece};
use crate::limits::{bad, cut, room};

/// The whole picture, with this many channels per pixel.
pub(super) fn read<R: Read + Seek>(
    decoder: &mut Decoder<R>,
    bytes: &[u8],
    [width, height]: [usize; 2],
    channels: usize,
    colours: Colours,
) -> Result<Vec<u8>> {
    let wrong = || bad("the TIFF file is damaged: its JPEG strips or tiles have the wrong size");
    let mut numbers = |tag| decoder.find_tag_unsigned_vec::<u64>(tag).ok().flatten();
    let tiles = numbers(Tag::TileOffsets);
    let (offsets, lengths, across, down) = match tiles {
        Some(offsets) => {
            let side = |numbers: Option<Vec<u64>>| numbers.and_then(|n| n.first().copied()).unwrap_or(0) as usize;
            let (across, down) = (side(numbers(Tag::TileWidth)), side(numbers(Tag::TileLength)));
            (Some(offsets), numbers(Tag::TileByteCounts), across, down)
        }
        None => {
            let rows = numbers(Tag::RowsPerStrip).and_then(|n| n.first().copied()).unwrap_or(u64::MAX);
            let rows = usize::try_from(rows).unwrap_or(usize::MAX).min(height);
            (numbers(Tag::StripOffsets), numbers(Tag::StripByteCounts), width, rows)
        }
    };
    let (Some(offsets), Some(lengths)) = (offsets, lengths) else { return Err(wrong()) };
    if across == 0 || down == 0 || offsets.len() != lengths.len() {
        return Err(wrong());
    }
    let tables = decoder.find_tag(Tag::JPEGTables).ok().flatten().and_then(|tables| tables.into_u8_vec().ok());
    let columns = width.div_ceil(across);
    if offsets.len() != columns * height.div_ceil(down) {
        return Err(wrong());
    }
    let mut values = room(width * height * channels, 0)?;
    for (i, (start, length)) in offsets.iter().zip(lengths).enumerate() {
        let (x, y) = (i % columns * across, i / columns * down);
        let range = usize::try_from(*start).ok().zip(usize::try_from(start.saturating_add(length)).ok());
        let data = range.and_then(|(start, end)| bytes.get(start..end)).ok_or_else(|| cut("TIFF"))?;
        let part = piece(tables.as_deref(), data, colours, [across, down])?;
        let (w, h) = (across.min(width - x), down.min(height - y));
        if part.channels != channels || (part.width as usize) < w || (part.height as usize) < h {
            return Err(wrong());
        }
        let rows = part.values.chunks_exact(part.width as usize * channels);
        for (row, from) in rows.take(h).enumerate() {
            let to = ((y + row) * width + x) * channels;
            values[to..to + w * channels].copy_from_slice(&from[..w * channels]);
        }
    }
    Ok(values)
}
