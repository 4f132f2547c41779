//! Files that declare more than they hold give an error at once, without allocating memory for it.

mod common;

use common::open;
use style_pictures::{ErrorKind, Format, Image, LARGEST_AREA, LARGEST_SIDE, Picture};

/// A chunk of PNG.
fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    let body = [kind, data].concat();
    let crc = body.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    [&(data.len() as u32).to_be_bytes()[..], &body, &(!crc).to_be_bytes()].concat()
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[16, 6, 0, 0, 0]].concat();
    // A stream that breaks off after its start.
    let data = [0x78, 0x9c, 0xed, 0xc1, 0x01, 0x01];
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &data), chunk(b"IEND", b"")].concat()
}

/// A single-colour frame of one size on a screen of another.
fn gif(screen: u16, frame: u16) -> Vec<u8> {
    let sides = |side: u16| [side.to_le_bytes(), side.to_le_bytes()].concat();
    let head = [b"GIF89a".to_vec(), sides(screen), vec![0x80, 0, 0], vec![0; 6]].concat();
    [head, vec![0x2c, 0, 0, 0, 0], sides(frame), vec![0, 2, 1, 0x2c, 0, 0x3b]].concat()
}

fn bmp(width: i32, height: i32, bits: u16, packing: u32) -> Vec<u8> {
    let info = [40u32.to_le_bytes(), width.to_le_bytes(), height.to_le_bytes()].concat();
    let rest = [packing, 0, 0, 0, 0, 0].map(u32::to_le_bytes).concat();
    let head = [b"BM".to_vec(), vec![0; 8], vec![54, 0, 0, 0]].concat();
    [head, info, vec![1, 0], bits.to_le_bytes().to_vec(), rest, vec![0; 64]].concat()
}

/// The same frame header in a progressive file.
fn progressive(width: u16, height: u16) -> Vec<u8> {
    let mut file = jpeg(width, height);
    let at = file.windows(2).position(|w| w == [0xff, 0xc0]).expect("has a frame");
    file[at + 1] = 0xc2;
    file
}

fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    file.extend([1; 64]);
    file.extend([0xff, 0xc0, 0, 17, 8]);
    file.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
    file.extend([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    for class in [0x00, 0x10] {
        file.extend([0xff, 0xc4, 0, 20, class, 1]);
        file.extend([0; 16]);
    }
    file.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0, 0, 0, 0xff, 0xd9]);
    file
}

fn webp(width: u32, height: u32, claimed: u32) -> Vec<u8> {
    let sides = [(width - 1).to_le_bytes()[..3].to_vec(), (height - 1).to_le_bytes()[..3].to_vec()].concat();
    let extended = [b"VP8X\x0a\0\0\0\x20\0\0\0".to_vec(), sides].concat();
    let profile = [b"ICCP".to_vec(), claimed.to_le_bytes().to_vec(), vec![0; 4]].concat();
    let body = [b"WEBP".to_vec(), extended, profile, b"VP8L\x08\0\0\0\x2f\0\0\0\0\0\0\0".to_vec()].concat();
    [b"RIFF".to_vec(), (body.len() as u32).to_le_bytes().to_vec(), body].concat()
}

/// A picture of 64 x 64 with a larger one inside, in an animation frame or not.
fn webp_within(chunk: &[u8], several: bool) -> Vec<u8> {
    let extended = [b"VP8X\x0a\0\0\0", &[2 * u8::from(several), 0, 0, 0, 63, 0, 0, 63, 0, 0][..]].concat();
    let frame =
        [b"ANMF".as_slice(), &(16 + chunk.len() as u32).to_le_bytes(), &[0; 6], &[63, 0, 0, 63, 0, 0, 1, 0, 0, 0]];
    let frame = if several { [b"ANIM\x06\0\0\0\0\0\0\0\0\0".to_vec(), frame.concat()].concat() } else { vec![] };
    let body = [b"WEBP".to_vec(), extended, frame, chunk.to_vec()].concat();
    [b"RIFF".to_vec(), (body.len() as u32).to_le_bytes().to_vec(), body].concat()
}

/// A strip and a profile of these sizes, without their data.
fn tiff(width: u32, height: u32, strip: u32, profile: u32) -> Vec<u8> {
    let entries: [(u16, u16, u32, u32); 11] = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 16),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 8),
        (277, 3, 1, 3),
        (278, 4, 1, height),
        (279, 4, 1, strip),
        (284, 3, 1, 1),
        (34675, 7, profile, 8),
    ];
    let mut file =
        [b"II*\0".to_vec(), 8u32.to_le_bytes().to_vec(), (entries.len() as u16).to_le_bytes().to_vec()].concat();
    for (tag, kind, count, value) in entries {
        file.extend([&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()].concat());
    }
    file.extend([0; 4]);
    file
}

/// The peak memory of this process, in bytes.
#[cfg(target_os = "linux")]
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("reads");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("has VmHWM");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
}

#[cfg(not(target_os = "linux"))]
fn most_memory() -> u64 {
    0
}

/// Pictures of 16383 x 16383.
const VP8: &[u8] = b"VP8 \x10\0\0\0\x30\x04\0\x9d\x01\x2a\xff\x3f\xff\x3f\0\0\0\0\0\0";
const VP8L: &[u8] = b"VP8L\x08\0\0\0\x2f\xfe\xbf\xff\x0f\0\0\0";

#[test]
fn a_small_file_takes_little_memory() {
    let memory = most_memory();
    for (file, words) in [
        (png(60_000, 60_000), "too large"),
        (png(30_000, 30_000), "too large"),
        (png(LARGEST_SIDE + 1, 16), "too large"),
        (png(16_000, 16_000), "ends before"),
        (jpeg(60_000, 60_000), "too large"),
        (jpeg(30_000, 30_000), "too large"),
        (jpeg(16_000, 16_000), "ends before"),
        (progressive(60_000, 60_000), "too large"),
        (progressive(16_000, 16_000), "ends before"),
        (gif(60_000, 60_000), "too large"),
        (gif(30_000, 30_000), "too large"),
        (gif(16_000, 16_000), "damaged"),
        (gif(16_000, 16), "damaged"),
        (gif(16, 60_000), "damaged"),
        (bmp(60_000, 60_000, 24, 0), "too large"),
        (bmp(-60_000, i32::MIN, 24, 0), "too large"),
        (bmp(16_000, -16_000, 1, 0), "ends before"),
        (bmp(16_000, 16_000, 24, 0), "ends before"),
        (bmp(16_000, 16_000, 8, 1), "ends before"),
        (bmp(16_000, 16_000, 0, 0), ""),
        (webp(60_000, 60_000, 4), "too large"),
        (webp(30_000, 30_000, 4), "too large"),
        (webp(16_000, 16_000, 4), "damaged"),
        (webp(64, 64, u32::MAX - 1), "ends before"),
        (webp(64, 64, 1 << 30), "ends before"),
        (webp_within(b"VP8 \xff\xff\xff\x7f\0\0\0\0", true), "enclosing chunk"),
        (webp_within(VP8, false), "larger than the picture"),
        (webp_within(VP8L, false), "larger than the picture"),
        (webp_within(VP8, true), "larger than the picture"),
        (webp_within(VP8L, true), "larger than the picture"),
        (tiff(60_000, 60_000, u32::MAX, 0), "too large"),
        (tiff(30_000, 30_000, u32::MAX, 0), "too large"),
        (tiff(16_000, 16_000, 1_536_000_000, 0), "ends before"),
        (tiff(16_000, 16_000, u32::MAX, u32::MAX), "ends before"),
        (tiff(300, 300, u32::MAX, u32::MAX), "ends before"),
        (tiff(64, 64, 24_576, 1 << 30), "ends before"),
        (tiff(64, 64, 24_576, 5_000_000), "ends before"),
    ] {
        let head = String::from_utf8_lossy(&file[..16]).into_owned();
        assert!(file.len() < 500);
        let e = open(&file).expect_err("holds nothing");
        assert!(e.kind() == ErrorKind::Image && e.to_string().contains(words), "{head:?}: {e}");
    }
    let grown = most_memory() - memory;
    assert!(grown < 64 << 20, "{} MiB", grown >> 20);
}

#[test]
fn the_error_states_the_limits() {
    let e = open(&png(60_000, 60_000)).expect_err("is too large");
    for word in ["60000x60000".to_owned(), LARGEST_SIDE.to_string(), LARGEST_AREA.to_string()] {
        assert!(e.to_string().contains(&word), "{e}");
    }
}

/// The decoder reads slightly past the declared end of a WebP file and does not check the length of chunks there.
#[test]
fn what_follows_a_webp_is_not_looked_at() {
    let image = Image::from_rgb8(16, 16, &[90; 768]).expect("an image");
    let mut file = Picture::from(image).encode(Format::WebP).expect("encodes");
    file.extend(b"EXIF\xf0\xff\xff\xff");
    open(&file).expect("is whole");
}

#[test]
fn a_callers_limit_on_pixels_holds_for_every_format() {
    let picture = Picture::from(Image::from_rgb8(20, 30, &[90; 1800]).expect("an image"));
    for format in [Format::Png, Format::Png16, Format::Jpeg, Format::WebP, Format::Tiff, Format::Tiff16] {
        let file = picture.encode(format).expect("encodes");
        assert!(Picture::from_bytes_within(&file, 600).is_ok(), "{format:?}");
        let e = Picture::from_bytes_within(&file, 599).expect_err("too large");
        assert_eq!(e.kind(), ErrorKind::Image, "{format:?}");
        assert!(e.to_string().contains("599 in total"), "{format:?}: {e}");
    }
}
