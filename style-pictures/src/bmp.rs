//! BMP: checks that the file is complete, then uses `image`'s decoder.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use style_core::Result;

use crate::limits::{Decoded, bad, check_size, could_hold, cut, decode_by, refused, unusable};

/// The most pixels that a run-length byte encodes: 255 for two.
const PACKED: u64 = 128;

pub(crate) fn decode(bytes: &[u8], most: u64) -> Result<Decoded> {
    let number = |at: usize, n: usize| {
        let digits = bytes.get(at..at + n).unwrap_or_default();
        digits.iter().rev().fold(0, |sum: u32, digit| sum << 8 | u32::from(*digit))
    };
    let header = number(14, 4);
    let (width, height, bits, packing) = if header == 12 {
        (number(18, 2), number(20, 2), number(24, 2), 0)
    } else {
        // Top-down rows have a negative height.
        (number(18, 4), number(22, 4).cast_signed().unsigned_abs(), number(28, 2), number(30, 4))
    };
    match packing {
        4 => return Err(bad("unsupported BMP: embedded JPEG; save it as PNG or JPEG")),
        5 => return Err(bad("unsupported BMP: embedded PNG; save it as PNG")),
        _ => {}
    }
    check_size(width, height, most)?;
    let row = (u64::from(width) * u64::from(bits)).div_ceil(32) * 4;
    let (start, length) = (u64::from(number(10, 4)), bytes.len() as u64);
    let whole = if matches!(packing, 1 | 2) {
        could_hold(bytes, PACKED, u64::from(width) * u64::from(height))
    } else {
        // The padding of the last row may be missing.
        let last = (u64::from(width) * u64::from(bits)).div_ceil(8);
        start + row * u64::from(height.saturating_sub(1)) + last <= length
    };
    if !whole {
        return Err(cut("BMP"));
    }
    let mut decoded = decode_by(BmpDecoder::new(Cursor::new(bytes)).map_err(refused)?, false, most)?;
    // The V5 header may refer to a profile, in this file or in another; the decoder ignores it.
    match (header >= 124).then(|| number(70, 4).to_be_bytes()) {
        Some(kind) if kind == *b"MBED" => {
            let start = 14 + number(126, 4) as usize;
            decoded.icc = bytes.get(start..).and_then(|rest| rest.get(..number(130, 4) as usize)).map(<[u8]>::to_vec);
            if decoded.icc.is_none() {
                decoded.notes.push(unusable("it is truncated"));
            }
        }
        Some(kind) if kind == *b"LINK" => decoded.notes.push(unusable("it is in another file")),
        _ => {}
    }
    Ok(decoded)
}
