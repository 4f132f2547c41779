//! How much of a session is done and left.

mod common;

use common::{builder, picture};
use style_core::{Checkpoint, Progress, Scale, Session, SessionBuilder, Settings};
use testkit::Reference;

/// Two scales, whose evaluations are a quarter and nine sixteenths of one at the final size.
fn described(iterations: [usize; 3]) -> SessionBuilder<Reference> {
    let scale = |size, iterations| Scale { size, iterations, optimizer: None };
    let builder = builder().content(picture("content", 32, 24)).style(picture("style", 40, 40));
    builder.scales(vec![scale(16, iterations[0]), scale(24, iterations[1])]).iterations(iterations[2])
}

/// More iterations than each scale takes to end early.
const MOST: [usize; 3] = [160, 64, 100];

fn early() -> SessionBuilder<Reference> {
    described(MOST).tolerance(0.3)
}

fn told(session: &mut Session<Reference>) -> Vec<Progress> {
    let mut told = vec![];
    while !session.is_finished() {
        told.push(session.step().unwrap().clone());
    }
    told
}

#[test]
fn an_evaluation_counts_by_its_share_of_the_pixels() {
    let builder = described([4, 2, 3]);
    assert_eq!(builder.current_settings().work(32), 5.125);
    let work: Vec<_> = told(&mut builder.build().unwrap()).iter().map(|p| (p.work_done, p.work_left)).collect();
    let done = [0.25, 0.5, 0.75, 1.0, 1.5625, 2.125, 3.125, 4.125, 5.125];
    assert_eq!(work, done.map(|done| (done, 5.125 - done)));
    // The size of a result that is not known counts as no work at smaller ones, rather than as an error.
    assert_eq!(Settings { iterations: 7, ..Settings::default() }.work(0), 7.0);
}

#[test]
fn a_scale_that_ends_early_leaves_less() {
    let told = told(&mut early().build().unwrap());
    for (scale, (each, later)) in [(0.25, 136.0), (0.5625, 100.0), (1.0, 0.0)].into_iter().enumerate() {
        let here: Vec<_> = told.iter().filter(|p| p.scale == scale).collect();
        let (last, earlier) = here.split_last().unwrap();
        assert!(last.converged && here.len() < MOST[scale], "{} evaluations", here.len());
        assert_eq!(last.work_left, later, "what is spared at scale {scale} is not left");
        for (n, progress) in earlier.iter().enumerate() {
            assert_eq!(progress.work_left, (MOST[scale] - n - 1) as f64 * each + later);
        }
    }
    assert!(told.windows(2).all(|two| two[0].work_done < two[1].work_done && two[0].work_left > two[1].work_left));
}

#[test]
fn a_resumed_session_tells_the_same() {
    let whole = told(&mut early().build().unwrap());
    let first = whole.iter().filter(|p| p.scale == 0).count();
    for (at, light) in [(3, false), (first, false), (first, true), (first + 1, false), (first + 12, true)] {
        let mut session = early().build().unwrap();
        for _ in 0..at {
            session.step().unwrap();
        }
        let kept = if light { session.light_checkpoint() } else { session.checkpoint() };
        let file = kept.unwrap().to_bytes().unwrap();
        let mut resumed = early().resume(&Checkpoint::from_bytes(&file).unwrap()).unwrap();
        assert_eq!(resumed.progress(), session.progress(), "{at}");
        let next = resumed.step().unwrap();
        assert_eq!((next.work_done, next.work_left), (whole[at].work_done, whole[at].work_left), "{at}");
    }
    // More iterations at the final size are more left.
    let mut session = described([4, 2, 3]).build().unwrap();
    told(&mut session);
    let resumed = described([4, 2, 5]).resume(&session.checkpoint().unwrap()).unwrap();
    let after = resumed.progress().unwrap();
    assert_eq!((after.work_done, after.work_left), (5.125, 2.0));
}
