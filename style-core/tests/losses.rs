//! Custom losses on the host, on several layers and on the image; and losses that cannot be tiled.

mod common;

use std::ops::ControlFlow;

use common::{builder, layers, network, picture};
use style_core::backend::{Acc, Backend, Shape};
use style_core::losses::{Additivity, Buffers, HostLoss, Inputs, Laplacian, Loss, Site, Temporal, Term};
use style_core::statistics::{Gram, Scratch, Statistic};
use style_core::{Checkpoint, Error, ErrorKind, Image, Mask, Result, Scale, Session, SessionBuilder, Style};
use testkit::Reference;

type Builder = SessionBuilder<Reference>;

/// `1/2 sum (f - p)^2` against given features: the content loss, on the host.
struct Distance {
    name: &'static str,
    target: Vec<f32>,
}

impl HostLoss for Distance {
    fn name(&self) -> String {
        self.name.into()
    }

    fn identity(&self) -> String {
        format!("distance from {:?}", self.target.first())
    }

    fn evaluate(&self, shape: Shape, features: &[f32], gradient: &mut [f32]) -> f64 {
        assert_eq!((shape.len(), gradient.len()), (self.target.len(), self.target.len()));
        let mut sum = 0.0;
        for ((g, f), p) in gradient.iter_mut().zip(features).zip(&self.target) {
            *g = f - p;
            sum += 0.5 * f64::from(*g).powi(2);
        }
        sum
    }
}

/// `1/2 sum (x - level)^2` of the image or of layers, with the ops of the backend; it creates its targets.
struct Level {
    layers: Vec<String>,
    level: f32,
    additivity: Additivity,
}

struct LevelTerm<B: Backend> {
    targets: Vec<B::Tensor>,
}

impl<B: Backend> Loss<B> for Level {
    fn name(&self) -> String {
        "level".into()
    }

    fn identity(&self) -> String {
        format!("level {}", self.level)
    }

    fn layers(&self) -> Vec<String> {
        self.layers.clone()
    }

    fn additivity(&self) -> Additivity {
        self.additivity
    }

    fn term(&self, inputs: &Inputs<'_, B>) -> Result<Box<dyn Term<B>>> {
        let backend = inputs.network.backend();
        let target = |&shape: &Shape| {
            let mut target = backend.tensor(shape)?;
            backend.upload(&vec![self.level; shape.len()], &mut target)?;
            Ok(target)
        };
        let targets = inputs.features.iter().map(target).collect::<Result<_>>()?;
        Ok(Box::new(LevelTerm { targets }))
    }
}

impl<B: Backend> Term<B> for LevelTerm<B> {
    fn slots(&self) -> usize {
        self.targets.len()
    }

    fn forward(&mut self, at: &Site<'_, B>, buffers: Buffers<'_, B>) -> Result<()> {
        let slot = buffers.slot + at.layer;
        at.backend.half_squared_distance(at.features, &self.targets[at.layer], buffers.scalars, slot)
    }

    fn backward(
        &mut self,
        at: &Site<'_, B>,
        weight: f64,
        acc: Acc,
        dfeatures: &mut B::Tensor,
        _buffers: Buffers<'_, B>,
    ) -> Result<()> {
        at.backend.half_squared_distance_bwd(at.features, &self.targets[at.layer], weight as f32, acc, dfeatures)
    }

    fn loss(&self, scalars: &[f64]) -> f64 {
        scalars.iter().sum()
    }
}

fn level(layers: &[&str], level: f32) -> Level {
    let layers = layers.iter().map(|&layer| layer.into()).collect();
    Level { layers, level, additivity: Additivity::Whole }
}

fn refused(builder: Builder, message: &str) {
    let error = builder.build().unwrap_err();
    assert!(error.kind() == ErrorKind::Argument && error.to_string().contains(message), "{error}");
}

#[test]
fn a_host_loss_is_the_content_loss() {
    let (photo, image) = (picture("content", 13, 9), picture("image", 13, 9));
    let plain = || Session::builder(network()).content(photo.clone()).iterations(5).noise_ratio(0.0);
    let mut session =
        plain().content_layers(layers(&[("conv2_2", 1.0)])).without_style().content_weight(0.3).build().unwrap();
    let (want, gradient) = session.evaluate(&image).unwrap();

    let padding = style_core::Padding::Replicate;
    let features = network().features(&photo, &["conv2_2"], style_core::Pooling::Average, padding).unwrap();
    let target = features[0].values.clone();
    let own = plain().without_content().without_style().loss_at("conv2_2", 0.3, Distance { name: "own", target });
    let mut session = own.build().unwrap();
    let (losses, found) = session.evaluate(&image).unwrap();
    assert!((losses.loss("own") / want.content() - 1.0).abs() < 1e-6, "{losses:?}, {want:?}");
    assert!((losses.total / want.total - 1.0).abs() < 1e-6 && losses.weight("own") == 0.3);
    let norm = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
    assert!(gradient.iter().zip(&found).all(|(a, b)| (a - b).abs() < 1e-5 * norm));

    session.run(|_| ControlFlow::Continue(())).unwrap();
    assert!(session.losses().unwrap().total < losses.total);
}

#[test]
fn losses_of_layers_and_of_the_image_add_to_the_objective() {
    let image = picture("image", 13, 9);
    let evaluated = |b: Builder| b.build().unwrap().evaluate(&image).unwrap();
    let (plain, before) = evaluated(builder());
    // On the image, the gradient is known.
    let (with, after) = evaluated(builder().loss(2.0, level(&[], 100.0)));
    // The image as the network sees it: without the mean colour of Caffe's VGG.
    let mean = |i: usize| [123.68, 116.779, 103.939][i / (13 * 9)] + 100.0;
    let want: f64 = image.pixels().iter().enumerate().map(|(i, x)| 0.5 * (f64::from(*x) - mean(i)).powi(2)).sum();
    assert!((with.loss("level") / want - 1.0).abs() < 1e-6);
    assert!((with.total / (plain.total + 2.0 * want) - 1.0).abs() < 1e-6);
    for (i, ((a, b), x)) in after.iter().zip(&before).zip(image.pixels()).enumerate() {
        let want = 2.0 * (x - mean(i) as f32);
        assert!((a - b - want).abs() < 1e-3 * (1.0 + a.abs()), "{a} {b} {want}");
    }
    // On two layers, the sum of one on each, at layers that other losses use or not.
    let on = |layers: &[&str]| evaluated(builder().loss(0.01, level(layers, 3.0)));
    let (both, one, two) = (on(&["conv3_1", "conv1_2"]), on(&["conv1_2"]), on(&["conv3_1"]));
    let sum = one.0.loss("level") + two.0.loss("level");
    assert!((both.0.loss("level") / sum - 1.0).abs() < 1e-9);
    for (((both, one), two), before) in both.1.iter().zip(&one.1).zip(&two.1).zip(&before) {
        let want = one + two - before;
        assert!((both - want).abs() < 1e-3 * (1.0 + want.abs()), "{both} is not {want}");
    }
}

#[test]
fn names_are_unique_and_layers_known() {
    refused(builder().loss(1.0, level(&["conv9_9"], 1.0)), "the loss \"level\": ");
    refused(builder().loss(1.0, level(&["conv1_1", "relu1_1"], 1.0)), "layer conv1_1 appears twice");
    refused(builder().loss(-1.0, level(&[], 1.0)), "\"level\" must be");
    refused(builder().loss(1.0, level(&[], 1.0)).loss(1.0, level(&[], 2.0)), "two losses are named \"level\"");
    let named = |name| Distance { name, target: vec![] };
    refused(builder().loss_at("conv1_1", 1.0, named("style")), "two losses are named \"style\"");
}

#[test]
fn a_checkpoint_knows_a_loss_by_its_identity() {
    let with = |l: f32| builder().loss(1.0, level(&["conv1_2"], l)).iterations(4);
    let mut session = with(5.0).build().unwrap();
    session.step().unwrap();
    let checkpoint = session.checkpoint().unwrap();
    session.run(|_| ControlFlow::Continue(())).unwrap();
    let mut resumed = with(5.0).resume(&checkpoint).unwrap();
    resumed.run(|_| ControlFlow::Continue(())).unwrap();
    assert_eq!(resumed.image().unwrap(), session.image().unwrap());
    assert_eq!(resumed.losses(), session.losses());
    let error = with(6.0).resume(&checkpoint).unwrap_err();
    assert!(error.kind() == ErrorKind::Checkpoint && error.to_string().contains("level 5"), "{error}");
    assert_eq!(builder().resume(&checkpoint).unwrap_err().kind(), ErrorKind::Checkpoint);
}

/// A Gram matrix that declares nothing.
struct Plain(Gram);

impl<B: Backend> Statistic<B> for Plain {
    fn identity(&self) -> String {
        "plain".into()
    }

    fn scale(&self, features: Shape) -> f64 {
        Statistic::<B>::scale(&self.0, features)
    }

    fn values(&self, features: Shape) -> Vec<Shape> {
        Statistic::<B>::values(&self.0, features)
    }

    fn scratch(&self, features: Shape, guided: bool) -> Vec<Shape> {
        Statistic::<B>::scratch(&self.0, features, guided)
    }

    fn forward(&self, at: &Site<'_, B>, values: &mut [B::Tensor], scratch: Scratch<'_, B>) -> Result<()> {
        assert_eq!((at.tile, at.origin()), (0, [0, 0]));
        self.0.forward(at, values, scratch)
    }

    fn backward(
        &self,
        at: &Site<'_, B>,
        values: &[B::Tensor],
        dvalues: &[B::Tensor],
        acc: Acc,
        dfeatures: &mut B::Tensor,
        scratch: Scratch<'_, B>,
    ) -> Result<()> {
        self.0.backward(at, values, dvalues, acc, dfeatures, scratch)
    }
}

#[test]
fn what_needs_all_features_is_not_tiled() {
    refused(builder().statistic(Plain(Gram::default())).tiles(2, 1), "\"plain\" at conv1_1 needs the features");
    refused(builder().loss(1.0, level(&["conv1_2"], 1.0)).tiles(1, 2), "the loss \"level\" needs the features");
    let plan = builder().statistic(Plain(Gram::default())).plan().unwrap();
    assert_eq!(plan.tiles, [1, 1]);
    let limited = builder().statistic(Plain(Gram::default())).memory_limit(plan.peak() - 1).plan().unwrap_err();
    assert!(matches!(limited.kind(), ErrorKind::MemoryExceeded { .. }), "{limited}");

    // A loss of the image needs no features, and one that is a sum over positions may be tiled.
    let session = builder().loss(1.0, level(&[], 1.0)).tiles(2, 2).build().unwrap();
    assert_eq!(session.size(), (13, 9));

    let masked = Style::new(picture("style", 8, 10)).mask(Mask::new(2, 1, vec![1.0, 0.0]).unwrap());
    let session = Session::builder(network()).style(masked).without_content().size(13, 9);
    let session = session.style_layers([("conv1_1", 1.0)]).statistic(Plain(Gram::default()));
    refused(session, "does not support masks");
}

/// The Laplacian of squares of pixels, by its definition.
#[test]
fn the_laplacian_is_that_of_its_equation() {
    let (content, image) = (picture("content", 13, 9), picture("image", 13, 9));
    for side in [1, 2, 4] {
        let (w, h) = (13 / side, 9 / side);
        let mean = |of: &Image, k: usize, row: usize, column: usize| {
            let pixel = |i: usize| {
                let (y, x) = (row * side + i / side, column * side + i % side);
                f64::from(of.pixels()[(k * 9 + y) * 13 + x])
            };
            (0..side * side).map(pixel).sum::<f64>() / (side * side) as f64
        };
        let laplacian = |of: &Image, k: usize, row: usize, column: usize| {
            let (r, c) = (row as isize, column as isize);
            let beside = [(r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)];
            let inside =
                beside.into_iter().filter(|&(r, c)| (0..h as isize).contains(&r) && (0..w as isize).contains(&c));
            inside.map(|(r, c)| mean(of, k, row, column) - mean(of, k, r as usize, c as usize)).sum::<f64>()
        };
        let all = || (0..3).flat_map(|k| (0..h).flat_map(move |r| (0..w).map(move |c| (k, r, c))));
        let change: f64 =
            all().map(|(k, r, c)| (laplacian(&image, k, r, c) - laplacian(&content, k, r, c)).powi(2)).sum();
        let whole: f64 = all().map(|(k, r, c)| laplacian(&content, k, r, c).powi(2)).sum();
        let b = builder().content_weight(0.0).style_weight(0.0).loss(3.0, Laplacian { pool: side });
        let mut session = b.build().unwrap();
        let (losses, _) = session.evaluate(&image).unwrap();
        common::close(losses.total, 3.0 * change / whole);
        common::differences("laplacian", &mut session);
        assert!(session.evaluate(&content).unwrap().0.total < 1e-9);
    }
    for side in [0, 7, 10, usize::MAX] {
        let error = builder().loss(1.0, Laplacian { pool: side }).build().unwrap_err();
        assert!(error.to_string().contains("squares of 1 to 6 pixels"), "{error}");
    }
    let texture = builder().loss(1.0, Laplacian { pool: 1 }).without_content();
    assert!(texture.build().is_ok(), "the picture is there, without content layers");
}

/// The temporal loss, by its equation and by differences; and that it holds the image only where the mask is.
#[test]
fn the_temporal_loss_is_that_of_its_equation() {
    let (before, image) = (picture("before", 13, 9), picture("image", 13, 9));
    let values: Vec<f32> = (0..13 * 9).map(|i| if i % 13 < 6 { 0.0 } else { (i % 5) as f32 / 4.0 }).collect();
    let mask = Mask::new(13, 9, values.clone()).unwrap();
    let alone = |loss| builder().content_weight(0.0).style_weight(0.0).loss(3.0, loss);
    let mut session = alone(Temporal { before: before.clone(), mask: mask.clone() }).build().unwrap();
    let (losses, gradient) = session.evaluate(&image).unwrap();
    let pairs = || image.pixels().iter().zip(before.pixels()).enumerate();
    let held = |(i, (x, w)): (usize, (&f32, &f32))| f64::from(values[i % 117]) * f64::from(x - w).powi(2);
    common::close(losses.total, 3.0 * pairs().map(held).sum::<f64>() / 351.0);
    for (i, (x, w)) in pairs() {
        let wanted = 3.0 * 2.0 / 351.0 * f64::from(values[i % 117]) * f64::from(x - w);
        // The difference of two pixels that are rounded, less the mean colour.
        assert!((f64::from(gradient[i]) - wanted).abs() < 1e-6, "{} instead of {wanted}", gradient[i]);
    }
    assert_eq!(session.evaluate(&before).unwrap().0.total, 0.0);

    // Other sizes of the same proportions, and at a smaller scale.
    let large = || Temporal { before: before.resized(26, 18).unwrap(), mask: mask.clone() };
    assert!(builder().loss(1.0, large()).build().is_ok());
    let scale = Scale { size: 10, iterations: 1, optimizer: None };
    let mut session = builder().loss(1.0, large()).scales(vec![scale]).iterations(1).build().unwrap();
    session.run(|_| ControlFlow::Continue(())).unwrap();

    let error = builder().loss(1.0, Temporal { before: picture("b", 9, 13), mask }).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
    assert!(error.to_string().contains("9x13") && error.to_string().contains("13x9"), "{error}");
}

/// A loss that has no memory for pictures wider than this.
struct Small(usize);

impl<B: Backend> Loss<B> for Small {
    fn name(&self) -> String {
        "small".into()
    }

    fn identity(&self) -> String {
        "small".into()
    }

    fn layers(&self) -> Vec<String> {
        vec![]
    }

    fn term(&self, inputs: &Inputs<'_, B>) -> Result<Box<dyn Term<B>>> {
        if inputs.image.width > self.0 {
            return Err(Error::new(ErrorKind::OutOfMemory, "no memory"));
        }
        level(&[], 1.0).term(inputs)
    }
}

#[test]
fn a_session_without_memory_for_the_next_scale_goes_on_from_its_checkpoint() {
    let describe = |widest| {
        let scales = vec![Scale { size: 9, iterations: 3, optimizer: None }];
        builder().scales(scales).iterations(4).loss(1e-3, Small(widest))
    };
    let mut whole = describe(usize::MAX).build().unwrap();
    whole.run(|_| ControlFlow::Continue(())).unwrap();

    let mut session = describe(9).build().unwrap();
    let error = session.run(|_| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert_eq!((session.iteration(), session.image().unwrap().width()), (3, 9));
    assert!(!session.is_finished());
    assert_eq!(session.step().unwrap_err().kind(), ErrorKind::Argument);
    let kept = Checkpoint::from_bytes(&session.checkpoint().unwrap().to_bytes().unwrap()).unwrap();
    let mut resumed = describe(usize::MAX).resume(&kept).unwrap();
    resumed.run(|_| ControlFlow::Continue(())).unwrap();
    assert_eq!(resumed.iteration(), 7);
    assert_eq!(resumed.image().unwrap(), whole.image().unwrap());
}
