//! Files of kinds that decoders get wrong, each with a PNG file of its pixels from libjpeg, Pillow or the file's source
//! (`kinds/jpeg.py` and `kinds/odd.py` write them); and unsupported files, whose format the error names.

mod common;

use std::path::PathBuf;
use std::{fs, iter};

use common::{alpha, distance, open};
use style_pictures::{ErrorKind, Picture, dimensions};

/// Names, files and their values.
fn fixtures() -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"));
    let names = fs::read_dir(&folder).expect("reads").map(|entry| entry.expect("reads").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let mut found: Vec<_> = names
        .filter(|name| folder.join(format!("{name}.png")).exists())
        .map(|name| {
            let values = fs::read(folder.join(format!("{name}.png"))).expect("reads");
            (name.clone(), fs::read(folder.join(name)).expect("reads"), values)
        })
        .collect();
    found.sort();
    assert_eq!(found.len(), 24);
    found
}

fn fixture(name: &str) -> Vec<u8> {
    fixtures().into_iter().find(|(other, ..)| *other == name).expect("exists").1
}

#[test]
fn pixels_are_those_of_other_programs() {
    for (name, file, values) in fixtures() {
        let picture = open(&file).unwrap_or_else(|e| panic!("{name}: {e}"));
        let values = open(&values).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((picture.image.width(), picture.image.height()), (values.image.width(), values.image.height()));
        let far = distance(picture.image.pixels(), values.image.pixels());
        // JPEG is bit-identical. Half floats have eleven bits, and writers round small numbers.
        let most = if name.ends_with(".jpg") || name.starts_with("jpeg") { 0.0 } else { 1.01 };
        assert!(far <= most, "{name}: {far}");
        assert_eq!(alpha(&picture), alpha(&values), "{name}");
        let notes = usize::from(name.contains("cmyk") || name.contains("ycck"));
        assert_eq!(picture.notes().len(), notes, "{name}: {:?}", picture.notes());
    }
}

#[test]
fn the_size_is_known_by_the_header_alone() {
    for (name, file, values) in fixtures() {
        let expected = dimensions(&values).expect("a PNG file");
        assert_eq!(dimensions(&file).unwrap_or_else(|e| panic!("{name}: {e}")), expected, "{name}");
        // Headers of TIFF files may be at their ends.
        if name.ends_with(".jpg") || name.ends_with(".gif") || name.ends_with(".bmp") {
            let cut = &file[..file.len() - file.len() / 8];
            assert_eq!(dimensions(cut).unwrap_or_else(|e| panic!("{name}: {e}")), expected, "{name}");
        }
    }
    for (bytes, word) in [
        (&b""[..], "empty"),
        (b"no picture", "unsupported picture format: text"),
        (&[0xff, 0xd8, 0xff, 0xe0, 0], "ends before"),
    ] {
        let e = dimensions(bytes).expect_err("no picture");
        assert!(e.kind() == ErrorKind::Image && e.to_string().contains(word), "{e}");
    }
}

#[test]
fn what_is_cut_short_is_refused() {
    for (name, whole, _) in fixtures() {
        let picture = open(&whole).expect("opens");
        for length in (0..whole.len()).filter(|n| *n < 64 || n % 3 == 0 || whole.len() - n < 300) {
            match Picture::from_bytes(&whole[..length]) {
                Err(e) => assert_eq!(e.kind(), ErrorKind::Image, "{name}, {length}: {e}"),
                // Only data after the pixels is missing.
                Ok(cut) => {
                    assert_eq!(cut.image, picture.image, "{name}: {length} of {} bytes opened", whole.len());
                    let is_noted = cut.notes().iter().any(|note| note.contains("end mark"));
                    assert_eq!(is_noted, name.ends_with(".jpg"), "{name}: {length} of {} bytes", whole.len());
                }
            }
        }
    }
}

#[test]
fn damage_never_panics() {
    let mut seed = 7u32;
    let mut next = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize
    };
    for (name, whole, _) in fixtures() {
        for _ in 0..300 {
            let mut damaged = whole.clone();
            for _ in 0..1 + next() % 4 {
                // Half of them in the headers.
                let at = next() % if next() % 2 == 0 { damaged.len() } else { damaged.len().min(160) };
                damaged[at] = if next() % 2 == 0 { 0xff } else { next() as u8 };
            }
            if let Err(e) = Picture::from_bytes(&damaged) {
                assert!(matches!(e.kind(), ErrorKind::Image | ErrorKind::Shape), "{name}: {e}");
            }
        }
    }
}

/// A JPEG without its end marker is read with a note. One without its last block or its last scan is an error, with or
/// without an end marker.
#[test]
fn a_jpeg_must_have_all_its_blocks() {
    for (name, whole, _) in fixtures().into_iter().filter(|(name, ..)| name.ends_with(".jpg")) {
        assert_eq!(whole[whole.len() - 2..], [0xff, 0xd9]);
        let data = &whole[..whole.len() - 2];
        let picture = Picture::from_bytes(&whole).expect("opens");
        for rest in [&b""[..], b"and trailing data of a program", &[0; 999]] {
            let read = Picture::from_bytes(&[data, rest].concat()).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(read.image == picture.image && read.notes()[0].contains("end mark"));
        }
        // The last byte of a scan holds at least one bit of a block.
        let without = &data[..data.len() - if data.ends_with(&[0xff, 0]) { 2 } else { 1 }];
        let scan = whole.windows(2).rposition(|pair| pair == [0xff, 0xda]).expect("has a scan");
        for cut in [without, &data[..scan]] {
            for end in [&b""[..], &[0xff, 0xd9]] {
                let e = Picture::from_bytes(&[cut, end].concat()).expect_err("is cut");
                assert!(e.to_string().contains("ends before"), "{name}: {e}");
            }
        }
    }
}

/// An unsupported file is reported as such, not as damaged.
#[test]
fn kinds_of_jpeg_are_named() {
    let whole = fixture("3x1-16x16-one-scan-restart-1.jpg");
    let at = whole.windows(4).position(|w| w == [0xff, 0xc0, 0, 17]).expect("has a frame");
    for (offset, byte, word) in [
        (1, 0xc3, "lossless"),
        (1, 0xc5, "hierarchical"),
        (1, 0xc9, "arithmetic coding"),
        (1, 0xca, "arithmetic coding"),
        (1, 0xf7, "JPEG-LS"),
        (4, 12, "12 bits"),
        // Two samples for three pixels: a non-integer ratio.
        (14, 0x21, "non-integer"),
    ] {
        let mut file = whole.clone();
        file[at + offset] = byte;
        let e = open(&file).expect_err("is not supported");
        let e = e.to_string();
        assert!(e.contains(word) && e.contains("unsupported") && e.contains("PNG"), "{e}");
    }
}

/// The decoder uses the last of two equal entries, but the check before it reads the first.
#[test]
fn a_duplicate_tag() {
    let mut file = fixture("bits4.tif");
    let at = file.windows(4).position(|w| w == [3, 1, 3, 0]).expect("has a compression entry");
    // A second entry of bits per channel.
    (file[at], file[at + 8]) = (2, 5);
    let e = open(&file).expect_err("has 5 bits");
    assert!(e.kind() == ErrorKind::Image && e.to_string().contains("Gray(5)"), "{e}");
}

/// Formats are recognised by the first bytes of a file, regardless of its extension.
#[test]
fn other_formats_are_named() {
    let brands = |brands: &[&[u8; 4]]| {
        let size = (12 + 4 * brands.len()) as u32;
        let all: Vec<u8> = brands.iter().flat_map(|brand| **brand).collect();
        [&size.to_be_bytes()[..], b"ftyp", &all[..4], &[0; 4], &all[4..]].concat()
    };
    let zeros = |start: &[u8]| start.iter().copied().chain(iter::repeat_n(0, 64)).collect::<Vec<_>>();
    let tiff = |tag: u16, kind: u16, value: u32| {
        let entry = [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &1u32.to_le_bytes(), &value.to_le_bytes()].concat();
        [&b"II*\0\x08\0\0\0\x01\0"[..], &entry, &[0; 4]].concat()
    };
    for (file, name, way) in [
        (brands(&[b"heic", b"mif1", b"heic"]), "HEIC", "export it"),
        (brands(&[b"mif1", b"heic", b"miaf"]), "HEIC", "export it"),
        (brands(&[b"mif1"]), "HEIF", "export it"),
        (brands(&[b"avif", b"mif1", b"miaf"]), "AVIF", "export it"),
        (brands(&[b"crx ", b"isom"]), "CR3", "develop it"),
        (brands(&[b"isom", b"mp42"]), "video (MP4)", "save a frame"),
        (brands(&[b"qt  "]), "video (QuickTime)", "save a frame"),
        (zeros(b"\xff\x0a"), "JPEG XL", "export it"),
        (zeros(b"\0\0\0\x0cJXL \r\n\x87\n"), "JPEG XL", "export it"),
        (zeros(b"\0\0\0\x0cjP  \r\n\x87\n"), "JPEG 2000", "export it"),
        (zeros(b"8BPS"), "PSD", "export it"),
        (zeros(b"\x76\x2f\x31\x01"), "OpenEXR", "export it"),
        (zeros(b"%PDF-1.7"), "PDF", "export it"),
        (zeros(b"FUJIFILMCCD-RAW"), "RAF", "develop it"),
        (zeros(b"IIU\0"), "RW2", "develop it"),
        (zeros(b"IIRO"), "ORF", "develop it"),
        (zeros(b"II*\0\x10\0\0\0CR\x02\0"), "CR2", "develop it"),
        (tiff(50706, 4, 0x0401), "DNG", "develop it"),
        (tiff(254, 4, 1), "preview", "develop it"),
        (tiff(262, 3, 32803), "raw file", "develop it"),
        (tiff(259, 3, 50000), "Zstandard", "Deflate"),
        (tiff(259, 3, 34925), "LZMA", "Deflate"),
        (tiff(259, 3, 6), "old-style JPEG", "PNG"),
        (tiff(262, 3, 8), "L*a*b*", "PNG"),
        (tiff(258, 3, 12), "12 bits", "PNG"),
        (tiff(339, 3, 2), "signed", "PNG"),
        (b"<!DOCTYPE html><html>".to_vec(), "HTML", "download"),
        (b"<?xml version='1.0'?><svg xmlns=''/>".to_vec(), "SVG", "export it"),
        (b"RIFF\x20\0\0\0AVI LIST".to_vec(), "video (AVI)", "save a frame"),
        (b"P6 4 4 255\n".to_vec(), "PNM", "export it"),
        (b"PK\x03\x04\0\0".to_vec(), "zip", "unpack"),
        (b"Dear Sir or Madam,\n".to_vec(), "text", "PNG or JPEG"),
    ] {
        let e = open(&file).expect_err("cannot be read");
        let text = e.to_string();
        assert!(e.kind() == ErrorKind::Image && text.contains(name) && text.contains(way), "{name}: {text}");
    }
    let e = open(&[0x9c; 99]).expect_err("is nothing").to_string();
    for name in ["PNG", "JPEG", "WebP", "TIFF", "GIF", "BMP"] {
        assert!(e.contains(name), "{e}");
    }
}
