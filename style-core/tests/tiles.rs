//! A picture in tiles against the whole: the same losses and gradient up to rounding.

mod common;

use common::{described, layers, picture};
use style_core::backend::ops::Tv;
use style_core::statistics::{Covariance, Gram, GramNorm, Moments};
use style_core::{AdamOptions, ErrorKind, Init, Losses, Mask, Optimizer, Padding, Pooling, SessionBuilder, Style};
use testkit::{Observed, Reference};

type Builder = SessionBuilder<Reference>;

/// The losses and the gradient at a picture.
fn evaluated(builder: Builder, width: usize, height: usize) -> (Losses, Vec<f32>) {
    builder.build().unwrap().evaluate(&picture("image", width, height)).unwrap()
}

/// The largest difference, relative to the largest value.
fn apart(a: &[f32], b: &[f32]) -> f64 {
    let most = |values: &mut dyn Iterator<Item = f32>| f64::from(values.fold(0.0f32, |m, v| m.max(v.abs())));
    most(&mut a.iter().zip(b).map(|(a, b)| a - b)) / most(&mut b.iter().copied())
}

fn same(what: &str, tiled: &(Losses, Vec<f32>), whole: &(Losses, Vec<f32>)) {
    let ((a, da), (b, db)) = (tiled, whole);
    // A covariance is a difference of larger numbers, each rounded to f32.
    let most = if what.contains("covariance") || what.contains("moments") { 1e-5 } else { 2e-6 };
    let near = |a: f64, b: f64| (a - b).abs() <= most * b.abs();
    assert!(
        near(a.total, b.total) && near(a.content(), b.content()) && near(a.style(), b.style()),
        "{what}: {a:?}, {b:?}"
    );
    let layers = |of: &Losses| [of.layers("style"), of.layers("content")].concat();
    for (a, b) in layers(a).iter().zip(&layers(b)) {
        assert!(near(a.loss, b.loss), "{what}: {a:?}, {b:?}");
    }
    assert_eq!(a.tv(), b.tv(), "{what}");
    assert!(apart(da, db) < most, "{what}: gradients differ by {:e}", apart(da, db));
}

#[test]
fn any_size_in_any_tiles() {
    for (width, height) in [(29, 26), (21, 35), (4, 60), (17, 5)] {
        let whole = evaluated(described(width, height), width, height);
        for (rows, columns) in [(1, 2), (3, 1), (2, 2), (4, 3), (1000, 1000)] {
            let tiled = described(width, height).tiles(rows, columns);
            same(&format!("{width}x{height} in {rows}x{columns}"), &evaluated(tiled, width, height), &whole);
        }
    }
}

#[test]
fn any_layers_and_poolings() {
    type List = &'static [(&'static str, f64)];
    let sets: [(List, List); 6] = [
        (&[("conv2_2", 1.0)], &[("conv1_1", 1.0)]),
        (&[("conv1_1", 1.0), ("pool1", 0.5), ("conv3_1", 0.1)], &[("pool2", 1.0), ("conv1_2", 0.5), ("pool1", 0.2)]),
        (&[("conv1_2", 1.0)], &[]),
        (&[], &[("conv1_1", 0.3), ("conv1_2", 0.3), ("conv2_2", 0.4)]),
        (&[("conv1_1", 1.0)], &[("conv1_1", 1.0)]),
        (&[("pool2", 1.0)], &[("conv3_1", 1.0)]),
    ];
    for pooling in [Pooling::Average, Pooling::Max] {
        for (content, style) in &sets {
            let session =
                || described(33, 30).pooling(pooling).content_layers(layers(content)).style_layers(layers(style));
            let whole = evaluated(session(), 33, 30);
            let what = format!("{pooling:?}, {content:?}, {style:?}");
            same(&what, &evaluated(session().tiles(2, 3), 33, 30), &whole);
            same(&what, &evaluated(session().tiles(7, 8), 33, 30), &whole);
        }
    }
}

/// The border is repeated at the picture's edges and not at those of tiles, where it would be visible.
#[test]
fn any_padding() {
    for (width, height) in [(29, 26), (4, 60), (17, 5)] {
        for pooling in [Pooling::Average, Pooling::Max] {
            let session = |padding| described(width, height).pooling(pooling).padding(padding);
            let whole = evaluated(session(Padding::Replicate), width, height);
            assert_ne!(whole.0, evaluated(session(Padding::Zero), width, height).0);
            for (rows, columns) in [(1, 2), (3, 1), (2, 2), (4, 3), (1000, 1000)] {
                let tiled = session(Padding::Replicate).tiles(rows, columns);
                let what = format!("{width}x{height} in {rows}x{columns}, {pooling:?}");
                same(&what, &evaluated(tiled, width, height), &whole);
            }
        }
    }
    // The features of this layer are those of the first convolution.
    let session = || {
        let session = described(33, 30).padding(Padding::Replicate);
        session.content_layers(layers(&[("conv1_1", 1.0)])).style_layers(layers(&[("conv1_1", 1.0), ("pool1", 0.2)]))
    };
    same("conv1_1", &evaluated(session().tiles(7, 8), 33, 30), &evaluated(session(), 33, 30));
}

#[test]
fn any_statistic_under_any_mask() {
    let corner = || Mask::new(3, 2, vec![0.0, 0.5, 1.0, 0.0, 0.0, 0.2]).unwrap();
    type With = fn(Builder) -> Builder;
    let sessions: [(&str, With); 4] = [
        ("Gram", |b| b.statistic(Gram::default())),
        ("Gram by elements", |b| b.statistic(Gram { norm: GramNorm::Elements })),
        ("covariance", |b| b.statistic(Covariance)),
        ("moments", |b| b.statistic(Moments).statistic_at("conv2_1", Covariance)),
    ];
    for (name, with) in sessions {
        let plain = || with(described(34, 45)).tv(Tv::Absolute);
        let masked = || {
            let other = Style::new(picture("other", 20, 17)).mask(corner().inverted().unwrap()).share(2.0);
            let style = Style::new(picture("third", 25, 17)).mask(corner()).region(corner());
            plain().style(style).style(other).content_mask(corner())
        };
        for (rows, columns) in [(2, 2), (5, 6)] {
            let tiled = plain().tiles(rows, columns);
            same(name, &evaluated(tiled, 34, 45), &evaluated(plain(), 34, 45));
            let tiled = masked().tiles(rows, columns);
            same(&format!("{name}, masked"), &evaluated(tiled, 34, 45), &evaluated(masked(), 34, 45));
        }
    }
}

/// The reference backend computes the first convolutions in bands of four rows, unless a statistic is no sum over positions.
#[test]
fn any_session_in_bands() {
    let corner = || Mask::new(3, 2, vec![0.0, 0.5, 1.0, 0.0, 0.0, 0.2]).unwrap();
    let other = || Style::new(picture("other", 20, 17)).share(2.0);
    type With<'a> = &'a dyn Fn(Builder) -> Builder;
    let sessions: [(&str, With<'_>); 4] = [
        ("two styles", &|b| b.style(other())),
        ("masks", &|b| b.style(other().mask(corner())).style(other().mask(corner().inverted().unwrap()))),
        ("masks and regions", &|b| b.style(other().mask(corner()).region(corner())).style(other().region(corner()))),
        ("max pools", &|b| b.pooling(Pooling::Max).style(other().mask(corner()))),
    ];
    for (name, with) in sessions {
        for (rows, columns) in [(1, 1), (2, 2), (4, 1)] {
            let session = || with(described(34, 45)).tiles(rows, columns);
            let (bands, whole) = (session(), session().statistic(Observed::new(|_| ())));
            let [less, more] = [&bands, &whole].map(|session| session.plan().unwrap().activations);
            assert!(less < more, "{name}: {less} bytes in bands, {more} whole");
            same(&format!("{name} in {rows}x{columns}"), &evaluated(bands, 34, 45), &evaluated(whole, 34, 45));
        }
    }
}

#[test]
fn tiles_descend_as_the_whole_does() {
    let described = || described(30, 26).init(Init::Noise).iterations(12);
    let mut whole = described().build().unwrap();
    let mut tiled = described().tiles(3, 2).build().unwrap();
    for _ in 0..12 {
        let (a, b) = (tiled.step().unwrap().losses.total, whole.step().unwrap().losses.total);
        assert!((a - b).abs() < 1e-3 * b, "expected {b}, found {a}");
    }
    assert!(apart(tiled.image().unwrap().pixels(), whole.image().unwrap().pixels()) < 1e-2);
}

#[test]
fn a_memory_limit_is_kept_or_refused() {
    let adam = || Optimizer::Adam(AdamOptions::default());
    let described = || described(64, 48).optimizer(adam()).memory_limit(usize::MAX);
    let whole = described().plan().unwrap();
    assert_eq!((whole.tiles, whole.work), ([1, 1], 1.0));
    let mut last = whole.clone();
    for part in 1..10 {
        let limit = whole.peak() - part * whole.peak() / 20;
        match described().memory_limit(limit).plan() {
            Ok(plan) => {
                assert!(plan.peak() <= limit && plan.work >= last.work, "{plan:?}");
                assert!(described().memory_limit(limit).build().is_ok());
                last = plan;
            }
            Err(e) => {
                let ErrorKind::MemoryExceeded { needed, width, height } = e.kind() else { panic!("{e}") };
                assert!(needed > limit && width < 64 && height < 48, "{e}");
                assert_eq!(described().memory_limit(limit).build().unwrap_err().kind(), e.kind());
            }
        }
    }
    assert!(last.tiles != [1, 1], "{last:?}");
    let error = described().memory_limit(1000).plan().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::MemoryExceeded { width: 0, height: 0, .. }), "{error}");
    assert_eq!(described().tiles(0, 1).plan().unwrap_err().kind(), ErrorKind::Argument);
}

#[test]
fn the_suggested_size_fits() {
    let adam = || Optimizer::Adam(AdamOptions::default());
    let at = |width, height, limit| described(width, height).optimizer(adam()).memory_limit(limit).plan();
    let limit = at(64, 48, usize::MAX).unwrap().peak() / 3;
    let Err(e) = at(64, 48, limit) else { panic!("built with a third of the memory") };
    let ErrorKind::MemoryExceeded { width, height, .. } = e.kind() else { panic!("{e}") };
    assert!(width > 8 && at(width, height, limit).is_ok(), "{e}");
    assert!(at(width * 5 / 4, height * 5 / 4, limit).is_err(), "{e}");
}
