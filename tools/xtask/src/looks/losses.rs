//! The losses side by side: each painted in the time that the default takes.

use std::path::{Path, PathBuf};
use std::process::Command;

use style_pictures::{Picture, Sheet};

use super::style::Eye;
use super::{Row, sheet, timed};
use crate::Failure;

/// Options of stylize for each cell; the first is the default. The strengths make them alike in how much of the photograph
/// they keep.
const LOSSES: [(&str, &[&str]); 11] = [
    ("default", &[]),
    ("gram", &["--statistic", "gram"]),
    ("wasserstein", &["--statistic", "wasserstein", "--style-strength", "2"]),
    ("sliced wasserstein", &["--statistic", "sliced-wasserstein", "--style-strength", "6"]),
    ("histogram", &["--statistic", "histogram", "--style-strength", "4"]),
    (
        "patches",
        &["--style-layers", "conv1_1=0.37:gram,conv2_1=0.37:covariance,conv3_1=0.15:patches,conv4_1=0.11:patches"],
    ),
    ("neighbours", &["--content-layers", "none", "--loss", "neighbours=0.05"]),
    ("nnst", &["--preset", "nnst", "--scales", "auto"]),
    (
        "relaxed emd",
        &[
            "--content-layers",
            "none",
            "--style-layers",
            "none",
            "--loss",
            "relaxed-emd=1",
            "--loss",
            "self-similarity=4",
            "--loss",
            "palette=0.25",
        ],
    ),
    ("self-similarity", &["--content-layers", "none", "--loss", "self-similarity=0.3"]),
    ("balanced", &["--balance", "--style-strength", "2"]),
];
/// Evaluations of the default.
const ITERATIONS: usize = 80;

/// Photograph, painting and their files.
pub(super) type Pair = (String, String, PathBuf, PathBuf);

/// Paints the pairs with each statistic, prints the metrics and draws the sheet.
pub(super) fn run(
    eye: &Eye,
    program: &Path,
    results: &Path,
    pairs: &[Pair],
    size: u32,
    to: &Path,
) -> Result<(), Failure> {
    let columns = LOSSES.len() + 1;
    let mut cells = Sheet::new(columns).cell_size(sheet::CELL.0, sheet::CELL.1);
    let mut counts = [ITERATIONS; LOSSES.len()];
    let (_, _, photo, painting) = pairs.first().ok_or("no pairs")?;
    let costs = LOSSES.map(|(_, options)| evaluation(program, results, [photo, painting], size, options));
    let [default, ..] = costs.each_ref().map(|cost| cost.as_ref().copied().unwrap_or(f64::NAN));
    println!("\n| statistic | time of an evaluation, relative to the default | evaluations |\n|---|---|---|");
    for (((name, _), cost), count) in LOSSES.iter().zip(costs).zip(&mut counts) {
        let ratio = cost? / default;
        *count = ((ITERATIONS as f64 / ratio).round() as usize).clamp(1, 2 * ITERATIONS);
        println!("| {name} | {ratio:.2} | {count} |");
    }
    println!("\n{}", Row::HEAD);
    for (photo, painting, photo_file, painting_file) in pairs {
        cells = cells.cell(&Picture::open(painting_file)?.image, painting.replace('_', " "));
        for ((name, options), count) in LOSSES.iter().zip(counts) {
            let result = results.join(format!("{photo}_{painting}_{}_{size}.png", name.replace(' ', "-")));
            let mut command = painted(program, [photo_file, painting_file], size, count, &result);
            let seconds = timed(command.args(*options))?;
            let label = format!("{photo} x {painting}, {name}");
            println!("{}", Row::measure(eye, label, Some(seconds), [&result, photo_file, painting_file])?);
            cells = cells.cell(&Picture::open(&result)?.image, *name);
        }
    }
    sheet::save(&cells.draw()?, to)
}

/// CPU seconds of an evaluation at this size.
fn evaluation(
    program: &Path,
    results: &Path,
    files: [&PathBuf; 2],
    size: u32,
    options: &[&str],
) -> Result<f64, Failure> {
    let of = |iterations: usize| {
        let mut command = painted(program, files, size, iterations, &results.join("evaluation.png"));
        let seconds = timed(command.args(["--scales", "none"]).args(options))?;
        Ok::<_, Failure>(seconds.cpu.unwrap_or(seconds.wall))
    };
    Ok((of(7)? - of(2)?) / 5.0)
}

fn painted(program: &Path, files: [&PathBuf; 2], size: u32, iterations: usize, to: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(files).args(["--size", &size.to_string(), "--iterations", &iterations.to_string(), "--quiet", "-o"]);
    command.arg(to);
    command
}
