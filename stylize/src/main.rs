//! `stylize`: repaint a photograph in the style of a painting.
//!
//! Without arguments it repaints the sample photograph in the style of the sample painting. [`args`] lists the options,
//! [`settings`] holds the defaults and presets, and [`paint`] does the work: read it first. [`cli`] has the subcommands, of
//! which `stylize studio` is in `studio.rs`.

mod args;
mod batch;
mod cli;
mod compute;
mod config;
mod experiments;
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
mod thumbnail;
mod video;
mod work;

use std::process::ExitCode;

use args::preview::Preview;
use cli::Command;
use interrupt::{INTERRUPTED, Interrupt};
use paint::Outcome;
use report::Report;

fn main() -> ExitCode {
    let (cli, config) = match cli::parse() {
        Ok(parsed) => parsed,
        Err(e) => {
            Report::new(false, Preview::Off).error(&e);
            return ExitCode::FAILURE;
        }
    };
    let (quiet, preview) = match &cli.command {
        Some(Command::Batch(args)) => (args.quiet, args.preview),
        Some(Command::Video(args)) => (args.paint.quiet, args.paint.preview),
        Some(Command::Features(args)) => (args.common.quiet, args.common.preview),
        Some(Command::Neurons(args)) => (args.common.quiet, args.common.preview),
        _ => (cli.paint.quiet, cli.paint.preview),
    };
    let report = Report::new(quiet, preview);
    if let Some(config) = config {
        report.say(format!("config   {}", config.path.display()));
    }
    let done = match &cli.command {
        None => Interrupt::new().and_then(|interrupt| paint::paint(&cli.paint, &report, &interrupt)),
        Some(Command::Batch(args)) => Interrupt::new()
            .and_then(|interrupt| batch::run(args, &report, |described| paint::paint(described, &report, &interrupt))),
        Some(Command::Video(args)) => Interrupt::new().and_then(|interrupt| video::run(args, &report, &interrupt)),
        Some(Command::Features(args)) => {
            Interrupt::new().and_then(|interrupt| experiments::features(args, &report, &interrupt))
        }
        Some(Command::Neurons(args)) => {
            Interrupt::new().and_then(|interrupt| experiments::neurons(args, &report, &interrupt))
        }
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
