//! Whole sessions against those of the CPU backend, on a GPU or otherwise on ptx-runner.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{model, picture, runs_on};
use style_core::backend::Backend;
use style_core::losses::{Neighbours, Palette, RelaxedEmd, SelfSimilarity};
use style_core::statistics::{Covariance, Patches, Sliced, Wasserstein};
use style_core::{
    Cancel, ErrorKind, Init, LayerWeight, Mask, Network, Optimizer, Padding, Pooling, Preset, Session, SessionBuilder,
    Style,
};
use style_cpu::Cpu;
use style_cuda::{Cuda, Precision};
use testkit::{Call, Observed};

/// Tolerances for losses and, by their norm, gradients relative to the CPU's; published in BENCHMARKS.md.
fn tolerances(precision: Precision) -> (f64, f64) {
    match precision {
        Precision::F16 => (5e-4, 2e-2),
        Precision::Bf16 => (2e-3, 3e-2),
        _ => (5e-6, 1e-5),
    }
}

fn builder<B: Backend>(backend: B) -> SessionBuilder<B> {
    on(Arc::new(Network::new(backend, &model()).unwrap()))
}

fn on<B: Backend>(network: Arc<Network<B>>) -> SessionBuilder<B> {
    let layers = |names: &[&str]| names.iter().map(|name| LayerWeight::new(*name, 1.0)).collect::<Vec<_>>();
    // The paper's statistic and start, and weights for a small network.
    let paper = Session::builder(network).preset(Preset::Gatys).init(Init::Content);
    paper
        .content_mean_weight(0.5)
        .style_weight(1.0)
        .content(picture("content", 24, 20))
        .style(picture("style", 17, 23))
        .content_layers(layers(&["conv3_2"]))
        .style_layers(layers(&["conv1_1", "conv1_2", "conv2_1", "conv3_1", "conv3_3"]))
        .iterations(7)
}

type Outcome = (f64, Vec<f32>, Vec<f64>);

/// Losses and gradient at one picture, and the losses of a few steps.
fn outcome<B: Backend>(builder: SessionBuilder<B>) -> Outcome {
    let mut session = builder.build().unwrap();
    let (losses, gradient) = session.evaluate(&picture("image", 24, 20)).unwrap();
    let mut totals = vec![];
    while !session.is_finished() {
        totals.push(session.step().unwrap().losses.total);
    }
    (losses.total, gradient, totals)
}

fn compare(what: &str, precision: Precision, ours: Outcome, theirs: Outcome) {
    compare_within(what, tolerances(precision), ours, theirs);
}

fn compare_within(what: &str, (of_losses, of_gradient): (f64, f64), ours: Outcome, theirs: Outcome) {
    let off = (ours.0 - theirs.0).abs() / theirs.0;
    assert!(off < of_losses, "{what}: the loss is off by {off:.1e}: {} instead of {}", ours.0, theirs.0);
    let norm = |v: &mut dyn Iterator<Item = f32>| v.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let off = norm(&mut ours.1.iter().zip(&theirs.1).map(|(a, b)| a - b)) / norm(&mut theirs.1.iter().copied());
    assert!(off < of_gradient, "{what}: the gradient is off by {off:.1e}");
    assert_eq!(ours.2.len(), theirs.2.len(), "{what}");
    // The paths diverge slightly with every step.
    for (i, (ours, theirs)) in ours.2.iter().zip(&theirs.2).enumerate() {
        let off = (ours - theirs).abs() / theirs;
        assert!(off < 20.0 * of_losses, "{what}: the loss of step {i} is off by {off:.1e}: {ours} instead of {theirs}");
    }
}

fn cuda(precision: Precision) -> Cuda {
    runs_on();
    Cuda::builder().precision(precision).build().unwrap()
}

#[test]
fn a_session_is_the_cpus() {
    let cpu = outcome(builder(Cpu::new().unwrap()));
    for precision in [Precision::F32, Precision::F16, Precision::Bf16] {
        compare(&format!("{precision:?}"), precision, outcome(builder(cuda(precision))), cpu.clone());
    }
}

#[test]
fn so_it_is_with_masks_other_statistics_pools_and_padding() {
    fn varied<B: Backend>(backend: B) -> SessionBuilder<B> {
        let ramp = |f: fn(usize) -> f32| Mask::new(24, 20, (0..480).map(|i| f(i % 24)).collect()).unwrap();
        builder(backend)
            .pooling(Pooling::Max)
            .padding(Padding::Replicate)
            .statistic(Covariance)
            .style_strength(1.0)
            .style(Style::new(picture("other", 16, 16)).mask(ramp(|x| 1.0 - x as f32 / 24.0)))
            .init(Init::Noise)
            .tv_weight(1e-3)
            .optimizer(Optimizer::Adam(Default::default()))
    }
    let cpu = outcome(varied(Cpu::new().unwrap()));
    for precision in [Precision::F32, Precision::F16] {
        compare(&format!("{precision:?}"), precision, outcome(varied(cuda(precision))), cpu.clone());
    }
}

#[test]
fn so_it_is_with_statistics_that_have_distances_of_their_own() {
    fn with<B: Backend>(backend: B, number: usize) -> SessionBuilder<B> {
        match number {
            0 => builder(backend).statistic(Wasserstein),
            1 => builder(backend).statistic(Sliced::Random { seed: 0 }),
            2 => builder(backend).statistic(Sliced::Channels),
            _ => builder(backend).statistic(Patches::default()),
        }
    }
    for number in 0..4 {
        let cpu = outcome(with(Cpu::new().unwrap(), number));
        // Rounding exchanges values in their order and changes neighbours, and the iterated root multiplies it.
        for (precision, within) in [(Precision::F32, (2e-4, 2e-3)), (Precision::F16, (2e-3, 5e-2))] {
            let ours = outcome(with(cuda(precision), number));
            compare_within(&format!("statistic {number}, {precision:?}"), within, ours, cpu.clone());
        }
    }
}

#[test]
fn so_it_is_with_losses_over_hypercolumns() {
    fn with<B: Backend>(backend: B, number: usize) -> SessionBuilder<B> {
        let layers = ["conv1_2", "conv2_1", "conv3_1"].map(String::from).to_vec();
        let (b, places) = (builder(backend), 60);
        match number {
            0 => b.loss(1e4, Neighbours { layers, turned: true }),
            1 => b.loss(1e4, RelaxedEmd { layers, places, seed: 0 }),
            2 => b.loss(1e4, SelfSimilarity { layers, places }),
            3 => b.loss(1e4, Palette { places, seed: 0 }),
            _ => b.balanced(true),
        }
    }
    for number in 0..5 {
        let cpu = outcome(with(Cpu::new().unwrap(), number));
        // Rounding changes neighbours, and the signs of differences near zero. Balanced weights follow from gradients.
        let half = if number == 4 { 2e-2 } else { 2e-3 };
        for (precision, within) in [(Precision::F32, (2e-4, 2e-3)), (Precision::F16, (half, 5e-2))] {
            let ours = outcome(with(cuda(precision), number));
            compare_within(&format!("loss {number}, {precision:?}"), within, ours, cpu.clone());
        }
    }
}

#[test]
fn a_session_repeats_to_the_bit() {
    for precision in [Precision::F32, Precision::F16] {
        let (first, second) = (outcome(builder(cuda(precision))), outcome(builder(cuda(precision))));
        assert_eq!(first, second, "{precision:?}");
    }
}

/// A recorded graph contains the style weight, so it must be recorded again after a change.
#[test]
fn a_changed_weight_takes_effect() {
    fn totals<B: Backend>(backend: B) -> Vec<f64> {
        let mut session =
            builder(backend).optimizer(Optimizer::Adam(Default::default())).iterations(12).build().unwrap();
        let mut totals = vec![];
        while !session.is_finished() {
            totals.push(session.step().unwrap().losses.total);
            if totals.len() == 6 {
                session.set_style_weight(1e4).unwrap();
            }
        }
        totals
    }
    let (ours, theirs) = (totals(cuda(Precision::F32)), totals(Cpu::new().unwrap()));
    for (i, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert!((ours - theirs).abs() < 1e-4 * theirs, "the loss of step {i} is {ours} instead of {theirs}");
    }
}

/// The Gram matrix, with a panic after this many backward passes.
fn after(left: usize, then: impl Fn() + Send + Sync) -> Observed<impl Fn(Call) + Send + Sync> {
    let left = AtomicUsize::new(left);
    Observed::new(move |call| {
        if call == Call::Backward && left.fetch_sub(1, Ordering::Relaxed) == 0 {
            then();
        }
    })
}

#[test]
fn a_statistic_that_panics_while_an_evaluation_is_recorded_leaves_the_device_to_others() {
    let network = Arc::new(Network::new(cuda(Precision::F32), &model()).unwrap());
    let adam = || on(network.clone()).optimizer(Optimizer::Adam(Default::default()));
    let want = outcome(adam());
    // Five style layers: panics in the first evaluation, in the second (recorded) and in the third (replayed, not called).
    for (left, panics) in [(3, true), (8, true), (13, false)] {
        let statistic = after(left, || resume_unwind(Box::new("a statistic panics")));
        let mut session = adam().statistic(statistic).build().unwrap();
        let steps = AssertUnwindSafe(|| (0..4).for_each(|_| _ = session.step().unwrap()));
        assert_eq!(catch_unwind(steps).is_err(), panics, "{left}");
        assert_eq!(outcome(adam()), want, "{left}");
    }
}

#[test]
fn a_cancelled_evaluation_is_recorded_again() {
    let network = Arc::new(Network::new(cuda(Precision::F32), &model()).unwrap());
    let adam = || on(network.clone()).optimizer(Optimizer::Adam(Default::default()));
    let (.., want) = outcome(adam());
    // In the first evaluation, and in the second (recorded).
    for left in [1, 6, 8] {
        let cancel = Cancel::new();
        let raised = cancel.clone();
        let statistic = after(left, move || raised.cancel());
        let mut session = adam().statistic(statistic).cancel(&cancel).build().unwrap();
        let (mut totals, mut cancelled) = (vec![], 0);
        while !session.is_finished() {
            match session.step() {
                Ok(progress) => totals.push(progress.losses.total),
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::Cancelled, "{e}");
                    cancel.reset();
                    cancelled += 1;
                }
            }
        }
        assert_eq!((totals, cancelled), (want.clone(), 1), "{left}");
    }
}
