//! `peers`: the time and memory of an iteration. Every figure comes from a separate process, and the programs
//! alternate, so that other load on the machine affects all of them.

use std::path::PathBuf;
use std::process::Command;

use clap::{Parser, ValueEnum};

use super::ours::{OptimizerName, isa};
use super::process;
use super::shared::{Measured, median, tell_load};
use crate::Failure;
use crate::common::parse;

/// Measures iterations of PyTorch and of this library alternately, and prints a Markdown table.
#[derive(Parser)]
struct Options {
    /// Sides of the square pictures
    #[arg(long, value_delimiter = ',', default_values_t = [256, 512])]
    sizes: Vec<usize>,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Rounds per program
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Iterations measured per round, after one warm-up
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// PyTorch variants
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Variant::ChannelsLast, Variant::Contiguous, Variant::Nnpack])]
    variants: Vec<Variant>,
    /// Our instruction set: portable, neon, avx2 or avx512 [default: the best available]
    #[arg(long, value_parser = |name: &str| isa(name).map(|_| name.to_owned()))]
    isa: Option<String>,
    /// Also measure ours with products of convolutions in bf16; compare with the variant `bfloat16`
    #[arg(long)]
    bf16: bool,
    #[arg(long, value_enum, default_value_t = OptimizerName::Adam)]
    optimizer: OptimizerName,
    /// A Python with PyTorch [default: a virtual environment in the target folder, created when needed]
    #[arg(long)]
    python: Option<PathBuf>,
}

/// See benches/peers/pytorch_iteration.py.
#[derive(Clone, Copy, ValueEnum)]
enum Variant {
    #[value(name = "channels_last")]
    ChannelsLast,
    Contiguous,
    Nnpack,
    Bfloat16,
}

impl Variant {
    fn name(self) -> &'static str {
        match self {
            Self::ChannelsLast => "channels_last",
            Self::Contiguous => "contiguous",
            Self::Nnpack => "nnpack",
            Self::Bfloat16 => "bfloat16",
        }
    }
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let options: Options = parse("peers", args);
    let python = process::python(options.python.clone())?;
    let program = std::env::current_exe()?;
    tell_load();

    let mut rows = vec![];
    for &size in &options.sizes {
        // The peers, ours in bf16, and ours as the last.
        let mut turns = vec![vec![]; options.variants.len() + 1 + usize::from(options.bf16)];
        for _ in 0..options.rounds {
            for (variant, measured) in options.variants.iter().zip(&mut turns) {
                let mut peer = process::script(&python, "pytorch_iteration.py");
                measured.push(turn(common(&mut peer, &options, size).args(["--variant", variant.name()]))?);
            }
            for (i, measured) in turns.iter_mut().enumerate().skip(options.variants.len()) {
                let mut ours = Command::new(&program);
                common(ours.arg("ours"), &options, size);
                if let Some(isa) = &options.isa {
                    ours.args(["--isa", isa]);
                }
                if options.bf16 && i == options.variants.len() {
                    ours.arg("--bf16");
                }
                measured.push(turn(&mut ours)?);
            }
        }
        rows.extend(table_rows(&turns));
    }
    println!(
        "| picture | threads | program | wall s | CPU s | peak MiB | planned MiB | time / ours | memory / ours |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    rows.iter().for_each(|row| println!("{row}"));
    tell_load();
    Ok(())
}

/// The options common to both sides.
fn common<'a>(command: &'a mut Command, options: &Options, size: usize) -> &'a mut Command {
    for (option, value) in [("--size", size), ("--threads", options.threads), ("--repeat", options.repeat)] {
        command.arg(option).arg(value.to_string());
    }
    command.args(["--optimizer", options.optimizer.name()])
}

fn turn(command: &mut Command) -> Result<Measured, Failure> {
    let measured = process::result(command)?;
    eprintln!("{}", serde_json::to_string(&measured)?);
    Ok(measured)
}

/// Medians over each program's rounds; the last is the reference of the ratios.
fn table_rows(turns: &[Vec<Measured>]) -> Vec<String> {
    let of = |turns: &[Measured], value: fn(&Measured) -> f64| median(turns.iter().map(value));
    let wall = |turns: &[Measured]| of(turns, |m| m.wall_seconds);
    let peak = |turns: &[Measured]| of(turns, |m| m.peak_bytes.map_or(f64::NAN, |b| b as f64));
    let Some(ours) = turns.last() else { return vec![] };
    let row = |turns: &Vec<Measured>| {
        let first = turns.first()?;
        let planned = first.planned_bytes.map_or(String::from("-"), |b| format!("{:.0}", mebibytes(b as f64)));
        Some(format!(
            "| {size} x {size} | {} | {} | {:.3} | {:.3} | {:.0} | {planned} | {:.2} | {:.2} |",
            first.threads,
            first.program,
            wall(turns),
            of(turns, |m| m.cpu_seconds),
            mebibytes(peak(turns)),
            wall(turns) / wall(ours),
            peak(turns) / peak(ours),
            size = first.size,
        ))
    };
    turns.iter().filter_map(row).collect()
}

fn mebibytes(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::{Measured, table_rows};

    #[test]
    fn a_table_has_medians_and_ratios_to_the_last() {
        let measured = |program: &str, wall_seconds, planned_bytes| Measured {
            program: program.into(),
            size: 8,
            threads: 2,
            optimizer: "adam".into(),
            wall_seconds,
            wall_seconds_min: wall_seconds,
            cpu_seconds: 2.0 * wall_seconds,
            peak_bytes: Some(4 << 20),
            planned_bytes,
            tiles: None,
            work: None,
        };
        let peer = [6.0, 2.0, 3.0].map(|wall| measured("peer", wall, None)).to_vec();
        let ours = [1.0, 2.0].map(|wall| measured("ours", wall, Some(3 << 20))).to_vec();
        let rows = table_rows(&[peer, ours]);
        assert_eq!(rows[0], "| 8 x 8 | 2 | peer | 3.000 | 6.000 | 4 | - | 2.00 | 1.00 |");
        assert_eq!(rows[1], "| 8 x 8 | 2 | ours | 1.500 | 3.000 | 4 | 3 | 1.00 | 1.00 |");
    }
}
