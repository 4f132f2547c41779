//! What an iteration of VGG-19 moves and computes on the wgpu backend, from the shapes of its dispatches, and what time that
//! would be on two GPUs: **an estimate**, nothing here is measured.

mod cost;
mod layers;

use std::sync::Arc;

use style_core::Network;
use style_core::backend::Storage;
use style_core::backend::ops::{AdamStep, VectorOps};
use style_wgpu::record::Launch;
use style_wgpu::{Convolution, Wgpu};

use self::cost::{Cost, cost};
use crate::Failure;
use crate::peers::shared::random;

/// A GPU, by what its maker publishes: operations of f32 and bytes from memory a second.
struct Gpu {
    name: &'static str,
    f32: f64,
    memory: f64,
}

/// The M2 with ten cores: Apple's announcement of June 2022. The RX 7600: AMD's product page. Its 21.75 TFLOP/s count two
/// instructions issued at once, which compilers find now and then; without, it is half.
const GPUS: [Gpu; 2] = [
    Gpu { name: "Apple M2", f32: 3.6e12, memory: 100e9 },
    Gpu { name: "Radeon RX 7600", f32: 21.75e12, memory: 288e9 },
];

/// The shares of the peak of f32 that others reach with products in WGSL, at best and at worst.
const SHARES: [f64; 2] = [0.65, 0.35];

impl Gpu {
    /// Seconds at a share of the peak of f32: arithmetic or memory, whichever takes longer.
    fn seconds(&self, cost: &Cost, share: f64) -> f64 {
        (cost.flops / (share * self.f32)).max(cost.least / self.memory)
    }

    fn bound(&self, cost: &Cost) -> &'static str {
        if cost.least / self.memory > cost.flops / (SHARES[1] * self.f32) {
            "memory"
        } else if cost.least / self.memory > cost.flops / (SHARES[0] * self.f32) {
            "either"
        } else {
            "f32"
        }
    }
}

/// Dispatches of one kernel with one shape.
struct Row {
    kernel: &'static str,
    shape: String,
    launches: usize,
    cost: Cost,
    /// For each GPU, at each share.
    seconds: [[f64; 2]; 2],
}

pub(super) fn run(size: usize) -> Result<(), Failure> {
    let rows_of = |convolution| rows(&launches(size, convolution)?);
    let rows = rows_of(Convolution::Planned)?;
    println!(
        "One evaluation of VGG-19 to conv5_1 at {size} x {size} and the Adam step after it, on the wgpu backend: counted from"
    );
    println!(
        "the shapes of all dispatches. Times are an **ESTIMATE**, nothing is measured: the longer of the operations, at 65 to 35 %"
    );
    println!("of the published peak of f32, and the least bytes, each moved once, at the published peak of memory.\n");
    let names = GPUS.map(|gpu| format!("{}, ms | bound by", gpu.name)).join(" | ");
    println!("| kernel | shape | dispatches | GFLOP | least MB | requested MB | {names} |");
    println!("|---|---|---:|---:|---:|---:|---:|---|---:|---|");
    for row in &rows {
        print_row(row);
    }
    println!(
        "\n| kernel | dispatches | GFLOP | least MB | {} |",
        GPUS.map(|gpu| format!("{}, ms", gpu.name)).join(" | ")
    );
    println!("|---|---:|---:|---:|---:|---:|");
    let mut kernels: Vec<&str> = vec![];
    rows.iter().for_each(|row| {
        if !kernels.contains(&row.kernel) {
            kernels.push(row.kernel)
        }
    });
    for kernel in kernels {
        print_sum(kernel, rows.iter().filter(|row| row.kernel == kernel));
    }
    print_sum("**an iteration**", rows.iter());
    print_sum("without Winograd (`Convolution::Direct`)", rows_of(Convolution::Direct)?.iter());
    println!();
    for gpu in &GPUS {
        println!("{}: {} TFLOP/s of f32, {} GB/s.", gpu.name, gpu.f32 / 1e12, gpu.memory / 1e9);
    }
    println!(
        "The RX 7600 reaches its peak only where two instructions are issued at once; without, the times bound by f32 double.\n"
    );
    layers::run(size)
}

/// The dispatches of a session's second evaluation, in order, and those of an Adam step.
fn launches(size: usize, convolution: Convolution) -> Result<Vec<Launch>, Failure> {
    let network = Arc::new(Network::new(Wgpu::on_paper(convolution)?, &random::vgg19()?)?);
    let mut session = random::session(Arc::clone(&network), size, random::adam())?.build()?;
    let image = random::picture(size, "image")?;
    session.evaluate(&image)?;
    network.backend().take_launches()?;
    session.evaluate(&image)?;
    let mut all = network.backend().take_launches()?;
    let wgpu = Wgpu::on_paper(convolution)?;
    let (shape, mut square) = (image.shape(), wgpu.scalars(1)?);
    let [g, mut m, mut v, mut x] = [wgpu.tensor(shape)?, wgpu.tensor(shape)?, wgpu.tensor(shape)?, wgpu.tensor(shape)?];
    wgpu.dots(&[&g], &[&g], &mut square, 0)?;
    let step = AdamStep { rate: 1.0, beta1: 0.9, beta2: 0.999, correction2: 1.0, epsilon: 1e-8 };
    wgpu.adam(&step, &g, &mut m, &mut v, &mut x)?;
    all.extend(wgpu.take_launches()?);
    Ok(all)
}

fn rows(launches: &[Launch]) -> Result<Vec<Row>, Failure> {
    let mut rows: Vec<Row> = vec![];
    for launch in launches {
        let (shape, cost) = cost(launch)?;
        let seconds = GPUS.each_ref().map(|gpu| SHARES.map(|share| gpu.seconds(&cost, share)));
        let kernel = launch.kernel();
        match rows.iter_mut().find(|row| row.kernel == kernel && row.shape == shape) {
            Some(row) => {
                row.launches += 1;
                row.cost += cost;
                row.seconds.iter_mut().flatten().zip(seconds.iter().flatten()).for_each(|(sum, more)| *sum += more);
            }
            None => rows.push(Row { kernel, shape, launches: 1, cost, seconds }),
        }
    }
    Ok(rows)
}

/// `2.5 to 4.6`.
fn range(seconds: [f64; 2]) -> String {
    let [best, worst] = seconds.map(|s| format!("{:.2}", 1e3 * s));
    if best == worst { best } else { format!("{best} to {worst}") }
}

fn print_row(row: &Row) {
    let cells = GPUS.iter().zip(row.seconds).map(|(gpu, s)| format!("{} | {}", range(s), gpu.bound(&row.cost)));
    println!(
        "| {} | {} | {} | {:.2} | {:.1} | {:.1} | {} |",
        row.kernel,
        row.shape,
        row.launches,
        row.cost.flops / 1e9,
        row.cost.least / 1e6,
        row.cost.requested / 1e6,
        cells.collect::<Vec<_>>().join(" | ")
    );
}

fn print_sum<'a>(name: &str, rows: impl Iterator<Item = &'a Row>) {
    let (mut launches, mut cost, mut seconds) = (0, Cost::default(), [[0.0; 2]; 2]);
    for row in rows {
        launches += row.launches;
        cost += row.cost;
        seconds.iter_mut().flatten().zip(row.seconds.iter().flatten()).for_each(|(sum, more)| *sum += more);
    }
    let times = seconds.map(range).join(" | ");
    println!("| {name} | {launches} | {:.2} | {:.1} | {times} |", cost.flops / 1e9, cost.least / 1e6);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operations of a convolution are those of its equation, with whole tiles and whole groups of four channels.
    #[test]
    fn the_convolutions_of_an_iteration_are_counted_in_full() {
        for convolution in [Convolution::Direct, Convolution::Planned] {
            let rows = rows(&launches(64, convolution).unwrap()).unwrap();
            let (mut expected, mut expected_launches) = (0.0, 0);
            for c in random::convolutions() {
                let side = 64_usize >> (c.block - 1);
                let padded = |n: usize| n.next_multiple_of(4);
                let (read, written) = (padded(c.in_channels) as f64, c.out_channels as f64);
                if convolution == Convolution::Planned && c.block >= 3 {
                    // Strips of 128 tiles of 2 x 2 outputs, 16 points each, in one block.
                    let tiles = (side / 2 * side / 2).next_multiple_of(128) as f64;
                    expected += 2.0 * tiles * (16.0 * 2.0 * read * written + (32.0 + 24.0) / 2.0 * (read + written));
                    expected_launches += 6;
                } else {
                    // Tiles of 8 x 16 positions, both ways; to the picture, tiles of 16 x 32.
                    let positions = side.next_multiple_of(8) * side.next_multiple_of(16);
                    expected += 2.0 * 18.0 * read * written * positions as f64;
                    expected_launches += 2;
                }
            }
            let convolutions = rows.iter().filter(|row| row.kernel.starts_with("conv2d"));
            let (mut flops, mut launches) = (0.0, 0);
            convolutions.for_each(|row| (flops, launches) = (flops + row.cost.flops, launches + row.launches));
            assert_eq!(launches, expected_launches, "{convolution:?}");
            assert!((flops / expected - 1.0).abs() < 1e-9, "{convolution:?}: {flops} instead of {expected}");
        }
    }

    #[test]
    fn what_bounds_a_kernel() {
        let gpu = Gpu { name: "one", f32: 100.0, memory: 10.0 };
        let of = |flops, least| Cost { flops, least, requested: 0.0 };
        assert_eq!(gpu.seconds(&of(65.0, 1.0), 0.65), 1.0);
        assert_eq!(gpu.seconds(&of(65.0, 20.0), 0.65), 2.0);
        assert_eq!([of(65.0, 1.0), of(65.0, 12.0), of(65.0, 20.0)].map(|c| gpu.bound(&c)), ["f32", "either", "memory"]);
    }
}
