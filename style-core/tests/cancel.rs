//! Cancellation at every call of a statistic in the life of a session.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{builder, described};
use style_core::{
    AdamOptions, Cancel, Error, ErrorKind, Image, Init, Optimizer, Pooling, Progress, Scale, SessionBuilder,
};
use testkit::{Observed, Reference};

type Builder = SessionBuilder<Reference>;

/// Whether and where the session was cancelled: in build or in a step.
enum Life {
    Whole,
    Unmade,
    Cancelled,
}

fn adam() -> Optimizer {
    Optimizer::Adam(AdamOptions { learning_rate: 2.0, ..Default::default() })
}

fn is_cancelled(e: &Error) {
    assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}");
}

/// Raises the flag at call `left`, lowers it after the error, and sometimes continues from a checkpoint.
fn live(describe: &dyn Fn() -> Builder, left: usize) -> (Life, Vec<Progress>, Option<Image>) {
    let cancel = Cancel::new();
    let (left, raised) = (AtomicUsize::new(left), cancel.clone());
    let statistic = Observed::new(move |_| {
        if left.fetch_sub(1, Ordering::Relaxed) == 0 {
            raised.cancel();
        }
    });
    let mut session = match describe().statistic(statistic).cancel(&cancel).build() {
        Ok(session) => session,
        Err(e) => {
            is_cancelled(&e);
            return (Life::Unmade, vec![], None);
        }
    };
    let (mut told, mut life) = (vec![], Life::Whole);
    while !session.is_finished() {
        let before = (session.image().unwrap(), session.iteration());
        match session.step() {
            Ok(progress) => told.push(progress.clone()),
            Err(e) => {
                is_cancelled(&e);
                is_cancelled(&session.step().unwrap_err());
                let (image, iteration) = (session.image().unwrap(), session.iteration());
                // Or at the start of the next scale.
                assert!(iteration == before.1 && (image == before.0 || image.width() > before.0.width()));
                let kept = session.checkpoint().unwrap();
                cancel.reset();
                if told.len() % 2 == 1 {
                    session = describe().statistic(Observed::new(|_| ())).resume(&kept).unwrap();
                }
                life = Life::Cancelled;
            }
        }
    }
    (life, told, Some(session.into_image().unwrap()))
}

#[test]
fn a_step_that_was_cancelled_is_done_again() {
    let noise = || builder().init(Init::Noise).seed(3).iterations(4);
    let tiles = || noise().tiles(2, 1).optimizer(adam()).iterations(2);
    for (describe, calls) in [(&noise as &dyn Fn() -> Builder, 3 + 4 * 6), (&tiles, 3 + 2 * 2 * 6 + 2 * 3)] {
        let (_, wanted, image) = live(describe, usize::MAX);
        let (mut unmade, mut cancelled) = (0, 0);
        for left in 0..calls {
            match live(describe, left) {
                (Life::Unmade, ..) => unmade += 1,
                (life, told, painted) => {
                    cancelled += usize::from(matches!(life, Life::Cancelled));
                    assert!((told, &painted) == (wanted.clone(), &image), "{left}");
                }
            }
        }
        println!("{unmade} times in build, {cancelled} in a step");
        assert!(unmade == 2 && cancelled > calls / 2, "{unmade}, {cancelled}");
    }
}

#[test]
fn a_raised_flag_lets_nothing_begin() {
    let cancel = Cancel::new();
    cancel.cancel();
    let raised = || builder().cancel(&cancel);
    assert!(raised().plan().is_ok());
    is_cancelled(&raised().build().unwrap_err());
    is_cancelled(&raised().targets().unwrap_err());
    is_cancelled(&raised().pooling(Pooling::Max).without_style().build().unwrap_err());
}

/// A checkpoint is available at any time, and a change of scale completes.
#[test]
fn between_scales_nothing_is_lost() {
    let scales =
        vec![Scale { size: 16, iterations: 2, optimizer: None }, Scale { size: 20, iterations: 1, optimizer: None }];
    let lbfgs = || described(30, 24).scales(scales.clone()).iterations(2);
    let adam = || lbfgs().optimizer(adam()).running_mean(0.5);
    for describe in [&lbfgs as &dyn Fn() -> Builder, &adam] {
        let (_, wanted, image) = live(describe, usize::MAX);
        let mut cancelled = 0;
        // Three style layers: in the first scale's targets, in its two steps, in the second scale's targets, and so on.
        for left in 0..3 * (1 + 2 * 2 + 1 + 2 + 1 + 2 * 2) {
            match live(describe, left) {
                (Life::Unmade, ..) => assert!(left < 2, "{left}"),
                (life, told, painted) => {
                    cancelled += usize::from(matches!(life, Life::Cancelled));
                    assert!((told, &painted) == (wanted.clone(), &image), "{left}");
                }
            }
        }
        println!("{cancelled} times in a step");
        assert!(cancelled > 30);
    }
}
