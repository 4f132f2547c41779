//! Painting from coarse to fine, and running means.

mod common;

use std::ops::ControlFlow;

use common::{builder, close, layers, network, picture};
use style_core::backend::ops::Tv;
use style_core::{AdamOptions, ErrorKind, Image, Init, Optimizer, Scale, Session, SessionBuilder};
use testkit::Reference;

fn adam() -> Optimizer {
    Optimizer::Adam(AdamOptions { learning_rate: 2.0, ..Default::default() })
}

fn described() -> SessionBuilder<Reference> {
    builder().content(picture("content", 40, 30)).style(picture("style", 60, 60)).iterations(6)
}

fn scale(size: usize, iterations: usize) -> Scale {
    Scale { size, iterations, optimizer: None }
}

#[test]
fn a_pyramid_grows_by_roots_of_two() {
    let sizes = |size| Scale::pyramid(size, 7).iter().map(|s| s.size).collect::<Vec<_>>();
    assert_eq!(sizes(1024), [128, 181, 256, 362, 512, 724]);
    assert_eq!(sizes(200), [141]);
    assert!(sizes(128).is_empty() && sizes(0).is_empty());
    assert_eq!(sizes(usize::MAX), sizes(1 << 20));
    assert!(sizes(usize::MAX).len() == 26 && sizes(usize::MAX)[24] == 1 << 19);
    let pixels = |s: &Scale| (s.size * s.size * s.iterations) as f64;
    assert!(Scale::pyramid(4096, 7).iter().map(pixels).sum::<f64>() < 7.01 * 4096.0 * 4096.0);
}

#[test]
fn each_scale_starts_from_the_last_ones_image() {
    for optimizer in [Optimizer::default(), adam()] {
        let mut session = described().scales(vec![scale(12, 4), scale(25, 3)]).optimizer(optimizer).build().unwrap();
        let mut seen = vec![];
        let mut last: Option<Image> = None;
        while !session.is_finished() {
            let before = session.image().unwrap();
            let progress = session.step().unwrap().clone();
            assert_eq!((progress.iterations, progress.scales), (13, 3));
            seen.push((progress.iteration, progress.scale, progress.width, progress.height));
            let image = session.image().unwrap();
            assert_eq!((image.width(), image.height()), (progress.width, progress.height));
            if before.width() != image.width() {
                // The first point of a scale is the resized last image.
                let resized = before.resized(image.width(), image.height()).unwrap();
                let apart = image.pixels().iter().zip(resized.pixels()).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
                assert!((apart / image.pixels().len() as f32).sqrt() < 12.0);
            }
            last = Some(image);
        }
        let of = |scale: usize| match scale {
            0 => (12, 9),
            1 => (25, 19),
            _ => (40, 30),
        };
        let scales = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2];
        let wanted: Vec<_> = scales.iter().enumerate().map(|(i, &s)| (i + 1, s, of(s).0, of(s).1)).collect();
        assert_eq!(seen, wanted);
        assert_eq!(session.image().unwrap(), last.unwrap());
        assert_eq!(session.into_image().unwrap().width(), 40);
    }
}

/// At any scale there is an image of the result's size, to show or to save.
#[test]
fn an_image_has_the_full_size() {
    let mut session = described().scales(vec![scale(12, 2)]).build().unwrap();
    assert_eq!((session.size(), session.full_size()), ((12, 9), (40, 30)));
    session.step().unwrap();
    let (small, full) = (session.image().unwrap(), session.full_size_image().unwrap());
    assert_eq!((full.width(), full.height()), (40, 30));
    // Reduced again, it is about the same.
    let again = full.resized(12, 9).unwrap();
    let apart = small.pixels().iter().zip(again.pixels()).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    assert!((apart / small.pixels().len() as f32).sqrt() < 25.0);
    session.run(|_| ControlFlow::Continue(())).unwrap();
    assert_eq!(session.full_size_image().unwrap(), session.image().unwrap());
}

#[test]
fn a_scale_that_converges_gives_way() {
    // Without style, the start is already the minimum.
    let session = described().without_style().scales(vec![scale(12, 9)]);
    let mut session = session.iterations(3).build().unwrap();
    assert!(session.step().unwrap().converged);
    assert!(!session.is_finished());
    let progress = session.step().unwrap().clone();
    assert_eq!((progress.iteration, progress.iterations, progress.scale, progress.width), (2, 4, 1, 40));
}

#[test]
fn weights_mean_the_same_at_every_scale() {
    // A picture of one colour, and stripes with a period that is visible at every scale.
    let flat = |w, h, v: f32| Image::from_planar(w, h, vec![v; 3 * w * h]).unwrap();
    for sum in [false, true] {
        let session = described()
            .content(flat(64, 48, 90.0))
            .content_layers(layers(&[("conv1_1", 1.0)]))
            .without_style()
            .init(Init::Image(flat(64, 48, 100.0)))
            .scales(vec![scale(32, 1)])
            .iterations(1);
        let mut session = if sum { session.content_weight(0.25) } else { session.content_mean_weight(0.25) };
        if sum {
            session = session.tv_weight(1.0).tv(Tv::Squared);
        }
        let mut session = session.optimizer(adam()).build().unwrap();
        let mut totals = vec![];
        let mut weights = vec![];
        session
            .run(|progress| {
                totals.push(progress.losses.content());
                ControlFlow::Continue(())
            })
            .unwrap();
        weights.push(["content", "style", "tv"].map(|term| session.weight(term)));
        let mut again = described().content(flat(32, 24, 90.0)).content_layers(layers(&[("conv1_1", 1.0)]));
        again = again.without_style().init(Init::Image(flat(32, 24, 100.0)));
        again = if sum { again.content_weight(0.25 * 4.0).tv_weight(4.0) } else { again.content_mean_weight(0.25) };
        let mut again = again.build().unwrap();
        again.step().unwrap();
        close(again.losses().unwrap().content(), totals[0]);
        let alpha = again.weight("content");
        let [whole, _, _] = weights[0];
        close(alpha / whole, 4.0);
    }
}

#[test]
fn adam_goes_on_with_its_moments() {
    // With the previous scale's moments, the second scale's first step does not have the full rate in every pixel.
    let moved = |scales: Vec<Scale>| {
        let mut session = described().optimizer(adam()).scales(scales).iterations(2).build().unwrap();
        while session.progress().is_none_or(|p| p.width < 40) {
            session.step().unwrap();
        }
        let before = session.image().unwrap();
        session.step().unwrap();
        let after = session.image().unwrap();
        let steps = before.pixels().iter().zip(after.pixels()).map(|(a, b)| (a - b).abs());
        steps.filter(|step| (step - 2.0).abs() < 1e-3).count() as f64 / before.pixels().len() as f64
    };
    assert!(moved(vec![]) > 0.95);
    assert!(moved(vec![scale(25, 8)]) < 0.5);
}

#[test]
fn a_running_mean_is_one() {
    let mut session = described().optimizer(adam()).running_mean(0.5).build().unwrap();
    let start = session.image().unwrap();
    session.step().unwrap();
    assert_eq!(session.image().unwrap(), start);
    let mut plain = described().optimizer(adam()).build().unwrap();
    let mut points = vec![];
    for _ in 0..3 {
        plain.step().unwrap();
        points.push(plain.image().unwrap());
    }
    session.step().unwrap();
    session.step().unwrap();
    let mean = session.image().unwrap();
    for (i, m) in mean.pixels().iter().enumerate() {
        let [a, b, c] = [0, 1, 2].map(|k: usize| f64::from(points[k].pixels()[i]));
        assert!((f64::from(*m) - (0.125 * a + 0.25 * b + 0.5 * c) / 0.875).abs() < 1e-3);
    }
    for decay in [-0.1, 1.0, f64::NAN] {
        assert_eq!(described().running_mean(decay).build().unwrap_err().kind(), ErrorKind::Argument);
    }
}

#[test]
fn scales_that_are_none_are_refused() {
    let kind = |scales: Vec<Scale>| described().scales(scales).build().unwrap_err().kind();
    assert_eq!(kind(vec![scale(40, 1)]), ErrorKind::Argument);
    assert_eq!(kind(vec![scale(20, 1), scale(20, 1)]), ErrorKind::Argument);
    assert_eq!(kind(vec![scale(20, 1), scale(15, 1)]), ErrorKind::Argument);
    assert_eq!(kind(vec![scale(20, 0)]), ErrorKind::Argument);
    assert_eq!(kind(vec![scale(3, 1)]), ErrorKind::TooSmall { least: 4 });
    let error = described().scales(vec![scale(3, 1)]).plan().unwrap_err().to_string();
    assert!(error.contains("the scale of 3 pixels"), "{error}");
    let targets = described().targets().unwrap();
    let given = builder().with_targets(&targets).scales(vec![scale(20, 1)]);
    assert_eq!(given.build().unwrap_err().kind(), ErrorKind::Argument);
}

#[test]
fn textures_have_scales_too() {
    let session = Session::builder(network()).style(picture("style", 30, 30)).without_content().size(50, 40);
    let session = session.style_layers(layers(&[("conv2_1", 1.0)])).scales(vec![scale(20, 2)]).iterations(2);
    let mut session = session.build().unwrap();
    session.run(|_| ControlFlow::Continue(())).unwrap();
    let image = session.image().unwrap();
    assert_eq!((image.width(), image.height()), (50, 40));
}
