//! Semantic maps: each region painted from the painting's region of its colour, and what is refused.

use image::{Rgb, RgbImage, Rgba, RgbaImage};

use super::{Bench, number};

const RED: Rgb<u8> = Rgb([255, 0, 0]);
const BLUE: Rgb<u8> = Rgb([0, 0, 255]);

/// A photograph of 64x48 and a painting of 48x48 pixels, whose upper half is orange and whose lower half is green; and
/// their maps: left.png is red to the left and blue to the right, right.png the reverse, upper.png red above and blue
/// below.
fn bench() -> Bench {
    let bench = Bench::new();
    let halves = |name: &str, width: u32, height: u32, red: fn(u32, u32) -> bool| {
        let half = |x, y| if red(x, y) { RED } else { BLUE };
        RgbImage::from_fn(width, height, half).save(bench.path(name)).expect("saves");
    };
    halves("left.png", 64, 48, |x, _| x < 32);
    halves("right.png", 64, 48, |x, _| x >= 32);
    halves("upper.png", 48, 48, |_, y| y < 24);
    let grey = |x: u32, y: u32| Rgb([(96 + (x * 7 + y * 5) % 64) as u8; 3]);
    RgbImage::from_fn(64, 48, grey).save(bench.path("grey.png")).expect("saves");
    let halves = |x: u32, y: u32| match ((x + y) / 3 % 2, y < 24) {
        (0, true) => Rgb([230, 120, 20]),
        (_, true) => Rgb([200, 80, 10]),
        (0, false) => Rgb([20, 200, 60]),
        (_, false) => Rgb([10, 150, 30]),
    };
    RgbImage::from_fn(48, 48, halves).save(bench.path("halves.png")).expect("saves");
    bench
}

/// The mean red minus green of the picture's left and right, without the columns at the edge between them.
fn redness(picture: &RgbImage) -> [f64; 2] {
    [0..26, 38..64].map(|columns| {
        let values = picture.enumerate_pixels().filter(|(x, _, _)| columns.contains(x));
        let values: Vec<_> = values.map(|(_, _, p)| f64::from(p[0]) - f64::from(p[1])).collect();
        values.iter().sum::<f64>() / values.len() as f64
    })
}

#[test]
fn each_region_is_painted_in_the_colours_of_its_own() {
    let bench = bench();
    let paint = |map: &str| {
        let said = bench.paint(&format!(
            "grey.png halves.png -o x.png --size 64 --style-size native --iterations 25 -s 4 --map {map} --style-map upper.png"
        ));
        (said, redness(&bench.open("x.png").into_rgb8()))
    };
    let (said, [left, right]) = paint("left.png");
    assert!(said.contains("halves.png at 48x48, by regions: ") && said.contains("#ff0000 50 %"), "{said}");
    assert!(!said.contains("note"), "{said}");
    assert!(left > 60.0 && right < -60.0, "orange to the left and green to the right: {left}, {right}");
    let (_, [left, right]) = paint("right.png");
    assert!(left < -60.0 && right > 60.0, "green to the left and orange to the right: {left}, {right}");
}

/// A region of the whole picture is a style without a map, in its strength too.
#[test]
fn a_map_of_one_colour_changes_nothing() {
    let bench = bench();
    RgbImage::from_pixel(1, 1, RED).save(bench.path("dot.png")).expect("saves");
    RgbImage::from_pixel(8, 6, RED).save(bench.path("one.png")).expect("saves");
    let first = |options: &str| {
        let said = bench.paint(&format!(
            "grey.png halves.png -o x.png --size 64 --iterations 1 --init content --log log.jsonl {options}"
        ));
        (said, number(&bench.log("log.jsonl")[0], "style"))
    };
    let ((_, plain), (said, by_map)) = (first(""), first("--map one.png --style-map dot.png"));
    assert!((by_map - plain).abs() < 1e-4 * plain, "{by_map} instead of {plain}");
    assert!(said.contains("note: one.png: it has one colour, #ff0000"), "{said}");
    // A share is a factor of the loss of all regions.
    RgbImage::from_fn(64, 48, |_, y| if y < 24 { RED } else { BLUE }).save(bench.path("above.png")).expect("saves");
    let (_, double) = first("--map above.png --style-map upper.png --style-share 2");
    let (_, single) = first("--map above.png --style-map upper.png");
    assert!((double - 2.0 * single).abs() < 1e-9 * double, "{double} is not twice {single}");
    let (said, unused) = first("--map one.png --style-map upper.png");
    assert!(unused > 0.0 && said.contains("note: upper.png: not in one.png, so not used: #0000ff"), "{said}");
}

#[test]
fn transparent_parts_of_maps_and_paintings_do_not_count() {
    let bench = bench();
    let clear = |name: &str, opaque: fn(u32, u32) -> bool, colour: fn(u32, u32) -> Rgb<u8>| {
        let pixel = |x, y| {
            let Rgb([r, g, b]) = colour(x, y);
            Rgba([r, g, b, if opaque(x, y) { 255 } else { 0 }])
        };
        RgbaImage::from_fn(48, 48, pixel).save(bench.path(name)).expect("saves");
    };
    clear("half-map.png", |_, y| y < 24, |_, _| RED);
    let line = "grey.png -o x.png --size 64 --style-size native --iterations 2 --map left.png --style-map";
    bench.fail(&format!("{line} half-map.png halves.png"), &["half-map.png", "no region of colour #0000ff"]);
    clear("none.png", |_, _| false, |_, _| RED);
    bench.fail(&format!("{line} none.png halves.png"), &["none.png", "transparent"]);
    // The blue region of the painting is transparent.
    clear("half-art.png", |_, y| y < 24, |x, y| Rgb([(5 * x) as u8, (5 * y) as u8, 90]));
    bench.fail(&format!("{line} upper.png half-art.png"), &["#0000ff in upper.png", "zero everywhere"]);
}

#[test]
fn maps_that_do_not_fit_are_refused() {
    let bench = bench();
    let many = |x: u32, _| Rgb([(x / 8 % 3 * 100) as u8, (x / 24 % 3 * 100) as u8, (x / 72 % 3 * 100) as u8]);
    RgbImage::from_fn(144, 108, many).save(bench.path("many.png")).expect("saves");
    let grain = |x: u32, y: u32| Rgb([(x * 97 + y * 31) as u8, ((x * 57) ^ (y * 83)) as u8, (x * y * 13) as u8]);
    RgbImage::from_fn(64, 48, grain).save(bench.path("grain.png")).expect("saves");
    RgbImage::from_fn(48, 48, |_, y| if y < 30 { RED } else { Rgb([0, 255, 0]) })
        .save(bench.path("green.png"))
        .expect("saves");
    for (options, words) in [
        ("--map left.png", &["--style-map"][..]),
        ("--style-map upper.png", &["--map"]),
        ("--map left.png --style-map upper.png --style-mask left.png", &["cannot be used with", "--style-mask"]),
        ("--map left.png --style-map upper.png --style-region upper.png", &["cannot be used with", "--style-region"]),
        ("--map left.png --style-map upper.png --style-share 1,2", &["--style-share", "2 entries for 1 style"]),
        ("--map left.png --style-map green.png", &["green.png", "no region of colour #0000ff", "50.0 % of left.png"]),
        ("--map many.png --style-map upper.png", &["many.png", "18 colours", "at most 16"]),
        ("--map grain.png --style-map upper.png", &["grain.png", "flat colours"]),
        ("--map upper.png --style-map upper.png", &["upper.png", "the map has 48x48", "64x48"]),
        ("--map left.png --style-map left.png", &["left.png", "the map has 64x48", "proportions"]),
        ("--map gone.png --style-map upper.png", &["gone.png", "cannot read"]),
    ] {
        bench.fail(&format!("grey.png halves.png -o x.png --size 64 {options}"), words);
    }
    let maps = "--size 64 --map left.png --style-map upper.png";
    bench.fail(&format!("grey.png halves.png art.png -o x.png {maps}"), &["one style picture", "2", "--style-mask"]);
    bench.fail(&format!("grey.png halves.png -o left.png {maps}"), &["left.png", "overwrite"]);
    bench.fail(&format!("grey.png halves.png -o upper.png {maps}"), &["upper.png", "overwrite"]);
}

#[test]
fn a_coloured_mask_is_told_of_maps() {
    let bench = Bench::new();
    RgbImage::from_fn(40, 32, |x, _| if x < 20 { RED } else { BLUE }).save(bench.path("mask.png")).expect("saves");
    let said = bench.paint("photo.png art.png -o x.png --size 40 --iterations 1 --style-mask mask.png");
    assert!(said.contains("note: mask.png: it has colours") && said.contains("--map with a --style-map"), "{said}");
}
