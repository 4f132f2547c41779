//! `peers-ops`: the time of each convolution of VGG-19, forward and backward-data. In each round every program runs all
//! shapes in one process, and the programs alternate.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};

use super::ours::isa;
use super::process;
use super::shared::operands::{conv_name, conv_shapes};
use super::shared::{Timed, median, tell_load};
use crate::Failure;
use crate::common::parse;

/// Measures convolutions of this library and of others alternately, and prints a Markdown table.
#[derive(Parser)]
struct Options {
    /// Side of the square picture whose convolutions are measured, except the first, with three channels
    #[arg(long, default_value_t = 512, value_parser = RangedU64ValueParser::<usize>::new().range(16..))]
    size: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Rounds per program
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Calls measured per round, after one warm-up
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Our instruction set: portable, neon, avx2 or avx512 [default: the best available]
    #[arg(long, value_parser = |name: &str| isa(name).map(|_| name.to_owned()))]
    isa: Option<String>,
    /// A Python with PyTorch [default: a virtual environment in the target folder, created when needed]
    #[arg(long)]
    python: Option<PathBuf>,
    /// The program of benches/peers/rust [default: one in the target folder; the first build takes ten minutes]
    #[arg(long)]
    rust_peers: Option<PathBuf>,
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Program::Ours, Program::ChannelsLast, Program::Nnpack])]
    programs: Vec<Program>,
}

/// Ours; two of PyTorch, see benches/peers/pytorch_ops.py; and two of benches/peers/rust.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Program {
    Ours,
    #[value(name = "channels_last")]
    ChannelsLast,
    Nnpack,
    Candle,
    Burn,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::ChannelsLast => "channels_last",
            Self::Nnpack => "nnpack",
            Self::Candle => "candle",
            Self::Burn => "burn",
        }
    }

    /// The command, without the shapes.
    fn command(self, options: &Options, python: &Path, rust_peers: &Path) -> Result<Command, Failure> {
        let mut command = match self {
            Self::Ours => {
                let mut ours = Command::new(std::env::current_exe()?);
                ours.arg("ours-ops");
                if let Some(isa) = &options.isa {
                    ours.args(["--isa", isa]);
                }
                ours
            }
            Self::ChannelsLast | Self::Nnpack => {
                let mut script = process::script(python, "pytorch_ops.py");
                script.args(["--variant", self.name()]);
                script
            }
            Self::Candle | Self::Burn => {
                let mut program = Command::new(rust_peers);
                program.args(["--program", self.name()]);
                program
            }
        };
        for (option, value) in [("--threads", options.threads), ("--repeat", options.repeat)] {
            command.arg(option).arg(value.to_string());
        }
        Ok(command)
    }
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let options: Options = parse("peers-ops", args);
    // fetch and build only what the requested programs need
    let asked = |of: [Program; 2]| options.programs.iter().any(|program| of.contains(program));
    let (mut python, mut rust_peers) = (PathBuf::new(), PathBuf::new());
    if asked([Program::ChannelsLast, Program::Nnpack]) {
        python = process::python(options.python.clone())?;
    }
    if asked([Program::Candle, Program::Burn]) {
        rust_peers = process::rust_peers(options.rust_peers.clone())?;
    }
    // a convolution of three channels differs in kind: little work, bound by memory
    let shapes = conv_shapes(options.size).into_iter().filter(|op| op.in_channels >= 64);
    let shapes: Vec<String> = shapes.map(|op| conv_name(&op)).collect();

    tell_load();
    let mut turns = vec![vec![]; options.programs.len()];
    for _ in 0..options.rounds {
        for (program, timed) in options.programs.iter().zip(&mut turns) {
            let mut command = program.command(&options, &python, &rust_peers)?;
            let lines: Vec<Timed> = process::results(command.args(["--shapes", &shapes.join(",")]))?;
            for line in &lines {
                eprintln!("{}", serde_json::to_string(line)?);
            }
            timed.extend(lines);
        }
    }
    let names: Vec<&str> = options.programs.iter().map(|program| program.name()).collect();
    for (name, timed) in names.iter().zip(&turns) {
        println!("- {name}: {}", timed.first().map_or("not measured", |timed| &timed.program));
    }
    println!();
    table(&names, &turns).iter().for_each(|row| println!("{row}"));
    tell_load();
    Ok(())
}

/// Wall milliseconds of each program, medians over the rounds; then ours divided by each other program's, if ours is
/// included.
fn table(names: &[&str], turns: &[Vec<Timed>]) -> Vec<String> {
    let ours = names.iter().position(|name| *name == Program::Ours.name());
    let peers: Vec<usize> = (0..names.len()).filter(|i| ours.is_some_and(|ours| ours != *i)).collect();
    let milliseconds = names.iter().map(|name| format!("{name} ms"));
    let ratios = peers.iter().map(|peer| format!("ours / {}", names[*peer]));
    let heads: Vec<String> =
        ["shape", "direction"].map(String::from).into_iter().chain(milliseconds).chain(ratios).collect();
    let mut rows = vec![format!("| {} |", heads.join(" | ")), format!("|{}", "---|".repeat(heads.len()))];

    let mut done = vec![];
    for Timed { shape, direction, .. } in turns.iter().flatten() {
        if done.contains(&(shape, direction)) {
            continue;
        }
        done.push((shape, direction));
        let of = |timed: &&Timed| timed.shape == *shape && timed.direction == *direction;
        let wall = |timed: &Vec<Timed>| median(timed.iter().filter(of).map(|timed| 1e3 * timed.wall_seconds));
        let wall: Vec<f64> = turns.iter().map(wall).collect();
        let milliseconds = wall.iter().map(|ms| format!("{ms:.2}"));
        let ratios = ours.into_iter().flat_map(|ours| peers.iter().map(move |peer| (ours, *peer)));
        let ratios = ratios.map(|(ours, peer)| format!("{:.2}", wall[ours] / wall[peer]));
        let cells: Vec<String> = milliseconds.chain(ratios).collect();
        rows.push(format!("| {shape} | {direction} | {} |", cells.join(" | ")));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::{Timed, table};

    fn timed(direction: &str, wall_seconds: f64) -> Timed {
        let [program, op, direction, shape] = ["p", "conv2d", direction, "64x64x8x8"].map(String::from);
        Timed { program, op, direction, shape, threads: 2, wall_seconds, cpu_seconds: wall_seconds }
    }

    #[test]
    fn a_row_has_medians_over_rounds_and_ratios_of_ours() {
        let peer = vec![timed("fwd", 0.004), timed("bwd", 0.008), timed("fwd", 0.001), timed("fwd", 0.010)];
        let ours = vec![timed("fwd", 0.001), timed("bwd", 0.002), timed("fwd", 0.003)];
        let expected = [
            "| shape | direction | nnpack ms | ours ms | ours / nnpack |",
            "|---|---|---|---|---|",
            "| 64x64x8x8 | fwd | 4.00 | 2.00 | 0.50 |",
            "| 64x64x8x8 | bwd | 8.00 | 2.00 | 0.25 |",
        ];
        assert_eq!(table(&["nnpack", "ours"], &[peer.clone(), ours]), expected);
        assert_eq!(table(&["nnpack"], &[peer])[2], "| 64x64x8x8 | fwd | 4.00 |");
    }
}
