//! In the steady state an iteration does not allocate: after the first step of a session, no thread of the process
//! allocates or frees memory. This is a single test, so that nothing else runs in the process.

mod common;

use common::{layers, mask, model, picture};
use style_core::backend::ops::Tv;
use style_core::statistics::{Covariance, Moments};
use style_core::{
    AdamOptions, Init, LbfgsOptions, Network, Optimizer, Padding, Pooling, Session, SessionBuilder, Style,
};
use style_cpu::Cpu;
use testkit::memory::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

fn plain(cpu: &Cpu) -> SessionBuilder<Cpu> {
    Session::builder(Network::new(cpu.clone(), &model()).unwrap())
        .content(picture("content"))
        .style(picture("style"))
        .content_layers(layers(&["conv2_1"]))
        .style_layers(layers(&["conv1_1", "conv2_1", "conv3_1"]))
        .init(Init::Noise)
        .tv_weight(0.01)
        .iterations(1000)
}

/// Every statistic, several styles with and without masks, and a content mask.
fn guided(cpu: &Cpu) -> SessionBuilder<Cpu> {
    plain(cpu)
        .style(Style::new(picture("second")).share(2.0))
        .style(Style::new(picture("third")).mask(mask("there")).region(mask("of it")))
        .content_mask(mask("content"))
        .statistic_at("conv2_1", Moments)
        .statistic_at("conv3_1", Covariance)
}

fn lbfgs() -> Optimizer {
    // The history fills up and wraps around within the counted steps.
    Optimizer::Lbfgs(LbfgsOptions { history: 5, ..LbfgsOptions::default() })
}

fn fixed() -> Optimizer {
    Optimizer::Lbfgs(LbfgsOptions { history: 5, fixed_step: Some(1.0), ..LbfgsOptions::default() })
}

/// Allocator calls from step 2 to `steps`.
fn calls(builder: SessionBuilder<Cpu>, steps: usize) -> usize {
    let mut session = builder.build().unwrap();
    session.step().unwrap();
    let before = ALLOCATOR.calls();
    for _ in 1..steps {
        assert!(!session.step().unwrap().converged);
    }
    ALLOCATOR.calls() - before
}

#[test]
fn an_iteration_allocates_nothing_after_the_first() {
    // The test harness may still allocate after it has started this thread.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let before = ALLOCATOR.calls();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(ALLOCATOR.calls() - before, 2, "the counter must count");

    let cases = |cpu: &Cpu| {
        let adam = || Optimizer::Adam(AdamOptions::default());
        vec![
            ("Adam", plain(cpu).optimizer(adam())),
            ("L-BFGS", plain(cpu).optimizer(lbfgs())),
            ("default L-BFGS", plain(cpu).optimizer(Optimizer::default())),
            ("L-BFGS with fixed steps", plain(cpu).optimizer(fixed())),
            ("guided, Adam", guided(cpu).optimizer(adam())),
            ("guided, L-BFGS", guided(cpu).optimizer(lbfgs())),
            ("maximum pooling", guided(cpu).pooling(Pooling::Max).optimizer(lbfgs()).tv(Tv::Power(2.5))),
            ("a repeated border", plain(cpu).padding(Padding::Replicate).optimizer(adam())),
            ("absolute variation", plain(cpu).optimizer(adam()).tv(Tv::Absolute)),
        ]
    };

    let one = Cpu::builder().threads(1).build().unwrap();
    for (name, builder) in cases(&one) {
        assert_eq!(calls(builder, 12), 0, "{name}, one thread");
    }

    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    pool.broadcast(|_| ()); // threads allocate when they begin
    let ambient = Cpu::builder().ambient_threads().build().unwrap();
    for (name, builder) in cases(&ambient) {
        assert_eq!(pool.install(|| calls(builder, 12)), 0, "{name}, called from a pool of two threads");
    }

    // A step called from outside the pool goes through rayon's queue, which consists of blocks of 63 entries: about every
    // 63 steps, one block is allocated and one freed. On a busy machine, rayon's deques grow now and then as well. One
    // allocation a step would be 64 or more.
    let own = Cpu::builder().threads(2).build().unwrap();
    for (name, builder) in cases(&own) {
        let calls = calls(builder, 64);
        assert!(calls < 32, "{name}, private pool of two threads: {calls}");
    }
}
