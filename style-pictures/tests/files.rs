//! Files of every format and depth are read as Pillow and tifffile wrote them, written without loss, and never panic.

mod common;

use std::fs;

use common::{alpha, distance, golden, open};
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ExtendedColorType, ImageBuffer, ImageEncoder, ImageReader, Rgb, Rgba};
use style_pictures::{ErrorKind, Format, Image, Picture, mask};
use tempfile::TempDir;

/// A channel of a picture as 16 bits, alpha the last.
fn plane(picture: &Picture, channel: usize) -> Vec<f32> {
    let n = picture.image.width() * picture.image.height();
    picture.image.pixels()[channel * n..][..n].iter().map(|v| v * 257.0).collect()
}

#[test]
fn tiff_of_others_is_read() {
    let golden = golden();
    for file in &golden.files {
        let wanted = &golden.pictures[file.picture];
        let picture =
            open(&file.file).unwrap_or_else(|e| panic!("{}: {e}: {:?}", file.name, std::error::Error::source(&e)));
        assert_eq!((picture.image.width(), picture.image.height()), (wanted.width, wanted.height), "{}", file.name);
        assert!(picture.notes().is_empty(), "{}: {:?}", file.name, picture.notes());
        for c in 0..3 {
            let far = distance(&plane(&picture, c), &wanted.plane(c));
            assert!(far <= f64::from(file.tolerance) + 0.02, "{}, channel {c}: {far}", file.name);
        }
        assert_eq!(alpha(&picture), wanted.plane(3), "{}", file.name);
    }
}

#[test]
fn pictures_are_upright() {
    let golden = golden();
    assert_eq!(golden.turned.len(), 32);
    for turned in &golden.turned {
        let (wanted, what) = (&golden.pictures[turned.picture], format!("{} {}", turned.kind, turned.orientation));
        let picture = open(&turned.file).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!((picture.image.width(), picture.image.height()), (wanted.width, wanted.height), "{what}");
        for c in 0..3 {
            let (ours, theirs) = (plane(&picture, c), wanted.plane(c));
            let mean = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs() / 257.0).sum::<f32>() / ours.len() as f32;
            assert!(mean < if turned.kind == "JPEG" { 2.0 } else { 1e-3 }, "{what}, channel {c}: {mean}");
        }
    }
}

#[test]
fn a_mask_may_be_a_tiff() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("mask.tif");
    let golden = golden();
    let file = golden.files.iter().find(|file| file.name == "16 bits of grey").expect("is there");
    fs::write(&path, &file.file).expect("writes");
    let wanted: Vec<f32> = golden.pictures[file.picture].plane(0).iter().map(|v| v / 65535.0).collect();
    assert!(distance(mask(&path).expect("reads").0.values(), &wanted) < 1e-6);
}

/// 16-bit values that 8 bits cannot hold, with alpha or without.
fn deep(alpha: bool) -> DynamicImage {
    let value = |x: u32, y: u32, c: u32| (x * 2311 + y * 977 + c * 20011) as u16;
    if alpha {
        let pixel = |x, y| Rgba([value(x, y, 0), value(x, y, 1), value(x, y, 2), value(x, y, 3) | 0x1000]);
        DynamicImage::ImageRgba16(ImageBuffer::from_fn(37, 29, pixel))
    } else {
        DynamicImage::ImageRgb16(ImageBuffer::from_fn(37, 29, |x, y| Rgb([0, 1, 2].map(|c| value(x, y, c)))))
    }
}

#[test]
fn sixteen_bits_come_and_go_unchanged() {
    let folder = TempDir::new().expect("a temporary folder");
    for has_alpha in [false, true] {
        for kind in ["png", "tif"] {
            let (from, to) = (folder.path().join(format!("from.{kind}")), folder.path().join(format!("to.{kind}")));
            deep(has_alpha).save(&from).expect("saves");
            let picture = Picture::open(&from).expect("opens");
            assert_eq!(picture.extras.has_alpha(), has_alpha);
            let format = Format::from_path(&to).and_then(Format::deep).expect("is deep");
            picture.save_as(&to, format).expect("saves");
            let back = ImageReader::open(&to).expect("is there").decode().expect("reads");
            assert!(back == deep(has_alpha), "{kind}, alpha: {has_alpha}");
        }
    }
}

#[test]
fn eight_bits_come_and_go_unchanged() {
    let folder = TempDir::new().expect("a temporary folder");
    for has_alpha in [false, true] {
        let pixels = if has_alpha {
            DynamicImage::ImageRgba8(deep(true).into_rgba8())
        } else {
            DynamicImage::ImageRgb8(deep(false).into_rgb8())
        };
        for kind in ["png", "webp", "tiff"] {
            let (from, to) = (folder.path().join(format!("from.{kind}")), folder.path().join(format!("to.{kind}")));
            pixels.save(&from).expect("saves");
            Picture::open(&from).and_then(|picture| picture.save(&to)).expect("saves");
            let back = ImageReader::open(&to).expect("is there").decode().expect("reads");
            assert!(back == pixels, "{kind}, alpha: {has_alpha}");
        }
    }
}

#[test]
fn values_are_rounded_and_clamped() {
    let image = Image::from_planar(16, 16, [-4.0, 0.3, 100.2, 300.0].repeat(3 * 64)).expect("finite");
    let picture = Picture::from(image);
    let first = |format| {
        let file = picture.encode(format).expect("encodes");
        image::load_from_memory(&file).expect("reads").into_rgb16().pixels().take(4).map(|p| p[0]).collect::<Vec<_>>()
    };
    for format in [Format::Png16, Format::Tiff16] {
        assert_eq!(first(format), [0, 77, 25751, 65535], "{format:?}");
    }
    for format in [Format::Png, Format::Tiff, Format::WebP] {
        assert_eq!(first(format), [0, 0, 100 * 257, 65535], "{format:?}");
    }
}

#[test]
fn formats_of_eight_bits_say_so() {
    for name in ["a.jpg", "a.webp"] {
        let e = Format::from_path(name).and_then(Format::deep).expect_err("has no 16 bits");
        assert!(e.kind() == ErrorKind::Argument && e.to_string().contains("TIFF"), "{e}");
    }
}

#[test]
fn alpha_is_resized_apart() {
    // Visible colours are flat, invisible ones garish; alpha is a ramp.
    let pixel =
        |x: u32, _| if x < 8 { Rgba([65535, 0, 65535, 0]) } else { Rgba([9000, 30000, 51000, (x * 1000) as u16]) };
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("clear.tif");
    DynamicImage::ImageRgba16(ImageBuffer::from_fn(64, 64, pixel)).save(&path).expect("saves");
    for side in [20, 32, 150] {
        let resized = Picture::open(&path).and_then(|picture| picture.sized(side)).expect("resizes");
        for (c, wanted) in [9000.0, 30000.0, 51000.0].into_iter().enumerate() {
            let far = distance(&plane(&resized, c), &vec![wanted; (side * side) as usize]);
            assert!(far < 30.0, "{side}, channel {c}: {far}");
        }
        let row = &alpha(&resized)[..side as usize];
        for (x, a) in row.iter().enumerate().skip(side as usize / 4).take(side as usize / 2) {
            let at = (x as f32 + 0.5) * 64.0 / side as f32 - 0.5;
            assert!((a - 1000.0 * at).abs() < 40.0, "{side}, {x}: {a} for {at}");
        }
    }
}

/// A small file of each format.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let bytes = (0..24 * 20 * 3).map(|i| (i * i / 7) as u8).collect::<Vec<_>>();
    let picture = Picture::from(Image::from_rgb8(24, 20, &bytes).expect("a picture"));
    let golden = golden();
    let of = |name: &str| golden.files.iter().find(|file| file.name == name).expect("is there").file.clone();
    let formats = [Format::Png, Format::Png16, Format::Jpeg, Format::WebP, Format::Tiff, Format::Tiff16];
    let ours = ["PNG", "PNG of 16 bits", "JPEG", "WebP", "TIFF", "TIFF of 16 bits"].into_iter().zip(formats);
    ours.map(|(name, format)| (name, picture.encode(format).expect("encodes")))
        .chain(["8 bits, raw", "8 bits, tiff_lzw", "8 bits, packbits", "16 bits, tiles"].map(|name| (name, of(name))))
        .collect()
}

#[test]
fn what_is_cut_short_is_an_error() {
    for (name, whole) in samples() {
        open(&whole).unwrap_or_else(|e| panic!("{name}: {e}"));
        let lengths = (0..whole.len()).filter(|n| *n < 64 || n % 5 == 0 || whole.len() - n < 128);
        for length in lengths {
            match open(&whole[..length]) {
                Err(e) => assert_eq!(e.kind(), ErrorKind::Image, "{name}, {length} of {}: {e}", whole.len()),
                // Only data after the pixels is missing: an end marker, or the padding of a tile.
                Ok(picture) => {
                    let same = picture.image == open(&whole).expect("opens").image;
                    assert!(same && whole.len() - length < 100, "{name}: {length} of {} bytes opened", whole.len());
                }
            }
        }
    }
}

#[test]
fn damage_never_panics() {
    let profiles = golden().profiles.into_iter().map(|profile| ("profile", profile.png));
    let mut seed = 1u32;
    let mut next = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize
    };
    for (name, whole) in samples().into_iter().chain(profiles) {
        for _ in 0..200 {
            let mut damaged = whole.clone();
            for _ in 0..1 + next() % 4 {
                let at = next() % damaged.len();
                damaged[at] = if next() % 2 == 0 { 0xff } else { next() as u8 };
            }
            if let Err(e) = open(&damaged) {
                assert!(matches!(e.kind(), ErrorKind::Image | ErrorKind::Shape), "{name}: {e}");
            }
        }
    }
}

/// The first of several frames is used, with a note, from a file and from bytes.
#[test]
fn animations() {
    let frame = [[200; 3 * 16 * 16], [40; 3 * 16 * 16]];
    let mut webp = vec![];
    WebPEncoder::new_lossless(&mut webp).encode(&frame[0], 16, 16, ExtendedColorType::Rgb8).expect("encodes");
    let sides = [15, 0, 0, 15, 0, 0];
    let still = &webp[12..];
    let shown =
        [b"ANMF".to_vec(), (16 + still.len() as u32).to_le_bytes().to_vec(), vec![0; 6], sides.to_vec()].concat();
    let shown = [&shown[..], &[9, 0, 0, 0], still].concat();
    let head =
        [b"WEBPVP8X\x0a\0\0\0\x02\0\0\0".to_vec(), sides.to_vec(), b"ANIM\x06\0\0\0\0\0\0\0\0\0".to_vec()].concat();
    let body = [&head[..], &shown, &shown].concat();
    let webp = [b"RIFF".to_vec(), (body.len() as u32).to_le_bytes().to_vec(), body].concat();
    let picture = Picture::from_bytes(&webp).expect("reads");
    // The decoder composes frames with its own rounding.
    assert!(picture.image.pixels().iter().all(|v| (v - 200.0).abs() <= 1.0));
    assert!(picture.notes()[0].contains("animated"), "{:?}", picture.notes());

    let mut png = vec![];
    PngEncoder::new(&mut png).write_image(&frame[1], 16, 16, ExtendedColorType::Rgb8).expect("encodes");
    assert!(Picture::from_bytes(&png).expect("reads").notes().is_empty());
    // acTL for two frames, with its CRC, after the header.
    let control = [0, 0, 0, 8, b'a', b'c', b'T', b'L', 0, 0, 0, 2, 0, 0, 0, 0, 0xf3, 0x8d, 0x93, 0x70];
    let (head, rest) = png.split_at(33);
    let picture = Picture::from_bytes(&[head, &control, rest].concat()).expect("reads");
    assert!(picture.image.pixels().iter().all(|v| *v == 40.0));
    assert!(picture.notes()[0].contains("animated"), "{:?}", picture.notes());
}
