//! Whole sessions against those of the CPU backend.

mod common;

use std::sync::Arc;

use common::{model, picture, wgpu_or_skip};
use style_core::backend::{Backend, Storage};
use style_core::losses::{Neighbours, Palette, RelaxedEmd, SelfSimilarity};
use style_core::statistics::{Covariance, Patches, Sliced, Wasserstein};
use style_core::{
    Init, LayerWeight, Mask, Network, Optimizer, Padding, Pooling, Preset, Session, SessionBuilder, Style,
};
use style_cpu::Cpu;
use style_wgpu::{Convolution, Wgpu};

/// Tolerances for losses and, by their norm, gradients relative to the CPU's.
const TOLERANCES: (f64, f64) = (5e-6, 1e-5);

/// The same where rounding exchanges values in their order, or neighbours.
const OF_ORDERS: (f64, f64) = (2e-4, 2e-3);

fn builder<B: Backend>(backend: B) -> SessionBuilder<B> {
    on(&Arc::new(Network::new(backend, &model()).unwrap()))
}

fn on<B: Backend>(network: &Arc<Network<B>>) -> SessionBuilder<B> {
    let layers = |names: &[&str]| names.iter().map(|name| LayerWeight::new(*name, 1.0)).collect::<Vec<_>>();
    // The paper's statistic and start, and weights for a small network.
    let paper = Session::builder(Arc::clone(network)).preset(Preset::Gatys).init(Init::Content);
    paper
        .content_mean_weight(0.5)
        .style_weight(1.0)
        .content(picture("content", 24, 20))
        .style(picture("style", 17, 23))
        .content_layers(layers(&["conv3_2"]))
        .style_layers(layers(&["conv1_1", "conv1_2", "conv2_1", "conv3_1", "conv3_3"]))
        .iterations(7)
}

/// Losses and gradient at one picture, and the losses of a few steps.
#[derive(Debug, PartialEq)]
struct Outcome {
    loss: f64,
    gradient: Vec<f32>,
    totals: Vec<f64>,
}

fn outcome<B: Backend>(builder: SessionBuilder<B>) -> Outcome {
    let mut session = builder.build().unwrap();
    let (losses, gradient) = session.evaluate(&picture("image", 24, 20)).unwrap();
    let mut totals = vec![];
    while !session.is_finished() {
        totals.push(session.step().unwrap().losses.total);
    }
    Outcome { loss: losses.total, gradient, totals }
}

fn compare(what: &str, (of_losses, of_gradient): (f64, f64), ours: &Outcome, theirs: &Outcome) {
    let off = (ours.loss - theirs.loss).abs() / theirs.loss;
    println!("{what}: the loss is off by {off:.1e}");
    assert!(off < of_losses, "{what}: the loss is off by {off:.1e}: {} instead of {}", ours.loss, theirs.loss);
    let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let difference = norm(&mut ours.gradient.iter().zip(&theirs.gradient).map(|(a, b)| a - b));
    let off = difference / norm(&mut theirs.gradient.iter().copied());
    assert!(off < of_gradient, "{what}: the gradient is off by {off:.1e}");
    assert_eq!(ours.totals.len(), theirs.totals.len(), "{what}");
    // The paths diverge slightly with every step.
    for (i, (ours, theirs)) in ours.totals.iter().zip(&theirs.totals).enumerate() {
        let off = (ours - theirs).abs() / theirs;
        assert!(off < 20.0 * of_losses, "{what}: the loss of step {i} is off by {off:.1e}: {ours} instead of {theirs}");
    }
}

/// Compares sessions on both backends, with `varied` applied to each.
fn check(
    what: &str,
    tolerances: (f64, f64),
    of_wgpu: impl FnOnce(SessionBuilder<Wgpu>) -> SessionBuilder<Wgpu>,
    of_cpu: impl FnOnce(SessionBuilder<Cpu>) -> SessionBuilder<Cpu>,
) {
    let Some(wgpu) = wgpu_or_skip() else { return };
    compare(what, tolerances, &outcome(of_wgpu(builder(wgpu))), &outcome(of_cpu(builder(Cpu::new().unwrap()))));
}

#[test]
fn a_session_is_the_cpus() {
    check("the paper's", TOLERANCES, |b| b, |b| b);
}

#[test]
fn so_it_is_with_masks_other_statistics_pools_and_padding() {
    fn varied<B: Backend>(builder: SessionBuilder<B>) -> SessionBuilder<B> {
        let ramp = |f: fn(usize) -> f32| Mask::new(24, 20, (0..480).map(|i| f(i % 24)).collect()).unwrap();
        builder
            .pooling(Pooling::Max)
            .padding(Padding::Replicate)
            .statistic(Covariance)
            .style_strength(1.0)
            .style(Style::new(picture("other", 16, 16)).mask(ramp(|x| 1.0 - x as f32 / 24.0)))
            .init(Init::Noise)
            .tv_weight(1e-3)
            .optimizer(Optimizer::Adam(Default::default()))
    }
    check("varied", TOLERANCES, varied, varied);
}

#[test]
fn so_it_is_in_tiles() {
    fn tiled<B: Backend>(builder: SessionBuilder<B>) -> SessionBuilder<B> {
        builder.tiles(2, 2)
    }
    check("tiles", TOLERANCES, tiled, tiled);
}

#[test]
fn so_it_is_with_statistics_that_have_distances_of_their_own() {
    fn with<B: Backend>(builder: SessionBuilder<B>, number: usize) -> SessionBuilder<B> {
        match number {
            0 => builder.statistic(Wasserstein),
            1 => builder.statistic(Sliced::Random { seed: 0 }),
            2 => builder.statistic(Sliced::Channels),
            _ => builder.statistic(Patches::default()),
        }
    }
    for number in 0..4 {
        check(&format!("statistic {number}"), OF_ORDERS, |b| with(b, number), |b| with(b, number));
    }
}

#[test]
fn so_it_is_with_losses_over_hypercolumns() {
    fn with<B: Backend>(builder: SessionBuilder<B>, number: usize) -> SessionBuilder<B> {
        let layers = ["conv1_2", "conv2_1", "conv3_1"].map(String::from).to_vec();
        let places = 60;
        match number {
            0 => builder.loss(1e4, Neighbours { layers, turned: true }),
            1 => builder.loss(1e4, RelaxedEmd { layers, places, seed: 0 }),
            2 => builder.loss(1e4, SelfSimilarity { layers, places }),
            3 => builder.loss(1e4, Palette { places, seed: 0 }),
            _ => builder.balanced(true),
        }
    }
    for number in 0..5 {
        check(&format!("loss {number}"), OF_ORDERS, |b| with(b, number), |b| with(b, number));
    }
}

#[test]
fn a_session_repeats_to_the_bit() {
    let Some(wgpu) = wgpu_or_skip() else { return };
    let network = Arc::new(Network::new(wgpu, &model()).unwrap());
    let first = outcome(on(&network));
    assert_eq!(outcome(on(&network)), first);
    // On a device of its own as well.
    assert_eq!(wgpu_or_skip().map(|wgpu| outcome(builder(wgpu))), Some(first));
}

#[test]
fn a_resumed_session_goes_on_to_the_bit() {
    let Some(wgpu) = wgpu_or_skip() else { return };
    let network = Arc::new(Network::new(wgpu, &model()).unwrap());
    for tiles in [1, 2] {
        let builder = || on(&network).tiles(tiles, tiles);
        let mut whole = builder().build().unwrap();
        let mut checkpoint = None;
        let mut totals = vec![];
        while !whole.is_finished() {
            totals.push(whole.step().unwrap().losses.total);
            if totals.len() == 4 {
                checkpoint = Some(whole.checkpoint().unwrap());
            }
        }
        let mut resumed = builder().resume(&checkpoint.unwrap()).unwrap();
        for &total in &totals[4..] {
            assert_eq!(resumed.step().unwrap().losses.total.to_bits(), total.to_bits());
        }
        assert!(resumed.is_finished());
        assert_eq!(resumed.image().unwrap().to_rgb8(), whole.image().unwrap().to_rgb8());
    }
}

/// Sessions on several threads share a device and do not change each other's bits.
#[test]
fn sessions_side_by_side_have_the_bits_of_one_alone() {
    let Some(wgpu) = wgpu_or_skip() else { return };
    let network = Arc::new(Network::new(wgpu, &model()).unwrap());
    let alone = outcome(on(&network));
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..3).map(|_| scope.spawn(|| outcome(on(&network)))).collect();
        for one in all {
            assert_eq!(one.join().unwrap(), alone);
        }
    });
}

/// Scratch memory of Winograd's is allocated as planned.
#[test]
fn a_session_with_winograd_takes_the_memory_of_its_plan() {
    let Some(wgpu) = wgpu_or_skip() else { return };
    let [direct, winograd] = [Convolution::Direct, Convolution::Winograd].map(|convolution| {
        let builder = Wgpu::builder().adapter(wgpu.adapter().index).convolution(convolution).memory(1 << 30);
        let network = Arc::new(Network::new(builder.build().unwrap(), &model()).unwrap());
        let free = || network.backend().free_memory().unwrap();
        let before = free();
        let plan = on(&network).plan().unwrap();
        let mut session = on(&network).build().unwrap();
        session.step().unwrap();
        (plan.workspace, before - free())
    });
    assert!(winograd.0 > direct.0);
    assert_eq!(winograd.1 - direct.1, winograd.0 - direct.0);
}
