//! Winograd's F(2x2, 3x3) on paper: a kernel that transforms the input, sixteen products, and one that transforms back.

use super::cost::Cost;
use super::{GPUS, Gpu, SHARES, range};
use crate::peers::random;

/// Products of a tile of 2 x 2 outputs, one for each of 4 x 4 points.
const POINTS: f64 = 16.0;

/// Additions of the transforms of a tile of a channel: of the input, and back.
const FORTH: f64 = 32.0;
const BACK: f64 = 24.0;

/// The three kernels of one layer, one way. Transformed values go through memory: a product needs all channels of a tile.
fn stages(read: f64, written: f64, side: f64) -> [Cost; 3] {
    let tiles = (side / 2.0).ceil().powi(2);
    let (input, output) = (4.0 * side * side * read, 4.0 * side * side * written);
    let (transformed, products) = (4.0 * POINTS * tiles * read, 4.0 * POINTS * tiles * written);
    let filters = 4.0 * POINTS * read * written;
    let of = |flops: f64, least: f64| Cost { flops, least, requested: least };
    [
        of(FORTH * tiles * read, input + transformed),
        of(2.0 * POINTS * tiles * read * written, transformed + filters + products),
        of(BACK * tiles * written, products + output),
    ]
}

/// The same layer as it is: an implicit product.
fn direct(read: f64, written: f64, side: f64) -> Cost {
    let least = 4.0 * (side * side * (read + written) + 9.0 * read * written);
    Cost { flops: 18.0 * side * side * read * written, least, requested: least }
}

/// Times of a layer at both shares; those of the transforms add up, because they are kernels of their own.
fn times(gpu: &Gpu, kernels: &[Cost]) -> [f64; 2] {
    SHARES.map(|share| kernels.iter().map(|cost| gpu.seconds(cost, share)).sum())
}

/// Prints a table of both for the convolutions of features, forward.
pub(super) fn run(size: usize) {
    println!(
        "Winograd's F(2x2, 3x3) with transforms and a batch of products, through memory, forward, without pools and gates; the same"
    );
    println!("**ESTIMATE**. All of the layers have the same again backward.\n");
    println!(
        "| layer | GFLOP | Winograd | least MB | Winograd | {} |",
        GPUS.map(|gpu| format!("{}, ms | Winograd", gpu.name)).join(" | ")
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let mut sums = [[[0.0; 2]; 3]; 2];
    for c in random::convolutions() {
        if c.in_channels < 4 {
            continue;
        }
        let (read, written, side) = (c.in_channels as f64, c.out_channels as f64, (size >> (c.block - 1)) as f64);
        let (plain, stages) = (direct(read, written, side), stages(read, written, side));
        let mut total = Cost::default();
        stages.iter().for_each(|stage| total += *stage);
        let mut cells = vec![];
        for (gpu, sums) in GPUS.iter().zip(&mut sums) {
            let (of_plain, of_stages) = (times(gpu, &[plain]), times(gpu, &stages));
            // At each share, the better of both.
            let better = [0, 1].map(|i: usize| of_plain[i].min(of_stages[i]));
            for (sum, more) in sums.iter_mut().zip([of_plain, of_stages, better]) {
                sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
            cells.push(format!("{} | {}", range(of_plain), range(of_stages)));
        }
        println!(
            "| {} | {:.2} | {:.2} | {:.1} | {:.1} | {} |",
            c.name,
            plain.flops / 1e9,
            total.flops / 1e9,
            plain.least / 1e6,
            total.least / 1e6,
            cells.join(" | ")
        );
    }
    println!();
    for (gpu, [plain, winograd, better]) in GPUS.iter().zip(sums) {
        let [plain, winograd, better] = [plain, winograd, better].map(range);
        println!(
            "{}: {plain} ms as it is, {winograd} ms with Winograd in all, {better} ms with the better of both in each.",
            gpu.name
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn winograd_multiplies_less_and_moves_more() {
        let (plain, stages) = (direct(512.0, 512.0, 64.0), stages(512.0, 512.0, 64.0));
        assert!((plain.flops / stages[1].flops - 2.25).abs() < 1e-9);
        let moved: f64 = stages.iter().map(|stage| stage.least).sum();
        // Input and output once, and four times each, twice.
        let maps = 4.0 * 64.0 * 64.0 * 1024.0;
        assert_eq!(moved, 9.0 * maps + 4.0 * 16.0 * 512.0 * 512.0);
    }
}
