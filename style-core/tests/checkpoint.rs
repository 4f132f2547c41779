//! Checkpoints: a resumed session gives the same bits as an uninterrupted one, and invalid checkpoints are errors.

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;

use common::{builder, described, described_on, layers, model, network, picture};
use style_core::backend::Storage;
use style_core::losses::LossKind;
use style_core::statistics::{Moments, StatisticKind};
use style_core::{
    AdamOptions, Checkpoint, ErrorKind, Image, Init, InputSpace, Layer, LbfgsOptions, Mask, Model, Network, Optimizer,
    Preset, Progress, Scale, Session, SessionBuilder, Settings, Style,
};
use testkit::Reference;

type Builder = SessionBuilder<Reference>;

fn adam() -> Optimizer {
    Optimizer::Adam(AdamOptions { learning_rate: 2.0, ..Default::default() })
}

fn lbfgs(history: usize, fixed_step: Option<f64>) -> Optimizer {
    Optimizer::Lbfgs(LbfgsOptions { history, fixed_step, ..Default::default() })
}

fn run(session: &mut Session<Reference>) -> Vec<Progress> {
    let mut all = vec![];
    session
        .run(|progress| {
            all.push(progress.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    all
}

/// Interrupted after any evaluation, a session continues with the same bits.
fn survives(what: &str, describe: impl Fn() -> Builder) {
    let mut whole = describe().build().unwrap();
    let told = run(&mut whole);
    for stop in 0..=told.len() {
        let mut session = describe().build().unwrap();
        for _ in 0..stop {
            session.step().unwrap();
        }
        let bytes = session.checkpoint().unwrap().to_bytes().unwrap();
        let checkpoint = Checkpoint::from_bytes(&bytes).unwrap();
        assert_eq!(checkpoint, session.checkpoint().unwrap());
        assert_eq!(checkpoint.iteration().unwrap(), stop);
        assert_eq!(checkpoint.image().unwrap(), session.image().unwrap());
        let (image, losses) = (session.image().unwrap(), session.losses().cloned());
        drop(session);
        let mut resumed = describe().resume(&checkpoint).unwrap();
        assert_eq!((resumed.image().unwrap(), resumed.losses().cloned()), (image, losses), "{what}, {stop}");
        assert_eq!(resumed.progress(), stop.checked_sub(1).map(|last| &told[last]), "{what}, {stop}");
        assert_eq!(run(&mut resumed), told[stop..], "{what}, {stop}");
        assert_eq!(resumed.image().unwrap(), whole.image().unwrap(), "{what}, {stop}");
    }
}

#[test]
fn every_descent_survives() {
    let noise = || builder().init(Init::Noise).seed(3).iterations(14);
    survives("L-BFGS", noise);
    survives("L-BFGS with few pairs", || noise().optimizer(lbfgs(3, None)));
    survives("L-BFGS without line search", || noise().optimizer(lbfgs(5, Some(1.0))));
    survives("Adam", || noise().optimizer(adam()));
    survives("Adam with a running mean", || noise().optimizer(adam()).running_mean(0.8));
}

#[test]
fn every_kind_of_session_survives() {
    let scale = |size| Scale { size, iterations: 3, optimizer: None };
    let large = || builder().content(picture("content", 40, 30)).style(picture("style", 30, 30)).iterations(3);
    survives("scales", || large().scales(vec![scale(12), scale(20)]));
    survives("scales with Adam", || large().scales(vec![scale(12), scale(20)]).optimizer(adam()).running_mean(0.5));
    survives("tiles", || large().tiles(3, 2));
    let mask = || Mask::new(2, 1, vec![1.0, 0.2]).unwrap();
    let masked = || Style::new(picture("other", 20, 20)).mask(mask()).region(mask());
    survives("masks", || large().style(masked()).content_mask(mask()).statistic_at("conv2_1", Moments));
    // The start image is already the minimum.
    survives("converged", || builder().without_style().iterations(5));
}

/// A session can resume with another memory limit, at this and later scales, unless it no longer fits.
#[test]
fn tiles_stay_as_they_were() {
    let scale = |size| Scale { size, iterations: 2, optimizer: None };
    let large = || described(64, 48).optimizer(adam()).iterations(3);
    for describe in [&large as &dyn Fn() -> Builder, &|| large().scales(vec![scale(24), scale(32)])] {
        let peak = describe().plan().unwrap().peak();
        let ErrorKind::MemoryExceeded { needed: least, .. } = describe().memory_limit(1).plan().unwrap_err().kind()
        else {
            panic!("a session fits in one byte")
        };
        let tiled = || describe().memory_limit(peak - 1);
        let cut = |builder: Builder| builder.plan().unwrap().tiles;
        assert!(cut(describe()) != cut(tiled()) && cut(tiled()) != cut(describe().memory_limit((peak + least) / 2)));
        let (mut whole, mut in_tiles) = (describe().build().unwrap(), tiled().build().unwrap());
        assert_ne!(run(&mut whole), run(&mut in_tiles), "tiles must change the last bits");

        let mut session = tiled().build().unwrap();
        session.step().unwrap();
        let checkpoint = session.checkpoint().unwrap();
        let mut resumed = describe().resume(&checkpoint).unwrap();
        run(&mut resumed);
        assert_eq!(resumed.progress(), in_tiles.progress());
        assert_eq!(resumed.image().unwrap(), in_tiles.image().unwrap());
        for builder in [describe().memory_limit((peak + least) / 2), describe().tiles(4, 4)] {
            let mut resumed = builder.resume(&checkpoint).unwrap();
            run(&mut resumed);
            let (found, wanted) = (resumed.losses().unwrap().total, in_tiles.losses().unwrap().total);
            assert!((found / wanted - 1.0).abs() < 1e-3, "expected about {wanted}, found {found}");
            assert_ne!(resumed.progress(), in_tiles.progress());
        }
    }
}

/// Little larger than the image, and the descent starts there anew.
#[test]
fn a_light_checkpoint_keeps_the_image() {
    let scales = vec![Scale { size: 20, iterations: 20, optimizer: None }];
    let large = || builder().content(picture("content", 40, 30)).style(picture("style", 30, 30)).iterations(20);
    let kinds: [&dyn Fn() -> Builder; 3] =
        [&large, &|| large().optimizer(adam()).running_mean(0.5), &|| large().scales(scales.clone())];
    for describe in kinds {
        let mut session = describe().init(Init::Noise).build().unwrap();
        for _ in 0..8 {
            session.step().unwrap();
        }
        let (whole, light) = (session.checkpoint().unwrap(), session.light_checkpoint().unwrap());
        for checkpoint in [&whole, &light] {
            assert_eq!(checkpoint.size_bytes().unwrap(), checkpoint.to_bytes().unwrap().len());
        }
        let (width, height) = session.size();
        assert!(light.size_bytes().unwrap() < 12 * width * height + 8192, "{}", light.size_bytes().unwrap());
        assert!(whole.size_bytes().unwrap() > 3 * 12 * width * height);
        let light = Checkpoint::from_bytes(&light.to_bytes().unwrap()).unwrap();
        let image = session.image().unwrap();
        assert_eq!((light.iteration().unwrap(), light.image().unwrap()), (8, image.clone()));
        let mut resumed = describe().init(Init::Noise).resume(&light).unwrap();
        assert_eq!(resumed.progress(), session.progress());
        let near = |a: &Image, b: &Image| a.pixels().iter().zip(b.pixels()).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(near(&resumed.image().unwrap(), &image));
        let before = resumed.progress().unwrap().clone();
        let told = run(&mut resumed);
        assert_eq!(told.len() + 8, session.iterations(), "the evaluations done count");
        let at_scale = told.iter().rfind(|progress| progress.scale == before.scale).unwrap();
        let (then, now) = (before.accepted_losses.total, at_scale.accepted_losses.total);
        assert!(now < then, "{now} is not below {then}");
    }
}

#[test]
fn another_session_is_refused() {
    let noise = || builder().init(Init::Noise).iterations(6);
    let mut session = noise().build().unwrap();
    session.step().unwrap();
    let checkpoint = session.checkpoint().unwrap();
    let refused = |builder: Builder, says: &str| {
        let error = builder.resume(&checkpoint).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Checkpoint, "{error}");
        assert!(error.to_string().contains(says), "{says:?} is not in: {error}");
    };
    let other = Image::from_planar(13, 9, vec![1.0; 351]).unwrap();
    refused(noise().content(other.clone()), "content picture");
    refused(noise().style(other), "style pictures");
    refused(noise().content_weight(2.0), "content weight");
    refused(noise().tv_weight(2.0), "tv weight");
    refused(noise().optimizer(adam()), "optimizer");
    refused(noise().optimizer(lbfgs(63, None)), "optimizer");
    refused(noise().seed(1), "seed");
    refused(noise().running_mean(0.5), "running mean");
    refused(noise().pooling(style_core::Pooling::Max), "pooling");
    refused(noise().padding(style_core::Padding::Replicate), "padding");
    refused(noise().statistic(Moments), "statistic: expected \"moments\", found \"gram\"");
    refused(noise().content_layers(layers(&[("conv1_1", 1.0)])), "content layers");
    refused(noise().scales(vec![Scale { size: 8, iterations: 1, optimizer: None }]), "scales");
    // Weights that differ by one bit; another input space.
    let mut changed = model(InputSpace::CAFFE).layers().to_vec();
    let Some(Layer::Conv(conv)) = changed.last_mut() else { panic!("a convolution") };
    conv.bias[0] = f32::from_bits(conv.bias[0].to_bits() ^ 1);
    for model in [Model::new("tiny", InputSpace::CAFFE, changed).unwrap(), model(InputSpace::TORCHVISION)] {
        refused(described_on(Network::new(Reference, &model).unwrap()).init(Init::Noise).iterations(6), "network");
    }
    let manifest: Vec<_> = checkpoint.manifest().collect();
    let told = |name: &str| manifest.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value);
    assert!(told("library").starts_with("style-core ") && told("backend") == Reference.description());
    assert!(told("content picture").starts_with("13x9, ") && told("network").starts_with("tiny "));
    // More iterations are allowed.
    assert_eq!(run(&mut noise().iterations(9).resume(&checkpoint).unwrap()).len(), 8);
}

/// Targets are identified by everything from which they were computed.
#[test]
fn other_targets_are_another_session() {
    let network = Arc::new(network());
    let on = || {
        let session = Session::builder(Arc::clone(&network)).content_layers(layers(&[("conv2_2", 1.0)]));
        session.style_layers(layers(&[("conv1_1", 1.0)]))
    };
    let of = |second: &str, share: f64, mask: Option<f32>| {
        let style = Style::new(picture(second, 8, 10)).share(share);
        let style = match mask {
            Some(value) => style.mask(Mask::new(2, 1, vec![1.0, value]).unwrap()),
            None => style,
        };
        let content = picture("content", 13, 9);
        on().content(content).style(picture("first", 8, 10)).style(style).targets().unwrap()
    };
    let mut session = on().with_targets(&of("second", 1.0, None)).iterations(4).build().unwrap();
    session.step().unwrap();
    let checkpoint = session.checkpoint().unwrap();
    let resumed = |targets| on().with_targets(&targets).iterations(4).resume(&checkpoint);
    assert_eq!(run(&mut resumed(of("second", 1.0, None)).unwrap()), run(&mut session));
    for other in [of("third", 1.0, None), of("second", 2.0, None), of("second", 1.0, Some(0.5))] {
        let error = resumed(other).unwrap_err();
        assert!(error.kind() == ErrorKind::Checkpoint && error.to_string().contains("targets"), "{error}");
    }
}

#[test]
fn damage_is_noticed() {
    let mut session = builder().iterations(4).optimizer(lbfgs(2, None)).build().unwrap();
    session.step().unwrap();
    session.step().unwrap();
    let bytes = session.checkpoint().unwrap().to_bytes().unwrap();
    let refused = |bytes: &[u8]| assert_eq!(Checkpoint::from_bytes(bytes).unwrap_err().kind(), ErrorKind::Checkpoint);
    for len in (0..bytes.len()).step_by(97).chain([0, 1, 7, 8, 9]) {
        refused(&bytes[..len]);
    }
    for at in (0..bytes.len()).step_by(61).chain(0..300) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        // A changed header may have the same meaning.
        if let Ok(checkpoint) = Checkpoint::from_bytes(&changed) {
            assert_eq!(checkpoint, session.checkpoint().unwrap(), "byte {at}");
        }
    }
    refused(b"");
    refused(&[0xff; 64]);
    let other = safetensors_of_another_program();
    refused(&other);
}

/// `{}` with no tensors.
fn safetensors_of_another_program() -> Vec<u8> {
    let mut bytes = 8u64.to_le_bytes().to_vec();
    bytes.extend(b"{}      ");
    bytes
}

#[test]
fn a_checkpoint_returns_the_settings_of_its_session() {
    for preset in Preset::ALL {
        let settings = Settings {
            scales: vec![Scale { size: 8, iterations: 3, optimizer: Some(adam()) }],
            running_mean: Some(0.1),
            seed: u64::MAX,
            losses: vec![(LossKind::Palette, 0.1)],
            ..preset.settings()
        };
        let described = |settings| {
            let b = builder().settings(settings).content_layers(["conv2_2"]);
            b.style_layers([("conv1_1", 0.1), ("relu2_1", 1.0 / 3.0)]).statistic_at("conv2_1", Moments)
        };
        let mut session = described(settings.clone()).build().unwrap();
        session.step().unwrap();
        let checkpoint = Checkpoint::from_bytes(&session.checkpoint().unwrap().to_bytes().unwrap()).unwrap();
        let found = checkpoint.settings().unwrap();
        let layers: Vec<_> = found.style_layers.iter().map(|l| (l.layer.as_str(), l.weight)).collect();
        assert_eq!(layers, [("conv1_1", 0.1), ("conv2_1", 1.0 / 3.0)]);
        assert_eq!(found.style_layers[1].statistic, Some(StatisticKind::Moments));
        let like = Settings {
            content_layers: found.content_layers.clone(),
            style_layers: found.style_layers.clone(),
            ..settings
        };
        assert_eq!(found, like);
        // They describe the same session.
        let mut resumed = builder().settings(found).resume(&checkpoint).unwrap();
        assert_eq!(resumed.step().unwrap(), session.step().unwrap());
    }
}
