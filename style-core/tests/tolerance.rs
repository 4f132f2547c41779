//! The rule that ends a scale early.

mod common;

use common::{builder, picture};
use style_core::{AdamOptions, Checkpoint, ErrorKind, Optimizer, Scale, Session, SessionBuilder, Settings};
use testkit::Reference;

const TOLERANCE: f64 = 0.3;

fn described() -> SessionBuilder<Reference> {
    let scale = Scale { size: 20, iterations: 60, optimizer: None };
    let builder = builder().content(picture("content", 32, 24)).style(picture("style", 40, 40));
    builder.scales(vec![scale]).iterations(70).tolerance(TOLERANCE)
}

/// The accepted loss after each evaluation of each scale.
fn losses(session: &mut Session<Reference>) -> [Vec<f64>; 2] {
    let mut losses = [vec![], vec![]];
    while !session.is_finished() {
        let progress = session.step().unwrap();
        losses[progress.scale].push(progress.accepted_losses.total);
    }
    losses
}

#[test]
fn a_scale_ends_with_the_first_window_that_gains_less() {
    let adam = Optimizer::Adam(AdamOptions { learning_rate: 4.0, ..Default::default() });
    for optimizer in [Optimizer::default(), adam] {
        let mut session = described().optimizer(optimizer).build().unwrap();
        for (losses, limit) in losses(&mut session).iter().zip([60, 70]) {
            let count = losses.len();
            assert!(
                count < limit && count >= 2 * Settings::WINDOW && count.is_multiple_of(Settings::WINDOW),
                "{losses:?}"
            );
            let at_ends: Vec<_> = losses.iter().skip(Settings::WINDOW - 1).step_by(Settings::WINDOW).collect();
            let gains: Vec<_> = at_ends.windows(2).map(|pair| 1.0 - pair[1] / pair[0]).collect();
            let (last, earlier) = gains.split_last().unwrap();
            assert!(*last < TOLERANCE && earlier.iter().all(|gain| *gain >= TOLERANCE), "{gains:?}");
        }
        assert!(session.progress().unwrap().converged);
        assert_eq!(session.step().unwrap_err().kind(), ErrorKind::Finished);
    }
}

#[test]
fn a_resumed_session_ends_where_an_uninterrupted_one_does() {
    let mut whole = described().build().unwrap();
    let of_whole = losses(&mut whole);
    for at in [13, 20, of_whole[0].len() + 15, whole.iteration()] {
        let mut session = described().build().unwrap();
        for _ in 0..at {
            session.step().unwrap();
        }
        let file = session.checkpoint().unwrap().to_bytes().unwrap();
        let mut resumed = described().resume(&Checkpoint::from_bytes(&file).unwrap()).unwrap();
        losses(&mut resumed);
        assert_eq!(resumed.iteration(), whole.iteration(), "{at}");
        assert_eq!(resumed.image().unwrap(), whole.image().unwrap(), "{at}");
    }
}

#[test]
fn a_resumed_session_with_another_tolerance_goes_on() {
    let mut session = described().build().unwrap();
    losses(&mut session);
    let checkpoint = session.checkpoint().unwrap();
    let mut resumed = described().tolerance(TOLERANCE / 2.0).resume(&checkpoint).unwrap();
    assert!(!resumed.is_finished());
    losses(&mut resumed);
    assert!(resumed.iteration() > session.iteration());
    assert!(resumed.losses().unwrap().total < session.losses().unwrap().total);
}

#[test]
fn a_fraction_out_of_range_is_refused() {
    for fraction in [-0.1, 1.0, f64::NAN] {
        assert_eq!(described().tolerance(fraction).build().unwrap_err().kind(), ErrorKind::Argument);
    }
}
