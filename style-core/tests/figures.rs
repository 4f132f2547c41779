//! The sessions that show what layers retain and what a channel responds to.

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;

use common::{close, layers, network, picture};
use style_core::backend::ops::{ReluRule, Tv};
use style_core::inspect::{Probe, content_of, excite, styles_of};
use style_core::{ErrorKind, Image, Padding, Pooling, Preset, Session};

#[test]
fn reconstructions_are_those_of_single_layers() {
    let network = Arc::new(network());
    let on = || Session::builder(Arc::clone(&network)).preset(Preset::Gatys).iterations(4);
    let painted = |builder: style_core::SessionBuilder<_>| {
        let mut session = builder.iterations(4).build().unwrap();
        session.run(|_| ControlFlow::Continue(())).unwrap();
        session.image().unwrap()
    };
    let (content, style) = (picture("content", 13, 9), picture("style", 8, 10));
    let by_hand = on().content(content.clone()).content_layers(layers(&[("conv2_2", 1.0)])).without_style();
    assert_eq!(painted(content_of(Arc::clone(&network), content, "conv2_2")), painted(by_hand));

    let all = styles_of(Arc::clone(&network), style.clone(), &["conv1_1", "conv2_1"]).unwrap();
    let by_hand = |list: &[(&str, f64)]| {
        on().style_strength(1.0).without_content().style(style.clone()).style_layers(layers(list))
    };
    let expected = [by_hand(&[("conv1_1", 1.0)]), by_hand(&[("conv1_1", 0.5), ("conv2_1", 0.5)])];
    assert_eq!(all.len(), 2);
    for (found, expected) in all.into_iter().zip(expected) {
        // Targets that are shared and those of the session itself are rounded differently.
        let (found, expected) = (painted(found), painted(expected));
        let differ = found.pixels().iter().zip(expected.pixels()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(differ < 1e-3, "{differ}");
    }
    assert!(styles_of(network, style, &["conv9_1"]).is_err());
}

#[test]
fn an_excitation_is_that_of_its_equation_and_grows() {
    let network = Arc::new(network());
    let image = picture("image", 13, 9);
    let on = |unit| excite(Arc::clone(&network), "conv2_1", 3, unit, (13, 9));
    let mut session = on(20.0).unwrap().build().unwrap();
    let features = network.features(&image, &["conv2_1"], Pooling::Average, Padding::Replicate).unwrap().remove(0);
    let m = features.shape.positions();
    let mean = features.values[3 * m..4 * m].iter().map(|v| f64::from(*v)).sum::<f64>() / m as f64;
    let square = |(i, v): (usize, &f32)| f64::from(v - network.mean()[i / 117]).powi(2);
    let decay = image.pixels().iter().enumerate().map(square).sum::<f64>() / 351.0;
    let losses = session.evaluate(&image).unwrap().0;
    close(losses.total, -mean / 20.0 + 1e-3 * decay + 1e-6 * losses.tv());
    let mut session = on(20.0).unwrap().tv(Tv::Means).iterations(30).build().unwrap();
    let (mut first, mut last) = (f64::NAN, f64::NAN);
    session
        .run(|progress| {
            last = progress.accepted_losses.total;
            first = if first.is_nan() { last } else { first };
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(last < first, "{first} {last}");
    for (unit, channel, word) in [(0.0, 3, "unit"), (f32::NAN, 3, "unit"), (1.0, 7, "channel 7")] {
        let error = excite(Arc::clone(&network), "conv2_1", channel, unit, (13, 9)).map(|_| ()).unwrap_err();
        assert!(error.kind() == ErrorKind::Argument && error.to_string().contains(word), "{error}");
    }
    assert!(excite(network, "conv2_1", 3, 1.0, (0, 9)).is_err());
}

#[test]
fn a_signal_is_a_picture_of_its_receptive_field() {
    let image = picture("image", 13, 9);
    let mut probe = Probe::new(network(), &image, "conv2_1", Pooling::Max, Padding::Zero).unwrap();
    let neuron = probe.strongest(probe.strongest_channels()[0].0).unwrap();
    let response = probe.back(neuron, ReluRule::Gradient).unwrap();
    let shown = response.picture(&image).unwrap();
    assert_eq!((shown.width(), shown.height()), (response.columns.len(), response.rows.len()));
    let far = shown.pixels().iter().map(|v| (v - 127.5).abs()).fold(0.0, f32::max);
    assert!((far - 127.5).abs() < 1e-3, "{far}");
    let other: Image = picture("other", 5, 5);
    assert_eq!(response.picture(&other).unwrap_err().kind(), ErrorKind::Shape);
}
