//! Sessions on small random networks, checked against the paper's formulas and finite differences.

mod common;

use std::ops::ControlFlow;

use common::{builder, close, layers, model, network, picture};
use style_core::inspect::Features;
use style_core::{
    AdamOptions, ConvLayer, ErrorKind, Image, Init, InputSpace, Layer, LbfgsOptions, Model, Network, Optimizer,
    Padding, Pooling, Scale, Session, SessionBuilder, Style,
};
use testkit::Reference;

#[test]
fn losses_are_the_papers() {
    for (pooling, padding) in [(Pooling::Average, Padding::Zero), (Pooling::Max, Padding::Replicate)] {
        let session = builder().pooling(pooling).padding(padding);
        let mut session = session.content_weight(0.5).style_weight(3.0).tv_weight(0.1).build().unwrap();
        let image = picture("image", 13, 9);
        let (losses, _) = session.evaluate(&image).unwrap();

        let network = network();
        let names = ["conv1_1", "conv2_1", "conv2_2", "conv3_1"];
        let features = |image: &Image| network.features(image, &names, pooling, padding).unwrap();
        let (f, p, s) = (features(&image), features(&picture("content", 13, 9)), features(&picture("style", 8, 10)));
        let content: f64 =
            f[2].values.iter().zip(&p[2].values).map(|(f, p)| 0.5 * (f64::from(*f) - f64::from(*p)).powi(2)).sum();
        close(losses.content(), content);
        close(losses.layers("content")[0].loss, content);
        let mut style = 0.0;
        for (i, (at, weight)) in [(0, 0.25), (1, 0.5), (3, 0.25)].into_iter().enumerate() {
            let n = f[at].shape.channels as f64;
            let e: f64 =
                gram(&f[at]).iter().zip(gram(&s[at])).map(|(g, a)| (g - a).powi(2)).sum::<f64>() / (4.0 * n * n);
            close(losses.layers("style")[i].loss, e);
            style += weight * e;
        }
        close(losses.style(), style);
        let pixel = |c: usize, r: usize, x: usize| f64::from(image.pixels()[(c * 9 + r) * 13 + x]);
        let mut tv = 0.0;
        for (c, r, x) in (0..3).flat_map(|c| (0..9).flat_map(move |r| (0..13).map(move |x| (c, r, x)))) {
            tv += if r < 8 { 0.5 * (pixel(c, r + 1, x) - pixel(c, r, x)).powi(2) } else { 0.0 };
            tv += if x < 12 { 0.5 * (pixel(c, r, x + 1) - pixel(c, r, x)).powi(2) } else { 0.0 };
        }
        close(losses.tv(), tv);
        close(losses.total, 0.5 * content + 3.0 * style + 0.1 * tv);
    }
}

/// `F F^T / M`.
fn gram(f: &Features) -> Vec<f64> {
    let m = f.shape.positions();
    let row = |i: usize| f.values[i * m..][..m].iter().map(|&v| f64::from(v));
    let n = f.shape.channels;
    (0..n * n).map(|at| row(at / n).zip(row(at % n)).map(|(a, b)| a * b).sum::<f64>() / m as f64).collect()
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    for (pooling, padding) in
        [(Pooling::Average, Padding::Zero), (Pooling::Max, Padding::Zero), (Pooling::Average, Padding::Replicate)]
    {
        let session = builder().pooling(pooling).padding(padding).content_weight(0.01).tv_weight(1.0);
        let mut session =
            session.content_layers(layers(&[("conv2_2", 1.0), ("pool1", 0.5), ("conv1_1", 0.1)])).build().unwrap();
        common::differences("the total", &mut session);
    }
}

/// Zero padding makes a frame around a picture of a colour other than the mean; a repeated border does not.
#[test]
fn padding_is_that_of_the_picture() {
    let (network, grey) = (network(), Image::from_planar(9, 7, vec![30.0; 189]).unwrap());
    let seen = |padding| network.features(&grey, &["conv1_1"], Pooling::Average, padding).unwrap().remove(0).values;
    let (zero, replicate) = (seen(Padding::Zero), seen(Padding::Replicate));
    for (zero, replicate) in zero.chunks(63).zip(replicate.chunks(63)) {
        let inside = 3 * 9 + 4;
        assert!(replicate.iter().all(|v| *v == zero[inside]));
        assert!(zero[inside] == 0.0 || zero[0] != zero[inside]);
    }
    assert_ne!(zero, replicate);
}

#[test]
fn both_input_spaces_see_the_same_picture() {
    // One network described for RGB and, with its first filters reordered, for BGR.
    let rgb = InputSpace { order: style_core::ChannelOrder::Rgb, ..InputSpace::CAFFE };
    let rgb = InputSpace { mean: [123.68, 116.779, 103.939], ..rgb };
    let mut layers = model(rgb).layers().to_vec();
    if let Layer::Conv(first) = &mut layers[0] {
        for filter in first.weight.chunks_exact_mut(27) {
            let (red, blue) = filter.split_at_mut(18);
            red[..9].swap_with_slice(blue);
        }
    }
    let bgr = Network::new(Reference, &Model::new("bgr", InputSpace::CAFFE, layers).unwrap()).unwrap();
    let rgb = Network::new(Reference, &model(rgb)).unwrap();
    let see = |n: &Network<Reference>| {
        n.features(&picture("image", 6, 7), &["conv2_1"], Pooling::Average, Padding::Zero).unwrap()
    };
    for (a, b) in see(&rgb)[0].values.iter().zip(&see(&bgr)[0].values) {
        close(f64::from(*a), f64::from(*b));
    }
    assert_eq!(rgb.mean(), bgr.mean());
}

#[test]
fn descends_and_stays_finite() {
    let adam = Optimizer::Adam(AdamOptions { learning_rate: 2.0, ..Default::default() });
    for optimizer in [Optimizer::default(), adam] {
        let mut session = builder().optimizer(optimizer).init(Init::Noise).seed(3).iterations(25).build().unwrap();
        let mut totals = vec![];
        session
            .run(|progress| {
                assert_eq!(progress.iteration, totals.len() + 1);
                if progress.accepted {
                    totals.push(progress.losses.total);
                } else {
                    totals.push(*totals.last().unwrap());
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(totals.len(), 25);
        assert!(totals[24] < 0.2 * totals[0], "{totals:?}");
        let (losses, _) = {
            let image = session.image().unwrap();
            session.evaluate(&image).unwrap()
        };
        close(losses.total, totals[24]);
    }
}

#[test]
fn an_accepted_lbfgs_step_never_rises() {
    let mut session = builder().init(Init::Noise).iterations(60).build().unwrap();
    let mut last = f64::INFINITY;
    while !session.is_finished() {
        let progress = session.step().unwrap();
        if progress.accepted {
            assert!(progress.losses.total <= last);
            last = progress.losses.total;
        }
    }
}

/// A quadratic: one layer whose ReLU never closes, with curvatures 1, 100 and 10^4 in the three channels.
fn quadratic(tv: f64, optimizer: Optimizer, iterations: usize) -> (f64, f64) {
    let mut weight = vec![0.0; 81];
    for (c, scale) in [1.0, 10.0, 100.0].into_iter().enumerate() {
        weight[(3 * c + c) * 9 + 4] = scale;
    }
    let layer = ConvLayer { name: "linear".into(), in_channels: 3, out_channels: 3, weight, bias: vec![1e5; 3] };
    let input = InputSpace { order: style_core::ChannelOrder::Rgb, ..InputSpace::CAFFE };
    let model = Model::new("linear", input, vec![Layer::Conv(layer)]).unwrap();
    let mut session = Session::builder(Network::new(Reference, &model).unwrap())
        .content(picture("content", 9, 7))
        .content_layers(layers(&[("linear", 1.0)]))
        .without_style()
        .content_weight(1.0)
        .tv_weight(tv)
        .init(Init::Noise)
        .optimizer(optimizer)
        .iterations(iterations)
        .build()
        .unwrap();
    let (mut first, mut best) = (None, f64::INFINITY);
    session
        .run(|p| {
            first.get_or_insert(p.losses.total);
            best = best.min(p.losses.total);
            ControlFlow::Continue(())
        })
        .unwrap();
    (first.unwrap(), best)
}

#[test]
fn lbfgs_solves_a_quadratic_of_few_curvatures_in_few_evaluations() {
    // Three distinct eigenvalues: with exact line searches three steps suffice (Nocedal and Wright, section 5.1), with
    // strong Wolfe a few more. The features are stored in f32 with a bias of 1e5, which limits the precision.
    let (first, best) = quadratic(0.0, Optimizer::default(), 25);
    assert!(best < 1e-6 * first, "{first} {best}");
    // A history of two pairs still converges, linearly.
    let short = Optimizer::Lbfgs(LbfgsOptions { history: 2, ..Default::default() });
    let (first, best) = quadratic(0.0, short, 60);
    assert!(best < 1e-6 * first, "{first} {best}");
}

#[test]
fn several_styles_are_a_mean_of_gram_matrices() {
    let image = picture("image", 13, 9);
    let evaluate = |b: SessionBuilder<Reference>| b.build().unwrap().evaluate(&image).unwrap().0.style();
    let twice = evaluate(builder().style(picture("style", 8, 10)));
    close(twice, evaluate(builder()));
    let one_sided = evaluate(builder().style(Style::new(picture("other", 11, 8)).share(0.0)));
    close(one_sided, evaluate(builder()));
    assert_ne!(evaluate(builder().style(picture("other", 11, 8))), twice);
}

#[test]
fn starts() {
    let image = |init| builder().init(init).seed(7).build().unwrap().image().unwrap();
    let content = picture("content", 13, 9);
    let near = |a: &Image, b: &Image| a.pixels().iter().zip(b.pixels()).all(|(a, b)| (a - b).abs() < 1e-3);
    assert!(near(&image(Init::Content), &content));
    assert_eq!(image(Init::Noise), image(Init::Noise));
    assert_ne!(image(Init::Noise), builder().init(Init::Noise).seed(8).build().unwrap().image().unwrap());
    let other = picture("start", 13, 9);
    assert!(near(&image(Init::Image(other.clone())), &other));
    assert_eq!(image(Init::Style).shape(), content.shape());
    let half = builder().noise_ratio(0.5).seed(7).build().unwrap().image().unwrap();
    let noise = image(Init::Noise);
    for ((h, n), c) in half.pixels().iter().zip(noise.pixels()).zip(content.pixels()) {
        assert!((h - 0.5 * (n + c)).abs() < 1e-3);
    }
}

#[test]
fn bad_descriptions_are_typed_errors() {
    let fails = |b: SessionBuilder<Reference>, kind: ErrorKind, says: &str| {
        let planned = b.plan().unwrap_err();
        let error = b.build().unwrap_err();
        assert_eq!(error.to_string(), planned.to_string());
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    };
    use ErrorKind::{Argument, Shape, TooSmall};
    fails(Session::builder(network()), Argument, "content picture");
    fails(Session::builder(network()).content(picture("c", 9, 9)), Argument, "style picture");
    fails(builder().content_layers(layers(&[("conv9_9", 1.0)])), Argument, "its layers are conv1_1, conv1_2");
    fails(builder().style_layers(layers(&[("conv1_1", 1.0), ("conv1_1", 2.0)])), Argument, "twice");
    fails(builder().without_style().without_content(), Argument, "layer");
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        fails(builder().content_weight(weight), Argument, "content weight");
        fails(builder().style_weight(weight), Argument, "style weight");
        fails(builder().tv_weight(weight), Argument, "total variation");
        fails(builder().style_layers(layers(&[("conv1_1", weight)])), Argument, "conv1_1");
        fails(builder().style(Style::new(picture("s", 9, 9)).share(weight)), Argument, "share");
        let adam = AdamOptions { learning_rate: weight, ..Default::default() };
        fails(builder().optimizer(Optimizer::Adam(adam)), Argument, "step");
    }
    fails(
        builder().optimizer(Optimizer::Lbfgs(LbfgsOptions { history: 0, ..Default::default() })),
        Argument,
        "history",
    );
    fails(builder().iterations(0), Argument, "iteration");
    fails(builder().content(picture("small", 3, 9)), TooSmall { least: 4 }, "too small");
    fails(builder().style(picture("small", 9, 3)), TooSmall { least: 4 }, "style picture 2: 9x3");
    fails(builder().noise_ratio(1.5), Argument, "noise ratio");
    fails(builder().init(Init::Image(picture("i", 9, 13))), Shape, "start picture");
}

/// A non-finite loss at the first step or at a later scale does not destroy the image.
#[test]
fn weights_too_large_are_an_error_and_not_a_black_picture() {
    let adam = Optimizer::Adam(AdamOptions::default());
    let huge = || builder().style_layers(layers(&[("conv1_1", 1e30)])).style_weight(1e30).init(Init::Noise);
    for optimizer in [Optimizer::default(), adam] {
        let mut session = huge().optimizer(optimizer).iterations(8).build().unwrap();
        let start = session.image().unwrap();
        for _ in 0..2 {
            let error = session.run(|_| ControlFlow::Continue(())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NonFinite, "{error}");
            assert_eq!(session.image().unwrap(), start);
            assert_eq!(session.checkpoint().unwrap().image().unwrap(), start);
        }
        // With a suitable weight, the session continues.
        session.set_style_weight(1e-30).unwrap();
        session.run(|_| ControlFlow::Continue(())).unwrap();
        assert_ne!(session.image().unwrap(), start);
    }
    for optimizer in [Optimizer::default(), adam] {
        let scale = Scale { size: 10, iterations: 3, optimizer: None };
        let session = builder().optimizer(optimizer).init(Init::Noise).scales(vec![scale]).iterations(4);
        let mut session = session.style_layers(layers(&[("conv1_1", 1e30)])).style_weight(1e-30).build().unwrap();
        for _ in 0..3 {
            session.step().unwrap();
        }
        session.set_style_weight(1e30).unwrap();
        let small = session.image().unwrap();
        assert_eq!(session.run(|_| ControlFlow::Continue(())).unwrap_err().kind(), ErrorKind::NonFinite);
        let large = session.image().unwrap();
        assert_eq!((large.width(), large.height()), (13, 9));
        let mean = |image: &Image| image.pixels().iter().sum::<f32>() / image.pixels().len() as f32;
        assert!((mean(&small) - mean(&large)).abs() < 8.0, "{} {}", mean(&small), mean(&large));
        let spread = large.pixels().iter().map(|v| (v - mean(&large)).abs()).sum::<f32>() / 351.0;
        assert!(spread > 10.0, "the image has lost its contrast: {spread}");
    }
}

/// A mean of few values near the limit of f32 can round beyond it.
#[test]
fn the_largest_values_stay_finite() {
    let mut model = model(InputSpace::CAFFE).layers()[..1].to_vec();
    let Layer::Conv(conv) = &mut model[0] else { panic!("a convolution") };
    conv.weight.fill(0.0);
    let network =
        std::sync::Arc::new(Network::new(Reference, &Model::new("blind", InputSpace::CAFFE, model).unwrap()).unwrap());
    let image = Image::from_finite_planar(4, 4, vec![f32::MAX; 48]).unwrap();
    for percent in 1..100 {
        let session = Session::builder(std::sync::Arc::clone(&network)).content(image.clone()).without_style();
        let session = session
            .init(Init::Content)
            .content_layers(layers(&[("conv1_1", 1.0)]))
            .running_mean(f64::from(percent) / 100.0);
        let mut session = session.build().unwrap();
        session.step().unwrap();
        let mean = session.image().unwrap();
        assert!(mean.pixels().iter().all(|p| *p > 0.999 * f32::MAX), "{percent}");
    }
}

#[test]
fn a_callback_can_stop_and_go_on() {
    let mut session = builder().iterations(10).build().unwrap();
    let mut seen = 0;
    for _ in 0..2 {
        session
            .run(|_| {
                seen += 1;
                if seen % 4 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
    }
    assert_eq!(seen, 8);
    assert!(!session.is_finished());
}

#[test]
fn a_session_that_has_finished_does_not_paint_on() {
    let mut session = builder().init(Init::Noise).iterations(3).build().unwrap();
    session.run(|_| ControlFlow::Continue(())).unwrap();
    let (image, progress) = (session.image().unwrap(), session.progress().cloned());
    assert_eq!(session.step().unwrap_err().kind(), ErrorKind::Finished);
    assert_eq!((session.image().unwrap(), session.progress().cloned()), (image, progress));
}

/// A descent that goes up is told, whatever scale it was at; one that goes down is not.
#[test]
fn divergence_is_told() {
    let adam = |learning_rate| Optimizer::Adam(AdamOptions { learning_rate, ..Default::default() });
    let scale = |optimizer| Scale { size: 10, iterations: 12, optimizer };
    let noise = |optimizer| builder().init(Init::Noise).optimizer(optimizer).iterations(12);
    let end = |describe: SessionBuilder<Reference>| {
        let mut session = describe.build().unwrap();
        let mut first = None;
        session
            .run(|progress| {
                let losses = if progress.accepted { &progress.losses } else { &progress.accepted_losses };
                assert_eq!(*losses, progress.accepted_losses);
                first.get_or_insert(progress.losses.total);
                ControlFlow::Continue(())
            })
            .unwrap();
        let progress = session.progress().unwrap().clone();
        assert_eq!(session.losses(), Some(&progress.accepted_losses));
        (progress.diverged, progress.accepted_losses.total > first.unwrap())
    };
    assert_eq!(end(noise(adam(1e5))), (true, true));
    assert_eq!(end(noise(adam(2.0))), (false, false));
    assert_eq!(end(noise(Optimizer::default())), (false, false));
    assert!(end(noise(adam(2.0)).scales(vec![scale(Some(adam(1e5)))])).0);
    assert!(!end(noise(adam(2.0)).scales(vec![scale(None)])).0);
    // Another weight is another loss.
    let mut session = noise(adam(2.0)).build().unwrap();
    session.step().unwrap();
    session.set_style_weight(1e6).unwrap();
    for _ in 0..8 {
        session.step().unwrap();
    }
    assert!(!session.progress().unwrap().diverged);
}

#[test]
fn evaluate_leaves_the_session_alone() {
    let run = |disturb: bool| {
        let mut session = builder().iterations(12).build().unwrap();
        while !session.is_finished() {
            session.step().unwrap();
            if disturb {
                session.evaluate(&picture("elsewhere", 13, 9)).unwrap();
            }
        }
        session.image().unwrap()
    };
    assert_eq!(run(false), run(true));
    let error = builder().build().unwrap().evaluate(&picture("p", 9, 13)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
}
