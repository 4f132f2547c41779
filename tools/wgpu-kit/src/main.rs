//! Tries the wgpu backend on the GPU of this machine, in less than five minutes, and writes a report to send back:
//!
//! ```sh
//! cargo run --release -p wgpu-kit
//! ```
//!
//! It needs Rust alone, and changes nothing but the folder `out/wgpu-kit`. The exit code is 0 if all checks passed, 1 if some
//! failed, and 2 if there is no GPU to try.

#![forbid(unsafe_code)]

mod conformance;
mod machine;
mod painting;
mod report;
mod sessions;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use style_core::Result;
use style_wgpu::{Convolution, Wgpu};

use report::Report;

/// Tries the wgpu backend on the GPU of this machine and writes a report to send back.
#[derive(Parser)]
#[command(name = "wgpu-kit")]
struct Options {
    /// The GPU to try: a part of its name, such as "radeon" [default: the fastest kind there is]
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// Also accept a driver that computes on the CPU, such as lavapipe; its times mean nothing
    #[arg(long)]
    software: bool,
    /// Only a part of the checks and a small picture: tries the kit itself
    #[arg(long)]
    quick: bool,
    /// The folder of the report and the pictures
    #[arg(long, default_value = "out/wgpu-kit")]
    out: PathBuf,
}

/// How much is done.
pub(crate) struct Extent {
    /// The most time for conformance.
    conformance: Duration,
    /// The long side of the picture, and its iterations.
    size: u32,
    iterations: usize,
    /// The most time for the picture on the CPU, and again on the GPU.
    painting: Duration,
}

const FULL: Extent =
    Extent { conformance: Duration::from_secs(90), size: 512, iterations: 100, painting: Duration::from_secs(45) };

const QUICK: Extent =
    Extent { conformance: Duration::from_secs(5), size: 96, iterations: 6, painting: Duration::from_secs(60) };

/// A section that takes longer than this is taken to hang.
const PATIENCE: Duration = Duration::from_secs(240);

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(failures) => {
            println!(
                "\nPlease open an issue, and attach report.txt and gpu.png of the folder {}.",
                options.out.display()
            );
            ExitCode::from(u8::from(failures > 0))
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

/// Opens a device as the options say.
fn open(options: &Options) -> Result<Wgpu> {
    open_with(options, Convolution::Planned)
}

/// The same with an algorithm for convolutions.
fn open_with(options: &Options, convolution: Convolution) -> Result<Wgpu> {
    let builder = Wgpu::builder().software(options.software).convolution(convolution);
    match &options.adapter {
        Some(name) => builder.named(name).build(),
        None => builder.build(),
    }
}

/// Everything, in order; the number of failures. An error if there is nothing to try.
fn run(options: &Options) -> std::result::Result<usize, String> {
    let adapters = style_wgpu::adapters().map_err(|e| e.to_string())?;
    let wgpu =
        open(options).map_err(|e| format!("{e}\n(--software accepts a software driver, to try the kit itself)"))?;
    let adapter = wgpu.adapter().clone();
    let software = adapter.kind == style_wgpu::AdapterKind::Software;
    if software && !options.software {
        return Err(format!("{adapter} computes on the CPU; --software accepts it, to try the kit itself"));
    }
    let extent = if options.quick { QUICK } else { FULL };
    let mut report = Report::create(&options.out, PATIENCE).map_err(|e| format!("{}: {e}", options.out.display()))?;
    report.line(&format!("# wgpu on {} ({}, {})", adapter.name, adapter.interface, adapter.kind));
    if software {
        report.line("\nA software driver: the times mean nothing.");
    }
    if options.quick {
        report.line("\nWith --quick: a part of the checks, and a small picture.");
    }
    report.section("Machine", |report| {
        machine::describe(report, &adapters, adapter.index);
        Ok(())
    });
    report.section("Conformance", |report| {
        let winograd = open_with(options, Convolution::Winograd)?;
        conformance::run(report, &wgpu, &winograd, extent.conformance)
    });
    drop(wgpu);
    report.section("The network against PyTorch's values", |report| sessions::golden(report, open(options)?));
    report.section("Sessions", |report| sessions::run(report, || open(options)));
    report.section("A picture", |report| painting::run(report, open(options)?, &options.out, &extent));
    report.section("Other convolutions", |report| {
        painting::others(report, |convolution| open_with(options, convolution), &extent)
    });
    Ok(report.end())
}
