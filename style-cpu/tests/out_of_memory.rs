//! Running out of memory is an error and does not abort the program: each allocation above some size in the life of a
//! session fails once. This is a single test, so that nothing else runs in the process.
//!
//! Mapped memory is not counted here; `memory.rs` handles its failure in the same way.

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;

use common::{SIDE, layers, mask, model, picture};
use style_core::statistics::Moments;
use style_core::{
    AdamOptions, Checkpoint, ErrorKind, Image, Init, LbfgsOptions, Network, Optimizer, Scale, Session, SessionBuilder,
};
use style_cpu::Cpu;
use testkit::memory::{Failing, each, with_failure};

#[global_allocator]
static ALLOCATOR: Failing = Failing::from(8 << 10);

fn describe(network: &Arc<Network<Cpu>>) -> SessionBuilder<Cpu> {
    Session::builder(Arc::clone(network))
        .content(picture("content"))
        .style(picture("style"))
        .content_layers(layers(&["conv3_1"]))
        .style_layers(layers(&["conv1_1", "conv2_1"]))
        .iterations(4)
}

fn lbfgs(network: &Arc<Network<Cpu>>) -> SessionBuilder<Cpu> {
    describe(network).init(Init::Noise)
}

fn adam(network: &Arc<Network<Cpu>>) -> SessionBuilder<Cpu> {
    let options = AdamOptions { learning_rate: 2.0, ..Default::default() };
    describe(network)
        .optimizer(Optimizer::Adam(options))
        .content_mask(mask("mask"))
        .statistic(Moments)
        .running_mean(0.5)
        .tiles(1, 2)
}

fn fixed(network: &Arc<Network<Cpu>>) -> SessionBuilder<Cpu> {
    let options = LbfgsOptions { history: 3, fixed_step: Some(1.0), ..Default::default() };
    describe(network).init(Init::Image(picture("start"))).optimizer(Optimizer::Lbfgs(options))
}

/// Memory runs out between two scales: the image of the first remains and does not count as the result.
fn ends_at_a_scale(what: &str, describe: &dyn Fn() -> SessionBuilder<Cpu>) -> isize {
    let scale = Scale { size: 32, iterations: 2, optimizer: None };
    for left in 0.. {
        let mut session = describe().scales(vec![scale]).build().unwrap();
        session.step().unwrap();
        session.step().unwrap();
        let (stepped, failed) = with_failure(left, || session.step().map(drop));
        let Err(e) = stepped else {
            assert!(!failed, "{what}: allocation {left} failed without an error");
            assert!(left > 10, "{what}");
            return left;
        };
        assert_eq!(e.kind(), ErrorKind::OutOfMemory, "{what}: {e}");
        let image = session.image().unwrap();
        let spread =
            |image: &Image| image.pixels().iter().fold(0.0f32, |most, v| most.max((v - image.pixels()[0]).abs()));
        assert!(spread(&image) > 50.0, "{what}, allocation {left}: the image is lost");
        assert!(!session.is_finished(), "{what}, allocation {left}");
        let kept = session.checkpoint().unwrap();
        match session.run(|_| ControlFlow::Continue(())) {
            // The old scale still existed, or the next was complete.
            Ok(()) => assert_eq!(session.image().unwrap().width(), SIDE, "{what}, allocation {left}"),
            Err(e) => {
                assert!(image.width() == 32 && e.kind() == ErrorKind::Argument, "{what}: {e}");
                if left % 8 == 0 {
                    let mut resumed = describe().scales(vec![scale]).resume(&kept).unwrap();
                    resumed.run(|_| ControlFlow::Continue(())).unwrap();
                    assert_eq!(resumed.image().unwrap().width(), SIDE, "{what}, allocation {left}");
                }
            }
        }
    }
    unreachable!()
}

/// Memory runs out at every moment in the life of a session; completed work is not lost.
fn survives(what: &str, network: &Arc<Network<Cpu>>, builder: fn(&Arc<Network<Cpu>>) -> SessionBuilder<Cpu>) -> isize {
    let mut whole = builder(network).build().unwrap();
    whole.run(|_| ControlFlow::Continue(())).unwrap();
    let result = whole.image().unwrap();

    let builds = each(what, || {
        let description = builder(network);
        Box::new(move || description.build())
    });
    let mut session = builder(network).build().unwrap();
    let mut others = 0;
    for _ in 0..4 {
        // Only the first step allocates. A failure in it leaves the session unchanged.
        for left in 0.. {
            let (done, failed) = with_failure(left, || session.step().map(drop));
            match done {
                Err(e) => assert_eq!(e.kind(), ErrorKind::OutOfMemory, "{what}: {e}"),
                Ok(()) if failed => panic!("{what}: allocation {left} of a step failed without an error"),
                Ok(()) => break,
            }
            others += 1;
        }
    }
    assert_eq!(session.image().unwrap(), result, "{what}");

    let session = Arc::new(session);
    let of = || Arc::clone(&session);
    let checkpoint = session.checkpoint().unwrap();
    let bytes = checkpoint.to_bytes().unwrap();
    others += each(what, || {
        let session = of();
        Box::new(move || session.image())
    });
    others += each(what, || {
        let session = of();
        Box::new(move || session.checkpoint())
    });
    // The crate that serializes would abort, so the memory is checked beforehand.
    let (none, _) = with_failure(0, || checkpoint.to_bytes());
    assert_eq!(none.unwrap_err().kind(), ErrorKind::OutOfMemory, "{what}");
    others += each(what, || {
        let (description, bytes) = (builder(network), bytes.clone());
        Box::new(move || {
            let checkpoint = Checkpoint::from_bytes(&bytes)?;
            drop(bytes);
            description.resume(&checkpoint)?.into_image()
        })
    });
    println!("{what}: {builds} allocations in build(), {others} elsewhere");
    assert!(builds > 10 && others > 10, "{what}");
    builds + others
}

#[test]
fn an_allocation_that_fails_is_an_error() {
    let cpu = || Cpu::builder().threads(1).build().unwrap();
    let model = model();
    let network = Arc::new(Network::new(cpu(), &model).unwrap());
    let networks = each("a network", || {
        let (cpu, model) = (cpu(), model.clone());
        Box::new(move || Network::new(cpu, &model))
    });
    let sessions = survives("L-BFGS", &network, lbfgs)
        + survives("Adam", &network, adam)
        + survives("L-BFGS without line search", &network, fixed);
    let scales = ends_at_a_scale("L-BFGS", &|| lbfgs(&network)) + ends_at_a_scale("Adam", &|| adam(&network));
    println!("{} allocations failed, each once", networks + sessions + scales);
}
