//! Sessions in ambient thread pools: with one thread, shared by two sessions, other than the pool they were built in, and
//! left by a panic of the caller. The bits always equal those of a single thread.

mod common;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use common::{layers, model, picture};
use rayon::{ThreadPool, ThreadPoolBuilder};
use style_core::{AdamOptions, Checkpoint, Image, Init, Network, Optimizer, Session, SessionBuilder};
use style_cpu::Cpu;

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

fn network(cpu: Cpu) -> Arc<Network<Cpu>> {
    Arc::new(Network::new(cpu, &model()).unwrap())
}

fn ambient() -> Arc<Network<Cpu>> {
    network(Cpu::builder().ambient_threads().build().unwrap())
}

fn describe(network: &Arc<Network<Cpu>>, seed: u64) -> SessionBuilder<Cpu> {
    Session::builder(Arc::clone(network))
        .content(picture("content"))
        .style(picture("style"))
        .content_layers(layers(&["conv3_1"]))
        .style_layers(layers(&["conv1_1", "conv2_1"]))
        .init(Init::Noise)
        .seed(seed)
        .iterations(6)
}

fn rest(mut session: Session<Cpu>) -> Image {
    session.run(|_| ControlFlow::Continue(())).unwrap();
    session.into_image().unwrap()
}

/// The result on a single thread.
fn alone(seed: u64) -> Image {
    rest(describe(&network(Cpu::builder().threads(1).build().unwrap()), seed).build().unwrap())
}

#[test]
fn two_sessions_in_one_pool() {
    let wanted = (alone(1), alone(2));
    let network = ambient();
    for threads in [1, 2, 5] {
        let paint = |seed| rest(describe(&network, seed).build().unwrap());
        let painted = pool(threads).install(|| rayon::join(|| paint(1), || paint(2)));
        assert!(painted == wanted, "{threads} threads");
    }
}

#[test]
fn from_pool_to_pool() {
    let (wanted, network) = (alone(1), ambient());
    for (made, stepped) in [(1, 5), (5, 1), (2, 3)] {
        let mut session = pool(made).install(|| describe(&network, 1).build().unwrap());
        pool(stepped).install(|| session.step().map(drop)).unwrap();
        let kept = session.checkpoint().unwrap();
        assert!(pool(made).install(|| rest(session)) == wanted, "{made}, {stepped}");
        let resumed = pool(stepped).install(|| rest(describe(&network, 1).resume(&kept).unwrap()));
        assert!(resumed == wanted, "{made}, {stepped}");
    }
}

#[test]
fn a_panic_of_the_callers_leaves_pools_and_sessions_whole() {
    let wanted = alone(1);
    let own = |threads| network(Cpu::builder().threads(threads).build().unwrap());
    let adam = AdamOptions { learning_rate: 2.0, ..Default::default() };
    for (network, around) in [(own(1), None), (own(2), None), (ambient(), Some(pool(1))), (ambient(), Some(pool(3)))] {
        let within = |work: &mut (dyn FnMut() + Send)| match &around {
            Some(pool) => pool.install(work),
            None => work(),
        };
        let mut session = describe(&network, 1).build().unwrap();
        // The backend's private pool still works for another session.
        let mut other = describe(&network, 1).optimizer(Optimizer::Adam(adam)).build().unwrap();
        for at in 1..=3 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                within(&mut || {
                    let panics = |iteration| assert!(iteration != at, "a deliberate panic");
                    let callback = |p: &style_core::Progress| {
                        panics(p.iteration);
                        ControlFlow::Continue(())
                    };
                    session.run(callback).unwrap();
                });
            }));
            assert!(caught.is_err());
            within(&mut || assert!(other.step().is_ok()));
        }
        let kept = session.checkpoint().unwrap().to_bytes().unwrap();
        let resumed = describe(&network, 1).resume(&Checkpoint::from_bytes(&kept).unwrap()).unwrap();
        assert!(rest(session) == wanted && rest(resumed) == wanted);
    }
}
