//! Changes of the style weight during a session.

mod common;

use std::ops::ControlFlow;

use common::{builder, close, described};
use style_core::{AdamOptions, Checkpoint, ErrorKind, Init, Optimizer, Scale, Session};
use testkit::Reference;

fn adam() -> Optimizer {
    Optimizer::Adam(AdamOptions { learning_rate: 2.0, ..Default::default() })
}

/// The totals from here on.
fn rest(session: &mut Session<Reference>) -> Vec<f64> {
    let mut totals = vec![];
    session
        .run(|p| {
            totals.push(p.losses.total);
            ControlFlow::Continue(())
        })
        .unwrap();
    totals
}

#[test]
fn the_loss_is_the_new_one_and_the_image_stays() {
    for optimizer in [Optimizer::default(), adam()] {
        let mut session = builder().init(Init::Noise).optimizer(optimizer).iterations(40).build().unwrap();
        for _ in 0..7 {
            session.step().unwrap();
        }
        let image = session.image().unwrap();
        session.set_style_weight(50.0).unwrap();
        assert_eq!(session.image().unwrap(), image);
        assert_eq!(session.weight("style"), 50.0);
        let (wanted, _) = builder().style_weight(50.0).build().unwrap().evaluate(&image).unwrap();
        close(session.evaluate(&image).unwrap().0.total, wanted.total);
        let first = session.step().unwrap().clone();
        // L-BFGS restarts at the image; Adam has already moved on.
        if matches!(optimizer, Optimizer::Lbfgs(_)) {
            close(first.losses.total, wanted.total);
        }
        assert_eq!(first.iteration, 8);
        let totals = rest(&mut session);
        assert!(totals.len() == 32 && totals[31] < 0.7 * first.losses.total, "{totals:?}");
    }
}

/// A change before the first step equals a description with that weight.
#[test]
fn before_the_first_step_it_is_the_description() {
    let scale = Scale { size: 16, iterations: 4, optimizer: None };
    for describe in [|| builder().init(Init::Noise), || builder().optimizer(adam()).tiles(1, 2)] {
        let mut changed = describe().iterations(6).build().unwrap();
        changed.set_style_weight(9.0).unwrap();
        assert_eq!(rest(&mut changed), rest(&mut describe().style_weight(9.0).iterations(6).build().unwrap()));
    }
    // At all scales.
    let describe = || described(30, 24).scales(vec![scale]).iterations(4);
    let mut changed = describe().build().unwrap();
    changed.set_style_weight(9.0).unwrap();
    assert_eq!(rest(&mut changed), rest(&mut describe().style_weight(9.0).build().unwrap()));
}

/// A converged session continues after a change, and so does a checkpoint with a description of the new weight.
#[test]
fn it_is_kept() {
    let mut session = builder().style_weight(0.0).iterations(30).build().unwrap();
    assert_eq!(rest(&mut session).len(), 1, "the content is already the minimum");
    assert!(session.is_finished());
    session.set_style_weight(5.0).unwrap();
    assert!(!session.is_finished());
    session.step().unwrap();
    session.step().unwrap();
    session.set_style_weight(6.0).unwrap();
    let bytes = session.checkpoint().unwrap().to_bytes().unwrap();
    let kept = Checkpoint::from_bytes(&bytes).unwrap();
    assert_eq!(kept.style_weight().unwrap(), 6.0);
    // Whatever weight it is described with.
    let resume = |weight| builder().style_weight(weight).iterations(30).resume(&kept).unwrap();
    let totals = rest(&mut session);
    for mut resumed in [resume(5.0), resume(6.0)] {
        let weights = |of: &Session<Reference>| ["content", "style", "tv"].map(|term| of.weight(term));
        assert_eq!((rest(&mut resumed), weights(&resumed)), (totals.clone(), weights(&session)));
        assert_eq!(resumed.image().unwrap(), session.image().unwrap());
    }
}

#[test]
fn what_is_no_weight_changes_nothing() {
    let mut session = builder().iterations(3).build().unwrap();
    for weight in [-1.0, f64::NAN, f64::INFINITY, 1e31] {
        assert_eq!(session.set_style_weight(weight).unwrap_err().kind(), ErrorKind::Argument);
    }
    assert_eq!(rest(&mut session), rest(&mut builder().iterations(3).build().unwrap()));
}

/// Too large a weight does not destroy the image or the session.
#[test]
fn too_large_and_back() {
    for optimizer in [Optimizer::default(), adam()] {
        let described =
            || builder().init(Init::Noise).optimizer(optimizer).style_layers(common::layers(&[("conv1_1", 1e30)]));
        let mut session = described().style_weight(1e-30).iterations(60).build().unwrap();
        for _ in 0..7 {
            session.step().unwrap();
        }
        let (image, before) = (session.image().unwrap(), session.losses().unwrap().total);
        session.set_style_weight(1e30).unwrap();
        for _ in 0..4 {
            // L-BFGS returns an error; Adam steps back by itself, with smaller steps.
            match session.step() {
                Ok(progress) => assert!(!progress.accepted),
                Err(e) => assert_eq!(e.kind(), ErrorKind::NonFinite),
            }
            assert_eq!(session.image().unwrap(), image);
        }
        session.set_style_weight(1e-30).unwrap();
        let totals = rest(&mut session);
        assert!(totals.last().unwrap() < &(0.7 * before), "{before} {totals:?}");
    }
}

/// Setting the same weight has no effect.
#[test]
fn the_same_weight_changes_nothing() {
    let mut session = builder().init(Init::Noise).iterations(20).build().unwrap();
    let mut totals = vec![];
    while !session.is_finished() {
        session.set_style_weight(1.0).unwrap();
        totals.push(session.step().unwrap().losses.total);
    }
    assert_eq!(totals, rest(&mut builder().init(Init::Noise).iterations(20).build().unwrap()));
}

/// The image at which the descent restarts counts once in a running mean.
#[test]
fn a_running_mean_counts_each_image_once() {
    let mut session = builder().init(Init::Noise).running_mean(0.5).iterations(9).build().unwrap();
    session.step().unwrap();
    session.step().unwrap();
    let mean = session.image().unwrap();
    session.set_style_weight(3.0).unwrap();
    session.step().unwrap();
    assert_eq!(session.image().unwrap(), mean);
    session.step().unwrap();
    assert_ne!(session.image().unwrap(), mean);
}
