//! Masks, statistics, textures, shared targets, presets, probes and observers on a small random network.

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;

use common::{builder, close, layers, network, picture};
use style_core::backend::ops::{ReluRule, Tv};
use style_core::inspect::{Neuron, Probe};
use style_core::statistics::{Covariance, Gram, GramNorm, Moments};
use style_core::{
    Error, ErrorKind, Image, Init, LbfgsOptions, Mask, Noise, Observer, Optimizer, Padding, Pooling, Preset, Progress,
    Result, Session, SessionBuilder, Style, View,
};
use testkit::{Reference, Rng};

fn mask(name: &str, width: usize, height: usize) -> Mask {
    let mut rng = Rng::new(name);
    Mask::new(width, height, (0..width * height).map(|_| (0.5 + 0.5 * rng.unit()) as f32).collect()).unwrap()
}

#[test]
fn gradients_are_those_of_differences() {
    let differences = |what, b: SessionBuilder<Reference>| common::differences(what, &mut b.build().unwrap());
    let masked = |b: SessionBuilder<Reference>| {
        b.style(Style::new(picture("other", 11, 12)).mask(mask("m", 5, 4)).region(mask("r", 11, 12)).share(2.0))
            .content_mask(mask("c", 13, 9))
    };
    differences("masks", masked(builder()));
    differences("covariance", builder().content_weight(0.0).statistic(Covariance));
    differences("masked covariance", masked(builder()).content_weight(0.0).statistic(Covariance));
    differences("moments", masked(builder()).content_weight(0.0).statistic(Moments));
    differences("one of each", masked(builder()).statistic_at("conv2_1", Moments).statistic_at("conv3_1", Covariance));
    differences("per element", builder().statistic(Gram { norm: GramNorm::Elements }));
    for kind in [Tv::Absolute, Tv::Means, Tv::Power(2.5), Tv::Power(1.0)] {
        differences("variation", builder().content_weight(0.0).style_weight(0.0).tv(kind).tv_weight(1.0));
    }
}

fn style_loss(builder: SessionBuilder<Reference>) -> f64 {
    builder.build().unwrap().evaluate(&picture("image", 13, 9)).unwrap().0.style()
}

fn plain() -> SessionBuilder<Reference> {
    Session::builder(network())
        .content(picture("content", 13, 9))
        .content_layers(layers(&[("conv2_2", 1.0)]))
        .style_layers(layers(&[("conv1_1", 0.5), ("conv2_1", 0.5)]))
}

#[test]
fn a_white_mask_is_no_mask() {
    let style = || Style::new(picture("style", 8, 10));
    let white = || Mask::new(3, 2, vec![1.0; 6]).unwrap();
    let bare = style_loss(plain().style(style()));
    close(style_loss(plain().style(style().mask(white()))), bare);
    close(style_loss(plain().style(style().region(white()))), bare);
    close(style_loss(plain().style(style().mask(white()).share(3.0))), 3.0 * bare);
    // A mask of half the strength weights positions equally, and its area is a quarter.
    let grey = Mask::new(1, 1, vec![0.5]).unwrap();
    close(style_loss(plain().style(style().mask(grey))), 0.25 * bare);
    for statistic in [true, false] {
        let choose =
            |b: SessionBuilder<Reference>| if statistic { b.statistic(Covariance) } else { b.statistic(Moments) };
        close(style_loss(choose(plain().style(style().mask(white())))), style_loss(choose(plain().style(style()))));
    }
}

#[test]
fn nothing_is_held_to_a_style_outside_its_mask() {
    // A layer without pools sees 3x3 pixels: a mask of the left 6 columns does not affect those from 7 on.
    let left = Mask::new(13, 1, (0..13).map(|c| if c < 6 { 1.0 } else { 0.0 }).collect()).unwrap();
    let session = plain().style_layers(layers(&[("conv1_1", 1.0)])).content_weight(0.0);
    let mut session = session.style(Style::new(picture("style", 8, 10)).mask(left)).build().unwrap();
    let (_, gradient) = session.evaluate(&picture("image", 13, 9)).unwrap();
    let moves = |c: usize| gradient.iter().skip(c).step_by(13).any(|g| *g != 0.0);
    assert!((0..7).all(moves) && !(7..13).any(moves));
}

#[test]
fn textures_of_any_size_and_reconstructions() {
    let texture = || Session::builder(network()).style(picture("style", 8, 10)).without_content();
    let texture = || texture().style_layers(layers(&[("conv1_1", 0.5), ("conv2_1", 0.5)])).iterations(20);
    let sized = |b: SessionBuilder<Reference>| {
        let image = b.build().unwrap().image().unwrap();
        (image.width(), image.height())
    };
    assert_eq!(sized(texture()), (8, 10));
    assert_eq!(sized(texture().size(21, 14)), (21, 14));
    assert_eq!(sized(texture().init(Init::Image(picture("start", 9, 7)))), (9, 7));
    let mut session = texture().size(21, 14).build().unwrap();
    let (mut first, mut last) = (0.0, 0.0);
    session
        .run(|progress| {
            if progress.iteration == 1 {
                first = progress.losses.total;
            }
            last = progress.losses.total;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(last < 0.1 * first, "{first} {last}");
    assert_eq!(session.losses().unwrap().content(), 0.0);

    let mut session = plain().without_style().init(Init::Noise).iterations(40).build().unwrap();
    session.run(|_| ControlFlow::Continue(())).unwrap();
    let found = session.losses().unwrap().total;
    let start = session.evaluate(&picture("elsewhere", 13, 9)).unwrap().0.total;
    assert!(found < 0.05 * start, "{found} {start}");
}

#[test]
fn shared_targets_give_the_same_bits() {
    let network = network();
    let network = Arc::new(network);
    let on = || Session::builder(Arc::clone(&network));
    let layers = || layers(&[("conv1_1", 0.25), ("conv2_1", 0.5), ("conv3_1", 0.25)]);
    let full = || on().content_layers(common::layers(&[("conv2_2", 1.0)])).style_layers(layers());
    let styled = || {
        let masked = Style::new(picture("other", 11, 12)).mask(mask("m", 5, 4));
        full().style(picture("style", 8, 10)).style(masked).statistic_at("conv2_1", Covariance)
    };
    let pictures = || styled().content(picture("content", 13, 9));
    let both = pictures().targets().unwrap();
    let content = full().content(picture("content", 13, 9)).targets().unwrap();
    let style = styled().targets().unwrap();
    let run = |b: SessionBuilder<Reference>| {
        let mut session = b.seed(4).noise_ratio(0.5).iterations(5).build().unwrap();
        session.run(|_| ControlFlow::Continue(())).unwrap();
        session.image().unwrap()
    };
    let want = run(pictures());
    assert_eq!(run(full().with_targets(&both)), want);
    assert_eq!(run(full().with_targets(&content).with_targets(&style)), want);
    assert_eq!(run(full().content(picture("content", 13, 9)).with_targets(&style)), want);
    assert_eq!(
        run(styled().content_layers(common::layers(&[("conv2_2", 1.0)])).with_targets(&content).style_layers(layers())),
        want
    );

    // A subset of the layers, and another weight. The choice of layers determines which sums run in bands.
    let fewer = || common::layers(&[("conv1_1", 1.0)]);
    let masked = Style::new(picture("other", 11, 12)).mask(mask("m", 5, 4));
    let b = full().style(picture("style", 8, 10)).style(masked).content(picture("content", 13, 9));
    let (want, found) = (run(b.style_layers(fewer())), run(full().with_targets(&both).style_layers(fewer())));
    want.pixels().iter().zip(found.pixels()).for_each(|(a, b)| assert!((a - b).abs() < 1e-3, "{a} is not {b}"));

    let fails = |b: SessionBuilder<Reference>, says: &str| {
        let planned = b.plan().unwrap_err();
        let error = b.build().unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Argument, planned.to_string()));
        assert!(error.to_string().contains(says), "{error}");
    };
    fails(full().with_targets(&both).style(picture("style", 8, 10)), "style is given 2 times");
    fails(full().with_targets(&both).with_targets(&content), "content is given 2 times");
    fails(full().with_targets(&both).pooling(Pooling::Max), "Average pooling, but this session uses Max");
    fails(full().with_targets(&both).padding(Padding::Zero), "Replicate padding, but this session uses Zero");
    fails(
        full().with_targets(&both).style_layers(common::layers(&[("conv1_2", 1.0)])),
        "they were computed for conv1_1",
    );
    fails(
        full().with_targets(&both).content_layers(common::layers(&[("conv1_2", 1.0)])),
        "do not include layer conv1_2",
    );
    fails(full().with_targets(&both).statistic_at("conv1_1", Moments), "cannot be set together");
    fails(full().with_targets(&both).statistic(Moments), "this session sets moments");
    fails(full().with_targets(&style), "there is no content picture");
    let elsewhere = Session::builder(common::network()).with_targets(&both);
    fails(elsewhere.content_layers(common::layers(&[("conv2_2", 1.0)])).style_layers(layers()), "another network");
    assert_eq!(on().targets().unwrap_err().kind(), ErrorKind::Argument);
}

#[test]
fn the_plan_knows_of_masks_and_statistics() {
    let bare = builder().plan().unwrap();
    let masked = builder().style(Style::new(picture("style", 8, 10)).mask(mask("m", 3, 3)));
    let with_masks = masked.content_mask(mask("c", 3, 3)).plan().unwrap();
    assert!(with_masks.targets > bare.targets && with_masks.activations > bare.activations);
    assert!(builder().statistic(Moments).plan().unwrap().targets < bare.targets);
}

#[test]
fn settings_that_contradict_each_other_are_errors() {
    let fails = |b: SessionBuilder<Reference>, kind: ErrorKind, says: &str| {
        let planned = b.plan().unwrap_err();
        let error = b.build().unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (kind, planned.to_string()));
        assert!(error.to_string().contains(says), "{error}");
    };
    use ErrorKind::{Argument, Shape};
    fails(builder().size(9, 13), Shape, "content picture");
    fails(builder().statistic_at("conv1_2", Moments), Argument, "is not a style layer");
    fails(builder().without_content().content_mask(mask("m", 2, 2)), Argument, "there are no content layers");
    fails(builder().tv(Tv::Power(0.5)), Argument, "exponent");
    fails(builder().tv(Tv::Power(f32::NAN)), Argument, "exponent");
    fails(builder().noise(Noise::Normal(f32::NAN)), Argument, "noise");
    fails(builder().noise(Noise::Uniform(-1.0)), Argument, "noise");
    let lbfgs = LbfgsOptions { fixed_step: Some(0.0), ..LbfgsOptions::default() };
    fails(builder().optimizer(Optimizer::Lbfgs(lbfgs)), Argument, "step");
    let texture = || {
        Session::builder(network())
            .style(picture("s", 9, 9))
            .without_content()
            .style_layers(layers(&[("conv1_1", 1.0)]))
    };
    fails(texture().init(Init::Content), Argument, "but there is none");
    fails(texture().noise_ratio(0.5), Argument, "but there is none");
    fails(texture().size(0, 4), Shape, "0x4");
    fails(texture().content_layers(layers(&[("conv2_2", 1.0)])), Argument, "for a texture");
}

/// Below a style strength of 1, the default start has proportionally less noise.
#[test]
fn little_style_starts_with_little_noise() {
    let content = picture("content", 13, 9);
    let start = |strength: f64| {
        let b = Session::builder(network()).content(content.clone()).style(picture("style", 11, 10));
        let b = b.content_layers(layers(&[("conv2_2", 1.0)])).style_layers(layers(&[("conv1_1", 1.0)]));
        b.style_strength(strength).build().unwrap().image().unwrap()
    };
    let far = |strength: f64| {
        let start = start(strength);
        start.pixels().iter().zip(content.pixels()).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>()
    };
    assert!(far(0.0) < 1e-3); // rounding
    let ratio = far(0.5) / far(1.0);
    assert!((ratio - 0.5).abs() < 1e-3, "{ratio}");
    assert_eq!(far(4.0), far(1.0));
}

#[test]
fn layers_have_the_names_of_other_programs_too() {
    let losses = |content: &str, style: &str| {
        let b = builder().content_layers(layers(&[(content, 1.0)])).style_layers(layers(&[(style, 1.0)]));
        b.statistic_at(style, Moments).build().unwrap().step().unwrap().losses.clone()
    };
    let own = losses("conv2_2", "conv1_1");
    assert_eq!(losses("relu2_2", "block1_conv1"), own);
    assert_eq!(losses("r22", "r11"), own);
    assert_eq!(own.layers("style")[0].layer, "conv1_1");
}

#[test]
fn presets_are_overridden_by_what_follows() {
    for preset in Preset::ALL {
        assert_eq!(preset.name().parse::<Preset>().unwrap(), preset);
        let b = builder().preset(preset).losses([]).content_layers(layers(&[("conv2_2", 1.0)]));
        let b = b.style_layers(layers(&[("conv1_1", 1.0), ("conv2_1", 1.0)])).iterations(12);
        let mut session = b.build().unwrap();
        assert_eq!(session.step().unwrap().iterations, 12);
        session
            .run(|p| {
                assert!(p.losses.total.is_finite());
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    let first_loss = |b: SessionBuilder<_>| {
        let b = b.preset(Preset::Gatys).content_layers(layers(&[("conv2_2", 1.0)]));
        let mut session = b.style_layers(layers(&[("conv1_1", 1.0)])).build().unwrap();
        session.step().unwrap().losses.total
    };
    assert_eq!(first_loss(builder().statistic_at("conv1_1", Moments)), first_loss(builder()));
    assert_eq!("jonson".parse::<Preset>().unwrap_err().kind(), ErrorKind::Argument);
}

#[test]
fn noise_is_what_it_says() {
    let texture = |noise| {
        let b = Session::builder(network()).style(picture("s", 9, 9)).without_content().size(60, 50);
        b.style_layers(layers(&[("conv1_1", 1.0)])).noise(noise).build().unwrap().image().unwrap()
    };
    let mean = network().mean();
    for (noise, deviation) in [(Noise::Uniform(64.0), 64.0 / 3f64.sqrt()), (Noise::Normal(20.0), 20.0)] {
        let image = texture(noise);
        let from_mean = |(i, p): (usize, &f32)| f64::from(p - mean[i / 3000]);
        let n = image.pixels().len() as f64;
        let first = image.pixels().iter().enumerate().map(from_mean).sum::<f64>() / n;
        let second = image.pixels().iter().enumerate().map(|x| from_mean(x).powi(2)).sum::<f64>() / n;
        let fourth = image.pixels().iter().enumerate().map(|x| from_mean(x).powi(4)).sum::<f64>() / n;
        assert!(first.abs() < 4.0 * deviation / n.sqrt(), "{noise:?} {first}");
        assert!((second.sqrt() / deviation - 1.0).abs() < 0.03, "{noise:?} {second}");
        // Kurtosis: 1.8 for uniform, 3 for normal.
        let kurtosis = if matches!(noise, Noise::Uniform(_)) { 1.8 } else { 3.0 };
        assert!((fourth / second.powi(2) / kurtosis - 1.0).abs() < 0.08, "{noise:?} {}", fourth / second.powi(2));
    }
}

#[test]
fn a_fixed_step_goes_on_where_the_loss_is_not_finite() {
    let lbfgs = LbfgsOptions { fixed_step: Some(1e6), ..LbfgsOptions::default() };
    let mut session = builder().style_weight(1e20).optimizer(Optimizer::Lbfgs(lbfgs)).iterations(30).build().unwrap();
    match session.run(|_| ControlFlow::Continue(())) {
        Ok(()) => {}
        Err(e) => assert_eq!(e.kind(), ErrorKind::NonFinite),
    }
    assert!(session.image().unwrap().pixels().iter().all(|p| p.is_finite()));
}

#[test]
fn a_neurons_gradient_is_that_of_differences() {
    let image = picture("content", 13, 9);
    for (pooling, padding) in [(Pooling::Average, Padding::Replicate), (Pooling::Max, Padding::Zero)] {
        let mut probe = Probe::new(network(), &image, "conv2_2", pooling, padding).unwrap();
        let (channel, _) = probe.strongest_channels()[0];
        let neuron = probe.strongest(channel).unwrap();
        let response = probe.back(neuron, ReluRule::Gradient).unwrap();
        let value = |image: &Image| {
            let probe = Probe::new(network(), image, "conv2_2", pooling, padding).unwrap();
            let shape = probe.features().shape;
            f64::from(
                probe.features().values[(neuron.channel * shape.height + neuron.row) * shape.width + neuron.column],
            )
        };
        assert!((value(&image) - f64::from(response.activation)).abs() < 1e-6);
        let norm = response.signal.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let mut rng = Rng::new("direction");
        let direction: Vec<f32> = image.pixels().iter().map(|_| rng.unit() as f32).collect();
        let slope: f64 = response.signal.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
        let at = |t: f32| {
            let pixels = image.pixels().iter().zip(&direction).map(|(p, d)| p + t * d).collect();
            value(&Image::from_planar(13, 9, pixels).unwrap())
        };
        let difference = (at(1.0 / 64.0) - at(-1.0 / 64.0)) * 32.0;
        assert!((slope - difference).abs() <= 2e-3 * norm, "slope {slope}, difference {difference}");
        assert!(image.crop(response.columns.clone(), response.rows.clone()).is_ok());
        for rule in [ReluRule::Deconvnet, ReluRule::Guided] {
            assert_ne!(probe.back(neuron, rule).unwrap().signal, response.signal);
        }
        assert_eq!(probe.back(neuron, ReluRule::Gradient).unwrap(), response);
    }
    let mut probe = Probe::new(network(), &image, "conv2_2", Pooling::Max, Padding::Zero).unwrap();
    for (channel, row, column) in [(5, 0, 0), (0, 4, 0), (0, 0, 6), (usize::MAX, 0, 0)] {
        let error = probe.back(Neuron { channel, row, column }, ReluRule::Guided).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
    }
    assert_eq!(probe.strongest(5).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(
        Probe::new(network(), &image, "conv9", Pooling::Max, Padding::Zero).err().unwrap().kind(),
        ErrorKind::Argument
    );
    assert!(image.crop(0..14, 0..9).is_err() && image.crop(3..3, 0..9).is_err() && image.crop(0..2, 5..20).is_err());
}

/// Counts evaluations; breaks or fails at one of them.
#[derive(Default)]
struct Counter {
    seen: Vec<usize>,
    break_at: Option<usize>,
    fail_at: Option<usize>,
    finished: usize,
}

impl Observer for Counter {
    fn observe(&mut self, progress: &Progress, view: &dyn View) -> Result<ControlFlow<()>> {
        assert_eq!(view.image()?.width(), 13);
        self.seen.push(progress.iteration);
        if self.fail_at == Some(progress.iteration) {
            return Err(Error::new(ErrorKind::Io, "the disk is full"));
        }
        Ok(if self.break_at == Some(progress.iteration) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn finish(&mut self, _: &dyn View) -> Result<()> {
        self.finished += 1;
        Ok(())
    }
}

#[test]
fn observers_see_every_evaluation_and_can_end_the_run() {
    let mut session = builder().iterations(20).build().unwrap();
    let (mut a, mut b) = (Counter::default(), Counter { break_at: Some(4), ..Counter::default() });
    session.run_with(&mut [&mut a as &mut dyn Observer, &mut b][..]).unwrap();
    assert_eq!((&a.seen, &b.seen), (&vec![1, 2, 3, 4], &vec![1, 2, 3, 4]));
    assert_eq!((a.finished, b.finished), (1, 1));

    let mut c = Counter { fail_at: Some(6), ..Counter::default() };
    assert_eq!(session.run_with(&mut c).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!((c.seen.clone(), c.finished), (vec![5, 6], 1));
    assert!(session.image().is_ok());

    let mut d = Counter::default();
    session.run_with(&mut d).unwrap();
    assert_eq!(*d.seen.last().unwrap(), 20);
}
