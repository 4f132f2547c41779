//! `stylize`: repaint a photograph in the style of a painting.
//!
//! Without arguments it repaints the sample photograph in the style of the sample painting. [`args`] lists the options,
//! [`settings`] holds the defaults and presets, and [`paint`] does the work: read it first. [`cli`] has the subcommands, of
//! which `stylize studio` is in `studio.rs`.

mod args;
mod batch;
mod cli;
mod config;
mod interrupt;
mod open;
mod output;
mod paint;
mod report;
mod settings;
mod source;
#[cfg(feature = "studio")]
mod studio;
mod styles;

use std::process::ExitCode;

use style_transfer::cpu::{Convolution, Cpu};
#[cfg(feature = "cuda")]
use style_transfer::cuda::{
    Convolution::{Direct, Planned},
    Cuda, Precision,
};

#[cfg(feature = "wgpu")]
use style_transfer::wgpu::Wgpu;

#[cfg(feature = "cuda")]
use args::PrecisionName;
use args::{Args, BackendName};
use cli::Command;
use interrupt::{INTERRUPTED, Interrupt};
use paint::Outcome;
use report::Report;

fn main() -> ExitCode {
    let (cli, config) = match cli::parse() {
        Ok(parsed) => parsed,
        Err(e) => {
            Report::new(false).error(&e);
            return ExitCode::FAILURE;
        }
    };
    let quiet = matches!(&cli.command, Some(Command::Batch(args)) if args.quiet);
    let report = Report::new(quiet || cli.paint.quiet);
    if let Some(config) = config {
        report.say(format!("config   {}", config.path.display()));
    }
    let done = match &cli.command {
        None => Interrupt::new().and_then(|interrupt| run(&cli.paint, &report, &interrupt)),
        Some(Command::Batch(args)) => Interrupt::new()
            .and_then(|interrupt| batch::run(args, &report, |described| run(described, &report, &interrupt))),
        #[cfg(feature = "studio")]
        Some(Command::Studio(args)) => studio::serve(args, &report).map(|()| Outcome::Finished),
        Some(Command::Completions { shell }) => cli::completions(*shell).map(|()| Outcome::Finished),
        Some(Command::Man { subcommand }) => cli::man(subcommand.as_deref()).map(|()| Outcome::Finished),
    };
    match done {
        Ok(Outcome::Finished) => ExitCode::SUCCESS,
        Ok(Outcome::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(e) => {
            report.error(&e);
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args, report: &Report, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    match args.backend {
        BackendName::Cpu => {
            let mut backend = Cpu::builder();
            if let Some(n) = args.threads {
                backend = backend.threads(n.get());
            }
            if args.direct {
                backend = backend.convolution(Convolution::Direct);
            }
            paint::paint(backend.build()?, args, report, interrupt)
        }
        #[cfg(feature = "cuda")]
        BackendName::Cuda => {
            let backend = Cuda::builder().precision(match args.precision {
                PrecisionName::F32 => Precision::F32,
                PrecisionName::F16 => Precision::F16,
                PrecisionName::Bf16 => Precision::Bf16,
            });
            let backend = backend.convolution(if args.direct { Direct } else { Planned });
            let backend = match args.device.as_deref().map(|name| (name, name.parse())) {
                Some((_, Ok(index))) => backend.device(index),
                Some((name, Err(_))) => backend.named(name),
                None => backend,
            };
            paint::paint(backend.build()?, args, report, interrupt)
        }
        #[cfg(not(feature = "cuda"))]
        BackendName::Cuda => {
            let message = "this build has no CUDA backend; build it with --features cuda, or use --backend cpu";
            Err(style_transfer::Error::new(style_transfer::ErrorKind::Unavailable, message).into())
        }
        #[cfg(feature = "wgpu")]
        BackendName::Wgpu => {
            let backend = Wgpu::builder();
            let backend = match args.device.as_deref().map(|name| (name, name.parse())) {
                Some((_, Ok(index))) => backend.adapter(index),
                Some((name, Err(_))) => backend.named(name),
                None => backend,
            };
            paint::paint(backend.build()?, args, report, interrupt)
        }
        #[cfg(not(feature = "wgpu"))]
        BackendName::Wgpu => {
            let message = "this build has no wgpu backend; build it with --features wgpu, or use --backend cpu";
            Err(style_transfer::Error::new(style_transfer::ErrorKind::Unavailable, message).into())
        }
    }
}
