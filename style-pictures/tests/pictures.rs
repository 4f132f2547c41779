//! Files in and out: masks of all depths, transparency, sizes, and what is left when writing fails. What `stylize` sees
//! of it is tested through that program.

use std::fs;

use approx::{assert_abs_diff_eq, assert_relative_eq};
use image::{DynamicImage, GrayAlphaImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};
use style_pictures::{ErrorKind, Format, Image, Mask, Picture, luminance, mask, mask_of, save};
use tempfile::TempDir;

fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder")
}

#[test]
fn masks_of_all_depths() {
    let folder = folder();
    let plane = |picture: DynamicImage| {
        let path = folder.path().join("mask.png");
        picture.save(&path).expect("saves");
        let (mask, _) = mask(&path).expect("reads");
        (mask.width(), mask.height(), mask.values().to_vec())
    };
    let grey = ImageBuffer::from_fn(3, 1, |x, _| Luma([[0u8, 102, 255][x as usize]]));
    assert_eq!(plane(DynamicImage::ImageLuma8(grey)), (3, 1, vec![0.0, 0.4, 1.0]));
    let deep = ImageBuffer::from_fn(1, 3, |_, y| Luma([[0u16, 13, 65535][y as usize]]));
    let (w, h, values) = plane(DynamicImage::ImageLuma16(deep));
    assert_eq!((w, h, values[0], values[2]), (1, 3, 0.0, 1.0));
    // A value between two of 8 bits.
    assert_relative_eq!(values[1], 13.0 / 65535.0, max_relative = 1e-5);

    let colours = RgbImage::from_fn(3, 1, |x, _| Rgb([[255, 0, 0], [0, 255, 0], [0, 0, 255]][x as usize]));
    let (_, _, values) = plane(DynamicImage::ImageRgb8(colours));
    assert_eq!(values, [0.299, 0.587, 0.114]);
    let clear = GrayAlphaImage::from_fn(4, 1, |x, _| LumaA([[255, 255], [255, 0], [255, 51], [51, 51]][x as usize]));
    let (_, _, values) = plane(DynamicImage::ImageLumaA8(clear));
    assert_abs_diff_eq!(values[..], [1.0, 0.0, 0.2, 0.04][..], epsilon = 1e-7);
}

#[test]
fn masks_in_memory_are_clamped() {
    let image = Image::from_planar(2, 1, vec![300.0, -5.0, 300.0, -5.0, 300.0, -5.0]).expect("finite");
    assert_eq!(mask_of(&image).expect("is a mask").values(), [1.0, 0.0]);
}

#[test]
fn masks_that_are_none() {
    let folder = folder();
    let path = folder.path().join("mask.png");
    assert_eq!(mask(&path).expect_err("is not there").kind(), ErrorKind::Io);
    fs::write(&path, "no picture").expect("writes");
    assert_eq!(mask(&path).expect_err("is none").kind(), ErrorKind::Image);
    RgbImage::new(3, 2).save(&path).expect("saves");
    let black = mask(&path).expect_err("is black");
    assert!(black.kind() == ErrorKind::Argument && black.to_string().contains("mask.png"), "{black}");
}

#[test]
fn transparency_of_another_size_is_an_error() {
    let folder = folder();
    let path = folder.path().join("clear.png");
    RgbaImage::from_fn(20, 20, |x, _| Rgba([9, 9, 9, (9 * x) as u8])).save(&path).expect("saves");
    let photo = Picture::open(&path).expect("opens");
    assert!(photo.extras.has_alpha());
    for (width, height) in [(30, 30), (10, 10), (40, 10)] {
        let image = Image::from_rgb8(width, height, &vec![9; 3 * width * height]).expect("a picture");
        let torn = Picture { image, extras: photo.extras.clone() };
        for e in [torn.encode(Format::Png).expect_err("torn"), torn.stretched(8, 8).expect_err("torn")] {
            assert_eq!(e.kind(), ErrorKind::Shape);
            assert!(e.to_string().contains(&format!("{width}x{height}")), "{e}");
        }
    }
}

/// Opacity of 1/255 to 1, with columns that cannot be seen.
fn ramp() -> Mask {
    Mask::new(32, 16, (0..512).map(|i| if i % 32 < 2 { 0.0 } else { (i % 32 * 8 + 7) as f32 / 255.0 }).collect())
        .unwrap()
}

#[test]
fn opacity_is_saved_where_a_format_holds_it() {
    let bytes: Vec<u8> = (0..512).flat_map(|i| if i % 32 < 2 { [255, 0, 255] } else { [90, 80, 70] }).collect();
    let picture = Picture::from(Image::from_rgb8(32, 16, &bytes).expect("a picture")).with_alpha(ramp()).expect("fits");
    assert_eq!(picture.alpha(), Some(&ramp()));
    // Where nothing is seen there is the colour of the rest.
    assert_eq!(picture.image.to_rgb8(), [90, 80, 70].repeat(512));
    for format in [Format::Png, Format::Png16, Format::WebP, Format::Tiff, Format::Tiff16, Format::Jpeg] {
        let file = picture.encode(format).expect("encodes");
        let back = Picture::from_bytes(&file).expect("opens");
        assert_eq!(back.alpha(), picture.alpha().filter(|_| format.carries_alpha()), "{format:?}");
        assert!(format == Format::Jpeg || back.image == picture.image, "{format:?}");
        // Another program's reading.
        let theirs = image::load_from_memory(&file).expect("reads");
        assert_eq!(theirs.color().has_alpha(), format.carries_alpha(), "{format:?}");
        assert_eq!(theirs.into_rgba8().get_pixel(9, 3)[3], if format.carries_alpha() { 79 } else { 255 });
    }
    let part = picture.opaque_part().expect("fits").expect("is not all");
    assert_eq!(part, ramp());
    let small = picture.stretched(16, 8).expect("resizes");
    assert_eq!(small.alpha().map(|alpha| (alpha.width(), alpha.height())), Some((16, 8)));
}

#[test]
fn opacity_that_cannot_be() {
    let picture = |width, height| Picture::from(Image::from_luma8(width, height, &vec![9; width * height]).unwrap());
    // As many pixels, in other rows.
    assert_eq!(picture(16, 32).with_alpha(ramp()).expect_err("differs").kind(), ErrorKind::Shape);
    let faint = Mask::new(16, 16, vec![0.003; 256]).unwrap();
    assert_eq!(picture(16, 16).with_alpha(faint).expect_err("is invisible").kind(), ErrorKind::Image);
    let opaque = picture(16, 16).with_alpha(Mask::new(16, 16, vec![1.0; 256]).unwrap()).expect("fits");
    assert!(opaque.alpha().is_none() && opaque.opaque_part().expect("fits").is_none());
    // A dot that vanishes.
    let dot = Mask::new(64, 64, (0..4096).map(|i| if i == 0 { 0.5 } else { 0.0 }).collect()).unwrap();
    let dot = picture(64, 64).with_alpha(dot).expect("is seen").stretched(1, 1).expect_err("is not");
    assert_eq!(dot.kind(), ErrorKind::Image);
}

#[test]
fn decoded_pictures_are_as_opened() {
    let clear = RgbaImage::from_fn(20, 16, |x, y| Rgba([(x * 12) as u8, (y * 15) as u8, 90, (x * 13) as u8]));
    let deep = ImageBuffer::from_fn(20, 16, |x, y| Rgb([(x * 3000) as u16, (y * 4000) as u16, 12345]));
    let grey = GrayAlphaImage::from_fn(20, 16, |x, y| LumaA([(x * 12) as u8, (y * 17) as u8]));
    let pictures = [clear.into(), deep.into(), grey.into(), DynamicImage::new_rgb8(20, 16)];
    for pixels in pictures {
        let folder = folder();
        let path = folder.path().join("picture.png");
        pixels.save(&path).expect("saves");
        let (opened, kind) = (Picture::open(&path).expect("opens"), pixels.color());
        let ours = Picture::try_from(pixels).expect("is taken");
        assert_eq!(ours.image, opened.image, "{kind:?}");
        assert_eq!(ours.alpha(), opened.alpha(), "{kind:?}");
        assert_eq!(ours.alpha().is_some(), kind.has_alpha());
    }
    let refused = |pixels: DynamicImage| Picture::try_from(pixels).expect_err("is none").kind();
    assert_eq!(refused(DynamicImage::new_rgb32f(20, 16)), ErrorKind::Image);
    assert_eq!(refused(DynamicImage::new_rgba8(20, 16)), ErrorKind::Image);
    for (width, height) in [(0, 16), (16, 0)] {
        assert_eq!(refused(DynamicImage::new_rgb8(width, height)), ErrorKind::Shape);
    }
}

/// Its values, of 0 to 1 in 8-bit units, would be refused as a picture of 0 to 1.
#[test]
fn a_picture_may_be_nearly_black() {
    let words = ImageBuffer::from_fn(20, 16, |x, _| Rgb([x as u16; 3]));
    let picture = Picture::try_from(DynamicImage::from(words)).expect("is taken");
    assert_eq!(picture.image.pixels()[19], 19.0 / 257.0);
    let small = picture.sized(17).expect("resizes");
    assert!(luminance(&small.image).is_ok() && small.encode(Format::Png16).is_ok());
}

#[test]
fn what_is_invisible_does_not_bleed() {
    let folder = folder();
    let path = folder.path().join("clear.png");
    // Green, and beside it an invisible garish red.
    let half = |x: u32| if x < 17 { Rgba([10, 200, 30, 255]) } else { Rgba([255, 0, 0, 0]) };
    RgbaImage::from_fn(40, 40, |x, _| half(x)).save(&path).expect("saves");
    let small = Picture::open(&path).and_then(|picture| picture.sized(16)).expect("resizes");
    for (plane, wanted) in small.image.pixels().chunks(16 * 16).zip([10.0, 200.0, 30.0]) {
        assert_abs_diff_eq!(*plane, [wanted; 16 * 16][..], epsilon = 0.5);
    }
}

#[test]
fn sizes_that_cannot_be() {
    let picture = Picture::from(Image::from_rgb8(4, 3, &[7; 36]).expect("a picture"));
    for result in [
        picture.stretched(0, 5),
        picture.stretched(5, 0),
        picture.stretched(usize::MAX, 5),
        picture.stretched(5, 32_769),
        picture.sized(0),
        picture.sized(u32::MAX),
        picture.scaled(f64::NAN),
        picture.scaled(f64::INFINITY),
        picture.scaled(-1.0),
        picture.scaled(0.0),
    ] {
        assert_eq!(result.expect_err("has no such size").kind(), ErrorKind::Argument);
    }
    let dot = picture.scaled(1e-9).expect("at least a pixel").image;
    assert_eq!((dot.width(), dot.height()), (1, 1));
}

#[test]
fn files_are_whole_or_as_before() {
    let folder = folder();
    let image = Image::from_rgb8(2, 2, &[7; 12]).expect("a picture");
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).expect("lists").map(|e| e.expect("an entry").file_name()).collect();
        names.sort_unstable();
        names
    };
    for name in ["a.png", "a.jpg", "a.webp"] {
        save(folder.path().join(name), &image).expect("saves");
    }
    assert_eq!(names(), ["a.jpg", "a.png", "a.webp"]);
    let back = image::open(folder.path().join("a.png")).expect("is a picture").into_rgb8();
    assert_eq!(back.as_raw(), &[7; 12]);

    fs::create_dir(folder.path().join("b.png")).expect("makes");
    let e = save(folder.path().join("b.png"), &image).expect_err("is a folder");
    assert!(e.kind() == ErrorKind::Io && e.to_string().contains("b.png"), "{e}");
    let e = save(folder.path().join("none/c.png"), &image).expect_err("has no folder");
    assert!(e.kind() == ErrorKind::Io && e.to_string().contains("c.png"), "{e}");
    let e = save(folder.path().join("c.gif"), &image).expect_err("is no format");
    assert_eq!(e.kind(), ErrorKind::Argument);
    // WebP has no room for so wide a picture; what was there stays.
    let wide = Image::from_planar(17_000, 1, vec![0.0; 51_000]).expect("a picture");
    assert_eq!(save(folder.path().join("a.webp"), &wide).expect_err("too wide").kind(), ErrorKind::Image);
    assert_eq!(image::open(folder.path().join("a.webp")).expect("is a picture").width(), 2);
    assert_eq!(names(), ["a.jpg", "a.png", "a.webp", "b.png"]);
}

#[cfg(unix)]
#[test]
fn files_have_the_permissions_of_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).expect("is there").permissions().mode();
    fs::write(folder.path().join("other"), "").expect("writes");
    save(folder.path().join("a.png"), &Image::from_rgb8(1, 1, &[7; 3]).expect("a picture")).expect("saves");
    assert_eq!(mode("a.png"), mode("other"));
}
