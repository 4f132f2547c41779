//! Colour matching and luminance transfer against numpy, and by their defining property: equal statistics.

use approx::assert_abs_diff_eq;
use serde::Deserialize;
use style_pictures::{ErrorKind, Image, Matching, keep_colours, luminance, match_colours, match_luminance};

const GOLDEN: &str = include_str!("golden/colours.json");
const MATCHINGS: [Matching; 3] = [Matching::Cholesky, Matching::Pca, Matching::Symmetric];

#[derive(Deserialize)]
struct Golden {
    pairs: Vec<Pair>,
    kept: Vec<Kept>,
}

#[derive(Deserialize)]
struct Pair {
    style: Bytes,
    photograph: Bytes,
    cholesky: Vec<f64>,
    pca: Vec<f64>,
    symmetric: Vec<f64>,
    luminance: Vec<f64>,
}

#[derive(Deserialize)]
struct Kept {
    result: Bytes,
    photograph: Bytes,
    kept: Vec<f64>,
}

#[derive(Deserialize)]
struct Bytes {
    width: usize,
    height: usize,
    bytes: Vec<u8>,
}

impl Bytes {
    fn image(&self) -> Image {
        Image::from_rgb8(self.width, self.height, &self.bytes).expect("a picture")
    }
}

fn golden() -> Golden {
    serde_json::from_str(GOLDEN).expect("is JSON")
}

/// The largest distance of a picture from interleaved values.
fn distance(image: &Image, interleaved: &[f64]) -> f64 {
    let n = image.width() * image.height();
    assert_eq!(interleaved.len(), 3 * n);
    let far = |(i, v): (usize, &f64)| (f64::from(image.pixels()[i % 3 * n + i / 3]) - v).abs();
    interleaved.iter().enumerate().map(far).fold(0.0, f64::max)
}

/// Means and covariances, nine values.
fn statistics(image: &Image) -> Vec<f64> {
    let n = image.width() * image.height();
    let plane = |c: usize| image.pixels()[c * n..][..n].iter().map(|v| f64::from(*v));
    let mean = [0, 1, 2].map(|c| plane(c).sum::<f64>() / n as f64);
    let pairs = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)];
    let covariance =
        pairs.map(|(a, b)| plane(a).zip(plane(b)).map(|(x, y)| (x - mean[a]) * (y - mean[b])).sum::<f64>() / n as f64);
    [&mean[..], &covariance].concat()
}

#[test]
fn matching_is_as_numpy_does_it() {
    let golden = golden();
    assert_eq!(golden.pairs.len(), 9);
    for (i, pair) in golden.pairs.iter().enumerate() {
        let (style, photo) = (pair.style.image(), pair.photograph.image());
        for (matching, wanted) in MATCHINGS.into_iter().zip([&pair.cholesky, &pair.pca, &pair.symmetric]) {
            let ours = match_colours(&style, &photo, matching).expect("matches");
            let far = distance(&ours, wanted);
            assert!(far < 2e-5, "pair {i}, {matching:?}: {far}");
        }
        let ours = match_luminance(&style, &photo).expect("matches");
        let wanted: Vec<f64> = pair.luminance.iter().flat_map(|v| [*v; 3]).collect();
        assert!(distance(&ours, &wanted) < 2e-5, "pair {i}");
    }
}

#[test]
fn the_matched_picture_has_the_photographs_mean_and_covariance() {
    // Wide deviations against narrow ones, so that nothing is clamped.
    let pair = &golden().pairs[0];
    let (style, photo) = (pair.style.image(), pair.photograph.image());
    let wanted = statistics(&photo);
    let differs = |a: &[f64]| a.iter().zip(&wanted).any(|(a, b)| (a - b).abs() > 10.0);
    assert!(differs(&statistics(&style)));
    let mut matched = vec![];
    for matching in MATCHINGS {
        let ours = match_colours(&style, &photo, matching).expect("matches");
        assert!(ours.pixels().iter().all(|v| *v > 0.0 && *v < 255.0), "this test requires a pair without clamping");
        assert_abs_diff_eq!(statistics(&ours)[..], wanted[..], epsilon = 1e-4);
        matched.push(ours);
    }
    assert!(matched[0] != matched[1] && matched[1] != matched[2] && matched[0] != matched[2]);
}

#[test]
fn a_picture_matched_to_itself_is_itself() {
    let style = golden().pairs[0].style.image();
    for matching in MATCHINGS {
        let ours = match_colours(&style, &style, matching).expect("matches");
        assert_abs_diff_eq!(ours.pixels(), style.pixels(), epsilon = 1e-4);
    }
}

#[test]
fn values_of_any_size_give_colours() {
    let huge = Image::from_finite_planar(2, 1, vec![f32::MAX, f32::MIN, 0.0, f32::MAX, 1.0, 2.0]).expect("finite");
    let tiny = Image::from_finite_planar(2, 1, vec![f32::MIN_POSITIVE; 6]).expect("finite");
    for style in [&huge, &tiny] {
        for photo in [&huge, &tiny] {
            for matching in MATCHINGS {
                let ours = match_colours(style, photo, matching).expect("matches");
                assert!(ours.pixels().iter().all(|v| (0.0..=255.0).contains(v)), "{matching:?}: {ours:?}");
            }
            assert!(match_luminance(style, photo).is_ok());
        }
        assert!(luminance(style).is_ok() && keep_colours(style, &huge).is_ok());
    }
}

#[test]
fn kept_colours_are_those_of_yiq() {
    for case in golden().kept {
        let (result, photo) = (case.result.image(), case.photograph.image());
        let ours = keep_colours(&result, &photo).expect("keeps");
        // The matrix of the golden values has rows of four digits, whose sums are zero.
        assert!(distance(&ours, &case.kept) < 2e-5);
    }
}

#[test]
fn luminance_is_grey_and_white_stays_white() {
    let image = Image::from_rgb8(3, 1, &[255, 255, 255, 0, 0, 0, 10, 200, 50]).expect("a picture");
    let grey = luminance(&image).expect("is there");
    let wanted = 0.299 * 10.0 + 0.587 * 200.0 + 0.114 * 50.0;
    for plane in grey.pixels().chunks(3) {
        assert_eq!(plane[..2], [255.0, 0.0]);
        assert_abs_diff_eq!(plane[2], wanted, epsilon = 1e-5);
    }
}

#[test]
fn pictures_of_different_sizes() {
    let (a, b) = (Image::from_rgb8(2, 3, &[9; 18]), Image::from_rgb8(3, 2, &[9; 18]));
    let e = keep_colours(&a.expect("a picture"), &b.expect("a picture")).expect_err("differ");
    assert_eq!(e.kind(), ErrorKind::Shape);
    assert!(e.to_string().contains("2x3") && e.to_string().contains("3x2"), "{e}");
}
