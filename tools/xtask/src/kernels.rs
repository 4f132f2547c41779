//! `kernels`: the cost of style-cuda's committed PTX, without a GPU. Registers, spills and occupancy come from NVIDIA's
//! assembler; the memory traffic and arithmetic of an iteration, from a partial run on ptx-runner. With `--wgpu`, the cost of
//! style-wgpu's dispatches, from their shapes.

mod assemble;
mod price;
mod wgpu;

use std::path::PathBuf;

use clap::Parser;
use style_cuda::Precision;

use crate::Failure;
use crate::common::repository;

/// Assembles the CUDA kernels for each compute capability, estimates the cost of an iteration of VGG-19, and prints
/// Markdown tables. Fails if a kernel spills registers. With --wgpu, estimates that of the wgpu backend's instead.
#[derive(Parser)]
struct Options {
    /// f32, f16 or bf16
    #[arg(long, default_value = "f16", value_parser = precision)]
    precision: Precision,
    /// Estimate the wgpu backend on an Apple M2 and a Radeon
    #[arg(long, conflicts_with_all = ["precision", "sample", "no_prices", "ptxas"])]
    wgpu: bool,
    /// Side of the square picture
    #[arg(long, default_value_t = 512)]
    size: usize,
    /// Number of blocks to run as a sample of each launch
    #[arg(long, default_value_t = 8)]
    sample: u64,
    /// Assemble the kernels without cost estimates
    #[arg(long)]
    no_prices: bool,
    /// NVIDIA's ptxas [default: from the PyPI package nvidia-cuda-nvcc-cu12, downloaded to the target folder]
    #[arg(long)]
    ptxas: Option<PathBuf>,
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let options = Options::parse_from(["cargo xtask kernels".to_owned()].into_iter().chain(args));
    if options.wgpu {
        return wgpu::run(options.size);
    }
    let ptxas = match options.ptxas {
        Some(ptxas) => ptxas,
        None => assemble::fetch_ptxas()?,
    };
    assemble::run(&ptxas, &folder())?;
    if !options.no_prices {
        price::run(options.precision, options.size, options.sample)?;
    }
    Ok(())
}

fn precision(name: &str) -> Result<Precision, String> {
    match name {
        "f32" => Ok(Precision::F32),
        "f16" => Ok(Precision::F16),
        "bf16" => Ok(Precision::Bf16),
        _ => Err("expected f32, f16 or bf16".into()),
    }
}

/// The folder of the kernels.
fn folder() -> PathBuf {
    repository("style-cuda/kernels")
}
