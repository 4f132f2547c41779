//! Semantic maps: colours found and matched, soft edges, and what is no map.

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage, Rgba, RgbaImage};
use style_pictures::{ErrorKind, Image, Picture, Result, SemanticMap};
use tempfile::TempDir;

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];
const PURPLE: [u8; 3] = [128, 0, 128];

/// A map drawn pixel by pixel.
fn drawn(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [u8; 3]) -> Result<SemanticMap> {
    let bytes: Vec<u8> = (0..width * height).flat_map(|i| pixel(i % width, i / width)).collect();
    SemanticMap::of(&Picture::from(Image::from_rgb8(width, height, &bytes)?))
}

/// Stripes of equal width, one of each colour.
fn stripes(width: usize, height: usize, colours: &[[u8; 3]]) -> Result<SemanticMap> {
    drawn(width, height, |x, _| colours[x * colours.len() / width])
}

fn mixed(a: [u8; 3], b: [u8; 3], t: f64) -> [u8; 3] {
    [0, 1, 2].map(|c| (f64::from(a[c]) * (1.0 - t) + f64::from(b[c]) * t).round() as u8)
}

/// The sum of all weights at a pixel.
fn sum(map: &SemanticMap, i: usize) -> f64 {
    map.masks().iter().map(|mask| f64::from(mask.values()[i])).sum()
}

fn names(map: &SemanticMap) -> Vec<String> {
    map.colours().iter().map(ToString::to_string).collect()
}

/// A value below `n` that depends on `i` alone.
fn noise(i: usize, n: u64) -> u64 {
    let mixed = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33) % n
}

#[test]
fn edges_are_soft_and_weights_sum_to_one() {
    // A red disc on blue; its edge is a ramp of three pixels.
    let disc = |x: usize, y: usize| {
        let radius = (x as f64 - 31.5).hypot(y as f64 - 31.5);
        ((20.0 - radius) / 3.0 + 0.5).clamp(0.0, 1.0)
    };
    let map = drawn(64, 64, |x, y| mixed(BLUE, RED, disc(x, y))).expect("is a map");
    assert_eq!(names(&map), ["#0000ff", "#ff0000"]);
    assert!(map.notes().is_empty(), "{:?}", map.notes());
    for i in 0..64 * 64 {
        assert!((sum(&map, i) - 1.0).abs() < 1e-6);
        let wanted = disc(i % 64, i / 64);
        // Traces below 5 % are taken for noise.
        assert!((f64::from(map.masks()[1].values()[i]) - wanted).abs() < 0.051, "{i}: not {wanted}");
    }
}

/// The edge between red and blue has purple pixels, which belong to neither the purple region nor to one of their own.
#[test]
fn a_colour_between_two_is_not_taken_for_their_edge() {
    let edge = |x: usize, t: [u8; 3]| {
        if x < 31 {
            RED
        } else if x < 33 {
            t
        } else {
            BLUE
        }
    };
    let without = drawn(64, 64, |x, _| edge(x, PURPLE)).expect("is a map");
    assert_eq!(without.colours().len(), 2, "{:?}", names(&without));
    let with = drawn(64, 64, |x, y| if y < 20 { PURPLE } else { edge(x, PURPLE) }).expect("is a map");
    assert_eq!(with.colours().len(), 3);
    let purple = with.colours().iter().position(|c| c.rgb == PURPLE).expect("is found");
    let at = |x: usize, y: usize| with.masks()[purple].values()[y * 64 + x];
    assert_eq!((at(31, 10), at(31, 40), at(32, 40)), (1.0, 0.0, 0.0));
    assert!((sum(&with, 40 * 64 + 31) - 1.0).abs() < 1e-6);
}

#[test]
fn noise_and_jpeg_do_no_harm() {
    let noisy = |colour: [u8; 3], i: usize| [0, 1, 2].map(|c| colour[c].saturating_add(noise(3 * i + c, 15) as u8));
    let map = drawn(96, 64, |x, y| noisy(if x < 60 { [20, 90, 200] } else { [200, 180, 30] }, y * 96 + x));
    let map = map.expect("is a map");
    assert_eq!((map.colours().len(), map.notes().len()), (2, 0));

    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("map.jpg");
    let colour = |x: u32, y: u32| {
        if y < 100 {
            RED
        } else if x < 90 + y / 4 {
            [30, 160, 40]
        } else {
            BLUE
        }
    };
    let picture = RgbImage::from_fn(256, 192, |x, y| Rgb(colour(x, y)));
    let file = std::fs::File::create(&path).expect("creates");
    picture.write_with_encoder(JpegEncoder::new_with_quality(file, 40)).expect("saves");
    let map = SemanticMap::open(&path).expect("is a map");
    assert_eq!((map.colours().len(), map.notes().len()), (3, 0), "{:?} {:?}", names(&map), map.notes());
    for (found, wanted) in map.colours().iter().zip([RED, BLUE, [30, 160, 40]]) {
        assert!(found.rgb.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 8), "{found} is not {wanted:?}");
    }
    let far: f64 = (0..256 * 192)
        .map(|i| 1.0 - f64::from(map.masks()[usize::from(i / 256 >= 100)].values()[i]))
        .enumerate()
        .filter(|(i, _)| i / 256 < 98 || i % 256 > 150)
        .map(|(_, far)| far)
        .sum();
    assert!(far / (256.0 * 192.0) < 0.01, "{far}");
    assert!((0..256 * 192).all(|i| (sum(&map, i) - 1.0).abs() < 1e-6));
}

#[test]
fn regions_have_the_colours_of_both_maps() {
    let photo = stripes(60, 40, &[RED, BLUE, RED]).expect("is a map");
    // Slightly different colours, and one more.
    let painting = stripes(90, 30, &[[0, 255, 0], [10, 5, 240], [240, 12, 0]]).expect("is a map");
    let (regions, notes) = photo.matched(&painting).expect("match");
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("#00ff00 (33.3 %)") && notes[0].contains("not used"), "{notes:?}");
    let all: Vec<_> = regions.iter().map(|r| r.colour.to_string()).collect();
    assert_eq!(all, ["#ff0000", "#0000ff"]);
    assert!((regions[0].colour.area - 2.0 / 3.0).abs() < 1e-9);
    // Red is outside in the photograph and to the right in the painting.
    let row = |values: &[f32], at: [usize; 3]| at.map(|x| values[x]);
    assert_eq!(row(regions[0].mask.values(), [5, 30, 55]), [1.0, 0.0, 1.0]);
    assert_eq!(row(regions[0].region.values(), [5, 45, 85]), [0.0, 0.0, 1.0]);
    assert_eq!(row(regions[1].region.values(), [5, 45, 85]), [0.0, 1.0, 0.0]);
}

#[test]
fn a_colour_that_the_painting_lacks_is_named() {
    let folder = TempDir::new().expect("a temporary folder");
    let save = |name: &str, right: [u8; 3]| {
        let path = folder.path().join(name);
        RgbImage::from_fn(40, 30, |x, _| Rgb(if x < 30 { RED } else { right })).save(&path).expect("saves");
        SemanticMap::open(path).expect("is a map")
    };
    let (photo, painting) = (save("photo-map.png", [0, 255, 0]), save("art-map.png", BLUE));
    let e = photo.matched(&painting).expect_err("lacks green");
    assert_eq!(e.kind(), ErrorKind::Argument);
    for word in
        ["art-map.png: ", "#00ff00", "25.0 % of ", "photo-map.png", "#ff0000 (75.0 %), #0000ff (25.0 %)", "Draw"]
    {
        assert!(e.to_string().contains(word), "{word:?} is not in: {e}");
    }
    let e = stripes(32, 32, &[RED, BLUE]).unwrap().matched(&stripes(32, 32, &[RED]).unwrap()).expect_err("lacks blue");
    assert!(e.to_string().contains("the painting's map: ") && e.to_string().contains("#0000ff"), "{e}");
}

#[test]
fn too_many_colours_are_counted() {
    let colours: Vec<_> = (0..17).map(|i| [0, 1, 2].map(|c| (i / 3_usize.pow(c) % 3 * 100) as u8)).collect();
    assert_eq!(stripes(16 * 8, 32, &colours[..16]).expect("is a map").colours().len(), 16);
    let e = stripes(17 * 8, 32, &colours).expect_err("too many");
    assert_eq!(e.kind(), ErrorKind::Image);
    for word in ["17 colours", "at most 16", "draw"] {
        assert!(e.to_string().contains(word), "{word:?} is not in: {e}");
    }
}

#[test]
fn what_is_no_map_is_refused() {
    let grain = drawn(64, 64, |x, y| [0, 1, 2].map(|c| noise(3 * (64 * y + x) + c, 256) as u8));
    let e = grain.expect_err("is no map");
    assert!(e.kind() == ErrorKind::Image && e.to_string().contains("0.0 % of the map is in flat colours"), "{e}");
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("map.png");
    assert_eq!(SemanticMap::open(&path).expect_err("is not there").kind(), ErrorKind::Io);
    std::fs::write(&path, "no picture").expect("writes");
    let e = SemanticMap::open(&path).expect_err("is no picture");
    assert!(e.kind() == ErrorKind::Image && e.to_string().contains("map.png"), "{e}");
    RgbaImage::new(20, 20).save(&path).expect("saves");
    let e = SemanticMap::open(&path).expect_err("is transparent");
    assert!(e.to_string().contains("map.png") && e.to_string().contains("transparent"), "{e}");
}

#[test]
fn one_colour_is_one_region() {
    for (width, height) in [(1, 1), (1, 7), (64, 64)] {
        let map = drawn(width, height, |_, _| [12, 34, 56]).expect("is a map");
        assert_eq!((map.width(), map.height(), names(&map)), (width, height, vec!["#0c2238".into()]));
        assert!(map.notes().len() == 1 && map.notes()[0].contains("one colour, #0c2238"), "{:?}", map.notes());
        assert!(map.masks()[0].values().iter().all(|v| *v == 1.0));
    }
}

/// Small pictures of any pixels are maps or errors.
#[test]
fn no_picture_makes_it_panic() {
    for (width, height) in [(1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (1, 300), (5, 4), (700, 3)] {
        for grain in [1, 2, 3, 256] {
            let pixel = |x: usize, y: usize| [(noise(y * width + x, grain) * 255 / grain) as u8; 3];
            let Ok(map) = drawn(width, height, pixel) else { continue };
            assert!((0..width * height).all(|i| (sum(&map, i) - 1.0).abs() < 1e-6), "{width}x{height}, {grain}");
        }
    }
    let wild = Image::from_finite_planar(2, 2, [1e9, -1e9, 300.0, 0.0].repeat(3)).expect("finite");
    assert!(SemanticMap::of(&Picture::from(wild)).is_err());
}

#[test]
fn transparent_pixels_belong_to_no_region() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("map.png");
    let opacity = |x: u32| [255, 255, 102, 0][x as usize / 16];
    let colour = |y: u32| if y < 20 { RED } else { BLUE };
    let pixel = |x, y| {
        let [r, g, b] = colour(y);
        Rgba([r, g, b, opacity(x)])
    };
    RgbaImage::from_fn(64, 40, pixel).save(&path).expect("saves");
    let map = SemanticMap::open(&path).expect("is a map");
    assert_eq!((map.colours().len(), map.notes().len()), (2, 0));
    for i in 0..64 * 40 {
        let wanted = f64::from(opacity(i as u32 % 64)) / 255.0;
        assert!((sum(&map, i) - wanted).abs() < 1e-6, "{} is not {wanted}", sum(&map, i));
    }
}

#[test]
fn a_tiny_region_is_told_and_mixed() {
    // 4x4 of 64x64 pixels: 0.4 %.
    let dot = |x: usize, y: usize| (20..24).contains(&x) && (20..24).contains(&y);
    let map = drawn(64, 64, |x, y| {
        if dot(x, y) {
            PURPLE
        } else if x < 40 {
            RED
        } else {
            BLUE
        }
    })
    .expect("is a map");
    assert_eq!(map.colours().len(), 2);
    assert!(map.notes().len() == 1 && map.notes()[0].contains("#800080 (0.4 %)"), "{:?}", map.notes());
    assert!((sum(&map, 21 * 64 + 21) - 1.0).abs() < 1e-6);
    assert!((map.masks()[0].values()[21 * 64 + 21] - 0.5).abs() < 0.01);
}

#[test]
fn masks_of_large_maps_are_reduced() {
    let map = stripes(4100, 30, &[RED, BLUE]).expect("is a map");
    let mask = &map.masks()[0];
    assert_eq!((map.width(), map.height(), mask.width(), mask.height()), (4100, 30, 2048, 14));
    let mean = mask.values().iter().sum::<f32>() / (2048.0 * 14.0);
    assert!((mean - 0.5).abs() < 1e-3, "{mean}");
    assert!((0..2048 * 14).all(|i| (sum(&map, i) - 1.0).abs() < 1e-6));
}
