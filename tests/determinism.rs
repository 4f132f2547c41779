//! The bits do not depend on the number of threads, nor the picture on the instruction set.

use std::sync::Arc;

use style_transfer::cpu::{Cpu, Isa};
use style_transfer::{Image, Init, Network, Pooling, Session, models};

fn picture(width: usize, height: usize, seed: usize) -> Image {
    let value = |i: usize| (i * (37 + seed) % 251) as f32 * 0.6 + (i / 13 % (7 + seed)) as f32 * 12.0;
    Image::from_planar(width, height, (0..3 * width * height).map(value).collect()).unwrap()
}

/// The losses of five evaluations and the image after them.
fn paint(cpu: Cpu, pooling: Pooling) -> (Vec<f64>, Image) {
    let network = Network::new(cpu, models::embedded().unwrap().model()).unwrap();
    let mut session = Session::builder(network)
        .content(picture(53, 38, 1))
        .style(picture(41, 47, 2))
        .pooling(pooling)
        .init(Init::Noise)
        .tv_weight(0.01)
        .iterations(5)
        .build()
        .unwrap();
    let mut totals = vec![];
    while !session.is_finished() {
        totals.push(session.step().unwrap().losses.total);
    }
    (totals, session.image().unwrap())
}

#[test]
fn threads_do_not_change_a_bit() {
    for pooling in [Pooling::Average, Pooling::Max] {
        let one = paint(Cpu::builder().threads(1).build().unwrap(), pooling);
        for threads in [2, 3, 7] {
            let many = paint(Cpu::builder().threads(threads).build().unwrap(), pooling);
            assert!(one == many, "{threads} threads, {pooling:?}: {:?} {:?}", one.0, many.0);
        }
    }
    let ambient = paint(Cpu::builder().ambient_threads().build().unwrap(), Pooling::Average);
    assert!(ambient == paint(Cpu::builder().threads(1).build().unwrap(), Pooling::Average));
}

#[test]
fn instruction_sets_agree() {
    let portable = paint(Cpu::builder().isa(Isa::Portable).build().unwrap(), Pooling::Average);
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let (totals, _) = paint(Cpu::builder().isa(isa).build().unwrap(), Pooling::Average);
        for (a, b) in portable.0.iter().zip(&totals) {
            assert!((a - b).abs() <= 1e-4 * a, "{isa:?}: {:?} {totals:?}", portable.0);
        }
    }
}

#[test]
fn sessions_that_share_a_network_do_not_disturb_each_other() {
    let network = Arc::new(Network::new(Cpu::new().unwrap(), models::embedded().unwrap().model()).unwrap());
    let paint = |seed: usize| {
        let session = Session::builder(Arc::clone(&network)).content(picture(32, 24, seed)).style(picture(24, 32, 9));
        let mut session = session.iterations(3).build().unwrap();
        session.run(|_| std::ops::ControlFlow::Continue(())).unwrap();
        session.image().unwrap()
    };
    let alone: Vec<_> = (0..3).map(paint).collect();
    let paint = &paint;
    let together = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|seed| scope.spawn(move || paint(seed))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(alone == together);
}
