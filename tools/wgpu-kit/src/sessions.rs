//! The network, and small sessions beside those of the CPU.

use std::sync::Arc;

use style_core::backend::Backend;
use style_core::{Network, Pooling, Session, SessionBuilder};
use style_cpu::Cpu;
use style_wgpu::Wgpu;
use testkit::golden::{self, Golden, Weights};

use crate::report::{Failure, Report};

/// The steps of a session, and the one after which its checkpoint is taken.
const STEPS: usize = 6;
const KEPT: usize = 3;

/// The values that PyTorch computed in `f64`; the limits are those of style-wgpu/tests/golden.rs.
pub(crate) fn golden(report: &mut Report, wgpu: Wgpu) -> Result<(), Failure> {
    let embedded = style_models::embedded()?;
    let errors = golden::measure(wgpu, embedded.model(), &Golden::load(Weights::Embedded), Pooling::Average)?;
    // NaN is the worst.
    let worst = |list: &[(String, f64)]| list.iter().fold(0.0, |most, (_, e)| if *e <= most { most } else { *e });
    report.check("features", worst(&errors.features), 5e-5);
    report.check("Gram matrices", worst(&errors.grams), 5e-5);
    report.check("losses", worst(&errors.losses), 1e-5);
    report.check("the image's gradient", errors.gradient, 1e-5);
    Ok(())
}

fn builder<B: Backend>(network: &Arc<Network<B>>) -> Result<SessionBuilder<B>, Failure> {
    let builder = Session::builder(Arc::clone(network)).content(golden::content().image()?);
    Ok(builder.style(golden::style().image()?).iterations(STEPS))
}

fn network<B: Backend>(backend: B) -> Result<Arc<Network<B>>, Failure> {
    Ok(Arc::new(Network::new(backend, style_models::embedded()?.model())?))
}

/// The loss and the gradient at one picture, and the losses of all steps.
struct Outcome {
    loss: f64,
    gradient: Vec<f32>,
    totals: Vec<f64>,
}

fn outcome<B: Backend>(network: &Arc<Network<B>>) -> Result<Outcome, Failure> {
    let mut session = builder(network)?.build()?;
    let (losses, gradient) = session.evaluate(&golden::start().image()?)?;
    let mut totals = vec![];
    while !session.is_finished() {
        totals.push(session.step()?.losses.total);
    }
    Ok(Outcome { loss: losses.total, gradient, totals })
}

/// Sessions against the CPU's, again, and resumed.
pub(crate) fn run(report: &mut Report, open: impl Fn() -> style_core::Result<Wgpu>) -> Result<(), Failure> {
    let on_gpu = network(open()?)?;
    let ours = outcome(&on_gpu)?;
    let theirs = outcome(&network(Cpu::new()?)?)?;
    let off = |a: f64, b: f64| (a - b).abs() / b.abs();
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let difference = norm(&mut ours.gradient.iter().zip(&theirs.gradient).map(|(a, b)| a - b));
    report.check("the loss against the CPU's", off(ours.loss, theirs.loss), 1e-5);
    report.check("the gradient against the CPU's", difference / norm(&mut theirs.gradient.iter().copied()), 1e-4);
    let steps = ours.totals.iter().zip(&theirs.totals).map(|(a, b)| off(*a, *b));
    let worst = steps.fold(0.0, |most, e| if e <= most { most } else { e });
    report.check(&format!("the losses of {} steps against the CPU's", ours.totals.len()), worst, 1e-3);
    // The optimiser may end before the last step.
    if ours.totals.len() != theirs.totals.len() {
        let message = format!("{} steps, and {} on the CPU", ours.totals.len(), theirs.totals.len());
        report.failed("the number of steps", &message);
    }

    let bits = |totals: &[f64]| totals.iter().map(|total| total.to_bits()).collect::<Vec<_>>();
    let mut same = |what: &str, totals: &[f64], of: &[f64]| {
        if bits(totals) == bits(of) {
            report.line(&format!("- passed: {what}: the same bits"));
        } else {
            report.failed(what, &format!("other bits: {totals:?} instead of {of:?}"));
        }
    };
    same("the session again", &outcome(&on_gpu)?.totals, &ours.totals);
    same("the session on another device of the adapter", &outcome(&network(open()?)?)?.totals, &ours.totals);
    let mut first = builder(&on_gpu)?.build()?;
    for _ in 0..KEPT {
        first.step()?;
    }
    let mut resumed = builder(&on_gpu)?.resume(&first.checkpoint()?)?;
    let mut totals = vec![];
    while !resumed.is_finished() {
        totals.push(resumed.step()?.losses.total);
    }
    same("the session resumed", &totals, ours.totals.get(KEPT..).unwrap_or_default());
    Ok(())
}
