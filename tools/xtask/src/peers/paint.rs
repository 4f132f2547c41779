//! `peers-paint`: the time to a finished picture, and to one as close to the painting as ours, with the settings that each
//! program's authors chose.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use serde::Deserialize;

use super::process;
use super::shared::{tell_load, weights};
use crate::Failure;
use crate::common::{parse, repository};
use crate::looks::{Eye, Row, Seconds, find, stylize, timed};

const PEERS: [&str; 2] = ["neural-style", "style-transfer-pytorch"];

/// Paints a pair with the default settings of stylize, and with those of peers in PyTorch
/// (benches/peers/pytorch_paint.py), all with the same weights, in separate processes one after another, and prints a
/// Markdown table. Seconds are of whole processes. The pictures are left in out/peers.
#[derive(Parser)]
struct Options {
    /// Folders of further pictures, PHOTO.jpg or .png; stylize/samples comes first
    #[arg(long, value_name = "FOLDER")]
    images: Vec<PathBuf>,
    /// The photograph's name
    #[arg(long, default_value = "tubingen")]
    photo: String,
    /// The painting's name
    #[arg(long, default_value = "starry_night")]
    painting: String,
    /// Long side of the pictures
    #[arg(long, default_value_t = 256)]
    size: u32,
    /// Evaluations of the peers at each size, in place of their own number: to try this out
    #[arg(long)]
    evaluations: Option<usize>,
    /// Evaluations from one of the peers' snapshots to the next
    #[arg(long, default_value_t = 50)]
    every: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    #[arg(long, value_delimiter = ',', default_values_t = PEERS.map(String::from))]
    peers: Vec<String>,
    /// A Python with PyTorch [default: a virtual environment in the target folder, created when needed]
    #[arg(long)]
    python: Option<PathBuf>,
    /// Options of stylize; the result is a row of its own, beside the default. Commas separate several rows:
    /// --until good,--seed 1
    #[arg(long, value_name = "OPTIONS,...", value_delimiter = ',', allow_hyphen_values = true)]
    also: Vec<String>,
}

/// A picture on the way, as benches/peers/pytorch_paint.py prints it.
#[derive(Deserialize)]
struct Snapshot {
    file: PathBuf,
    evaluations: usize,
    wall: f64,
    cpu: f64,
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let options: Options = parse("peers-paint", args);
    let python = process::python(options.python.clone())?;
    let program = stylize()?;
    let eye = Eye::new(None)?;
    let folders: Vec<_> = [repository("stylize/samples")].into_iter().chain(options.images.iter().cloned()).collect();
    let file = |name: &String| find(&folders, name).ok_or_else(|| format!("no picture is called {name}"));
    let (photo, painting) = (file(&options.photo)?, file(&options.painting)?);
    let results = repository("out/peers");
    std::fs::create_dir_all(&results)?;
    let (_, weights) = weights(None)?;
    let measure = |result: &Path, seconds| Row::measure(&eye, String::new(), seconds, [result, &photo, &painting]);

    tell_load();
    println!(
        "| program | evaluations | wall s | CPU s | wall / ours | to ours' style: wall s | / ours | edges kept | style 1 | 1/2 | 1/4 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let mut ours: Option<Row> = None;
    for more in [String::new()].iter().chain(&options.also) {
        let log = results.join("stylize.jsonl");
        let result =
            results.join(format!("{}_{}_stylize{}.png", options.photo, options.painting, more.replace(' ', "")));
        let mut command = Command::new(&program);
        command.args([&photo, &painting]).args(["--config", "none", "--size", &options.size.to_string(), "--quiet"]);
        command.args(["--threads", &options.threads.to_string(), "--log"]).arg(&log).arg("-o").arg(&result);
        let seconds = timed(command.args(more.split_whitespace()))?;
        let evaluations = std::fs::read_to_string(&log)?.lines().count();
        let row = measure(&result, Some(seconds))?;
        let of = ours.as_ref().unwrap_or(&row);
        print_row(&format!("stylize {more}"), evaluations, of, "- | -", &row);
        ours = ours.or(Some(row));
    }
    let Some(ours) = ours else { return Err("nothing was painted".into()) };

    for peer in &options.peers {
        let folder = results.join(format!("{}_{}_{peer}", options.photo, options.painting));
        let mut command = process::script(&python, "pytorch_paint.py");
        command.arg(peer).args([&photo, &painting, &folder]).arg("--weights").arg(&weights);
        let numbers = [("--size", options.size as usize), ("--every", options.every), ("--threads", options.threads)];
        for (option, value) in numbers.into_iter().chain(options.evaluations.map(|n| ("--evaluations", n))) {
            command.arg(option).arg(value.to_string());
        }
        let snapshots: Vec<Snapshot> = process::results(&mut command)?;
        let mut rows = vec![];
        for Snapshot { file, evaluations, wall, cpu } in snapshots {
            // Those of coarser sizes are not the picture.
            if image::image_dimensions(&file).is_ok_and(|(w, h)| w.max(h) == options.size) {
                rows.push((evaluations, measure(&file, Some(Seconds { wall, cpu: Some(cpu) }))?));
            }
        }
        let good = rows.iter().find(|(_, row)| mean(row) <= mean(&ours)).map(|(_, row)| row);
        let (evaluations, last) = rows.last().ok_or_else(|| format!("{peer} painted nothing of that size"))?;
        let wall = good.map(|row| seconds(row).0);
        let good = wall.map_or("never | -".into(), |wall| format!("{wall:.1} | {:.1}", wall / seconds(&ours).0));
        print_row(peer, *evaluations, &ours, &good, last);
    }
    tell_load();
    Ok(())
}

fn print_row(program: &str, evaluations: usize, ours: &Row, good: &str, row: &Row) {
    let (wall, cpu) = seconds(row);
    let of_ours = wall / seconds(ours).0;
    print!("| {program} | {evaluations} | {wall:.1} | {cpu:.1} | {of_ours:.1} | {good} | {:.2} |", row.edges);
    row.style.iter().for_each(|style| print!(" {style:.4} |"));
    println!();
}

/// Wall and CPU seconds.
fn seconds(row: &Row) -> (f64, f64) {
    row.seconds.as_ref().map_or((f64::NAN, f64::NAN), |s| (s.wall, s.cpu.unwrap_or(f64::NAN)))
}

/// The style's distance from the painting, averaged over full, half and quarter size.
fn mean(row: &Row) -> f64 {
    row.style.iter().sum::<f64>() / row.style.len() as f64
}
