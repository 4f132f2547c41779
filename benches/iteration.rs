//! Whole iterations: loss, image gradient, and Adam's step. The ids are `iteration/SIZE/ISA/THREADS`.
//!
//! VGG-19 to conv5_1 with random weights, average pooling, style at conv1_1 to conv5_1, content at conv4_2, on square
//! pictures of SIZE. The throughput counts only the floating-point operations of direct convolutions, forward and
//! backward-data, two per multiply-add: criterion's `elem/s` are FLOP/s. An algorithm with fewer multiplications can
//! therefore exceed the processor's peak.
//!
//! ```text
//! cargo bench --bench iteration                        # 128 and 256
//! STYLE_BENCH_FULL=1 cargo bench --bench iteration     # also 512 and the portable instruction set
//! cargo bench --bench iteration -- iteration/256/avx2  # only ids that match
//! ```

mod common;

use std::time::Duration;

use common::random;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use style_transfer::backend::ops::Conv2d;
use style_transfer::cpu::Cpu;
use style_transfer::{Model, Network, Session};

fn iteration(c: &mut Criterion) {
    let sizes: &[usize] = match () {
        () if common::testing() => &[32],
        () if common::full() => &[128, 256, 512],
        () => &[128, 256],
    };
    let mut model = None;
    let mut group = c.benchmark_group("iteration");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(5));
    for &size in sizes {
        group.throughput(Throughput::Elements(2 * flops(size)));
        for backend in common::backends() {
            let id = format!("{size}/{}/{}", common::isa(&backend), backend.threads());
            // criterion calls this once per sample, and never for ids that do not match
            let mut session = None;
            group.bench_function(id, |bencher| {
                let model = model.get_or_insert_with(|| random::vgg19().expect("VGG-19"));
                let session = session.get_or_insert_with(|| start(&backend, model, size));
                bencher.iter(|| session.step().expect("a step").losses.total);
            });
        }
    }
}

fn start(backend: &Cpu, model: &Model, size: usize) -> Session<Cpu> {
    let network = Network::new(backend.clone(), model).expect("a network");
    let builder = random::session(network, size, random::adam()).expect("pictures");
    builder.build().expect("a session")
}

/// All convolutions in one direction.
fn flops(size: usize) -> u64 {
    let flops = random::convolutions().into_iter().map(|c| {
        let side = size >> (c.block - 1);
        let op = Conv2d::new(c.in_channels, c.out_channels, side, side);
        op.flops() as u64
    });
    flops.sum()
}

criterion_group!(benches, iteration);
criterion_main!(benches);
