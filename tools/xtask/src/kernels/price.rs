//! The memory traffic and arithmetic of a VGG-19 iteration, counted on ptx-runner, and the best possible time on an
//! H100: on paper, **not measured**.

use ptx_runner::{Counters, Device, Launched};
use style_core::Network;
use style_core::backend::Storage;
use style_core::backend::ops::{AdamStep, VectorOps};
use style_cuda::{Cuda, Precision};
use style_models::Convolution;

use crate::Failure;
use crate::peers::shared::random;

/// A card's throughput per second. The H100 SXM: from its data sheet for memory, tensor cores and f32.
mod h100 {
    /// Bytes from memory (HBM3).
    pub(super) const MEMORY: f64 = 3.35e12;
    /// Bytes from the L2 cache, as measured by others ("Nvidia's H100: Funny L2, and Tons of Bandwidth", Chips and
    /// Cheese, 2023).
    pub(super) const L2: f64 = 5.5e12;
    /// Dense f16 or bf16 on tensor cores, 989 TFLOP/s, of which `mma.sync` reaches about 0.6; the rest requires `wgmma`
    /// ("Benchmarking and Dissecting the Nvidia Hopper GPU Architecture via Microbenchmarking", Luo et al., 2024).
    pub(super) const TENSOR: f64 = 0.6 * 989e12;
    /// f32, with `fma` counted as two.
    pub(super) const F32: f64 = 67e12;
    pub(super) const MULTIPROCESSORS: f64 = 132.0;
    /// The clock at which 132 multiprocessors of 128 lanes reach 67 TFLOP/s.
    pub(super) const CLOCK: f64 = F32 / (MULTIPROCESSORS * 128.0 * 2.0);
}

/// Accumulated launches of a kernel for a layer.
struct Row {
    layer: String,
    kernel: String,
    launches: u64,
    counters: Counters,
    /// Compulsory memory traffic in bytes, with each byte moved once.
    floor: f64,
    seconds: f64,
    bound: &'static str,
}

/// A kernel's position in the chain of an evaluation.
struct Place<'a> {
    convolution: Option<&'a Convolution>,
    backward: bool,
    /// Side of the layer's map.
    side: usize,
}

pub(super) fn run(precision: Precision, size: usize, sample: u64) -> Result<(), Failure> {
    let launches = launches(precision, size, sample)?;
    let rows = rows(&launches, size, precision)?;
    println!(
        "\nOne evaluation of VGG-19 to conv5_1 at {size} x {size}, {precision:?}, and the Adam step after it, counted on"
    );
    println!(
        "ptx-runner from {sample} blocks of each launch. Times are lower bounds for an H100 SXM from its published figures:"
    );
    println!("they are estimates, **not measured**, without gaps between launches.\n");
    println!(
        "| layer | kernel | launches | blocks | GFLOP | MB through L2 | least MB | L2 / least | sectors per request | \
         shared cycles / ideal | paper µs | bound by |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|");
    for row in &rows {
        print_row(row);
    }
    print_kernels(&rows);
    let total: f64 = rows.iter().map(|row| row.seconds).sum();
    let count: u64 = rows.iter().map(|row| row.launches).sum();
    println!("\nSum: {:.3} ms on paper, {count} launches, **not measured**.\n", 1e3 * total);
    println!(
        "Bold: L2 traffic above 1.5 times the least. Convolutions and Gram matrices load their operands once for every tile:"
    );
    println!(
        "halos for neighbours, features for each group of outputs, filters for each tile of positions. 50 MB of L2 serve"
    );
    println!(
        "these loads, so memory traffic is close to the least. A thread that reads eight f32 values requests each sector"
    );
    println!("twice, 16 bytes at a time; the second request hits L1.");
    Ok(())
}

/// The launches of a session's second evaluation, in order, and those of an Adam step. Sampled blocks give meaningless
/// values, so an optimiser would refuse to step.
fn launches(precision: Precision, size: usize, sample: u64) -> Result<Vec<Launched>, Failure> {
    let device = Device { major: 9, minor: 0, memory: 80 << 30, sample, ..Device::default() };
    let _device = ptx_runner::configure(device)?;
    let cuda = Cuda::builder().precision(precision).build()?;
    let network = Network::new(cuda, &random::vgg19()?)?;
    let mut session = random::session(network, size, random::adam())?.build()?;
    let image = random::picture(size, "image")?;
    session.evaluate(&image)?;
    ptx_runner::forget_launches()?;
    session.evaluate(&image)?;
    let cuda = Cuda::new()?;
    let (shape, mut square) = (image.shape(), cuda.scalars(1)?);
    let [g, mut m, mut v, mut x] = [cuda.tensor(shape)?, cuda.tensor(shape)?, cuda.tensor(shape)?, cuda.tensor(shape)?];
    cuda.dots(&[&g], &[&g], &mut square, 0)?;
    let step = AdamStep { rate: 1.0, beta1: 0.9, beta2: 0.999, correction2: 1.0, epsilon: 1e-8 };
    cuda.adam(&step, &g, &mut m, &mut v, &mut x)?;
    cuda.read_scalars(&square, &mut [0.0])?;
    Ok(ptx_runner::launches()?)
}

/// Locates each launch by the convolutions, which occur once forward and once backward, and accumulates.
fn rows(launches: &[Launched], size: usize, precision: Precision) -> Result<Vec<Row>, Failure> {
    let convolutions = random::convolutions();
    let mut rows: Vec<Row> = Vec::new();
    let (mut seen, mut backward) = (0, false);
    for launch in launches {
        let convolves = launch.name.starts_with("conv2d");
        seen += usize::from(convolves);
        let count = convolutions.len();
        backward |= seen > count || launch.name.ends_with("_bwd");
        let index = match seen {
            n if n <= count => n.checked_sub(1),
            // Kernels after a convolution's gradient belong to the preceding layer.
            n => (2 * count + usize::from(convolves)).checked_sub(n + 1),
        };
        let convolution = index.and_then(|index| convolutions.get(index));
        let side = convolution.map_or(size, |c| size >> (c.block - 1));
        let place = Place { convolution, backward, side };
        let layer = match (convolution, backward) {
            (None, _) => "picture".to_owned(),
            (Some(c), false) => c.name.clone(),
            (Some(c), true) => format!("{} backward", c.name),
        };
        let floor = floor(&launch.name, &launch.counters, &place, precision);
        let (seconds, bound) = paper(&launch.counters, launch.grid, floor);
        match rows.iter_mut().find(|row| row.layer == layer && row.kernel == launch.name) {
            Some(row) => {
                row.launches += 1;
                row.counters.add(&launch.counters);
                row.floor += floor;
                row.seconds += seconds;
            }
            None => rows.push(Row {
                layer,
                kernel: launch.name.clone(),
                launches: 1,
                counters: launch.counters,
                floor,
                seconds,
                bound,
            }),
        }
    }
    if seen != 2 * convolutions.len() {
        return Err(format!("expected {} convolution launches, found {seen}", 2 * convolutions.len()).into());
    }
    Ok(rows)
}

/// Bytes moved if each is moved once. A sample cannot show which reads blocks share, so for kernels that share reads
/// they are computed from the shapes; writes are never shared.
fn floor(kernel: &str, counters: &Counters, place: &Place<'_>, precision: Precision) -> f64 {
    let bytes = if precision == Precision::F32 { 4 } else { 2 };
    let positions = place.side * place.side;
    let stored = 32.0 * counters.unique_sectors_stored as f64;
    let loaded = match (place.convolution, kernel) {
        (Some(c), name) if name.starts_with("conv2d") => {
            let filters = 9 * c.in_channels * c.out_channels * bytes;
            let picture = 4 * 3 * positions;
            match (place.backward, c.in_channels) {
                (false, 3) => picture + filters,
                (false, _) => positions * c.in_channels * bytes + filters,
                // The gradient, a quarter of it if it comes through a pool, and the gate.
                (true, _) => {
                    let pooled = ["conv1_2", "conv2_2", "conv3_4", "conv4_4"].contains(&c.name.as_str());
                    let gradient = positions * c.out_channels * bytes / if pooled { 4 } else { 1 };
                    gradient + positions * c.out_channels / 8 + filters
                }
            }
        }
        (Some(c), name)
            if name == "project"
                || name.starts_with("gram") && !["gram_finish", "gram_symmetric", "gram_filters"].contains(&name) =>
        {
            let matrix = 4 * c.out_channels * c.out_channels;
            positions * c.out_channels * bytes + if place.backward { matrix } else { 0 }
        }
        _ => 32 * counters.unique_sectors_loaded.min(counters.global_sectors_loaded) as usize,
    };
    loaded as f64 + stored
}

/// The minimum time of a launch, and its bound. Work on multiprocessors takes longer if the blocks do not divide evenly
/// among them: the last round leaves some idle.
fn paper(counters: &Counters, grid: [u32; 3], floor: f64) -> (f64, &'static str) {
    let blocks = grid.iter().map(|n| f64::from(*n)).product::<f64>();
    let uneven = (blocks / h100::MULTIPROCESSORS).ceil() * h100::MULTIPROCESSORS / blocks;
    let cycles = |count: u64| count as f64 / (h100::MULTIPROCESSORS * h100::CLOCK);
    let sectors = counters.global_sectors_loaded + counters.global_sectors_stored;
    [
        (floor / h100::MEMORY, "memory"),
        (32.0 * sectors as f64 / h100::L2, "L2"),
        (uneven * counters.mma_flops as f64 / h100::TENSOR, "tensor cores"),
        (uneven * counters.flops as f64 / h100::F32, "f32"),
        (uneven * cycles(counters.shared_cycles), "shared memory"),
        // Each of a multiprocessor's four schedulers issues one warp instruction per cycle.
        (uneven * cycles(counters.warp_instructions) / 4.0, "instructions"),
    ]
    .into_iter()
    .fold((0.0, "nothing"), |most, next| if next.0 > most.0 { next } else { most })
}

/// Breakdown of the time.
fn print_kernels(rows: &[Row]) {
    let total: f64 = rows.iter().map(|row| row.seconds).sum();
    let mut kernels: Vec<(&str, u64, f64)> = Vec::new();
    for row in rows {
        match kernels.iter_mut().find(|(name, ..)| *name == row.kernel) {
            Some((_, launches, seconds)) => (*launches, *seconds) = (*launches + row.launches, *seconds + row.seconds),
            None => kernels.push((&row.kernel, row.launches, row.seconds)),
        }
    }
    kernels.sort_by(|a, b| b.2.total_cmp(&a.2));
    println!("\n| kernel | launches | paper µs | share |\n|---|---:|---:|---:|");
    for (name, launches, seconds) in kernels {
        println!("| {name} | {launches} | {:.1} | {:.1} % |", 1e6 * seconds, 100.0 * seconds / total);
    }
}

fn print_row(row: &Row) {
    let c = &row.counters;
    let sectors = c.global_sectors_loaded + c.global_sectors_stored;
    let requests = c.global_load_requests + c.global_store_requests;
    let through = 32.0 * sectors as f64;
    let ratio = through / row.floor;
    let mark = if ratio > 1.5 { "**" } else { "" };
    let of = |a: u64, b: u64| if b == 0 { "-".to_owned() } else { format!("{:.2}", a as f64 / b as f64) };
    println!(
        "| {} | {} | {} | {} | {:.2} | {:.1} | {:.1} | {mark}{ratio:.2}{mark} | {} | {} | {:.1} | {} |",
        row.layer,
        row.kernel,
        row.launches,
        c.blocks,
        (c.mma_flops + c.flops) as f64 / 1e9,
        through / 1e6,
        row.floor / 1e6,
        of(sectors, requests),
        of(c.shared_cycles, c.shared_requests),
        1e6 * row.seconds,
        row.bound,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convolution(name: &str) -> Convolution {
        random::convolutions().into_iter().find(|c| c.name == name).unwrap()
    }

    /// conv1_2 at 512 x 512: 64 channels in and out, followed by a pool.
    #[test]
    fn the_least_that_a_convolution_moves() {
        let conv1_2 = convolution("conv1_2");
        let map = 512 * 512 * 64;
        let pooled = Counters { unique_sectors_stored: map * 2 / 4 / 32, ..Counters::default() };
        let of = |counters, backward, precision| {
            let place = Place { convolution: Some(&conv1_2), backward, side: 512 };
            floor("conv2d", &counters, &place, precision) as u64
        };
        // features in, filters, a quarter of the features out
        assert_eq!(of(pooled, false, Precision::F16), map * 2 + 9 * 64 * 64 * 2 + map / 2);
        // a quarter of the gradient in, one gate bit per element, filters, the gradient out
        let whole = Counters { unique_sectors_stored: map * 4 / 32, ..Counters::default() };
        assert_eq!(of(whole, true, Precision::F32), map + map / 8 + 9 * 64 * 64 * 4 + map * 4);
    }

    #[test]
    fn what_bounds_a_launch() {
        let one = |counters: Counters, floor| paper(&counters, [132, 1, 1], floor);
        assert_eq!(one(Counters::default(), 3.35e9), (1e-3, "memory"));
        let (seconds, bound) = one(Counters { mma_flops: 5_934_000_000, ..Counters::default() }, 1.0);
        assert!((seconds - 1e-5).abs() < 1e-12, "{seconds}");
        assert_eq!(bound, "tensor cores");
        // one block more than there are multiprocessors takes a second round
        let uneven = paper(&Counters { flops: 67_000_000, ..Counters::default() }, [133, 1, 1], 0.0);
        assert!((uneven.0 - 1e-6 * 264.0 / 133.0).abs() < 1e-12, "{uneven:?}");
    }

    /// Blocks of one launch are so similar that a few represent all.
    #[test]
    fn a_sample_counts_what_the_whole_does() {
        let [whole, sample] = [0, 4].map(|sample| launches(Precision::F32, 32, sample).unwrap());
        let sum =
            |launches: &[Launched], of: fn(&Counters) -> u64| launches.iter().map(|l| of(&l.counters)).sum::<u64>();
        assert_eq!(whole.len(), sample.len());
        let counters: [fn(&Counters) -> u64; 4] =
            [|c| c.flops, |c| c.global_sectors_loaded, |c| c.shared_cycles, |c| c.warp_instructions];
        for of in counters {
            let (all, some) = (sum(&whole, of) as f64, sum(&sample, of) as f64);
            assert!((some / all - 1.0).abs() < 0.1, "{some} of {all}");
        }
    }
}
