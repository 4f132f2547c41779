//! A picture on the CPU and on the GPU, side by side.

use std::path::Path;
use std::time::{Duration, Instant};

use style_core::backend::Backend;
use style_core::{Image, Network, Session};
use style_cpu::Cpu;
use style_pictures::{Picture, save};
use style_wgpu::{Convolution, Wgpu};

use crate::Extent;
use crate::report::{Failure, Report};

const PHOTO: &[u8] = include_bytes!("../../../stylize/samples/cat.jpg");
const PAINTING: &[u8] = include_bytes!("../../../stylize/samples/swirls.jpg");

/// Iterations after which both pictures are compared: later, small differences have grown.
const COMPARED: usize = 8;

/// The most that channels may differ then, in 8-bit units, on average.
const MOST_DIFFERENCE: f64 = 1.0;

/// Steps that are not timed: kernels are compiled, and the optimiser begins.
const WARM: usize = 2;

fn session<B: Backend>(backend: B, extent: &Extent) -> Result<Session<B>, Failure> {
    let picture = |bytes| Ok::<_, Failure>(Picture::from_bytes(bytes)?.sized(extent.size)?.image);
    let network = Network::new(backend, style_models::embedded()?.model())?;
    let builder = Session::builder(network).content(picture(PHOTO)?).style(picture(PAINTING)?);
    Ok(builder.iterations(extent.iterations).build()?)
}

/// Steps up to this iteration or for this time, and adds the seconds of each.
fn paint<B: Backend>(session: &mut Session<B>, to: usize, most: Duration, took: &mut Vec<f64>) -> Result<(), Failure> {
    let begun = Instant::now();
    while session.iteration() < to && !session.is_finished() && begun.elapsed() < most {
        let step = Instant::now();
        session.step()?;
        took.push(step.elapsed().as_secs_f64());
    }
    Ok(())
}

/// The median without the first steps.
fn median(took: &[f64]) -> f64 {
    let mut counted = took.get(WARM..).filter(|rest| !rest.is_empty()).unwrap_or(took).to_vec();
    counted.sort_by(f64::total_cmp);
    counted.get(counted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn difference(a: &Image, b: &Image) -> f64 {
    let (a, b) = (a.to_rgb8(), b.to_rgb8());
    let sum: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    sum / a.len().max(1) as f64
}

fn speed(report: &mut Report, what: &str, took: &[f64]) {
    let (each, first) = (median(took), took.first().copied().unwrap_or(f64::NAN));
    let count = took.len();
    report.line(&format!(
        "- {what}: {:.1} ms an iteration, {:.2} iterations/s (median of {count}); the first took {:.2} s",
        1e3 * each,
        1.0 / each,
        first
    ));
}

/// Paints the sample on both, writes `cpu.png` and `gpu.png`.
pub(crate) fn run(report: &mut Report, wgpu: Wgpu, folder: &Path, extent: &Extent) -> Result<(), Failure> {
    let (mut on_cpu, mut of_cpu) = (session(Cpu::new()?, extent)?, vec![]);
    let (width, height) = on_cpu.size();
    report.line(&format!("{width} x {height} pixels, VGG-16 as embedded, the default settings at one scale.\n"));
    paint(&mut on_cpu, COMPARED, extent.painting, &mut of_cpu)?;
    let (compared, theirs) = (on_cpu.iteration(), on_cpu.image()?);
    drop(on_cpu);
    speed(report, "CPU", &of_cpu);
    save(folder.join("cpu.png"), &theirs)?;

    let begun = Instant::now();
    let (mut on_gpu, mut of_gpu) = (session(wgpu, extent)?, vec![]);
    report.line(&format!("- GPU: {:.2} s to build the session", begun.elapsed().as_secs_f64()));
    paint(&mut on_gpu, compared, 2 * extent.painting, &mut of_gpu)?;
    let ours = on_gpu.image()?;
    let reached = on_gpu.iteration();
    paint(&mut on_gpu, usize::MAX, extent.painting, &mut of_gpu)?;
    speed(report, "GPU", &of_gpu);
    save(folder.join("gpu.png"), &on_gpu.image()?)?;
    report.line(&format!("- gpu.png has {} iterations, cpu.png {compared}", on_gpu.iteration()));
    if reached == compared {
        let what = format!("the mean difference of both pictures after {compared} iterations, in 8-bit units");
        report.check(&what, difference(&ours, &theirs), MOST_DIFFERENCE);
    } else {
        report.failed("the comparison", &format!("only {reached} of {compared} iterations in the time"));
    }
    Ok(())
}

/// Times iterations of the same picture with Winograd in no layer and in all, for the rule that decides.
pub(crate) fn others(
    report: &mut Report,
    open: impl Fn(Convolution) -> style_core::Result<Wgpu>,
    extent: &Extent,
) -> Result<(), Failure> {
    for (what, way) in [("direct", Convolution::Direct), ("Winograd in all layers", Convolution::Winograd)] {
        let (mut session, mut took) = (session(open(way)?, extent)?, vec![]);
        paint(&mut session, WARM + COMPARED, extent.painting / 3, &mut took)?;
        speed(report, what, &took);
    }
    Ok(())
}
