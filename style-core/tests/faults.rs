//! A caller that panics during a run and continues; and the thread safety of the public types.

mod common;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use common::builder;
use style_core::backend::Backend;
use style_core::{
    AdamOptions, Cancel, Checkpoint, Handle, Init, Job, Network, Observer, Optimizer, Outcome, Progress, Result, Scale,
    Session, SessionBuilder, Targets, Updates, View,
};
use testkit::Reference;

type Builder = SessionBuilder<Reference>;

/// Panics at an evaluation, or at the end.
struct Panics {
    at: usize,
    end: bool,
}

impl Observer for Panics {
    fn observe(&mut self, progress: &Progress, _: &dyn View) -> Result<ControlFlow<()>> {
        assert!(progress.iteration != self.at, "a deliberate panic");
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, _: &dyn View) -> Result<()> {
        assert!(!self.end, "a deliberate panic");
        Ok(())
    }
}

/// The progress of each remaining step, and the image.
fn rest(mut session: Session<Reference>) -> (Vec<Progress>, Vec<f32>) {
    let mut told = vec![];
    while !session.is_finished() {
        told.push(session.step().unwrap().clone());
    }
    (told, session.into_image().unwrap().into_pixels())
}

/// A panic of the caller at any evaluation has no effect on the session.
fn survives(what: &str, describe: impl Fn() -> Builder) {
    let (told, pixels) = rest(describe().build().unwrap());
    for at in 1..=told.len() {
        for observed in [false, true] {
            let mut session = describe().build().unwrap();
            let caught = catch_unwind(AssertUnwindSafe(|| match observed {
                true => session.run_with(&mut Panics { at, end: false }),
                false => session.run(|progress| {
                    assert!(progress.iteration != at, "a deliberate panic");
                    ControlFlow::Continue(())
                }),
            }));
            assert!(caught.is_err());
            assert_eq!(session.progress(), Some(&told[at - 1]), "{what}, {at}");
            session.image().unwrap();
            let bytes = session.checkpoint().unwrap().to_bytes().unwrap();
            let resumed = describe().resume(&Checkpoint::from_bytes(&bytes).unwrap()).unwrap();
            assert_eq!(rest(session), (told[at..].to_vec(), pixels.clone()), "{what}, {at}");
            assert_eq!(rest(resumed).1, pixels, "{what}, {at}");
        }
    }
}

#[test]
fn a_panic_of_the_callers_leaves_the_session_whole() {
    let noise = || builder().init(Init::Noise).seed(3).iterations(9);
    let adam = || Optimizer::Adam(AdamOptions { learning_rate: 2.0, ..Default::default() });
    survives("L-BFGS", noise);
    survives("Adam", || noise().optimizer(adam()).running_mean(0.8));
    survives("scales", || noise().scales(vec![Scale { size: 8, iterations: 3, optimizer: None }]));
}

#[test]
fn a_panic_at_the_end_loses_nothing() {
    let mut session = builder().iterations(4).build().unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| session.run_with(&mut Panics { at: usize::MAX, end: true })));
    assert!(caught.is_err() && session.is_finished());
    assert_eq!(session.into_image().unwrap().into_pixels(), rest(builder().iterations(4).build().unwrap()).1);
}

/// Compiles only if the bounds hold for every backend.
fn threads_may_have<B: Backend>() {
    fn send<T: Send>() {}
    fn sync<T: Sync>() {}
    send::<Network<B>>();
    sync::<Network<B>>();
    send::<Targets<B>>();
    sync::<Targets<B>>();
    send::<Session<B>>();
    send::<SessionBuilder<B>>();
    send::<Job>();
    send::<Handle>();
    sync::<Handle>();
    send::<Updates>();
    send::<Outcome>();
    send::<Cancel>();
    sync::<Cancel>();
}

#[test]
fn any_thread_may_have_them() {
    threads_may_have::<Reference>();
}
