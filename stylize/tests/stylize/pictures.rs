//! Pictures and masks in practice: preserved properties, notes and errors.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ExtendedColorType, ImageBuffer, ImageEncoder, ImageReader, Rgb, RgbImage, Rgba, RgbaImage};

use crate::{Bench, UNCHANGED, number, painting, photograph, said};

#[test]
fn native_resamples_nothing() {
    let bench = Bench::new();
    bench.paint(&format!("photo.png {UNCHANGED} -o x.png"));
    assert_eq!(bench.open("x.png"), bench.open("photo.png"));
    bench.paint(&format!("photo.png {UNCHANGED} -o x.webp"));
    assert_eq!(bench.open("x.webp"), bench.open("photo.png"));
}

#[test]
fn sixteen_bits_and_grey_are_read() {
    let bench = Bench::new();
    let eight = photograph(40, 32);
    let deep = ImageBuffer::from_fn(40, 32, |x, y| Rgb(eight.get_pixel(x, y).0.map(|v| u16::from(v) * 257)));
    DynamicImage::ImageRgb16(deep).save(bench.path("deep.png")).expect("saves");
    bench.paint(&format!("deep.png {UNCHANGED} -o x.png"));
    assert_eq!(bench.open("x.png"), DynamicImage::ImageRgb8(eight.clone()));

    let grey = DynamicImage::ImageRgb8(eight).into_luma8();
    grey.save(bench.path("grey.png")).expect("saves");
    bench.paint(&format!("grey.png {UNCHANGED} -o x.png"));
    assert_eq!(bench.open("x.png").into_rgb8().get_pixel(9, 9).0, [grey.get_pixel(9, 9).0[0]; 3]);
}

#[test]
fn alpha_is_carried() {
    let bench = Bench::new();
    let opaque = photograph(40, 32);
    let alpha = |x: u32| (x * 6).min(255) as u8;
    let clear = RgbaImage::from_fn(40, 32, |x, y| {
        let Rgb([r, g, b]) = *opaque.get_pixel(x, y);
        Rgba([r, g, b, alpha(x)])
    });
    clear.save(bench.path("clear.png")).expect("saves");
    bench.paint(&format!("clear.png {UNCHANGED} -o x.png"));
    let kept = bench.open("x.png").into_rgba8();
    // The first column is invisible and has no colour to keep.
    assert!(kept.enumerate_pixels().all(|(x, y, p)| x == 0 && p[3] == 0 || p == clear.get_pixel(x, y)));

    bench.paint("clear.png art.png -o x.png --size 60 --iterations 2");
    let resized = bench.open("x.png").into_rgba8();
    assert_eq!(resized.dimensions(), (60, 48));
    let middle = resized.get_pixel(30, 24)[3];
    assert!(middle.abs_diff(alpha(20)) < 6, "{middle}");

    let said = bench.paint(&format!("clear.png {UNCHANGED} -o x.jpg"));
    assert!(said.contains("note: JPEG has no transparency"), "{said}");
    assert!(!bench.open("x.jpg").has_alpha());
}

#[test]
fn orientation_and_profile_are_honoured() {
    let bench = Bench::new();
    let lying = photograph(40, 32);
    // A TIFF header and one entry: orientation 6, a quarter turn clockwise.
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    let mut icc = vec![0; 140];
    icc[16..20].copy_from_slice(b"RGB ");
    let mut jpeg = vec![];
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 100);
    encoder.set_exif_metadata(exif).expect("a JPEG has EXIF");
    encoder.write_image(&lying, 40, 32, ExtendedColorType::Rgb8).expect("encodes");
    fs::write(bench.path("turned.jpg"), jpeg).expect("writes");
    bench.paint(&format!("turned.jpg {UNCHANGED} -o x.png"));
    let upright = bench.open("x.png").into_rgb8();
    assert_eq!(upright.dimensions(), (32, 40));
    let wanted = image::imageops::rotate90(&lying);
    let far = upright.as_raw().iter().zip(wanted.as_raw()).filter(|(a, b)| a.abs_diff(**b) > 24).count();
    assert!(far < 40, "{far} values differ");

    // An unusable profile gives a note, and colours stay unchanged.
    let mut png = vec![];
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_icc_profile(icc).expect("a PNG has profiles");
    encoder.write_image(&lying, 40, 32, ExtendedColorType::Rgb8).expect("encodes");
    fs::write(bench.path("profile.png"), png).expect("writes");
    let said = bench.paint(&format!("profile.png {UNCHANGED} -o x.png"));
    assert!(said.contains("note: profile.png") && said.contains("treated as sRGB"), "{said}");
    assert_eq!(bench.open("x.png").into_rgb8(), lying);
    // A result is tagged as sRGB.
    bench.paint(&format!("photo.png {UNCHANGED} -o x.jpg"));
    let mut decoder = ImageReader::open(bench.path("x.jpg")).expect("is there").into_decoder().expect("decodes");
    let icc = image::ImageDecoder::icc_profile(&mut decoder).expect("reads").expect("has a profile");
    assert_eq!(&icc[16..20], b"RGB ");
}

#[test]
fn sixteen_bits_are_written() {
    let bench = Bench::new();
    let deep = ImageBuffer::from_fn(40, 32, |x, y| Rgb([x * 1601, y * 2003, x * y * 50].map(|v| v as u16)));
    let deep = DynamicImage::ImageRgb16(deep);
    for (from, to) in [("deep.png", "z.tif"), ("deep.tiff", "z.png")] {
        deep.save(bench.path(from)).expect("saves");
        bench.paint(&format!("{from} {UNCHANGED} -o {to} --depth 16 --snapshot-every 1"));
        // The mean colour is subtracted and added again.
        let far = |name: &str| {
            let (a, b) = (bench.open(name).into_rgb16(), deep.to_rgb16());
            a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max()
        };
        assert_eq!(bench.open(to).color(), image::ColorType::Rgb16);
        assert!(far(to) <= Some(1), "{:?}", far(to));
        let snapshot = to.replace("z.", "z_0001.");
        assert!(far(&snapshot) <= Some(1), "{:?}", far(&snapshot));
    }
    // The default is eight bits.
    bench.paint(&format!("photo.png {UNCHANGED} -o y.tif"));
    assert_eq!(bench.open("y.tif"), bench.open("photo.png"));
    bench.fail(&format!("photo.png {UNCHANGED} -o y.jpg --depth 16"), &["y.jpg", "8 bits", "TIFF"]);
    bench.fail(&format!("photo.png {UNCHANGED} -o y.png --depth 12"), &["--depth", "8 or 16"]);
}

#[test]
fn bad_pictures() {
    let bench = Bench::new();
    let whole = fs::read(bench.path("photo.png")).expect("is there");
    fs::write(bench.path("half.png"), &whole[..whole.len() / 2]).expect("writes");
    photograph(40, 32).save(bench.path("photo.jpg")).expect("saves");
    let whole = fs::read(bench.path("photo.jpg")).expect("is there");
    fs::write(bench.path("half.jpg"), &whole[..whole.len() * 2 / 3]).expect("writes");
    fs::write(bench.path("head.jpg"), &whole[..30]).expect("writes");
    fs::write(bench.path("empty.png"), "").expect("writes");
    fs::write(bench.path("text.png"), "not a picture at all, but a line of text").expect("writes");
    photograph(40, 32).save(bench.path("photo.tif")).expect("saves");
    let whole = fs::read(bench.path("photo.tif")).expect("is there");
    fs::write(bench.path("half.tif"), &whole[..whole.len() / 2]).expect("writes");
    photograph(1, 1).save(bench.path("dot.png")).expect("saves");
    photograph(40, 15).save(bench.path("flat.png")).expect("saves");
    photograph(400, 16).save(bench.path("long.png")).expect("saves");
    for (file, words) in [
        ("none.png", &["none.png", "cannot read", "No such file"][..]),
        ("half.png", &["half.png", "damaged"]),
        ("half.jpg", &["half.jpg", "ends before"]),
        ("head.jpg", &["head.jpg", "ends before"]),
        ("half.tif", &["half.tif", "damaged"]),
        ("empty.png", &["empty.png", "empty"]),
        ("text.png", &["text.png", "unsupported picture format"]),
        ("dot.png", &["dot.png", "1x1", "too few"]),
        ("flat.png", &["flat.png", "40x15", "too few"]),
    ] {
        bench.fail(&format!("{file} art.png -o x.png --size 48"), words);
        bench.fail(&format!("photo.png {file} -o x.png --size 48"), words);
        bench.fail(&format!("photo.png art.png --init {file} -o x.png --size 48"), words);
    }
    // Large enough, but not at the requested size.
    bench.fail("long.png art.png -o x.png --size 40", &["40x2", "too small", "larger"]);
    bench.fail("photo.png art.png -o x.png --size 8", &["8x6", "too small"]);
    bench.fail("photo.png art.png -o x.png --style-scale 0.01", &["style picture", "too small"]);
}

#[test]
fn each_style_has_its_scale_share_and_mask() {
    let bench = Bench::new();
    RgbImage::from_fn(40, 32, |x, _| Rgb([if x < 20 { 255 } else { 0 }; 3]))
        .save(bench.path("left.png"))
        .expect("saves");
    RgbImage::from_fn(40, 32, |x, _| Rgb([if x < 20 { 0 } else { 255 }; 3]))
        .save(bench.path("right.png"))
        .expect("saves");
    let said = bench.paint(
        "photo.png art.png photo.png -o x.png --size native --iterations 3 --style-scale 2,0.5 --style-share 1,0.25 \
         --style-mask left.png,right.png --log log.jsonl",
    );
    assert!(said.contains("art.png at 72x72") && said.contains("photo.png at 20x16"), "{said}");
    let style = |options: &str| {
        bench.paint(&format!(
            "photo.png art.png photo.png -o x.png --size native --iterations 1 --init content --style-weight 1 --log log.jsonl \
             {options}"
        ));
        number(&bench.log("log.jsonl")[0], "style")
    };
    // The second style is the photograph itself, so only the first contributes to the loss.
    assert!(style("--style-share 0,1") < 1e-9 * style("--style-share 1,0"));
    assert!(style("--style-share 1,3") < 0.1 * style("--style-share 1,0"));
    let masked = style("--style-mask left.png,right.png");
    assert!(masked > 0.0 && masked < style("--style-share 1,0"));
}

#[test]
fn colours_are_kept() {
    let bench = Bench::new();
    // A grey photograph stays grey, whatever the painting's colours.
    let grey = RgbImage::from_fn(40, 32, |x, y| Rgb([((x * 6) ^ (y * 5)) as u8; 3]));
    grey.save(bench.path("grey.png")).expect("saves");
    let spread = |options: &str| {
        bench.paint(&format!("grey.png art.png -o x.png --size native --iterations 15 --style-weight 100 {options}"));
        let picture = bench.open("x.png").into_rgb8();
        let range = |p: &Rgb<u8>| f64::from(p.0.iter().max().unwrap_or(&0) - p.0.iter().min().unwrap_or(&0));
        picture.pixels().map(range).sum::<f64>() / (40.0 * 32.0)
    };
    let painted = spread("");
    // Pixels are painted as luminance and clamped equally in each channel.
    assert!(spread("--colours luminance") < 1.0);
    for name in ["cholesky", "pca", "symmetric"] {
        assert!(spread(&format!("--colours {name}")) < 0.7 * painted, "{name} {painted}");
    }
}

#[test]
fn standard_input_and_output() {
    let bench = Bench::new();
    let mut command = bench.command(&format!("- {UNCHANGED} -o -"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    let photo = fs::read(bench.path("photo.png")).expect("is there");
    child.stdin.take().expect("is piped").write_all(&photo).expect("is read");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{}", said(&output));
    let result = image::load_from_memory(&output.stdout).expect("only a picture");
    assert_eq!(result, bench.open("photo.png"));
    assert!(said(&output).contains("standard input at 40x32"), "{}", said(&output));
    assert_eq!(fs::read_dir(bench.path("")).expect("a folder").count(), 2);

    bench.fail("- - -o x.png", &["standard input", "only one"]);
    bench.fail("photo.png art.png -o - --snapshot-every 1", &["--snapshot-every", "-o"]);
    let mut command = bench.command("- art.png -o x.png");
    let nothing = command.stdin(Stdio::null()).output().expect("runs");
    assert!(!nothing.status.success() && said(&nothing).contains("standard input: the file is empty"));
}

/// The opaque part is the style's region, whatever the colours of transparent pixels.
#[test]
fn transparent_pixels_of_a_painting_do_not_count() {
    let bench = Bench::new();
    let art = painting(36, 36);
    let half = |beneath: [u8; 3]| {
        RgbaImage::from_fn(36, 36, |x, y| {
            let Rgb([r, g, b]) = *art.get_pixel(x, y);
            let [br, bg, bb] = beneath;
            if x < 18 { Rgba([r, g, b, 255]) } else { Rgba([br, bg, bb, 0]) }
        })
    };
    half([255, 0, 0]).save(bench.path("red.png")).expect("saves");
    half([0, 0, 255]).save(bench.path("blue.png")).expect("saves");
    let line = "--size 40 --style-size native --iterations 3 --scales none";
    let said = bench.paint(&format!("photo.png red.png -o red_result.png {line}"));
    assert!(said.contains("note: red.png: its transparent pixels do not count"), "{said}");
    bench.paint(&format!("photo.png blue.png -o blue_result.png {line}"));
    assert_eq!(bench.open("red_result.png"), bench.open("blue_result.png"));

    // The same picture, opaque, with that region.
    let mask = RgbImage::from_fn(36, 36, |x, _| Rgb([if x < 18 { 255 } else { 0 }; 3]));
    mask.save(bench.path("left.png")).expect("saves");
    let filled = bench.path("filled.png");
    let mean = |c: usize| {
        let values = art.enumerate_pixels().filter(|(x, _, _)| *x < 18).map(|(_, _, p)| f64::from(p[c]));
        (values.sum::<f64>() / (18.0 * 36.0)).round() as u8
    };
    let filling = Rgb([0, 1, 2].map(mean));
    RgbImage::from_fn(36, 36, |x, y| if x < 18 { *art.get_pixel(x, y) } else { filling }).save(filled).expect("saves");
    bench.paint(&format!("photo.png filled.png --style-region left.png -o filled_result.png {line}"));
    let (a, b) = (bench.open("red_result.png").into_rgb8(), bench.open("filled_result.png").into_rgb8());
    let far = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(far <= Some(2), "{far:?} levels apart");

    RgbaImage::new(36, 36).save(bench.path("clear.png")).expect("saves");
    bench.fail("photo.png clear.png -o x.png", &["clear.png", "every pixel is transparent"]);
    bench.fail("clear.png art.png -o x.png", &["clear.png", "every pixel is transparent"]);
    bench.fail("photo.png red.png --style-region right.png -o x.png", &["right.png", "cannot read"]);
    RgbImage::from_fn(36, 36, |x, _| Rgb([if x < 18 { 0 } else { 255 }; 3]))
        .save(bench.path("right.png"))
        .expect("saves");
    bench.fail(
        &format!("photo.png red.png --style-region right.png -o x.png {line}"),
        &["right.png", "zero everywhere"],
    );
}

#[test]
fn masks_mean_what_they_look_like() {
    let bench = Bench::new();
    let mask = |name: &str, inside: [u8; 3]| {
        let picture = RgbImage::from_fn(40, 32, |x, _| if x < 20 { Rgb(inside) } else { Rgb([0; 3]) });
        picture.save(bench.path(name)).expect("saves");
    };
    mask("white.png", [255; 3]);
    image::imageops::rotate90(&bench.open("white.png").into_rgb8()).save(bench.path("lying.png")).expect("saves");
    bench.fail("photo.png art.png -o x.png --content-mask lying.png", &["lying.png", "other proportions", "turn it"]);
    mask("one.png", [1; 3]);
    mask("dim.png", [3; 3]);
    mask("red.png", [255, 0, 0]);
    let paint = |name: &str| {
        let said = bench.paint(&format!("photo.png art.png -o x.png --size 40 --iterations 2 --content-mask {name}"));
        (said, bench.open("x.png"))
    };
    let (said, white) = paint("white.png");
    assert!(!said.contains("note"), "{said}");
    let (said, one) = paint("one.png");
    assert!(said.contains("note: one.png: its values are 0 and 1; 1 is treated as white"), "{said}");
    assert_eq!(one, white);
    let (said, dim) = paint("dim.png");
    assert!(said.contains("note: dim.png: its brightest value is 3 of 255"), "{said}");
    assert!(dim != white);
    let (said, _) = paint("red.png");
    assert!(said.contains("note: red.png: it has colours"), "{said}");
}

#[test]
fn a_picture_too_small_is_named_with_the_size_that_would_do() {
    let bench = Bench::new();
    photograph(40, 20).save(bench.path("wide.png")).expect("saves");
    bench.fail(
        "photo.png wide.png -o x.png --style-size 30",
        &["wide.png", "30x15", "conv5_1", "--style-size 32 would"],
    );
    bench.paint("photo.png wide.png -o y.png --size 40 --style-size 32 --iterations 1");
    bench.fail("photo.png wide.png -o x.png --style-size 30 --style-scale 0.5", &["wide.png", "--style-size 64 would"]);
    bench.fail("wide.png art.png -o x.png --size 30", &["wide.png", "30x15", "--size 32 would"]);
    bench.paint("wide.png art.png -o y.png --size 32 --iterations 1");
}
