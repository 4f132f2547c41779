//! `ours-ops`: our convolutions, in a separate process. It does the same job as benches/peers/pytorch_ops.py and prints
//! the same JSON lines, except that forward ends with ReLU and its gate, and backward goes through the gate, as in an
//! iteration.

use clap::Parser;
use style_core::backend::ops::Conv2d;
use style_cpu::Isa;

use super::ours::{backend, isa, program};
use super::shared::operands::{Conv, conv_name};
use super::shared::{Timed, median, time};
use crate::Failure;
use crate::common::parse;

/// Measures convolutions of this library and prints a JSON line for each shape and direction.
#[derive(Parser)]
struct Options {
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Calls measured, after one warm-up
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// INxOUTxHEIGHTxWIDTH, comma-separated
    #[arg(long, value_parser = shape, value_delimiter = ',', default_value = "64x64x512x512")]
    shapes: Vec<Conv2d>,
    /// portable, neon, avx2 or avx512 [default: the best available]
    #[arg(long, value_parser = isa)]
    isa: Option<Isa>,
    /// Products of convolutions in bf16
    #[arg(long)]
    bf16: bool,
}

fn shape(text: &str) -> Result<Conv2d, String> {
    let numbers: Option<Vec<usize>> = text.split('x').map(|n| n.parse().ok().filter(|n| *n > 0)).collect();
    match numbers.as_deref() {
        Some(&[in_channels, out_channels, height, width]) => Ok(Conv2d::new(in_channels, out_channels, height, width)),
        _ => Err("expected INxOUTxHEIGHTxWIDTH".into()),
    }
}

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), Failure> {
    let options: Options = parse("ours-ops", args);
    let cpu = backend(options.threads, options.isa, options.bf16)?;
    for op in &options.shapes {
        let mut conv = Conv::new(&cpu, op)?;
        let forward = time(options.repeat, || conv.forward(&cpu, op))?;
        let backward = time(options.repeat, || conv.backward(&cpu, op))?;
        for (direction, [wall, cpu_time]) in [("fwd", forward), ("bwd", backward)] {
            let timed = Timed {
                program: program(&cpu),
                op: "conv2d".into(),
                direction: direction.into(),
                shape: conv_name(op),
                threads: options.threads,
                wall_seconds: median(wall),
                cpu_seconds: median(cpu_time),
            };
            println!("{}", serde_json::to_string(&timed)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{conv_name, shape};

    #[test]
    fn a_shape_reads_as_it_is_written() {
        assert_eq!(shape("64x128x256x255").map(|op| conv_name(&op)).as_deref(), Ok("64x128x256x255"));
        for wrong in ["", "64x64x64", "64x64x64x64x64", "64x0x8x8", "64x64x8x-8"] {
            assert!(shape(wrong).is_err(), "{wrong:?}");
        }
    }
}
