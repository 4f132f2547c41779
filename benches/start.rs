//! The time from process start to the end of the first iteration, with the embedded weights: the latency before an
//! application shows progress. Prints a line of JSON: medians over several processes, in milliseconds.
//!
//! ```sh
//! cargo bench --bench start
//! ```

mod common;

use std::env;
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::random;
use style_transfer::Network;
use style_transfer::cpu::Cpu;

type Failure = Box<dyn std::error::Error>;

/// The environment variable that marks a measured process; its value is the start time in nanoseconds since 1970.
const STARTED: &str = "STYLE_BENCH_STARTED";
const PHASES: [&str; 6] = ["process", "embedded", "network", "build", "first_step", "second_step"];

fn main() -> ExitCode {
    let result = match env::var(STARTED) {
        Ok(started) => start(&started),
        Err(_) => processes(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn now() -> Result<Duration, Failure> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

/// The measured process: prints the end of each phase, in milliseconds since its start.
fn start(started: &str) -> Result<(), Failure> {
    let started: u64 = started.parse()?;
    let size = if common::testing() { 32 } else { 256 };
    let elapsed = || Ok::<_, Failure>((now()?.saturating_sub(Duration::from_nanos(started))).as_secs_f64() * 1e3);
    let begun = elapsed()?;
    let weights = style_transfer::models::embedded()?;
    let unpacked = elapsed()?;
    let network = Network::new(Cpu::new()?, weights.model())?;
    let packed = elapsed()?;
    let mut session = random::session(network, size, random::lbfgs())?.build()?;
    let built = elapsed()?;
    session.step()?;
    let first = elapsed()?;
    session.step()?;
    let second = elapsed()?;
    println!("{begun} {unpacked} {packed} {built} {first} {second}");
    Ok(())
}

fn processes() -> Result<(), Failure> {
    let repeat = if common::testing() { 1 } else { 9 };
    let mut phases: [Vec<f64>; PHASES.len()] = Default::default();
    let (mut starts, mut ratios) = (vec![], vec![]);
    for _ in 0..repeat {
        let started = now()?.as_nanos().to_string();
        let output = Command::new(env::current_exe()?).args(env::args().skip(1)).env(STARTED, started).output()?;
        if !output.status.success() {
            return Err(format!("a measured process failed: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let ends = String::from_utf8(output.stdout)?;
        let ends = ends.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        let begins = [0.0].into_iter().chain(ends.iter().copied());
        for (phase, (begin, end)) in phases.iter_mut().zip(begins.zip(&ends)) {
            phase.push(end - begin);
        }
        starts.push(ends[4]);
        ratios.push(ends[4] / (ends[5] - ends[4]));
    }
    let mut line: serde_json::Map<_, _> =
        PHASES.iter().zip(phases).map(|(&name, times)| (name.to_owned(), median(times).into())).collect();
    line.insert("start".into(), median(starts).into());
    line.insert("start_in_iterations".into(), median(ratios).into());
    println!("{}", serde_json::Value::Object(line));
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
