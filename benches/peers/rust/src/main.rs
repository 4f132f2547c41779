//! Times 3x3 convolutions with padding 1, forward and backward-data, in the Rust libraries that `cargo xtask peers-ops`
//! compares with: candle, and burn with its backend flex. Prints one line of JSON per shape and direction.
//!
//! ```text
//! cargo run --release -- --program candle --threads 2 --repeat 5 --shapes 64x64x512x512,128x128x256x256
//! cargo run --release -- --check    # checks both against a loop in f64
//! ```
//!
//! Forward is the convolution with its bias; backward-data is the gradient of the input alone. Both start with operands in
//! the library's tensors and return a new tensor, which is freed within the measured time, as in normal use.

mod case;
mod peers;

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::Instant;

use case::{Case, Shape};
use clap::{Parser, ValueEnum};
use cpu_time::ProcessTime;
use peers::{Burn, Candle, Peer};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Options {
    #[arg(long, value_enum, default_value_t = Program::Candle)]
    program: Program,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Calls measured, after one warm-up
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// INxOUTxHEIGHTxWIDTH, comma-separated
    #[arg(long, value_delimiter = ',', default_value = "64x64x512x512")]
    shapes: Vec<Shape>,
    /// Only compare both libraries with a loop in f64, on a small shape
    #[arg(long)]
    check: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Program {
    Candle,
    Burn,
}

/// The environment variable from which candle and rayon read the number of threads on first use.
const THREADS: &str = "RAYON_NUM_THREADS";

fn main() -> Result<ExitCode, Failure> {
    let options = Options::parse();
    let threads = options.threads.to_string();
    if std::env::var(THREADS).ok().as_ref() != Some(&threads) {
        let again =
            Command::new(std::env::current_exe()?).args(std::env::args_os().skip(1)).env(THREADS, threads).status()?;
        return Ok(if again.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if options.check {
        // more than one tile of their im2col, and sides that are not multiples of a vector
        let case = Case::new(Shape { in_channels: 40, out_channels: 72, height: 27, width: 37 });
        check(&case, Candle::new(&case)?)?;
        check(&case, Burn::new(&case)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for shape in &options.shapes {
        let case = Case::new(*shape);
        match options.program {
            Program::Candle => measure(&options, &case, Candle::new(&case)?)?,
            Program::Burn => measure(&options, &case, Burn::new(&case)?)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check<P: Peer>(case: &Case, peer: P) -> Result<(), Failure> {
    let mut results = vec![("fwd", case.forward(), peer.forward()?)];
    for backward in P::BACKWARD {
        results.push(("bwd", case.backward(), backward(&peer)?));
    }
    for (direction, expected, found) in results {
        let error = case::relative_error(&expected, &P::values(found)?)?;
        println!("{} {direction}: relative error {error:.1e}", P::NAME);
        if error.is_nan() || error > 1e-6 {
            return Err(format!("{} {direction} computes another result", P::NAME).into());
        }
    }
    Ok(())
}

fn measure<P: Peer>(options: &Options, case: &Case, peer: P) -> Result<(), Failure> {
    let forward = time(options.repeat, || peer.forward())?;
    let mut backward = [f64::INFINITY; 2];
    for way in P::BACKWARD {
        let [wall, cpu] = time(options.repeat, || way(&peer))?;
        if wall < backward[0] {
            backward = [wall, cpu];
        }
    }
    for (direction, [wall, cpu]) in [("fwd", forward), ("bwd", backward)] {
        let line = serde_json::json!({
            "program": P::NAME,
            "op": "conv2d",
            "direction": direction,
            "shape": case.shape.to_string(),
            "threads": options.threads,
            "wall_seconds": wall,
            "cpu_seconds": cpu,
        });
        println!("{line}");
    }
    Ok(())
}

/// Medians of wall and CPU seconds; the first call is not counted.
fn time<T>(repeat: usize, call: impl Fn() -> Result<T, Failure>) -> Result<[f64; 2], Failure> {
    drop(black_box(call()?));
    let (mut wall, mut cpu) = (vec![], vec![]);
    for _ in 0..repeat {
        let (wall_start, cpu_start) = (Instant::now(), ProcessTime::now());
        drop(black_box(call()?));
        wall.push(wall_start.elapsed().as_secs_f64());
        cpu.push(cpu_start.elapsed().as_secs_f64());
    }
    Ok([median(wall), median(cpu)])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n => f64::midpoint(values[(n - 1) / 2], values[n / 2]),
    }
}
