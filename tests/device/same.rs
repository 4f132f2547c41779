//! A session on a device has the bits of one on the backend inside.

use std::sync::Arc;

use style_transfer::backend::Backend;
use style_transfer::backend::ops::Tv;
use style_transfer::cpu::Cpu;
use style_transfer::statistics::Moments;
use style_transfer::{
    AdamOptions, Checkpoint, Device, Image, Mask, Network, Optimizer, Pooling, Progress, Scale, Session,
    SessionBuilder, Style,
};
use testkit::Observed;

use crate::{builder, model, picture};

const WIDTH: usize = 40;
const HEIGHT: usize = 34;

fn ramp() -> Mask {
    Mask::new(WIDTH, HEIGHT, (0..WIDTH * HEIGHT).map(|i| (i % WIDTH) as f32 / WIDTH as f32).collect()).unwrap()
}

#[derive(Clone, Copy, Debug)]
enum Case {
    Lbfgs,
    Adam,
    Tiles,
    Scales,
    Guided,
    Custom,
}

fn describe<B: Backend>(network: &Arc<Network<B>>, case: Case) -> SessionBuilder<B> {
    let adam = Optimizer::Adam(AdamOptions::default());
    let builder = builder(Arc::clone(network))
        .content(picture(WIDTH, HEIGHT, 1))
        .style(picture(31, 37, 2))
        .tv_weight(1e-3)
        .iterations(6);
    match case {
        Case::Lbfgs => builder,
        Case::Adam => builder.optimizer(adam).running_mean(0.9),
        Case::Tiles => builder.tiles(2, 1),
        Case::Scales => builder.scales(vec![Scale { size: 32, iterations: 2, optimizer: Some(adam) }]),
        Case::Guided => builder
            .style(Style::new(picture(33, 32, 3)).share(2.0).mask(ramp()))
            .content_mask(ramp())
            .statistic_at("conv2_1", Moments)
            .pooling(Pooling::Max)
            .tv(Tv::Absolute),
        Case::Custom => builder.statistic(Observed::new(|_| ())),
    }
}

/// All that a session tells: each step, the last checkpoint, and the image.
type Told = (Vec<Progress>, Checkpoint, Image);

fn told<B: Backend>(mut session: Session<B>) -> Told {
    let mut steps = vec![];
    while !session.is_finished() {
        steps.push(session.step().unwrap().clone());
    }
    (steps, session.checkpoint().unwrap(), session.image().unwrap())
}

/// The checkpoint after three steps.
fn begun<B: Backend>(mut session: Session<B>) -> Checkpoint {
    (0..3).for_each(|_| _ = session.step().unwrap());
    session.checkpoint().unwrap()
}

/// A network on the CPU, and the same on a device.
fn networks() -> (Arc<Network<Cpu>>, Arc<Network>) {
    let cpu = Cpu::builder().threads(2).build().unwrap();
    (
        Arc::new(Network::new(cpu.clone(), &model()).unwrap()),
        Arc::new(Network::new(Device::from(cpu), &model()).unwrap()),
    )
}

#[test]
fn a_session_on_a_device_has_the_bits_of_the_backend() {
    let (plain, chosen) = networks();
    for case in [Case::Lbfgs, Case::Adam, Case::Tiles, Case::Scales, Case::Guided, Case::Custom] {
        let want = told(describe(&plain, case).build().unwrap());
        assert!(told(describe(&chosen, case).build().unwrap()) == want, "{case:?}");

        let (of_plain, of_chosen) =
            (begun(describe(&plain, case).build().unwrap()), begun(describe(&chosen, case).build().unwrap()));
        assert!(of_plain == of_chosen, "{case:?}");
        let (steps, checkpoint, image) = told(describe(&chosen, case).resume(&of_plain).unwrap());
        assert!((&steps[..], checkpoint, image) == (&want.0[3..], want.1, want.2), "{case:?}, resumed");
    }
}

#[test]
fn targets_and_plans_are_the_backends() {
    let (plain, chosen) = networks();
    let plans = [describe(&plain, Case::Tiles).plan().unwrap(), describe(&chosen, Case::Tiles).plan().unwrap()];
    assert_eq!(plans[0].tiles, [2, 1]);
    assert_eq!(plans[0].to_string(), plans[1].to_string());

    let targets = describe(&chosen, Case::Lbfgs).targets().unwrap();
    let session = builder(Arc::clone(&chosen)).with_targets(&targets).tv_weight(1e-3).iterations(6).build();
    let (steps, ..) = told(session.unwrap());
    assert!(steps == told(describe(&plain, Case::Lbfgs).build().unwrap()).0);
}
