//! `peers-lbfgs`: the progress of each L-BFGS after a number of evaluations of the same objective, on the same pictures
//! and weights.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use cpu_time::ProcessTime;
use image::imageops::FilterType;
use serde::Deserialize;
use style_core::{Image, Init, Model, Network, Preset, Session};
use style_cpu::Cpu;

use super::process;
use super::shared::{random, scratch_folder, weights};
use crate::Failure;
use crate::common::{parse, repository};

/// Evaluations after which the best loss so far is reported.
const AFTER: [usize; 6] = [50, 100, 150, 200, 300, 400];

/// Runs L-BFGS of PyTorch (without line search, and with strong Wolfe) and of this library from the same start, and
/// prints a Markdown table of the best loss so far.
#[derive(Parser)]
struct Options {
    /// The content picture [default: a sample of this repository]
    #[arg(long)]
    content: Option<PathBuf>,
    /// The style picture [default: a sample of this repository]
    #[arg(long)]
    style: Option<PathBuf>,
    /// A weight file in any format that style-models reads [default: the embedded weights]
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Long side to which both pictures are resized
    #[arg(long, default_value_t = 256)]
    size: u32,
    #[arg(long, default_value_t = 400)]
    evaluations: usize,
    /// Pairs in PyTorch's history; ours has its default
    #[arg(long, default_value_t = 50)]
    history: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// A Python with PyTorch [default: a virtual environment in the target folder, created when needed]
    #[arg(long)]
    python: Option<PathBuf>,
}

/// One run, as benches/peers/pytorch_lbfgs.py prints it.
#[derive(Deserialize)]
struct Descent {
    program: String,
    wall_seconds: f64,
    cpu_seconds: f64,
    /// At each evaluation.
    losses: Vec<f64>,
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let options: Options = parse("peers-lbfgs", args);
    let python = process::python(options.python.clone())?;

    // inputs of both sides: pictures at the final size, and weights as f32
    let sample = |name: &str| repository("stylize/samples").join(name);
    let content = options.content.clone().unwrap_or_else(|| sample("cat.jpg"));
    let style = options.style.clone().unwrap_or_else(|| sample("swirls.jpg"));
    let folder = scratch_folder()?;
    let [content_png, style_png] = ["content.png", "style.png"].map(|name| folder.join(name));
    let content = resize(&content, options.size, &content_png)?;
    let style = resize(&style, options.size, &style_png)?;
    let (loaded, weights) = weights(options.weights.clone())?;

    let mut descents = vec![];
    for line_search in ["none", "strong_wolfe"] {
        let mut peer = process::script(&python, "pytorch_lbfgs.py");
        peer.args([&content_png, &style_png]).arg("--weights").arg(&weights).args(["--line-search", line_search]);
        let numbers =
            [("--evaluations", options.evaluations), ("--history", options.history), ("--threads", options.threads)];
        for (option, value) in numbers {
            peer.arg(option).arg(value.to_string());
        }
        descents.push(tell(process::result(&mut peer)?));
    }
    descents.push(tell(ours(&options, loaded.model(), content, style)?));
    same_start(&descents)?;

    let mut after: Vec<usize> = AFTER.into_iter().filter(|k| *k < options.evaluations).collect();
    after.push(options.evaluations);
    println!(
        "| best loss after evaluations | {} |",
        after.iter().map(usize::to_string).collect::<Vec<_>>().join(" | ")
    );
    println!("|---|{}", "---|".repeat(after.len()));
    for descent in &descents {
        let best = after.iter().map(|k| format!("{:.4}", best(&descent.losses, *k)));
        println!("| {} | {} |", descent.program, best.collect::<Vec<_>>().join(" | "));
    }
    let target = descents.iter().map(|d| best(&d.losses, options.evaluations)).fold(0.0, f64::max);
    println!("\n| until the loss is {target:.4} | evaluations | wall s |\n|---|---|---|");
    for descent in &descents {
        let (count, seconds) = reaches(descent, target);
        println!("| {} | {count} | {seconds:.0} |", descent.program);
    }
    Ok(())
}

/// The number of evaluations until a descent reached a loss, and their share of the wall time.
fn reaches(descent: &Descent, target: f64) -> (usize, f64) {
    let Descent { losses, wall_seconds, .. } = descent;
    let count = losses.iter().position(|loss| *loss <= target).map_or(losses.len(), |i| i + 1);
    (count, wall_seconds * count as f64 / losses.len().max(1) as f64)
}

fn tell(descent: Descent) -> Descent {
    let Descent { program, wall_seconds, cpu_seconds, losses } = &descent;
    eprintln!("{program}: {} evaluations, wall {wall_seconds:.1} s, CPU {cpu_seconds:.1} s", losses.len());
    descent
}

/// Checks by the start image's loss that all programs had the same objective.
fn same_start(descents: &[Descent]) -> Result<(), Failure> {
    let starts: Vec<f64> = descents.iter().map(|d| d.losses.first().copied().unwrap_or(f64::NAN)).collect();
    if starts.iter().all(|start| (start - starts[0]).abs() <= 1e-3 * start.abs()) {
        return Ok(());
    }
    Err(format!("the losses of the start image differ ({starts:?}), so the objectives differ").into())
}

/// The least loss of the first `count` evaluations.
fn best(losses: &[f64], count: usize) -> f64 {
    losses.iter().take(count).copied().fold(f64::INFINITY, f64::min)
}

/// A picture resized to this long side, also written to `to`.
fn resize(from: &Path, long_side: u32, to: &Path) -> Result<Image, Failure> {
    let picture = image::open(from).map_err(|e| format!("{}: {e}", from.display()))?;
    let picture = picture.resize(long_side, long_side, FilterType::Lanczos3).to_rgb8();
    picture.save(to)?;
    Ok(Image::from_rgb8(picture.width() as usize, picture.height() as usize, &picture)?)
}

fn ours(options: &Options, model: &Model, content: Image, style: Image) -> Result<Descent, Failure> {
    let network = Network::new(Cpu::builder().threads(options.threads).build()?, model)?;
    let builder = Session::builder(network).content(content).style(style);
    // the peer's objective: the paper's losses, with half the mean for the content, from the photograph
    let builder = builder.preset(Preset::Gatys).init(Init::Content).content_mean_weight(0.5).style_weight(1.0);
    let builder = builder.optimizer(random::lbfgs());
    let mut session = builder.iterations(options.evaluations).build()?;
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    let mut losses = vec![];
    session.run(|progress| {
        losses.push(progress.losses.total);
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(Descent {
        program: format!("style-transfer {}", env!("CARGO_PKG_VERSION")),
        wall_seconds: wall.elapsed().as_secs_f64(),
        cpu_seconds: cpu.elapsed().as_secs_f64(),
        losses,
    })
}

#[cfg(test)]
mod tests {
    use super::{Descent, best, reaches, same_start};

    #[test]
    fn a_loss_is_reached_where_it_first_is() {
        let losses = vec![4.0, 3.0, 5.0, 1.0];
        let descent = Descent { program: String::new(), wall_seconds: 8.0, cpu_seconds: 16.0, losses };
        assert_eq!(reaches(&descent, 3.5), (2, 4.0));
        assert_eq!(reaches(&descent, 0.5), (4, 8.0));
    }

    #[test]
    fn the_best_so_far_and_the_start() {
        assert_eq!(best(&[4.0, 2.0, 3.0, 1.0], 3), 2.0);
        assert_eq!(best(&[4.0, f64::NAN, 5.0], 400), 4.0);
        let descents = |starts: &[f64]| -> Vec<Descent> {
            let of =
                |&start| Descent { program: String::new(), wall_seconds: 0.0, cpu_seconds: 0.0, losses: vec![start] };
            starts.iter().map(of).collect()
        };
        assert!(same_start(&descents(&[1000.0, 1000.5])).is_ok());
        assert!(same_start(&descents(&[1000.0, 1002.0])).is_err());
        assert!(same_start(&descents(&[1000.0, f64::NAN])).is_err());
    }
}
