//! Colours of other profiles than sRGB, held to LittleCMS and to the formulas; and profiles that cannot be used.

#![cfg(feature = "icc")]

mod common;

use common::{distance, golden, open};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader};
use moxcms::{ColorProfile, DataColorSpace};
use std::io::Cursor;
use style_pictures::{Format, Image, Picture};

/// Values side by side.
fn interleaved(picture: &Picture) -> Vec<f64> {
    let n = picture.image.width() * picture.image.height();
    (0..3 * n).map(|i| f64::from(picture.image.pixels()[i % 3 * n + i / 3])).collect()
}

#[test]
fn colours_are_those_of_littlecms() {
    for profile in golden().profiles {
        let name = &profile.name;
        let picture = open(&profile.png).expect("opens");
        assert!(picture.notes().is_empty(), "{name}: {:?}", picture.notes());
        let values = interleaved(&picture);
        let lcms: Vec<f64> = profile.lcms.iter().map(|&v| f64::from(v)).collect();
        let far = distance(&values, &lcms);
        // Between the entries of a table the libraries interpolate in different ways.
        assert!(far <= if name == "table" { 1.5 } else { 1.0 }, "{name}: {far} from LittleCMS");
        if let Some(exact) = profile.exact {
            let far = distance(&values, &exact);
            assert!(far <= 0.1, "{name}: {far} from the formula");
        }
    }
}

#[test]
fn srgb_is_left_alone() {
    for profile in golden().profiles.iter().filter(|profile| profile.name.starts_with("srgb")) {
        let values = interleaved(&open(&profile.png).expect("opens"));
        let stored: Vec<f64> = profile.pixels.iter().map(|&v| f64::from(v)).collect();
        assert_eq!(values, stored, "{}", profile.name);
    }
}

#[test]
fn sixteen_bits_are_converted_as_such() {
    let p3 = ColorProfile::new_display_p3().encode().expect("encodes");
    // A ramp of 16 bits, which 8 would make steps of.
    let words: Vec<u16> = (0..1024).flat_map(|i| [20000 + i, 30000, 30000]).collect();
    let bytes: Vec<u8> = words.iter().flat_map(|v| v.to_ne_bytes()).collect();
    let mut png = vec![];
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_icc_profile(p3).expect("a PNG has profiles");
    encoder.write_image(&bytes, 32, 32, ExtendedColorType::Rgb16).expect("encodes");
    let picture = open(&png).expect("opens");
    let red = &picture.image.pixels()[..1024];
    assert!(red.windows(2).all(|w| w[0] <= w[1]));
    let steps = red.windows(2).filter(|w| w[0] < w[1]).count();
    assert!(steps > 900, "{steps} steps");
}

/// Grey and coloured pixels with a profile.
fn with_profile(icc: &[u8], colour: ExtendedColorType) -> Vec<Vec<u8>> {
    let channels = if colour == ExtendedColorType::L8 { 1 } else { 3 };
    let pixels: Vec<u8> = (0..256 * channels).map(|i| (i % 251) as u8).collect();
    let (mut png, mut jpeg) = (vec![], vec![]);
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_icc_profile(icc.to_vec()).expect("a PNG has profiles");
    encoder.write_image(&pixels, 16, 16, colour).expect("encodes");
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 100);
    encoder.set_icc_profile(icc.to_vec()).expect("a JPEG has profiles");
    encoder.write_image(&pixels, 16, 16, colour).expect("encodes");
    vec![png, jpeg]
}

/// The tolerance for `image`'s values, because its JPEG decoder rounds differently from libjpeg.
fn rounding(file: &[u8]) -> f64 {
    if file.starts_with(b"\xff\xd8") { 2.0 } else { 0.0 }
}

#[test]
fn unusable_profiles_give_a_note() {
    let p3 = ColorProfile::new_display_p3().encode().expect("encodes");
    let grey = ColorProfile::new_gray_with_gamma(1.8).encode().expect("encodes");
    let mut cmyk = p3.clone();
    cmyk[16..20].copy_from_slice(b"CMYK");
    let mut garbage = vec![0; 140];
    garbage[16..20].copy_from_slice(b"RGB ");
    for (icc, colour, word) in [
        (&p3[..p3.len() / 2], ExtendedColorType::Rgb8, ""),
        (&garbage[..], ExtendedColorType::Rgb8, ""),
        (b"profile", ExtendedColorType::Rgb8, ""),
        (&grey[..], ExtendedColorType::Rgb8, "grey profile"),
        (&cmyk[..], ExtendedColorType::Rgb8, "CMYK"),
        (&cmyk[..], ExtendedColorType::L8, "CMYK"),
    ] {
        for file in with_profile(icc, colour) {
            let picture = open(&file).expect("opens");
            let [note] = picture.notes() else { panic!("{word}: {:?}", picture.notes()) };
            assert!(note.contains("profile is unusable") && note.contains("sRGB") && note.contains(word), "{note}");
            // The stored values.
            let stored = image::load_from_memory(&file).expect("reads").into_rgb8();
            let values: Vec<f64> = stored.as_raw().iter().map(|&v| f64::from(v)).collect();
            assert!(distance(&interleaved(&picture), &values) <= rounding(&file));
        }
    }
    // Kept through what becomes of the picture.
    let picture = open(&with_profile(&garbage, ExtendedColorType::Rgb8)[0]).and_then(|picture| picture.sized(20));
    assert_eq!(picture.expect("resizes").notes().len(), 1);
}

#[test]
fn a_damaged_profile_gives_a_note() {
    let file = &with_profile(&ColorProfile::new_display_p3().encode().expect("encodes"), ExtendedColorType::Rgb8)[0];
    let at = file.windows(4).position(|w| w == b"iCCP").expect("has a profile");
    let mut damaged = file.clone();
    damaged[at + 40] ^= 0x55;
    let picture = open(&damaged).expect("opens");
    assert_eq!(picture.notes().len(), 1, "{:?}", picture.notes());
}

#[test]
fn grey_pixels_may_have_a_profile_of_colours() {
    let p3 = ColorProfile::new_display_p3().encode().expect("encodes");
    for file in with_profile(&p3, ExtendedColorType::L8) {
        let picture = open(&file).expect("opens");
        assert!(picture.notes().is_empty());
        let stored = image::load_from_memory(&file).expect("reads").into_rgb8();
        // Greys of Display P3 are greys of sRGB.
        let values: Vec<f64> = stored.as_raw().iter().map(|&v| f64::from(v)).collect();
        assert!(distance(&interleaved(&picture), &values) < rounding(&file) + 0.1);
    }
}

/// The fifth header of BMP has a profile's place, which the decoder of pixels passes over.
#[test]
fn a_bmp_may_have_a_profile() {
    let icc = ColorProfile::new_display_p3().encode().expect("encodes");
    let png = &with_profile(&icc, ExtendedColorType::Rgb8)[0];
    let stored = image::load_from_memory(png).expect("reads").into_rgb8();
    // Blue before green before red.
    let pixels: Vec<u8> = stored.pixels().flat_map(|p| [p[2], p[1], p[0]]).collect();
    let file = |kind: &[u8; 4], claimed: u32| {
        let info = [124u32, 16, (-16i32).cast_unsigned(), 24 << 16 | 1].map(u32::to_le_bytes).concat();
        let mut head = [&b"BM"[..], &[0; 8], &138u32.to_le_bytes(), &info].concat();
        head.resize(70, 0);
        head.extend(u32::from_be_bytes(*kind).to_le_bytes());
        head.resize(126, 0);
        head.extend([124 + pixels.len() as u32, claimed, 0].map(u32::to_le_bytes).concat());
        [&head[..], &pixels, &icc].concat()
    };
    let with = open(&file(b"MBED", icc.len() as u32)).expect("opens");
    assert!(with.notes().is_empty(), "{:?}", with.notes());
    assert_eq!(with.image, open(png).expect("opens").image);
    for (file, word) in [(file(b"MBED", u32::MAX), "truncated"), (file(b"LINK", 9), "another file")] {
        let picture = open(&file).expect("opens");
        assert!(picture.notes().len() == 1 && picture.notes()[0].contains(word), "{:?}", picture.notes());
    }
    assert!(open(&file(b"sRGB", 0)).expect("opens").notes().is_empty());
}

#[test]
fn results_are_tagged_as_srgb() {
    // Not small: `image` reads no profile from a TIFF file of less memory than it.
    let picture = Picture::from(
        Image::from_planar(160, 120, (0..57600).map(|i| (i % 509) as f32 / 2.0).collect()).expect("finite"),
    );
    for (format, kind) in [
        (Format::Png, ImageFormat::Png),
        (Format::Png16, ImageFormat::Png),
        (Format::Jpeg, ImageFormat::Jpeg),
        (Format::WebP, ImageFormat::WebP),
        (Format::Tiff, ImageFormat::Tiff),
        (Format::Tiff16, ImageFormat::Tiff),
    ] {
        let file = picture.encode(format).expect("encodes");
        assert_eq!(file, picture.encode(format).expect("encodes"), "the same bytes each time");
        let mut decoder = ImageReader::with_format(Cursor::new(&file), kind).into_decoder().expect("decodes");
        let icc = decoder.icc_profile().expect("reads");
        let icc = icc.unwrap_or_else(|| panic!("{format:?} has no profile"));
        assert!(icc.len() < 1000, "{} bytes", icc.len());
        assert_eq!(icc[24..28], [7, 223, 0, 8], "the same whenever it is written");
        let profile = ColorProfile::new_from_slice(&icc).expect("is one");
        assert_eq!(profile.color_space, DataColorSpace::Rgb);
        assert!(distance(&rows(&profile), &rows(&ColorProfile::new_srgb())) < 5e-4);
        // And opened again, colours are as they were.
        let again = open(&file).expect("opens");
        let far = distance(&interleaved(&again), &interleaved(&picture));
        assert!(far <= if format == Format::Jpeg { 90.0 } else { 0.51 }, "{format:?} {far}");
    }
}

/// The checks of strict readers: ICC.1:2010, 7.2 and 7.3.
#[test]
fn the_profile_of_results_is_well_formed() {
    let picture = Picture::from(Image::from_planar(64, 64, vec![9.0; 3 * 64 * 64]).expect("finite"));
    let file = picture.encode(Format::Png).expect("encodes");
    let mut decoder = ImageReader::with_format(Cursor::new(&file), ImageFormat::Png).into_decoder().expect("decodes");
    let icc = decoder.icc_profile().expect("reads").expect("has one");
    let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|i| icc[at + i]));
    assert_eq!(number(0) as usize, icc.len());
    assert!(icc.len().is_multiple_of(4));
    assert_eq!((&icc[8..10], &icc[12..24], &icc[36..40]), (&[4, 0x30][..], &b"mntrRGB XYZ "[..], &b"acsp"[..]));
    assert_eq!([68, 72, 76].map(number), [0xf6d6, 0x10000, 0xd32d], "the white of D50");
    assert!(icc[100..128].iter().all(|b| *b == 0), "reserved");
    let (mut end, mut colours) = (132 + 12 * number(128), [0; 3]);
    for i in 0..number(128) as usize {
        let [at, size] = [4, 8].map(|n| number(132 + 12 * i + n));
        assert!(at % 4 == 0 && at + size <= number(0) && at <= end.next_multiple_of(4), "tag {i} at {at}");
        end = end.max(at + size);
        if icc[132 + 12 * i + 1..][..3] == *b"XYZ" {
            (0..3).for_each(|c| colours[c] += number(at as usize + 8 + 4 * c));
        }
    }
    assert_eq!(colours, [0xf6d6, 0x10000, 0xd32d], "white is white");
}

fn rows(profile: &ColorProfile) -> Vec<f64> {
    profile.colorant_matrix().v.concat()
}

#[test]
fn cmyk_gives_a_note() {
    // A frame of four components with one quantisation table and one code, all zero: a flat picture.
    let mut jpeg = vec![0xff, 0xd8, 0xff, 0xdb, 0, 67, 0];
    jpeg.extend([1; 64]);
    jpeg.extend([0xff, 0xc0, 0, 20, 8, 0, 16, 0, 16, 4]);
    (1..=4).for_each(|id| jpeg.extend([id, 0x11, 0]));
    for class in [0x00, 0x10] {
        jpeg.extend([0xff, 0xc4, 0, 20, class, 1]);
        jpeg.extend([0; 15]);
        jpeg.push(0);
    }
    jpeg.extend([0xff, 0xda, 0, 14, 4]);
    (1..=4).for_each(|id| jpeg.extend([id, 0]));
    jpeg.extend([0, 63, 0]);
    // Four blocks of four components, each a zero difference and an end of block: two bits.
    jpeg.extend([0; 4]);
    jpeg.extend([0xff, 0xd9]);
    let picture = open(&jpeg).expect("opens");
    let [note] = picture.notes() else { panic!("{:?}", picture.notes()) };
    assert!(note.contains("CMYK"), "{note}");
}

/// A chunk before the pixels of a PNG file.
fn with_chunk(png: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let checked = [&kind[..], data].concat();
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    // The signature and the header are always as long.
    let (head, rest) = png.split_at(33);
    [head, &length, &checked, &crc32(&checked).to_be_bytes(), rest].concat()
}

/// The CRC of the PNG specification, annex D.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, b| (0..8).fold(crc ^ u32::from(*b), step))
}

#[test]
fn other_colour_chunks_of_png_give_a_note() {
    let mut png = vec![];
    PngEncoder::new(&mut png).write_image(&[100; 3 * 16 * 16], 16, 16, ExtendedColorType::Rgb8).expect("encodes");
    let words = |values: &[u32]| values.iter().flat_map(|v| v.to_be_bytes()).collect::<Vec<_>>();
    let gamma = |value: u32| with_chunk(&png, b"gAMA", &words(&[value]));
    let notes = |png: &[u8]| open(png).expect("opens").notes().to_vec();
    assert!(notes(&png).is_empty() && notes(&gamma(45455)).is_empty());
    let linear = gamma(100_000);
    assert!(notes(&linear).len() == 1 && notes(&linear)[0].contains("(gAMA)"), "{:?}", notes(&linear));
    assert!(notes(&with_chunk(&linear, b"sRGB", &[0])).is_empty(), "which counts instead");
    let srgb = [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000];
    assert!(notes(&with_chunk(&png, b"cHRM", &words(&srgb))).is_empty());
    let p3 = [31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000];
    let both = with_chunk(&linear, b"cHRM", &words(&p3));
    assert!(notes(&both)[0].contains("(cHRM and gAMA)"), "{:?}", notes(&both));
    assert!(notes(&with_chunk(&png, b"cICP", &[1, 13, 0, 1])).is_empty());
    assert!(notes(&with_chunk(&png, b"cICP", &[9, 16, 0, 1]))[0].contains("(cICP)"));
}
