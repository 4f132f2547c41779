//! Without the feature `icc`: colours are as stored, and a note says so of every profile but our own.

#![cfg(not(feature = "icc"))]

mod common;

use common::{distance, golden};
use style_pictures::{Format, Image, Picture};

#[test]
fn a_profile_is_told_and_colours_are_as_stored() {
    for profile in golden().profiles {
        let picture = Picture::from_bytes(&profile.png).expect("opens");
        let [note] = picture.notes() else { panic!("{}: {:?}", profile.name, picture.notes()) };
        assert!(note.contains("feature `icc`") && note.contains("treated as sRGB"), "{note}");
        let stored = image::load_from_memory(&profile.png).expect("reads").into_rgb8();
        let wanted = Image::from_rgb8(picture.image.width(), picture.image.height(), &stored).expect("a picture");
        assert_eq!(distance(picture.image.pixels(), wanted.pixels()), 0.0, "{}", profile.name);
    }
}

#[test]
fn results_are_opened_without_a_note() {
    let picture = Picture::from(Image::from_luma8(64, 64, &[90; 4096]).expect("a picture"));
    for format in [Format::Png, Format::Png16, Format::Jpeg, Format::WebP, Format::Tiff, Format::Tiff16] {
        let file = picture.encode(format).expect("encodes");
        assert!(Picture::from_bytes(&file).expect("opens").notes().is_empty(), "{format:?}");
    }
}
