//! `kernels`: what the committed PTX of style-cuda comes to, without a GPU. Its registers, spills and occupancy come
//! from NVIDIA's assembler.

mod assemble;

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::Failure;

/// Assembles the CUDA kernels for each compute capability and prints Markdown tables. Fails if one spills registers.
#[derive(Parser)]
struct Options {
    /// NVIDIA's ptxas [default: that of the PyPI package nvidia-cuda-nvcc-cu12, fetched into the target folder]
    #[arg(long)]
    ptxas: Option<PathBuf>,
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let options = Options::parse_from(["cargo xtask kernels".to_owned()].into_iter().chain(args));
    let ptxas = match options.ptxas {
        Some(ptxas) => ptxas,
        None => assemble::fetch_ptxas()?,
    };
    assemble::run(&ptxas, &folder())
}

/// Where the kernels are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../style-cuda/kernels")
}
