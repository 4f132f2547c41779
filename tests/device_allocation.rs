//! After its first step, a session on a `Device` allocates nothing. One test, so that nothing else runs in the process.

use style_transfer::cpu::Cpu;
use style_transfer::statistics::Moments;
use style_transfer::{AdamOptions, Device, Image, LbfgsOptions, Network, Optimizer, Pooling, Session, models};
use testkit::memory::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

#[test]
fn an_iteration_allocates_nothing_after_the_first() {
    let cpu = Cpu::builder().threads(1).build().unwrap();
    let network = std::sync::Arc::new(Network::new(Device::from(cpu), models::embedded().unwrap().model()).unwrap());
    let picture =
        |step| Image::from_rgb8(24, 24, &(0..1728).map(|i| (i * step % 256) as u8).collect::<Vec<_>>()).unwrap();
    for (name, optimizer, pooling) in [
        ("Adam", Optimizer::Adam(AdamOptions::default()), Pooling::Average),
        // The history fills and turns over within the steps that are counted.
        ("L-BFGS", Optimizer::Lbfgs(LbfgsOptions { history: 5, ..Default::default() }), Pooling::Max),
    ] {
        let builder = Session::builder(network.clone()).content(picture(7)).style(picture(31)).tv_weight(0.01);
        let builder = builder.statistic_at("conv2_1", Moments).pooling(pooling).optimizer(optimizer).iterations(100);
        let mut session: Session = builder.build().unwrap();
        session.step().unwrap();
        let before = ALLOCATOR.calls();
        (1..12).for_each(|_| assert!(!session.step().unwrap().converged));
        assert_eq!(ALLOCATOR.calls() - before, 0, "{name}");
    }
    let before = ALLOCATOR.calls();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(ALLOCATOR.calls() - before, 2, "the counting counts");
}
