//! In the steady state an iteration does not allocate: after the first step of a session, no thread of the process
//! allocates or frees memory. This is a single test, so that nothing else runs in the process.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{layers, mask, model, picture};
use style_core::ops::Tv;
use style_core::statistics::{Covariance, Moments};
use style_core::{
    AdamOptions, Init, LbfgsOptions, Network, Optimizer, Padding, Pooling, Session, SessionBuilder, Style,
};
use style_cpu::Cpu;

/// The system allocator with a count of allocations, reallocations and deallocations by any thread.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: the system allocator does the work; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller guarantees the layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller guarantees the layout.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller guarantees all three.
        unsafe { System.realloc(memory, layout, len) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller guarantees both.
        unsafe { System.dealloc(memory, layout) }
    }
}

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
    let before = CALLS.load(Ordering::Relaxed);
    for _ in 1..steps {
        assert!(!session.step().unwrap().converged);
    }
    CALLS.load(Ordering::Relaxed) - before
}

#[test]
fn an_iteration_allocates_nothing_after_the_first() {
    let before = CALLS.load(Ordering::Relaxed);
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(CALLS.load(Ordering::Relaxed) - before, 2, "the counter must count");

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
    let ambient = Cpu::builder().ambient_threads().build().unwrap();
    for (name, builder) in cases(&ambient) {
        assert_eq!(pool.install(|| calls(builder, 12)), 0, "{name}, called from a pool of two threads");
    }

    // A step called from outside the pool goes through rayon's queue, which consists of blocks of 63 entries: about every
    // 63 steps, one block is allocated and one freed.
    let own = Cpu::builder().threads(2).build().unwrap();
    for (name, builder) in cases(&own) {
        let calls = calls(builder, 64);
        assert!(calls <= 2, "{name}, private pool of two threads: {calls}");
    }
}
