//! Images from values of every layout and scale, and what is refused as of another.

use approx::assert_abs_diff_eq;
use style_core::{ErrorKind, Image, Mask};

/// 2 x 1 pixels, planar.
fn planar(values: [f32; 6]) -> style_core::Result<Image> {
    Image::from_planar(2, 1, values.to_vec())
}

#[test]
fn layouts_go_in_and_out() {
    let image = Image::from_rgb8(2, 1, &[10, 20, 30, 40, 50, 60]).unwrap();
    let wanted = [10.0, 40.0, 20.0, 50.0, 30.0, 60.0];
    assert_eq!(image.pixels(), wanted);
    assert_eq!(planar(wanted).unwrap(), image);
    assert_eq!(Image::from_interleaved(2, 1, &[10.0, 20.0, 30.0, 40.0, 50.0, 60.0]).unwrap(), image);
    assert_eq!(image.to_interleaved(), [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
    assert_eq!(image.to_rgb8(), [10, 20, 30, 40, 50, 60]);
    assert_eq!(image.to_rgba8(None).unwrap(), [10, 20, 30, 255, 40, 50, 60, 255]);

    let unit = Image::from_unit_planar(2, 1, vec![0.0, 1.0, 0.5, 0.2, 1.1, -0.1]).unwrap();
    assert_abs_diff_eq!(unit.pixels(), &[0.0, 255.0, 127.5, 51.0, 280.5, -25.5][..], epsilon = 1e-4);
    assert_abs_diff_eq!(unit.to_unit_planar()[..], [0.0, 1.0, 0.5, 0.2, 1.1, -0.1][..], epsilon = 1e-6);

    let grey = Image::from_luma8(2, 1, &[7, 9]).unwrap();
    assert_eq!(grey.pixels(), [7.0, 9.0, 7.0, 9.0, 7.0, 9.0]);
    assert_eq!(Mask::from_luma8(2, 1, &[0, 51]).unwrap().values(), [0.0, 0.2]);
}

#[test]
fn opacity_is_kept_apart() {
    let bytes = [10, 20, 30, 255, 40, 50, 60, 0];
    let (image, alpha) = Image::from_rgba8(2, 1, &bytes).unwrap();
    assert_eq!(image.to_rgb8(), [10, 20, 30, 40, 50, 60]);
    let alpha = alpha.unwrap();
    assert_eq!((alpha.width(), alpha.height(), alpha.values()), (2, 1, &[1.0, 0.0][..]));
    assert_eq!(image.to_rgba8(Some(&alpha)).unwrap(), bytes);
    let other = Mask::new(1, 2, vec![1.0; 2]).unwrap();
    assert_eq!(image.to_rgba8(Some(&other)).unwrap_err().kind(), ErrorKind::Shape);

    assert!(Image::from_rgba8(1, 1, &[1, 2, 3, 255]).unwrap().1.is_none());
    let e = Image::from_rgba8(1, 1, &[1, 2, 3, 0]).unwrap_err();
    assert!(e.kind() == ErrorKind::Image && e.to_string().contains("transparent"), "{e}");
}

#[test]
fn values_of_another_scale_are_refused() {
    let kind_and_words = |values: [f32; 6], kind: ErrorKind, words: &[&str]| {
        let e = planar(values).unwrap_err();
        assert_eq!(e.kind(), kind, "{e}");
        words.iter().for_each(|word| assert!(e.to_string().contains(word), "{word:?} is not in: {e}"));
        // The same values interleaved: places are told alike.
        let [r0, r1, g0, g1, b0, b1] = values;
        let same = Image::from_interleaved(2, 1, &[r0, g0, b0, r1, g1, b1]).unwrap_err();
        assert_eq!(same.to_string(), e.to_string());
    };
    let with = |value: f32| [10.0, 20.0, 30.0, value, 50.0, 60.0];
    kind_and_words(with(-4000.0), ErrorKind::Image, &["green at (1, 0)", "2x1", "-4000", "clamp"]);
    kind_and_words(with(1e20), ErrorKind::Image, &["green at (1, 0)", "1000"]);
    kind_and_words(with(65535.0), ErrorKind::Image, &["1/257"]);
    kind_and_words(with(f32::NAN), ErrorKind::NonFinite, &["green at (1, 0)", "NaN"]);
    kind_and_words(with(f32::NEG_INFINITY), ErrorKind::NonFinite, &["-inf"]);
    kind_and_words([0.0, 0.25, 1.0, 0.5, 0.0, 0.0], ErrorKind::Image, &["0 to 1", "from_unit_planar"]);
    kind_and_words([-2.1, 0.25, 1.0, 0.5, 2.6, 0.0], ErrorKind::Image, &["-2.1 to 2.6", "normalisation"]);

    let e = Image::from_unit_planar(2, 1, with(40.0).to_vec()).unwrap_err();
    assert!(e.kind() == ErrorKind::Image && e.to_string().contains("red at (1, 0)"), "{e}");
    assert!(e.to_string().contains("from_planar"), "{e}");
    let e = Image::from_unit_planar(1, 1, vec![0.0, f32::NAN, 12.0]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Image);
    assert_eq!(Image::from_unit_planar(1, 1, vec![0.0, f32::NAN, 1.0]).unwrap_err().kind(), ErrorKind::NonFinite);
}

#[test]
fn results_and_dark_pictures_are_taken() {
    for values in [[0.0; 6], [1.0, 0.0, 0.0, 1.0, 0.0, 0.0], [0.5, 3.5, 0.0, 0.0, 0.0, 0.0]] {
        planar(values).unwrap();
    }
    planar([-300.0, 600.0, -2550.0, 2805.0, 0.5, 0.5]).unwrap();
    for values in [[0.5; 6], [1e20; 6], [f32::MIN; 6]] {
        let image = Image::from_finite_planar(2, 1, values.to_vec()).unwrap();
        // What this library makes of them is not held to a scale either.
        image.crop(0..1, 0..1).unwrap();
        image.resized(2, 1).unwrap();
    }
    assert!(Image::from_finite_planar(2, 1, vec![1e20; 6]).unwrap().resized(3, 3).is_ok());
    let dark = Image::from_rgb8(2, 1, &[0, 0, 0, 1, 1, 1]).unwrap().resized(3, 1).unwrap();
    assert!(dark.pixels().iter().any(|v| v.fract() != 0.0));
}

#[test]
fn wrong_numbers_of_values_are_refused() {
    for (width, height) in [(0, 1), (1, 0), (2, 2), (usize::MAX, 2), (usize::MAX / 3 + 1, 1)] {
        let bytes = |channels: usize| vec![9; 3 * channels];
        let results = [
            Image::from_rgb8(width, height, &bytes(3)),
            Image::from_rgba8(width, height, &bytes(4)).map(|(image, _)| image),
            Image::from_luma8(width, height, &bytes(1)),
            Image::from_planar(width, height, vec![9.0; 9]),
            Image::from_unit_planar(width, height, vec![9.0; 9]),
            Image::from_interleaved(width, height, &[9.0; 9]),
            Image::from_finite_planar(width, height, vec![9.0; 9]),
        ];
        for result in results {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::Shape, "{width}x{height}");
        }
        assert!(Mask::from_luma8(width, height, &[9; 3]).is_err());
    }
}

#[cfg(feature = "image")]
mod dynamic {
    use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, LumaA, Rgb, RgbImage, Rgba, RgbaImage};
    use style_core::{ErrorKind, Image};

    #[test]
    fn pictures_of_eight_and_sixteen_bits() {
        let bytes = vec![10, 20, 30, 40, 50, 60, 255, 0, 1, 2, 3, 4];
        let rgb = RgbImage::from_raw(2, 2, bytes.clone()).unwrap();
        let image = Image::try_from(DynamicImage::from(rgb.clone())).unwrap();
        assert_eq!(image, Image::from_rgb8(2, 2, &bytes).unwrap());
        assert_eq!(RgbImage::from(&image), rgb);

        let grey = GrayImage::from_raw(2, 1, vec![7, 9]).unwrap();
        assert_eq!(Image::try_from(DynamicImage::from(grey)).unwrap(), Image::from_luma8(2, 1, &[7, 9]).unwrap());

        let words = [0u16, 257, 300, 65535, 1000, 12345];
        let deep = ImageBuffer::<Rgb<u16>, _>::from_raw(2, 1, words.to_vec()).unwrap();
        let image = Image::try_from(DynamicImage::from(deep)).unwrap();
        let wanted = words.map(|word| f32::from(word) * 255.0 / 65535.0);
        approx::assert_abs_diff_eq!(image.to_interleaved()[..], wanted[..], epsilon = 1e-4);
        // Between whole values, and beyond the range: rounded and clamped.
        let image = Image::from_planar(1, 1, vec![-3.0, 9.6, 300.0]).unwrap();
        assert_eq!(RgbImage::from(&image).into_raw(), [0, 10, 255]);
    }

    #[test]
    fn transparency_is_not_lost_in_silence() {
        let rgba = |alpha| RgbaImage::from_fn(2, 2, |x, y| Rgba([9, 8, 7, if (x, y) == (1, 0) { alpha } else { 255 }]));
        let image = Image::try_from(DynamicImage::from(rgba(255))).unwrap();
        assert_eq!(image, Image::from_rgb8(2, 2, &[9, 8, 7].repeat(4)).unwrap());
        let grey = GrayAlphaImage::from_pixel(2, 2, LumaA([9, 254]));
        let deep = ImageBuffer::from_pixel(2, 2, Rgba([9u16, 9, 9, 65534]));
        for (picture, place) in
            [(DynamicImage::from(rgba(254)), "(1, 0)"), (grey.into(), "(0, 0)"), (deep.into(), "(0, 0)")]
        {
            let e = Image::try_from(picture).unwrap_err();
            assert!(e.kind() == ErrorKind::Image && e.to_string().contains(place), "{e}");
        }
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let float = DynamicImage::new_rgb32f(2, 2);
        assert_eq!(Image::try_from(float).unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(Image::try_from(DynamicImage::new_rgba8(0, 3)).unwrap_err().kind(), ErrorKind::Shape);
    }
}

#[cfg(feature = "ndarray")]
mod arrays {
    use ndarray::{Array2, Array3, s};
    use style_core::backend::Shape;
    use style_core::inspect::Features;
    use style_core::{ErrorKind, Image, Mask};

    fn value(c: usize, y: usize, x: usize) -> f32 {
        (100 * c + 10 * y + x) as f32
    }

    /// The values of a 3 x 2 picture, channel after channel.
    fn wanted() -> Vec<f32> {
        let places = (0..3).flat_map(|c| (0..2).flat_map(move |y| (0..3).map(move |x| (c, y, x))));
        places.map(|(c, y, x)| value(c, y, x)).collect()
    }

    #[test]
    fn arrays_of_any_layout() {
        let planar = Array3::from_shape_fn((3, 2, 3), |(c, y, x)| value(c, y, x));
        let interleaved = Array3::from_shape_fn((2, 3, 3), |(y, x, c)| value(c, y, x));
        let turned = Array3::from_shape_fn((3, 3, 2), |(x, c, y)| value(c, y, x));
        let larger = Array3::from_shape_fn((5, 9, 4), |(c, y, x)| {
            if (1..4).contains(&c) && y % 3 == 1 && x > 0 { value(3 - c, y / 3, x - 1) } else { 1e9 }
        });
        for view in [
            planar.view(),
            interleaved.view().permuted_axes([2, 0, 1]),
            turned.view().permuted_axes([1, 2, 0]),
            // Backwards, every third row, without the first column.
            larger.slice(s![1..4;-1, 1..6;3, 1..]),
        ] {
            let image = Image::try_from(view).unwrap();
            assert_eq!((image.width(), image.height(), image.pixels()), (3, 2, &wanted()[..]), "{:?}", view.strides());
            assert_eq!(Array3::from(&image), planar);
        }
    }

    #[test]
    fn arrays_that_are_no_pictures() {
        let e = Image::try_from(Array3::zeros((4, 5, 3)).view()).unwrap_err();
        assert!(e.kind() == ErrorKind::Shape && e.to_string().contains("[2, 0, 1]"), "{e}");
        let e = Image::try_from(Array3::from_elem((3, 4, 5), 0.5).view()).unwrap_err();
        assert!(e.kind() == ErrorKind::Image && e.to_string().contains("255"), "{e}");
        assert_eq!(Image::try_from(Array3::zeros((3, 0, 5)).view()).unwrap_err().kind(), ErrorKind::Shape);
    }

    #[test]
    fn masks_and_features() {
        let array = Array2::from_shape_fn((2, 3), |(y, x)| (3 * y + x) as f32 / 8.0);
        let mask = Mask::try_from(array.view()).unwrap();
        assert_eq!((mask.width(), mask.height(), mask.values()[5]), (3, 2, 0.625));
        assert_eq!(Array2::from(&mask), array);
        let turned = Mask::try_from(array.t()).unwrap();
        assert_eq!((turned.width(), turned.height()), (2, 3));
        assert_eq!(turned.values(), [0.0, 0.375, 0.125, 0.5, 0.25, 0.625]);

        let features = |n: usize| Features {
            layer: "conv".into(),
            shape: Shape::new(2, 3, 2),
            values: (0..n).map(|i| i as f32).collect(),
        };
        let array = Array3::try_from(features(12)).unwrap();
        assert_eq!((array.dim(), array[[1, 2, 0]]), ((2, 3, 2), 10.0));
        assert_eq!(Array3::try_from(features(11)).unwrap_err().kind(), ErrorKind::Shape);
    }
}
