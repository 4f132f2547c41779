//! Picture files: an image of finite values that can be saved again, or an error; the same file as a mask.

use std::fs;

use style_core::ErrorKind;
use style_pictures::{Format, Picture, dimensions, mask};
use tempfile::TempDir;

use crate::{Outcome, check_message};

/// Above this many pixels, a tiny file can hold a large single-colour picture, so the fuzzer's memory limit does not apply.
const MOST_PIXELS: u64 = 1 << 21;

/// A folder in memory, if available.
pub(crate) fn folder() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a temporary folder")
}

fn number(bytes: Option<&[u8]>, big_endian: bool) -> u64 {
    let add = |n: u64, b: &u8| n << 8 | u64::from(*b);
    let bytes = bytes.unwrap_or_default().iter();
    if big_endian { bytes.fold(0, add) } else { bytes.rev().fold(0, add) }
}

/// The declared pixel count of a file; not for TIFF, whose header may be anywhere.
fn claimed(data: &[u8]) -> u64 {
    let be = |at: usize| number(data.get(at..at + 4), true);
    let le = |at: usize, n: usize| number(data.get(at..at + n), false);
    if data.starts_with(b"GIF8") {
        return le(6, 2) * le(8, 2);
    }
    if data.starts_with(b"BM") {
        // Top-down rows have a negative height.
        let (width, height) = (le(18, 4), le(22, 4));
        return if le(14, 4) == 12 {
            le(18, 2) * le(20, 2)
        } else {
            width.saturating_mul(height.min((1 << 32) - height))
        };
    }
    match data.get(12..16) {
        Some(b"IHDR") => be(16).saturating_mul(be(20)),
        Some(b"VP8X") => (1 + le(24, 3)) * (1 + le(27, 3)),
        Some(b"VP8L") => (1 + (le(21, 4) & 0x3fff)) * (1 + (le(21, 4) >> 14 & 0x3fff)),
        Some(b"VP8 ") => (le(26, 2) & 0x3fff) * (le(28, 2) & 0x3fff),
        _ => 0,
    }
}

pub(crate) fn run(kind: &str, data: &[u8]) -> Outcome {
    let of_kind = match kind {
        "png" => data.starts_with(b"\x89PNG\r\n\x1a\n"),
        "bmp" => data.starts_with(b"BM"),
        "gif" => data.starts_with(b"GIF87a") || data.starts_with(b"GIF89a"),
        "jpeg" => data.starts_with(b"\xff\xd8\xff"),
        "webp" => data.starts_with(b"RIFF") && data.get(8..12) == Some(b"WEBP"),
        _ => data.starts_with(b"II") || data.starts_with(b"MM"),
    };
    if !of_kind || claimed(data) > MOST_PIXELS { Outcome::Foreign } else { open(data, true) }
}

/// Opens a file with these bytes.
fn open(data: &[u8], again: bool) -> Outcome {
    let folder = folder();
    let path = folder.path().join("picture");
    fs::write(&path, data).expect("writes");
    match mask(&path) {
        Ok((mask, _)) => {
            assert_eq!(mask.values().len(), mask.width() * mask.height());
            assert!(mask.values().iter().all(|v| (0.0..=1.0).contains(v)));
        }
        // A mask that is black everywhere is an argument error.
        Err(e) => rejected(&e, &[ErrorKind::Image, ErrorKind::Argument]),
    }
    let picture = match Picture::open(&path) {
        Ok(picture) => picture,
        Err(e) => {
            rejected(&e, &[ErrorKind::Image, ErrorKind::Shape]);
            // A damaged picture may have a header.
            if let Err(e) = dimensions(data) {
                rejected(&e, &[ErrorKind::Image]);
            }
            return Outcome::Rejected;
        }
    };
    let (width, height) = (picture.image.width(), picture.image.height());
    assert!(width.min(height) >= 16);
    assert_eq!(dimensions(data).expect("a header"), [width, height]);
    assert_eq!(picture.image.pixels().len(), 3 * width * height);
    assert!(picture.image.pixels().iter().all(|v| (0.0..=255.0).contains(v)));
    assert!(picture.notes().iter().all(|note| !note.is_empty()));
    // For one file in sixteen, because it takes much longer than the rest.
    let draw = data.iter().fold(0u8, |sum, byte| sum.rotate_left(1) ^ byte);
    if again && width * height <= 4096 && draw < 16 {
        let formats = [(Format::Png16, 0.01), (Format::Tiff, 0.51), (Format::WebP, 0.51)];
        for (format, far) in &formats[usize::from(draw) % 3..][..1] {
            fs::write(&path, picture.encode(*format).expect("encodes")).expect("writes");
            let back = Picture::open(&path).expect("opens");
            assert_eq!((back.image.width(), back.image.height()), (width, height));
            // Transparent pixels get the mean of the visible colours, which rounding may change.
            if !picture.extras.has_alpha() {
                let pairs = picture.image.pixels().iter().zip(back.image.pixels());
                let distance = pairs.fold(0.0, |far: f32, (a, b)| far.max((a - b).abs()));
                assert!(distance <= *far, "{format:?}: {distance}");
            }
        }
        let small = picture.sized(21).expect("resizes");
        assert!(small.image.pixels().iter().all(|v| (0.0..=255.0).contains(v)));
    }
    Outcome::Accepted
}

fn rejected(error: &style_core::Error, kinds: &[ErrorKind]) {
    assert!(kinds.contains(&error.kind()), "{:?}: {error}", error.kind());
    check_message(error);
}

/// A profile, in a 16-bit TIFF: of greys if the first byte is odd, otherwise of RGB.
pub(crate) fn profile(data: &[u8]) -> Outcome {
    let Some((first, profile)) = data.split_first() else { return Outcome::Foreign };
    let channels = if first % 2 == 1 { 1u32 } else { 3 };
    let pixels: Vec<u8> = (0..512 * channels).map(|i| (i * 37 % 251) as u8).collect();
    let start = 8 + 2 + 11 * 12 + 4;
    let length = u32::try_from(profile.len()).expect("is short");
    let entries = [
        (256, 4, 1, 16),
        (257, 4, 1, 16),
        (258, 3, 1, 16),
        (259, 3, 1, 1),
        (262, 3, 1, if channels == 1 { 1 } else { 2 }),
        (273, 4, 1, start),
        (277, 3, 1, channels),
        (278, 4, 1, 16),
        (279, 4, 1, pixels.len() as u32),
        (284, 3, 1, 1),
        (34675, 7, length, start + pixels.len() as u32),
    ];
    let mut file = b"II*\0\x08\0\0\0\x0b\0".to_vec();
    for (tag, kind, count, value) in entries {
        file.extend([&u16::to_le_bytes(tag)[..], &u16::to_le_bytes(kind)].concat());
        file.extend([&u32::to_le_bytes(count)[..], &u32::to_le_bytes(value)].concat());
    }
    file.extend([0; 4]);
    file.extend(pixels);
    file.extend(profile);
    assert_eq!(open(&file, false), Outcome::Accepted, "the profile must not matter");
    Outcome::Accepted
}
