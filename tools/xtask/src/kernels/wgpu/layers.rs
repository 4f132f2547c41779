//! Each convolution of features both ways, from its dispatches: direct, and by Winograd's F(2x2, 3x3).

use style_core::backend::Storage;
use style_core::backend::ops::{Conv2d, Conv2dOps, Epilogue};
use style_wgpu::{Convolution, Wgpu};

use super::cost::{Cost, cost};
use super::{GPUS, SHARES, range};
use crate::Failure;
use crate::peers::shared::random;

/// Direct, Winograd, and as the backend plans it.
const WAYS: [Convolution; 3] = [Convolution::Direct, Convolution::Winograd, Convolution::Planned];

/// The sum of a forward pass's dispatches, and for each GPU its time at both shares; the name of the algorithm.
struct Counted {
    cost: Cost,
    seconds: [[f64; 2]; 2],
    algorithm: &'static str,
}

fn counted(op: &Conv2d, convolution: Convolution) -> Result<Counted, Failure> {
    let wgpu = Wgpu::on_paper(convolution)?;
    let (read, written) = (op.in_channels, op.out_channels);
    let filter = wgpu.pack(read, written, &vec![0.0; read * written * 9], &vec![0.0; written])?;
    let (x, mut y) = (wgpu.tensor(op.input())?, wgpu.tensor(op.output())?);
    let mut workspace = wgpu.workspace(wgpu.conv2d_workspace(op))?;
    wgpu.conv2d_fwd(op, &x, &filter, Epilogue::Relu, &mut y, &mut workspace)?;
    let mut all = Counted { cost: Cost::default(), seconds: [[0.0; 2]; 2], algorithm: wgpu.conv2d_algorithm(op) };
    for launch in wgpu.take_launches()? {
        let (_, cost) = cost(&launch)?;
        all.cost += cost;
        for (gpu, sums) in GPUS.iter().zip(&mut all.seconds) {
            sums.iter_mut().zip(SHARES).for_each(|(sum, share)| *sum += gpu.seconds(&cost, share));
        }
    }
    Ok(all)
}

/// Prints a table of both for the convolutions of features, forward.
pub(super) fn run(size: usize) -> Result<(), Failure> {
    println!(
        "Direct and by Winograd's F(2x2, 3x3), forward, without pools and gates; the same **ESTIMATE**. All of the layers have"
    );
    println!("the same again backward. Bold is what the backend plans.\n");
    println!(
        "| layer | GFLOP | Winograd | least MB | Winograd | {} |",
        GPUS.map(|gpu| format!("{}, ms | Winograd", gpu.name)).join(" | ")
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let mut sums = [[[0.0; 2]; 3]; 2];
    for c in random::convolutions() {
        if c.in_channels <= Conv2d::PICTURE {
            continue;
        }
        let side = size >> (c.block - 1);
        let op = Conv2d::new(c.in_channels, c.out_channels, side, side);
        let [direct, winograd, planned] = WAYS.map(|way| counted(&op, way));
        let (direct, winograd, planned) = (direct?, winograd?, planned?);
        let marked = |of: &Counted, gpu: usize| {
            let time = range(of.seconds[gpu]);
            if of.algorithm == planned.algorithm { format!("**{time}**") } else { time }
        };
        let cells = [0, 1].map(|gpu| format!("{} | {}", marked(&direct, gpu), marked(&winograd, gpu)));
        for (gpu, sums) in sums.iter_mut().enumerate() {
            for (sum, of) in sums.iter_mut().zip([&direct, &winograd, &planned]) {
                sum.iter_mut().zip(of.seconds[gpu]).for_each(|(sum, more)| *sum += more);
            }
        }
        println!(
            "| {} | {:.2} | {:.2} | {:.1} | {:.1} | {} |",
            c.name,
            direct.cost.flops / 1e9,
            winograd.cost.flops / 1e9,
            direct.cost.least / 1e6,
            winograd.cost.least / 1e6,
            cells.join(" | ")
        );
    }
    println!();
    for (gpu, sums) in GPUS.iter().zip(sums) {
        let [direct, winograd, planned] = sums.map(range);
        println!("{}: {direct} ms direct, {winograd} ms with Winograd in all, {planned} ms as planned.", gpu.name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn winograd_multiplies_less_and_moves_more() {
        let op = Conv2d::new(512, 512, 64, 64);
        let [direct, winograd, planned] = WAYS.map(|way| counted(&op, way).unwrap());
        // 32 operations for 36 of four outputs, and 56 additions a channel of a tile, half of them in, half out.
        let tiles = 32.0 * 32.0;
        assert_eq!(direct.cost.flops, 72.0 * tiles * 512.0 * 512.0);
        assert_eq!(winograd.cost.flops, 32.0 * tiles * 512.0 * 512.0 + 56.0 * tiles * 512.0);
        // Input and output once, and four times each, twice; the filters for each of two blocks.
        let maps = 4.0 * 64.0 * 64.0 * 1024.0;
        assert_eq!(winograd.cost.least, 9.0 * maps + 2.0 * 4.0 * 16.0 * 512.0 * 512.0);
        assert_eq!((planned.cost, planned.algorithm), (winograd.cost, winograd.algorithm));
    }
}
