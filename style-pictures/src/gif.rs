//! GIF files: the first frame, placed on its logical screen.

use std::io::Cursor;

use image::codecs::gif::GifDecoder;
use style_core::Result;

use crate::limits::{Decoded, bad, check_size, could_hold, cut, decode_by, first_frame, refused};

/// The first frame of a GIF file, at its position on the logical screen.
pub(crate) fn decode(bytes: &[u8], most: u64) -> Result<Decoded> {
    let side = |at: usize| bytes.get(at..at + 2).map_or(0, |n| u32::from(u16::from_le_bytes([n[0], n[1]])));
    let (width, height) = (side(6), side(8));
    check_size(width, height, most)?;
    let Some(frames) = frames(bytes) else { return Err(cut("GIF")) };
    let Some([w, h]) = frames.first else { return Err(bad("the GIF file has no frame")) };
    if w > width || h > height || !could_hold(bytes, PACKED_BY_LZW, u64::from(w) * u64::from(h)) {
        return Err(bad(
            "the GIF file is damaged: its first frame is larger than the picture or than the file can hold",
        ));
    }
    // The screen may be larger than the frame, and is transparent around it.
    if !could_hold(bytes, PACKED_BY_LZW, u64::from(width) * u64::from(height)) {
        return Err(bad("the GIF file is damaged: the picture is larger than the file can hold"));
    }
    let mut decoded = decode_by(GifDecoder::new(Cursor::new(bytes)).map_err(refused)?, false, most)?;
    decoded.notes.extend((frames.count > 1).then(first_frame));
    Ok(decoded)
}

/// The most pixels per byte of GIF's LZW, which has 12-bit codes.
const PACKED_BY_LZW: u64 = 4096;

struct Frames {
    /// Size of the first frame.
    first: Option<[u32; 2]>,
    count: usize,
}

/// Parses the frames of a GIF file up to its end or to anything else; `None` if the first is incomplete.
fn frames(bytes: &[u8]) -> Option<Frames> {
    let table = |flags: u8| if flags & 0x80 > 0 { 6usize << (flags & 7) } else { 0 };
    // Length-prefixed blocks, up to an empty one.
    let blocks = |mut at: usize| loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    };
    let (mut found, mut is_whole) = (Frames { first: None, count: 0 }, false);
    let mut at = 13 + table(*bytes.get(10)?);
    loop {
        let next = match bytes.get(at) {
            Some(0x21) => blocks(at + 2),
            Some(0x2c) => match bytes.get(at..at + 10) {
                Some(head) => {
                    let side = |i: usize| u32::from(u16::from_le_bytes([head[i], head[i + 1]]));
                    found.first.get_or_insert([side(5), side(7)]);
                    found.count += 1;
                    blocks(at + 11 + table(head[9]))
                }
                None => None,
            },
            // The trailer, or an unexpected byte.
            Some(_) => return Some(found),
            None => None,
        };
        match next {
            Some(next) => (at, is_whole) = (next, is_whole || found.count > 0),
            // Anything after the first frame may be missing.
            None => return is_whole.then_some(found),
        }
    }
}
