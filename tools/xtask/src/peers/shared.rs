//! What the comparisons share: a program's report, the weights, the clock.

use std::path::PathBuf;
use std::time::Instant;

use cpu_time::ProcessTime;
use serde::{Deserialize, Serialize};
use style_core::InputSpace;
use style_models::{LoadOptions, Loaded};

use crate::Failure;
use crate::common::{embedded, target_folder};

// the measured work is the same as in the benches
#[path = "../../../../benches/common/operands.rs"]
pub(super) mod operands;
#[path = "../../../../benches/common/random.rs"]
pub(crate) mod random;

/// A program's report on its iterations: medians over them, except for the peak.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Measured {
    pub(super) program: String,
    pub(super) size: usize,
    pub(super) threads: usize,
    pub(super) optimizer: String,
    pub(super) wall_seconds: f64,
    pub(super) wall_seconds_min: f64,
    /// CPU time summed over threads.
    pub(super) cpu_seconds: f64,
    /// The peak memory of the process.
    pub(super) peak_bytes: Option<u64>,
    /// Our plan's forecast; `None` for peers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) planned_bytes: Option<u64>,
    /// Our rows of tiles, tiles per row, and their work relative to a single tile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tiles: Option<[usize; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) work: Option<f64>,
}

/// A program's report on an op at one shape: medians over its calls.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Timed {
    pub(super) program: String,
    pub(super) op: String,
    /// `fwd`, or `bwd`: the gradient with respect to the input.
    pub(super) direction: String,
    /// `INxOUTxHEIGHTxWIDTH`
    pub(super) shape: String,
    pub(super) threads: usize,
    pub(super) wall_seconds: f64,
    /// CPU time summed over threads.
    pub(super) cpu_seconds: f64,
}

/// `peers` in cargo's target folder.
pub(super) fn scratch_folder() -> Result<PathBuf, Failure> {
    let folder = target_folder()?.join("peers");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Weights in the input space of the peers' scripts, the embedded ones by default, and the file that those scripts read.
pub(super) fn weights(from: Option<PathBuf>) -> Result<(Loaded, PathBuf), Failure> {
    let loaded = style_models::load(from.map_or_else(embedded, Ok)?, &LoadOptions::default())?;
    if *loaded.model().input() != InputSpace::CAFFE {
        return Err("expected weights for BGR input in 0..255 minus the mean (as from Caffe or Keras)".into());
    }
    let to = scratch_folder()?.join("weights.safetensors");
    style_models::save(loaded.model(), &to)?;
    Ok((loaded, to))
}

/// Wall and CPU seconds of each call, after an uncounted warm-up.
pub(super) fn time(
    repeat: usize,
    mut call: impl FnMut() -> style_core::Result<()>,
) -> style_core::Result<[Vec<f64>; 2]> {
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

pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n => f64::midpoint(values[(n - 1) / 2], values[n / 2]),
    }
}

/// Prints the load average (on Linux), because other load distorts the figures.
pub(super) fn tell_load() {
    if let Ok(load) = std::fs::read_to_string("/proc/loadavg") {
        eprintln!("load average (1, 5, 15 minutes): {}", load.split(' ').take(3).collect::<Vec<_>>().join(" "));
    }
}
