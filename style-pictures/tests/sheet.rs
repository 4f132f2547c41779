//! Contact sheets: every picture in its place, and text beside them, never on them.

#![cfg(feature = "sheets")]

use style_pictures::{ErrorKind, Image, Sheet};

/// A picture without white, so that it differs from the background.
fn picture(width: usize, height: usize, seed: usize) -> Image {
    let bytes: Vec<u8> = (0..3 * width * height).map(|i| ((i * 7 + seed * 31) % 200) as u8).collect();
    Image::from_rgb8(width, height, &bytes).expect("a picture")
}

fn value(image: &Image, channel: usize, x: usize, y: usize) -> f32 {
    image.pixels()[(channel * image.height() + y) * image.width() + x]
}

/// Whether a picture lies on the sheet at this place, unchanged.
fn holds(sheet: &Image, picture: &Image, left: usize, top: usize) -> bool {
    let inside = (0..3).flat_map(|c| (0..picture.height()).map(move |y| (c, y)));
    inside.flat_map(|(c, y)| (0..picture.width()).map(move |x| (c, x, y))).all(|(c, x, y)| {
        left + x < sheet.width()
            && top + y < sheet.height()
            && value(sheet, c, left + x, top + y) == value(picture, c, x, y)
    })
}

/// Whether anything is drawn in a part of the sheet.
fn ink(sheet: &Image, xs: std::ops::Range<usize>, ys: std::ops::Range<usize>) -> bool {
    ys.into_iter().any(|y| xs.clone().any(|x| (0..3).any(|c| value(sheet, c, x, y) < 250.0)))
}

const LONG: &str = "a label far too long for any cell, or for the whole sheet, and even for what lies beside it";

#[test]
fn pictures_lie_in_their_cells_whatever_the_text() {
    let pictures = [0, 1, 2, 3, 4].map(|seed| picture(80, 60, seed));
    let build = |text: &str| {
        let sheet = Sheet::new(3).title(text).column_labels([text; 3]).row_labels([text; 2]);
        pictures.iter().fold(sheet, |sheet, picture| sheet.cell(picture, text)).draw().expect("draws")
    };
    let (short, long) = (build("x"), build(LONG));
    // Labels of rows take the width that they need, and a title without room is smaller; all else is the same.
    assert!(long.width() > short.width() + 100);
    for (sheet, title) in [(&short, 20), (&long, 16)] {
        let (w, h) = (sheet.width(), sheet.height());
        let (first, top) = (w - 16 - 3 * 80 - 2 * 8, 16 + (title + 8) + (16 + 4));
        let places = [0, 1, 2, 3, 4].map(|i| (first + i % 3 * 88, top + i / 3 * (60 + 16 + 8)));
        for (picture, (x, y)) in pictures.iter().zip(places) {
            assert!(holds(sheet, picture, x, y), "no picture at {x}, {y}");
        }
        for margin in [(0..w, 0..16), (0..w, h - 16..h), (0..16, 0..h), (w - 16..w, 0..h)] {
            assert!(!ink(sheet, margin.0.clone(), margin.1.clone()), "{margin:?} is not white");
        }
        assert!(ink(sheet, 16..w - 16, 16..16 + title), "no title");
        assert!(ink(sheet, 16..first - 8, top..top + 60), "no row label");
        for (x, y) in places {
            assert!(ink(sheet, x..x + 80, top - 20..top), "no column label");
            assert!(ink(sheet, x..x + 80, y + 60..y + 76), "no label");
        }
        // Between cells there is nothing at all, below the title.
        for x in [first - 8, first + 80, first + 168] {
            assert!(!ink(sheet, x..x + 8, 16 + title + 8..h), "text between the cells");
        }
        // The cell without a picture is empty.
        assert!(!ink(sheet, first + 176..w, top + 84..h));
    }
}

#[test]
fn what_does_not_fit_ends_in_dots() {
    let cell = picture(80, 60, 0);
    let sheet = |label: &str| Sheet::new(1).margin(0).cell(&cell, label).draw().expect("draws");
    let cut = sheet(LONG);
    // Letters reach into the upper half of a line; behind the last of them stand three dots in the lower.
    let inked = |ys: std::ops::Range<usize>| (0..80).filter(|x| ink(&cut, *x..x + 1, ys.clone())).collect::<Vec<_>>();
    let (upper, lower) = (inked(60..68), inked(68..76));
    let last = upper.last().expect("letters");
    let starts = lower.iter().filter(|x| *x > last && !lower.contains(&(*x - 1))).count();
    assert_eq!(starts, 3, "{upper:?}, {lower:?}");
    // A label that fits has no dots, and letters that the font has not are question marks.
    assert_eq!(sheet("\u{4e00}\n"), sheet("??"));
    assert_ne!(sheet("ab"), sheet("ac"));
}

#[test]
fn text_grows_with_the_cells_and_shrinks_to_fit() {
    let label_height = |label: &str| {
        let cell = picture(400, 400, 0);
        Sheet::new(1).margin(0).cell(&cell, label).draw().expect("draws").height() - 400
    };
    assert_eq!(label_height(""), 0);
    assert_eq!(label_height("content"), 32);
    assert_eq!(label_height("a label of forty-five letters, give or take.."), 16);
    assert!([20, 24].contains(&label_height("a label of thirty letters, so.")));
}

#[test]
fn other_sizes_are_fitted_and_centred() {
    let (wide, high, small) = (picture(40, 20, 0), picture(20, 40, 1), picture(10, 10, 2));
    let sheet = Sheet::new(3).margin(0).cell(&wide, "").cell(&high, "").cell(&small, "").draw().expect("draws");
    assert_eq!((sheet.width(), sheet.height()), (120, 40));
    assert!(holds(&sheet, &wide, 0, 10) && holds(&sheet, &high, 50, 0));
    assert!(!ink(&sheet, 0..40, 0..10) && !ink(&sheet, 40..50, 0..40));
    // The small one fills its cell.
    assert!(ink(&sheet, 80..81, 0..40) && ink(&sheet, 119..120, 0..40));
}

#[test]
fn sheets_that_cannot_be() {
    let cell = picture(8, 8, 0);
    let one = || Sheet::new(1).cell(&cell, "x");
    for (sheet, word) in [
        (Sheet::new(3), "0 cells"),
        (Sheet::new(0).cell(&cell, ""), "0 columns"),
        (one().column_labels(["a", "b"]), "2 labels"),
        (one().row_labels(["a", "b"]), "1 rows has 2"),
        (one().cell_size(0, 9), "size"),
        (one().cell_size(9, 0), "size"),
        (one().cell_size(usize::MAX, 9), "32768"),
        (one().cell_size(9, usize::MAX), "32768"),
        (one().margin(usize::MAX), "32768"),
        (Sheet::new(usize::MAX).cell(&cell, "x").title("t"), "32768"),
    ] {
        let e = sheet.draw().expect_err("is no sheet");
        assert_eq!(e.kind(), ErrorKind::Argument);
        assert!(e.to_string().contains(word), "{word:?} is not in: {e}");
    }
    // The least that can be, with all kinds of text.
    let sheet = Sheet::new(1).cell(&cell, LONG).cell_size(1, 1).margin(1).title(LONG).column_labels([LONG]);
    assert!(sheet.row_labels([LONG]).draw().is_ok());
}
