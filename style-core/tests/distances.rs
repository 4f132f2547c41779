//! Statistics with a distance of their own: the Wasserstein distance, sliced distances and nearest patches.

mod common;

use common::{builder, layers, network, picture};
use style_core::backend::ops::Tv;
use style_core::statistics::{Covariance, Patches, Sliced, Wasserstein};
use style_core::{ErrorKind, Image, Mask, Preset, Session, SessionBuilder, Settings, Style};
use testkit::{Reference, Rng};

type Chosen = fn(SessionBuilder<Reference>) -> SessionBuilder<Reference>;

const ALL: [(&str, Chosen); 5] = [
    ("wasserstein", |b| b.statistic(Wasserstein)),
    ("sliced", |b| b.statistic(Sliced::Random { seed: 0 })),
    ("histogram", |b| b.statistic(Sliced::Channels)),
    ("positions", |b| b.statistic(Patches { side: 1 })),
    ("patches", |b| b.statistic(Patches { side: 2 })),
];

#[test]
fn gradients_are_those_of_differences() {
    // Patches are excepted: a neighbour that changes is a jump. The conformance cases hold their neighbours.
    for (what, chosen) in ALL.into_iter().take(3) {
        // Deep layers have as few positions as channels: the root of such a covariance does not converge.
        let of =
            |b| if what == "wasserstein" { chosen(b).style_layers(layers(&[("conv1_1", 1.0)])) } else { chosen(b) };
        common::differences(what, &mut of(builder()).content_weight(0.0).build().unwrap());
        common::differences(what, &mut of(builder()).style_strength(2.0).build().unwrap());
    }
    let mask = || Mask::new(2, 2, vec![1.0, 0.5, 0.0, 0.25]).unwrap();
    let masked = Style::new(picture("other", 11, 12)).mask(mask()).region(mask());
    let masked =
        builder().style(masked).style_layers(layers(&[("conv1_1", 1.0)])).content_weight(0.0).statistic(Wasserstein);
    common::differences("masked wasserstein", &mut masked.build().unwrap());
    let variation = builder().content_weight(0.0).style_weight(0.0).tv(Tv::NinePoint).tv_weight(1.0);
    common::differences("nine points", &mut variation.build().unwrap());
}

fn texture(of: &Image) -> SessionBuilder<Reference> {
    let texture = Session::builder(network()).without_content().style(of.clone()).size(of.width(), of.height());
    texture.style_layers(layers(&[("conv1_1", 0.5), ("conv2_1", 0.5)]))
}

/// The painting is no distance from itself, but for the root under the Wasserstein distance, which has not converged for the
/// smallest eigenvalues.
#[test]
fn the_painting_is_at_the_target() {
    let painting = picture("painting", 14, 10);
    let other = picture("other", 14, 10);
    // Single positions are excepted: where few channels respond, others have the same direction.
    for (what, chosen) in ALL.into_iter().filter(|(what, _)| *what != "positions") {
        let mut session = chosen(texture(&painting)).build().unwrap();
        let [same, far] = [&painting, &other].map(|image| session.evaluate(image).unwrap().0.style());
        assert!(
            far > 0.0 && same.abs() <= if what == "wasserstein" { 0.05 * far } else { 1e-9 * far },
            "{what}: {same}, {far}"
        );
    }
}

/// The Wasserstein distance is tiled; the others need the whole picture.
#[test]
fn tiles_masks_and_several_styles() {
    let image = picture("image", 40, 36);
    let losses = |rows, columns| {
        let b = Session::builder(network()).without_content().style(picture("style", 30, 33)).size(40, 36);
        let b =
            b.style_layers(layers(&[("conv1_1", 0.5), ("conv2_1", 0.5)])).statistic(Wasserstein).tiles(rows, columns);
        b.build().unwrap().evaluate(&image).unwrap()
    };
    let (whole, tiled) = (losses(1, 1), losses(2, 2));
    let error = (whole.0.style() - tiled.0.style()).abs() / whole.0.style();
    let norm = |g: &[f32]| g.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
    let difference: Vec<f32> = whole.1.iter().zip(&tiled.1).map(|(a, b)| a - b).collect();
    assert!(error < 1e-4 && norm(&difference) < 1e-3 * norm(&whole.1), "{error}, {}", norm(&difference));

    for (what, chosen) in ALL.into_iter().skip(1) {
        let says = |b: SessionBuilder<Reference>, text: &str| {
            let error = chosen(b).build().unwrap_err();
            assert!(error.kind() == ErrorKind::Argument && error.to_string().contains(text), "{what}: {error}");
        };
        says(builder().tiles(2, 1), "needs the features of the whole picture");
        says(builder().style(picture("second", 9, 9)), "takes one style picture; 2 are given");
        let white = Mask::new(1, 1, vec![1.0]).unwrap();
        says(builder().style(Style::new(picture("second", 9, 9)).mask(white)), "does not support masks");
    }
    let large = builder().statistic(Patches { side: 5 }).build().unwrap_err();
    assert!(matches!(large.kind(), ErrorKind::TooSmall { least: 10 }), "{large}");
    assert!(large.to_string().contains("6x4 positions at conv2_1"), "{large}");
    let none = builder().statistic(Patches { side: 0 }).build().unwrap_err();
    assert!(matches!(none.kind(), ErrorKind::TooSmall { .. }), "{none}");
}

#[test]
fn settings_hold_them_by_name() {
    for (_, chosen) in ALL {
        let json = serde_json::to_string(&Settings { ..chosen_settings(chosen) }).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), chosen_settings(chosen));
    }
}

fn chosen_settings(chosen: Chosen) -> Settings {
    let session = chosen(builder()).build().unwrap();
    session.checkpoint().unwrap().settings().unwrap().clone()
}

/// A random session with a random statistic at each layer.
fn random_session(seed: u64) {
    let mut rng = Rng::new(&format!("random session {seed}"));
    let mut below = |n: usize| ((0.5 + 0.5 * rng.unit()) * n as f64) as usize % n;
    let (width, height) = (12 + below(9), 12 + below(9));
    let flat = below(5) == 0;
    let image = |name: &str, w: usize, h: usize| match flat {
        true => Image::from_planar(w, h, vec![120.0; 3 * w * h]).unwrap(),
        false => picture(&format!("{name} {seed}"), w, h),
    };
    let mut b = Session::builder(network()).content(image("content", width, height));
    b = b.style(image("style", 12 + below(12), 12 + below(12)));
    b = b.content_layers(layers(&[("conv2_2", 1.0)])).style_layers(layers(&[("conv1_1", 0.5), ("conv2_1", 0.5)]));
    for layer in ["conv1_1", "conv2_1"] {
        b = match below(6) {
            0 => b.statistic_at(layer, Wasserstein),
            1 => b.statistic_at(layer, Sliced::Random { seed }),
            2 => b.statistic_at(layer, Sliced::Channels),
            3 => b.statistic_at(layer, Patches { side: 1 }),
            4 => b.statistic_at(layer, Patches { side: 3 }),
            _ => b.statistic_at(layer, Covariance),
        };
    }
    b = match below(3) {
        0 => b.style_strength(0.1 + below(100) as f64),
        1 => b.content_mean_weight(1.0).style_weight(10f64.powi(below(9) as i32 - 4)),
        _ => b.tv(Tv::NinePoint).tv_weight(below(3) as f64),
    };
    let mut session = b.iterations(3).build().unwrap();
    while !session.is_finished() {
        let losses = session.step().unwrap().losses.clone();
        assert!(losses.total.is_finite(), "session {seed}: {losses:?}");
    }
    assert!(session.image().unwrap().pixels().iter().all(|v| v.is_finite()), "session {seed}");
}

#[test]
fn random_sessions_stay_finite() {
    (0..40).for_each(random_session);
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_random_sessions_stay_finite() {
    (0..5000).for_each(random_session);
}

/// As its table says.
#[test]
fn crowson_paints_coarse_to_fine() {
    let scales = Preset::Crowson.scales(512, 500);
    let sizes: Vec<_> = scales.iter().map(|s| (s.size, s.iterations)).collect();
    assert_eq!(sizes, [(128, 1000), (181, 500), (256, 500), (362, 500)]);
    assert_eq!(Preset::Crowson.settings().running_mean, Some(0.99));
    assert!(Preset::Gatys.scales(512, 500).is_empty());
}
