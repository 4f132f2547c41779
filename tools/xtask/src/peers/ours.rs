//! `ours`: our iteration, in a separate process so that its peak memory is its own. It runs the same job as
//! benches/peers/pytorch_iteration.py and prints the same JSON line.

use clap::{Parser, ValueEnum};
use style_core::Network;
use style_cpu::{Cpu, Isa, Precision};

use super::shared::{Measured, median, random, time};
use crate::Failure;
use crate::common::parse;

/// Measures iterations of this library and prints a JSON line.
#[derive(Parser)]
struct Options {
    /// Side of the square picture
    #[arg(long, default_value_t = 512)]
    size: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Iterations measured, after one warm-up
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// portable, neon, avx2 or avx512 [default: the best available]
    #[arg(long, value_parser = isa)]
    isa: Option<Isa>,
    /// Products of convolutions in bf16
    #[arg(long)]
    bf16: bool,
    #[arg(long, value_enum, default_value_t = OptimizerName::Adam)]
    optimizer: OptimizerName,
    /// Memory limit in MiB; the job is cut into tiles if necessary
    #[arg(long)]
    memory: Option<usize>,
    /// Minimum number of tiles: rows, and tiles per row
    #[arg(long, num_args = 2)]
    tiles: Option<Vec<usize>>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum OptimizerName {
    Adam,
    Lbfgs,
}

impl OptimizerName {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::Lbfgs => "lbfgs",
        }
    }
}

fn isa_name(isa: Isa) -> String {
    format!("{isa:?}").to_lowercase()
}

/// The instruction set with this name.
pub(super) fn isa(name: &str) -> Result<Isa, String> {
    Isa::ALL.into_iter().find(|isa| isa_name(*isa) == name).ok_or_else(|| {
        let known = Isa::ALL.map(isa_name).join(", ");
        format!("expected one of {known}")
    })
}

/// The backend under measurement.
pub(super) fn backend(threads: usize, isa: Option<Isa>, bf16: bool) -> Result<Cpu, Failure> {
    let mut cpu = Cpu::builder().threads(threads).precision(if bf16 { Precision::Bf16 } else { Precision::F32 });
    if let Some(isa) = isa {
        cpu = cpu.isa(isa);
    }
    Ok(cpu.build()?)
}

/// Our name in results.
pub(super) fn program(cpu: &Cpu) -> String {
    let precision = if cpu.precision() == Precision::Bf16 { " bf16" } else { "" };
    format!("style-transfer {} {}{precision}", env!("CARGO_PKG_VERSION"), isa_name(cpu.isa()))
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let options: Options = parse("ours", args);
    println!("{}", serde_json::to_string(&measure(&options)?)?);
    Ok(())
}

fn measure(options: &Options) -> Result<Measured, Failure> {
    let cpu = backend(options.threads, options.isa, options.bf16)?;
    let program = program(&cpu);
    let model = random::vgg19()?;
    let network = Network::new(cpu, &model)?;
    drop(model);
    let optimizer = match options.optimizer {
        OptimizerName::Adam => random::adam(),
        OptimizerName::Lbfgs => random::lbfgs(),
    };
    let mut builder = random::session(network, options.size, optimizer)?;
    if let Some(mib) = options.memory {
        builder = builder.memory_limit(mib << 20);
    }
    if let Some([rows, columns]) = options.tiles.as_deref() {
        builder = builder.tiles(*rows, *columns);
    }
    let plan = builder.plan()?;
    let planned_bytes = Some(plan.peak() as u64);
    let mut session = builder.build()?;
    let [wall, cpu] = time(options.repeat, || session.step().map(drop))?;
    Ok(Measured {
        program,
        size: options.size,
        threads: options.threads,
        optimizer: options.optimizer.name().into(),
        wall_seconds: median(wall.iter().copied()),
        wall_seconds_min: wall.into_iter().fold(f64::INFINITY, f64::min),
        cpu_seconds: median(cpu),
        peak_bytes: peak_memory(),
        planned_bytes,
        tiles: Some(plan.tiles),
        work: Some(plan.work),
    })
}

/// The peak memory of this process; available on Linux only.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}
