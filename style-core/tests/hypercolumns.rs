//! Losses over hypercolumns and colours, and balanced weights.

mod common;

use common::{builder, differences, layers, network, picture};
use style_core::losses::{Loss, Neighbours, Palette, RelaxedEmd, SelfSimilarity};
use style_core::{ErrorKind, Image, Mask, Session, SessionBuilder, Settings, Style};
use testkit::Reference;

type Builder = SessionBuilder<Reference>;

const LAYERS: [&str; 3] = ["conv1_1", "conv1_2", "conv2_1"];

fn names() -> Vec<String> {
    LAYERS.map(Into::into).to_vec()
}

fn neighbours() -> Neighbours {
    Neighbours { layers: names(), turned: false }
}

fn relaxed() -> RelaxedEmd {
    RelaxedEmd { layers: names(), places: 40, seed: 3 }
}

fn similarity() -> SelfSimilarity {
    SelfSimilarity { layers: names(), places: 30 }
}

fn bare() -> Builder {
    builder().content_layers([] as [&str; 0]).style_layers([] as [&str; 0])
}

fn with(loss: impl Loss<Reference> + 'static) -> Builder {
    bare().loss(1.0, loss)
}

#[test]
fn gradients_are_those_of_differences() {
    differences("neighbours", &mut with(neighbours()).build().unwrap());
    differences("turned neighbours", &mut with(Neighbours { turned: true, ..neighbours() }).build().unwrap());
    differences("relaxed emd", &mut with(relaxed()).build().unwrap());
    differences("self-similarity", &mut with(similarity()).build().unwrap());
    differences("palette", &mut with(Palette { places: 50, seed: 1 }).build().unwrap());
}

/// A painting is no distance from itself, and a photograph is like itself.
#[test]
fn what_is_the_same_is_at_the_target() {
    let image = picture("image", 16, 12);
    let at = |b: Builder, x: &Image| b.build().unwrap().evaluate(x).unwrap().0.total;
    let own = || {
        let b = Session::builder(network()).content(image.clone()).style(image.clone());
        b.content_layers([] as [&str; 0]).style_layers([] as [&str; 0])
    };
    let other = picture("other", 16, 12);
    type Case = (&'static str, fn(Builder) -> Builder);
    let cases: [Case; 4] = [
        ("neighbours", |b| b.loss(1.0, neighbours())),
        ("relaxed emd", |b| b.loss(1.0, relaxed())),
        ("self-similarity", |b| b.loss(1.0, similarity())),
        ("palette", |b| b.loss(1.0, Palette::default())),
    ];
    for (what, case) in cases {
        let (same, far) = (at(case(own()), &image), at(case(own()), &other));
        // The distance of equal colours is held at sqrt(1e-5 / 3).
        let rounding = if what == "palette" { 2e-3 } else { 1e-6 };
        assert!(far > 10.0 * rounding && same.abs() <= rounding, "{what}: {same}, {far}");
    }
}

#[test]
fn what_is_missing_or_too_much_is_said() {
    let says = |b: Builder, kind: ErrorKind, text: &str| {
        let planned = b.plan().unwrap_err();
        let error = b.build().unwrap_err();
        assert_eq!(planned.to_string(), error.to_string());
        assert!(error.kind() == kind && error.to_string().contains(text), "{error}");
    };
    let none = [] as [&str; 0];
    let plain = || Session::builder(network()).content_layers(none).style_layers(none);
    let content = || plain().content(picture("content", 13, 9));
    let style = || plain().style(picture("style", 11, 12)).size(13, 9);
    says(content().loss(1.0, neighbours()), ErrorKind::Argument, "style picture");
    says(style().loss(1.0, neighbours()), ErrorKind::Argument, "content picture");
    says(content().loss(1.0, relaxed()), ErrorKind::Argument, "style picture");
    says(style().loss(1.0, similarity()), ErrorKind::Argument, "content picture");
    says(content().loss(1.0, Palette::default()), ErrorKind::Argument, "style picture");
    let seamless = |b: Builder| b.content(picture("content", 16, 12)).seamless(true);
    says(seamless(with(similarity())), ErrorKind::Argument, "without seams");
    says(seamless(with(neighbours())), ErrorKind::Argument, "without seams");
    let masked = || Style::new(picture("style", 9, 9)).mask(Mask::new(1, 1, vec![1.0]).unwrap());
    says(content().style(masked()).loss(1.0, neighbours()), ErrorKind::Argument, "masks");
    says(content().style(masked()).loss(1.0, Palette::default()), ErrorKind::Argument, "masks");
    let two = || with(relaxed()).style(Style::new(picture("other", 9, 9)));
    says(two(), ErrorKind::Argument, "one style picture");
    for places in [0, 1, 1 << 15] {
        says(with(RelaxedEmd { places, ..relaxed() }), ErrorKind::Argument, "places");
        says(with(SelfSimilarity { places, ..similarity() }), ErrorKind::Argument, "places");
        says(with(Palette { places, seed: 0 }), ErrorKind::Argument, "places");
    }
    says(with(neighbours()).tiles(2, 1), ErrorKind::Argument, "neighbours");
    for empty in [vec![], vec!["conv9_9".to_owned()]] {
        let built = with(Neighbours { layers: empty.clone(), turned: false }).build();
        assert!(built.is_err(), "{empty:?}");
        assert!(with(RelaxedEmd { layers: empty.clone(), ..relaxed() }).build().is_err());
        assert!(with(SelfSimilarity { layers: empty, ..similarity() }).build().is_err());
    }
}

/// Several styles: neighbours come from any of them.
#[test]
fn neighbours_in_several_paintings() {
    let image = picture("image", 13, 9);
    let mut one = with(neighbours()).build().unwrap();
    let mut two = with(neighbours()).style(Style::new(picture("other", 14, 11))).build().unwrap();
    let [one, two] = [&mut one, &mut two].map(|s| s.evaluate(&image).unwrap().0.total);
    assert!(one != two && two.is_finite(), "{one}, {two}");
}

/// Losses of the image alone: an evaluation leaves nothing behind for the next.
#[test]
fn evaluations_without_layers_repeat() {
    let image = picture("image", 13, 9);
    let mut session = with(Palette { places: 50, seed: 1 }).tv_weight(1.0).build().unwrap();
    let first = session.evaluate(&image).unwrap();
    assert_eq!(session.evaluate(&image).unwrap(), first);
}

fn norm(gradient: &[f32]) -> f64 {
    gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt()
}

/// At the photograph with noise each weight is the norm of its gradient.
#[test]
fn balanced_weights_are_norms_of_gradients() {
    let start = || builder().style_strength(1.0).noise_ratio(0.2).balanced(true);
    let image = start().build().unwrap().image().unwrap();
    let of = |b: Builder| norm(&b.build().unwrap().evaluate(&image).unwrap().1);
    let cases = [
        ("content", start().without_style(), 1.0),
        ("style", start().without_content().style_layers(layers(&[("conv2_1", 0.25)])), 0.25),
        ("strength", start().without_content().style_layers(layers(&[("conv1_1", 0.5)])).style_strength(3.0), 1.5),
        ("loss", bare().balanced(true).loss(0.75, similarity()), 0.75),
        ("sum", start().without_style().content_weight(2.0), 2.0),
    ];
    for (what, b, wanted) in cases {
        let found = of(b);
        assert!((found - wanted).abs() < 1e-4 * wanted, "{what}: {found} instead of {wanted}");
    }
    // Without a photograph the reference is noise.
    let texture = Session::builder(network()).without_content().style(picture("style", 11, 12)).size(13, 9);
    let mut texture =
        texture.style_strength(1.0).style_layers(layers(&[("conv1_1", 0.5)])).balanced(true).build().unwrap();
    let found = norm(&texture.evaluate(&texture.image().unwrap()).unwrap().1);
    assert!((found - 0.5).abs() < 1e-4, "{found}");
}

/// The weights are those of the description, not of where the session stands.
#[test]
fn a_balanced_session_resumes() {
    let described = || {
        let settings = Settings { iterations: 6, balanced: true, ..Settings::default() };
        let b = builder().settings(settings).content_layers(["conv2_1"]).style_layers(layers(&[("conv1_1", 1.0)]));
        b.loss(0.1, similarity())
    };
    let mut whole = described().build().unwrap();
    let mut half = described().build().unwrap();
    let steps = |session: &mut Session<Reference>, n: usize| (0..n).for_each(|_| assert!(session.step().is_ok()));
    steps(&mut whole, 6);
    steps(&mut half, 3);
    let mut resumed = described().resume(&half.checkpoint().unwrap()).unwrap();
    steps(&mut resumed, 3);
    assert_eq!(whole.image().unwrap().pixels(), resumed.image().unwrap().pixels());
}
