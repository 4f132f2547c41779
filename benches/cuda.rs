//! Iterations and ops of VGG-19 on a CUDA device: medians on the device's clock, after a warm-up, as Markdown.
//!
//! Does not use criterion, which measures host time: for a device, that is only the time to enqueue work.
//!
//! ```text
//! cargo bench --features cuda --bench cuda            # iterations at 256, 512 and 1024, ops at 512
//! cargo bench --features cuda --bench cuda -- 512     # only at 512
//! ```

mod common;

use std::time::{Duration, Instant};

use common::operands::{Conv, conv_name, padded_shapes, random as features};
use common::{random, testing};
use style_transfer::backend::ops::{Conv2d, GramOps, Rows};
use style_transfer::backend::{Acc, Shape, Storage};
use style_transfer::cuda::{Cuda, Precision};
use style_transfer::{Error, ErrorKind, Network, Result, Session};

const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::F16, Precision::Bf16];

fn main() -> Result<()> {
    let sizes: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let sizes = match (testing(), sizes.is_empty()) {
        (true, _) => vec![16],
        (false, true) => vec![256, 512, 1024],
        (false, false) => sizes,
    };
    let cuda = match Cuda::new() {
        Ok(cuda) => cuda,
        Err(e) => {
            println!("Not measured: {e}");
            return Ok(());
        }
    };
    println!("On {}.\n", cuda.device());
    drop(cuda);
    let mut failed = None;
    println!("| size | precision | iteration, Adam | memory planned |\n|---|---|---|---|");
    for (&size, precision) in sizes.iter().flat_map(|size| PRECISIONS.map(|precision| (size, precision))) {
        let result = iteration(size, precision).map(|(time, bytes)| format!("{} | {} MiB", show(time), bytes >> 20));
        println!("| {size} | {precision:?} | {} |", cell(result, &mut failed));
    }
    let size = sizes.iter().copied().find(|&size| size == 512).unwrap_or(sizes[0]);
    let backends = PRECISIONS.map(|precision| Cuda::builder().precision(precision).build());
    println!("\n| op at {size} | F32 | F16 | Bf16 |\n|---|---|---|---|");
    let mut row = |name: String, time: &dyn Fn(&Cuda) -> Result<Duration>| {
        let cells = backends.each_ref().map(|backend| match backend {
            Ok(cuda) => cell(time(cuda).map(show), &mut failed),
            Err(e) => e.to_string(),
        });
        println!("| {name} | {} |", cells.join(" | "));
    };
    for op in padded_shapes(size) {
        row(format!("conv {} forward", conv_name(&op)), &|cuda| convolution(cuda, &op, true));
        row(format!("conv {} backward", conv_name(&op)), &|cuda| convolution(cuda, &op, false));
    }
    for (channels, side) in [(64, size), (128, size / 2), (256, size / 4), (512, size / 8), (512, size / 16)] {
        let shape = Shape::new(channels, side, side);
        row(format!("Gram matrix {shape}"), &|cuda| gram(cuda, shape, true));
        row(format!("Gram gradient {shape}"), &|cuda| gram(cuda, shape, false));
    }
    failed.map_or(Ok(()), Err)
}

/// A table cell: the result, or the reason for its absence.
fn cell(result: Result<String>, failed: &mut Option<Error>) -> String {
    result.unwrap_or_else(|e| {
        let words = if e.kind() == ErrorKind::Unavailable { "not on this device".into() } else { e.to_string() };
        if e.kind() != ErrorKind::Unavailable {
            failed.get_or_insert(e);
        }
        words
    })
}

fn show(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

/// The median of several calls, after a warm-up.
fn median(mut call: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let (warm, counted) = if testing() { (0, 1) } else { (10, 50) };
    for _ in 0..warm {
        call()?;
    }
    let mut times = (0..counted).map(|_| call()).collect::<Result<Vec<_>>>()?;
    times.sort();
    Ok(times[times.len() / 2])
}

/// The time of a session's step on the host's clock, which includes all device work because the step reads the losses; and
/// the session's memory.
fn iteration(size: usize, precision: Precision) -> Result<(Duration, usize)> {
    let network = Network::new(Cuda::builder().precision(precision).build()?, &random::vgg19()?)?;
    let builder = random::session(network, size, random::adam())?;
    let bytes = builder.plan()?.peak();
    let mut session: Session<Cuda> = builder.build()?;
    let time = median(|| {
        let start = Instant::now();
        session.step()?;
        Ok(start.elapsed())
    })?;
    Ok((time, bytes))
}

fn convolution(cuda: &Cuda, op: &Conv2d, forward: bool) -> Result<Duration> {
    let mut conv = Conv::new(cuda, op)?;
    median(|| cuda.time(|| if forward { conv.forward(cuda, op) } else { conv.backward(cuda, op) }))
}

fn gram(cuda: &Cuda, shape: Shape, forward: bool) -> Result<Duration> {
    let (f, mut df) = (features(cuda, shape)?, cuda.features(shape)?);
    let mut g = cuda.tensor(Shape::gram(shape.channels))?;
    let mut workspace = cuda.workspace(cuda.gram_workspace(shape))?;
    median(|| {
        cuda.time(|| {
            if forward {
                cuda.gram(&f, Rows::all(shape), 1.0, Acc::Store, &mut g, &mut workspace)
            } else {
                cuda.gram_bwd(&f, &g, 1.0, Acc::Store, &mut df, &mut workspace)
            }
        })
    })
}
