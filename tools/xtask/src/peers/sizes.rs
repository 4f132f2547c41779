//! `sizes`: the cost per pixel at many sizes, the cost of tiles, and the accuracy of the memory plan. No peers.

use std::process::Command;

use clap::Parser;

use super::process;
use super::shared::{Measured, median, tell_load};
use crate::Failure;
use crate::common::parse;

/// Measures our iterations at many sizes and in tiles, and prints Markdown tables.
#[derive(Parser)]
struct Options {
    /// Sides of the square pictures
    #[arg(long, value_delimiter = ',', default_values_t = [256, 512, 1024, 2048, 4096])]
    sizes: Vec<usize>,
    /// Memory limit of each in MiB
    #[arg(long, default_value_t = 2384)]
    memory: usize,
    /// Side of the picture that is cut into tiles
    #[arg(long, default_value_t = 1024)]
    tiled: usize,
    /// Tiles per direction
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3, 4])]
    tiles: Vec<usize>,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Rounds for each
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Iterations measured per round, after one warm-up
    #[arg(long, default_value_t = 1)]
    repeat: usize,
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let options: Options = parse("sizes", args);
    tell_load();
    let by_size = options.sizes.iter().map(|size| vec![("--size", *size), ("--memory", options.memory)]);
    let of_sizes = turns(&options, by_size.collect())?;
    let tiled = options.tiles.iter().map(|_| vec![("--size", options.tiled)]);
    let in_tiles = turns(&options, tiled.collect())?;

    println!(
        "| picture | tiles | work | wall s | CPU s | CPU us per pixel | planned MiB | peak MiB | peak / planned |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for turns in of_sizes.iter().chain(&in_tiles) {
        let of = |f: fn(&Measured) -> f64| median(turns.iter().map(f));
        let (wall, cpu) = (of(|m| m.wall_seconds), of(|m| m.cpu_seconds));
        let bytes = |f: fn(&Measured) -> Option<u64>| median(turns.iter().filter_map(f).map(|b| b as f64));
        let (planned, peak) = (bytes(|m| m.planned_bytes), bytes(|m| m.peak_bytes));
        let Some(Measured { size, tiles: Some([rows, columns]), work: Some(work), .. }) = turns.first() else {
            continue;
        };
        let mib = f64::from(1 << 20);
        println!(
            "| {size} x {size} | {rows} x {columns} | {work:.2} | {wall:.3} | {cpu:.3} | {:.2} | {:.0} | {:.0} | {:.3} |",
            1e6 * cpu / (size * size) as f64,
            planned / mib,
            peak / mib,
            peak / planned
        );
    }
    tell_load();
    Ok(())
}

/// The rounds of several programs.
fn turns(options: &Options, programs: Vec<Vec<(&str, usize)>>) -> Result<Vec<Vec<Measured>>, Failure> {
    let mut turns = vec![vec![]; programs.len()];
    for _ in 0..options.rounds {
        for (i, (arguments, measured)) in programs.iter().zip(&mut turns).enumerate() {
            let mut ours = Command::new(std::env::current_exe()?);
            ours.arg("ours");
            let common = [("--threads", options.threads), ("--repeat", options.repeat)];
            for (option, value) in arguments.iter().chain(&common) {
                ours.arg(option).arg(value.to_string());
            }
            if let (1, Some(n)) = (arguments.len(), options.tiles.get(i)) {
                ours.arg("--tiles").args([n.to_string(), n.to_string()]);
            }
            let one: Measured = process::result(&mut ours)?;
            eprintln!("{}", serde_json::to_string(&one)?);
            measured.push(one);
        }
    }
    Ok(turns)
}
