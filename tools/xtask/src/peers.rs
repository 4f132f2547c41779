//! `peers`, `peers-ops`, `peers-lbfgs`, `peers-paint`, `ours`, `ours-ops` and `sizes`: comparisons of this library with
//! others, on this machine. BENCHMARKS.md explains their use; the peers' programs are in benches/peers.

mod iteration;
mod lbfgs;
mod ops;
mod ours;
mod ours_ops;
mod paint;
mod process;
mod sizes;

pub(crate) use iteration::run as peers;
pub(crate) use lbfgs::run as peers_lbfgs;
pub(crate) use ops::run as peers_ops;
pub(crate) use ours::run as ours;
pub(crate) use ours_ops::run as ours_ops;
pub(crate) use paint::run as peers_paint;
pub(crate) use sizes::run as sizes;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;
use cpu_time::ProcessTime;
use serde::{Deserialize, Serialize};
use style_core::InputSpace;
use style_models::{LoadOptions, Loaded};

use crate::Failure;
use crate::looks::embedded;

// the measured work is the same as in the benches
#[path = "../../../benches/common/operands.rs"]
mod operands;
#[path = "../../../benches/common/random.rs"]
pub(crate) mod random;

/// A program's report on its iterations: medians over them, except for the peak.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Measured {
    program: String,
    size: usize,
    threads: usize,
    optimizer: String,
    wall_seconds: f64,
    wall_seconds_min: f64,
    /// CPU time summed over threads.
    cpu_seconds: f64,
    /// The peak memory of the process.
    peak_bytes: Option<u64>,
    /// Our plan's forecast; `None` for peers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    planned_bytes: Option<u64>,
    /// Our rows of tiles, tiles per row, and their work relative to a single tile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tiles: Option<[usize; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    work: Option<f64>,
}

/// A program's report on an op at one shape: medians over its calls.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Timed {
    program: String,
    op: String,
    /// `fwd`, or `bwd`: the gradient with respect to the input.
    direction: String,
    /// `INxOUTxHEIGHTxWIDTH`
    shape: String,
    threads: usize,
    wall_seconds: f64,
    /// CPU time summed over threads.
    cpu_seconds: f64,
}

/// Parses the options of a task, or exits with a message, like clap.
pub(crate) fn parse<T: Parser>(task: &str, args: impl Iterator<Item = String>) -> T {
    T::parse_from([format!("cargo xtask {task}")].into_iter().chain(args))
}

/// A file in this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Cargo's target folder: this program is in one of its profile folders.
pub(crate) fn target_folder() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2);
    Ok(target.ok_or_else(|| io::Error::other("this program is not in a target folder; run it with cargo"))?.into())
}

/// `peers` in cargo's target folder.
fn scratch_folder() -> Result<PathBuf, Failure> {
    let folder = target_folder()?.join("peers");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Weights in the input space of the peers' scripts, the embedded ones by default, and the file that those scripts read.
fn weights(from: Option<PathBuf>) -> Result<(Loaded, PathBuf), Failure> {
    let loaded = style_models::load(from.map_or_else(embedded, Ok)?, &LoadOptions::default())?;
    if *loaded.model().input() != InputSpace::CAFFE {
        return Err("expected weights for BGR input in 0..255 minus the mean (as from Caffe or Keras)".into());
    }
    let to = scratch_folder()?.join("weights.safetensors");
    style_models::save(loaded.model(), &to)?;
    Ok((loaded, to))
}

/// Wall and CPU seconds of each call, after an uncounted warm-up.
fn time(repeat: usize, mut call: impl FnMut() -> style_core::Result<()>) -> style_core::Result<[Vec<f64>; 2]> {
    call()?;
    let (mut wall, mut cpu) = (vec![], vec![]);
    for _ in 0..repeat {
        let (wall_start, cpu_start) = (Instant::now(), ProcessTime::now());
        call()?;
        wall.push(wall_start.elapsed().as_secs_f64());
        cpu.push(cpu_start.elapsed().as_secs_f64());
    }
    Ok([wall, cpu])
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n => f64::midpoint(values[(n - 1) / 2], values[n / 2]),
    }
}

/// Prints the load average (on Linux), because other load distorts the figures.
fn tell_load() {
    if let Ok(load) = std::fs::read_to_string("/proc/loadavg") {
        eprintln!("load average (1, 5, 15 minutes): {}", load.split(' ').take(3).collect::<Vec<_>>().join(" "));
    }
}
