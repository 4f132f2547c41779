//! Single ops at the shapes that VGG-19 gives a 512 x 512 picture. The ids are `OP/DIRECTION/SHAPE/BACKEND`, where
//! SHAPE is channels x height x width (`INxOUTxHEIGHTxWIDTH` for a convolution) and BACKEND is `cpu-ISA-THREADS`, followed by
//! `-direct`, `-winograd4` or `-winograd6` if all convolutions use that algorithm.
//!
//! Throughput: for convolutions, Gram matrices, products and nearest patches, the floating-point operations of the direct algorithm, two per
//! multiply-add, so criterion's `elem/s` are FLOP/s. An algorithm with fewer multiplications, or one that computes half of
//! a symmetric matrix, can therefore exceed the processor's peak. Pools, guidance, moments, windows, samples and cosine
//! distances have little arithmetic, so their throughput is in bytes read and written.
//!
//! ```text
//! cargo bench --bench ops                                  # about ten minutes
//! cargo bench --bench ops -- conv2d/fwd/64x64x512x512      # only ids that match (a regular expression)
//! STYLE_BENCH_FULL=1 cargo bench --bench ops               # also the portable instruction set
//! ```

mod common;

use std::time::Duration;

use common::operands::{self, Conv};
use common::random::convolutions;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use style_transfer::backend::ops::{
    AdamStep, CosineOps, GramOps, GuideOps, HistoryOps, MomentsOps, NearestOps, Pool2d, Pool2dOps, ProductOps, Rows,
    SampleOps, Sparse, TransportOps, VectorOps, WindowOps,
};
use style_transfer::backend::{Acc, Shape, Storage};
use style_transfer::cpu::{Convolution, Cpu, Tensor};
use style_transfer::{LbfgsOptions, Pooling};

/// Side of the picture that determines the shapes.
fn side() -> usize {
    if common::testing() { 32 } else { 512 }
}

fn group<'a>(c: &'a mut Criterion, op: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(op);
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    group
}

fn id(direction: &str, shape: &str, backend: &Cpu) -> String {
    format!("{direction}/{shape}/cpu-{}-{}", common::isa(backend), backend.threads())
}

fn channels_and_sides(shape: Shape) -> String {
    format!("{}x{}x{}", shape.channels, shape.height, shape.width)
}

/// A tensor with random values in -1..1.
fn random(backend: &Cpu, shape: Shape) -> Tensor {
    operands::random(backend, shape).expect("memory")
}

fn zeros(backend: &Cpu, shape: Shape) -> Tensor {
    backend.tensor(shape).expect("memory")
}

/// Forward with bias, ReLU and gate; backward-data through the gate: as in an iteration.
fn conv2d(c: &mut Criterion) {
    let mut group = group(c, "conv2d");
    for op in operands::padded_shapes(side()) {
        group.throughput(Throughput::Elements(op.flops() as u64));
        let shape = operands::conv_name(&op);
        let planned = common::backends().into_iter().map(|backend| (String::new(), backend));
        for (way, backend) in planned.chain(ways()) {
            let mut conv = None;
            group.bench_function(id("fwd", &shape, &backend) + &way, |bencher| {
                let conv = conv.get_or_insert_with(|| Conv::new(&backend, &op).expect("operands"));
                bencher.iter(|| conv.forward(&backend, &op).expect("forward"));
            });
            group.bench_function(id("bwd", &shape, &backend) + &way, |bencher| {
                let conv = conv.get_or_insert_with(|| Conv::new(&backend, &op).expect("operands"));
                bencher.iter(|| conv.backward(&backend, &op).expect("backward"));
            });
        }
    }
}

/// The convolution algorithms that are not the default, on all threads with the best instruction set.
fn ways() -> impl Iterator<Item = (String, Cpu)> {
    [Convolution::Direct, Convolution::Winograd4, Convolution::Winograd6].into_iter().map(|way| {
        let backend = Cpu::builder().convolution(way).build().expect("is available");
        (format!("-{way:?}").to_lowercase(), backend)
    })
}

/// The features for Gram matrices: the first convolution of each block.
fn style_shapes() -> Vec<Shape> {
    let firsts = convolutions().into_iter().filter(|c| c.index == 1);
    firsts.map(|c| Shape::new(c.out_channels, side() >> (c.block - 1), side() >> (c.block - 1))).collect()
}

/// The operands of Gram matrices.
struct Gram {
    features: Tensor,
    matrix: Tensor,
    gradient: Tensor,
    workspace: <Cpu as Storage>::Workspace,
}

impl Gram {
    fn new(backend: &Cpu, shape: Shape) -> Self {
        Self {
            features: random(backend, shape),
            matrix: random(backend, Shape::gram(shape.channels)),
            gradient: zeros(backend, shape),
            workspace: backend.workspace(backend.gram_workspace(shape)).expect("memory"),
        }
    }
}

/// The Gram matrix, and its gradient added to an existing one, as in an iteration.
fn gram(c: &mut Criterion) {
    let mut group = group(c, "gram");
    for shape in style_shapes() {
        let scale = 1.0 / shape.positions() as f32;
        group.throughput(Throughput::Elements((2 * shape.channels * shape.len()) as u64));
        let name = channels_and_sides(shape);
        for backend in common::backends() {
            let mut operands = None;
            group.bench_function(id("fwd", &name, &backend), |bencher| {
                let Gram { features, matrix, workspace, .. } =
                    operands.get_or_insert_with(|| Gram::new(&backend, shape));
                bencher.iter(|| {
                    backend.gram(features, Rows::all(shape), scale, Acc::Store, matrix, workspace).expect("forward")
                });
            });
            // a separate matrix, because this one accumulates many thousand times
            let mut operands = None;
            group.bench_function(id("bwd", &name, &backend), |bencher| {
                let Gram { features, matrix, gradient, workspace } =
                    operands.get_or_insert_with(|| Gram::new(&backend, shape));
                bencher.iter(|| {
                    backend.gram_bwd(features, matrix, scale, Acc::Add, gradient, workspace).expect("backward");
                });
            });
        }
    }
}

/// Both pools at the shapes in the network; max pooling records its switches, as in an iteration.
fn pool2d(c: &mut Criterion) {
    let mut group = group(c, "pool2d");
    for shape in style_shapes().into_iter().take(4) {
        for (pooling, name) in [(Pooling::Average, "average"), (Pooling::Max, "max")] {
            let op = Pool2d { pooling, channels: shape.channels, height: shape.height, width: shape.width };
            let bytes = size_of::<f32>() * (op.input().len() + op.output().len());
            group.throughput(Throughput::Bytes(bytes as u64));
            for backend in common::backends() {
                let mut operands = None;
                let operands = &mut operands;
                let new = || {
                    let switches = (pooling == Pooling::Max).then(|| backend.switches(op.output()).expect("memory"));
                    (random(&backend, op.input()), random(&backend, op.output()), switches)
                };
                let name = format!("{}-{name}", channels_and_sides(shape));
                group.bench_function(id("fwd", &name, &backend), |bencher| {
                    let (x, y, switches) = operands.get_or_insert_with(new);
                    bencher.iter(|| backend.pool2d_fwd(&op, x, y, switches.as_mut()).expect("forward"));
                });
                group.bench_function(id("bwd", &name, &backend), |bencher| {
                    let (x, y, switches) = operands.get_or_insert_with(new);
                    bencher.iter(|| backend.pool2d_bwd(&op, y, switches.as_ref(), Acc::Store, x).expect("backward"));
                });
            }
        }
    }
}

/// Features of the first block of a picture of half the size, for memory-bound ops.
fn guided_shape() -> Shape {
    Shape::new(64, side() / 2, side() / 2)
}

/// A positive map over features of `shape`, which sums to about 1.
fn map(backend: &Cpu, shape: Shape) -> Tensor {
    let mut tensor = zeros(backend, Shape { channels: 1, ..shape });
    backend.upload(&vec![1.0 / shape.positions() as f32; shape.positions()], &mut tensor).expect("the same shape");
    tensor
}

/// Guided features, and their gradient added to an existing one.
fn guide(c: &mut Criterion) {
    let (mut group, shape) = (group(c, "guide"), guided_shape());
    let bytes = |passes: usize| Throughput::Bytes((passes * size_of::<f32>() * shape.len()) as u64);
    for backend in common::backends() {
        let (x, t) = (random(&backend, shape), map(&backend, shape));
        let mut y = zeros(&backend, shape);
        for (acc, direction, passes) in [(Acc::Store, "fwd", 2), (Acc::Add, "bwd", 3)] {
            group.throughput(bytes(passes));
            group.bench_function(id(direction, &channels_and_sides(shape), &backend), |bencher| {
                bencher.iter(|| backend.guide(&x, &t, 0.5, acc, &mut y).expect("the same shape"));
            });
        }
    }
}

/// Mean and deviation with weights, and their gradient added to an existing one.
fn moments(c: &mut Criterion) {
    let (mut group, shape) = (group(c, "moments"), guided_shape());
    let bytes = |passes: usize| Throughput::Bytes((passes * size_of::<f32>() * shape.len()) as u64);
    for backend in common::backends() {
        let (x, t) = (random(&backend, shape), map(&backend, shape));
        let of_channels = || zeros(&backend, Shape::new(shape.channels, 1, 1));
        let (mut mean, mut deviation, mut dx) = (of_channels(), of_channels(), zeros(&backend, shape));
        group.throughput(bytes(1));
        group.bench_function(id("fwd", &channels_and_sides(shape), &backend), |bencher| {
            bencher.iter(|| backend.moments(&x, Some(&t), &mut mean, Some(&mut deviation)).expect("forward"));
        });
        backend.moments(&x, Some(&t), &mut mean, Some(&mut deviation)).expect("forward");
        group.throughput(bytes(3));
        group.bench_function(id("bwd", &channels_and_sides(shape), &backend), |bencher| {
            bencher.iter(|| {
                let pair = Some((&deviation, &mean));
                backend.moments_bwd(&x, Some(&t), &mean, &mean, pair, Acc::Add, &mut dx).expect("backward");
            });
        });
    }
}

/// A quarter of a picture, and of features, cut out of the middle; its gradient stored into zeros, and added to an existing
/// one.
fn window(c: &mut Criterion) {
    let mut group = group(c, "window");
    for shape in [Shape::new(3, side(), side()), guided_shape()] {
        let Shape { height, width, .. } = shape;
        let (at, part) = ([height / 4, width / 4], Shape { height: height / 2, width: width / 2, ..shape });
        let bytes = |values: usize| Throughput::Bytes((size_of::<f32>() * values) as u64);
        for backend in common::backends() {
            let (mut x, mut y) = (random(&backend, shape), zeros(&backend, part));
            group.throughput(bytes(2 * part.len()));
            group.bench_function(id("fwd", &channels_and_sides(shape), &backend), |bencher| {
                bencher.iter(|| backend.window(&x, at, &mut y).expect("within"));
            });
            let directions = [(Acc::Store, "bwd-store", part.len() + shape.len()), (Acc::Add, "bwd", 3 * part.len())];
            for (acc, direction, values) in directions {
                group.throughput(bytes(values));
                group.bench_function(id(direction, &channels_and_sides(shape), &backend), |bencher| {
                    bencher.iter(|| backend.window_bwd(&y, at, acc, &mut x).expect("within"));
                });
            }
        }
    }
}

/// A product of matrices as in the roots of the Wasserstein distance, and features along as many directions as channels.
fn product(c: &mut Criterion) {
    let mut group = group(c, "product");
    for shape in style_shapes() {
        let n = shape.channels;
        let name = channels_and_sides(shape);
        for backend in common::backends() {
            let matrix = Shape::gram(n);
            let (a, b, mut to) = (random(&backend, matrix), random(&backend, matrix), zeros(&backend, matrix));
            let bytes = backend.product_workspace(matrix, matrix).max(backend.project_workspace(n, shape));
            let mut workspace = backend.workspace(bytes).expect("memory");
            group.throughput(Throughput::Elements((2 * n * n * n) as u64));
            group.bench_function(id("matrices", &name, &backend), |bencher| {
                bencher.iter(|| backend.product(&a, &b, 1.0, Acc::Store, &mut to, &mut workspace).expect("square"));
            });
            let (features, mut along) = (random(&backend, shape), zeros(&backend, shape));
            group.throughput(Throughput::Elements((2 * n * shape.len()) as u64));
            group.bench_function(id("project", &name, &backend), |bencher| {
                bencher.iter(|| backend.project(&a, &features, 1.0, &mut along, &mut workspace).expect("fits"));
            });
        }
    }
}

/// The values of each channel carried to as many targets.
fn transport(c: &mut Criterion) {
    let mut group = group(c, "transport");
    for shape in style_shapes() {
        group.throughput(Throughput::Elements(shape.len() as u64));
        for backend in common::backends() {
            let [x, t, mut d] = [(); 3].map(|()| random(&backend, shape));
            let mut workspace = backend.workspace(backend.transport_workspace(shape)).expect("memory");
            let mut loss = backend.scalars(1).expect("memory");
            group.bench_function(id("fwd", &channels_and_sides(shape), &backend), |bencher| {
                bencher.iter(|| backend.transport(&x, &t, &mut loss, 0, &mut d, &mut workspace).expect("same shapes"));
            });
        }
    }
}

/// The nearest patches of 3 x 3 positions among as many, at conv4_1.
fn nearest(c: &mut Criterion) {
    let (mut group, patch) = (group(c, "nearest"), 3);
    let shape = Shape::new(512, (side() / 8).max(patch), (side() / 8).max(patch));
    let found = Shape::new(1, shape.height + 1 - patch, shape.width + 1 - patch);
    group.throughput(Throughput::Elements((2 * patch * patch * shape.channels * found.len() * found.len()) as u64));
    for backend in common::backends() {
        let (x, y, mut to) = (random(&backend, shape), random(&backend, shape), zeros(&backend, found));
        let mut workspace = backend.workspace(backend.nearest_workspace(shape, patch)).expect("memory");
        group.bench_function(id("fwd", &channels_and_sides(shape), &backend), |bencher| {
            bencher.iter(|| backend.nearest(&x, &y, patch, &mut to, &mut workspace).expect("same channels"));
        });
    }
}

/// A tensor with these values, in one row.
fn list(backend: &Cpu, values: &[f32]) -> Tensor {
    let mut tensor = zeros(backend, Shape::new(1, 1, values.len()));
    backend.upload(values, &mut tensor).expect("as many values");
    tensor
}

/// A matrix with four entries a row, as of bilinear interpolation: neighbours of a position, its number a multiple of an odd
/// `step`.
fn four_a_row(backend: &Cpu, rows: usize, of: Shape, step: usize) -> [Tensor; 3] {
    let offsets: Vec<_> = (0..=rows).map(|i| (4 * i) as f32).collect();
    let corner = |i: usize| i * step % of.positions();
    let of_row = |i| [0, 1, of.width, of.width + 1].map(|by| ((corner(i) + by) % of.positions()) as f32);
    let columns: Vec<_> = (0..rows).flat_map(of_row).collect();
    [list(backend, &offsets), list(backend, &columns), list(backend, &vec![0.25; 4 * rows])]
}

/// Features interpolated at a quarter of their positions; gradients of a quarter of the positions added to those of all, where
/// each has four.
fn sample(c: &mut Criterion) {
    let mut group = group(c, "sample");
    for shape in style_shapes() {
        let few = Shape { height: shape.height / 2, width: shape.width / 2, ..shape };
        let name = channels_and_sides(shape);
        for backend in common::backends() {
            let (mut x, mut y) = (random(&backend, shape), random(&backend, few));
            for (direction, rows, of) in [("fwd", few, shape), ("bwd", shape, few)] {
                let [offsets, columns, values] = four_a_row(&backend, rows.positions(), of, 37);
                let matrix = || Sparse { offsets: &offsets, columns: &columns, values: &values };
                group.throughput(Throughput::Bytes((5 * size_of::<f32>() * rows.len()) as u64));
                group.bench_function(id(direction, &name, &backend), |bencher| match direction {
                    "fwd" => bencher.iter(|| backend.sample(matrix(), &x, 1.0, &mut y, 0).expect("fits")),
                    _ => bencher.iter(|| backend.sample_bwd(matrix(), &y, 0, 1.0, Acc::Add, &mut x).expect("fits")),
                });
            }
        }
    }
}

/// The cosine distances of the features from others at the same positions, and their gradient.
fn cosine(c: &mut Criterion) {
    let mut group = group(c, "cosine");
    for shape in style_shapes() {
        group.throughput(Throughput::Bytes((3 * size_of::<f32>() * shape.len()) as u64));
        for backend in common::backends() {
            let [x, t, mut d] = [(); 3].map(|()| random(&backend, shape));
            let mut loss = backend.scalars(1).expect("memory");
            group.bench_function(id("fwd", &channels_and_sides(shape), &backend), |bencher| {
                bencher.iter(|| backend.cosine(&x, &t, &mut loss, 0, &mut d).expect("same shapes"));
            });
        }
    }
}

/// All vector operations of L-BFGS in an accepted step, with a full history of the default length, as in
/// `style-core/src/optim/lbfgs.rs`.
fn lbfgs(c: &mut Criterion) {
    let (mut group, shape) = (group(c, "lbfgs"), Shape::new(3, side(), side()));
    let pairs = LbfgsOptions::default().history;
    for backend in common::backends() {
        let mut operands = None;
        group.bench_function(id("step", &channels_and_sides(shape), &backend), |bencher| {
            let (history, [x, g, d, s, y], scalars) = operands.get_or_insert_with(|| {
                let half = |x| {
                    let mut h = backend.half(shape).expect("memory");
                    backend.halve(&x, &mut h).map(|()| h).expect("same shapes")
                };
                let history: Vec<_> = (0..2 * pairs).map(|_| half(random(&backend, shape))).collect();
                (history, [(); 5].map(|()| random(&backend, shape)), backend.scalars(6 * pairs).expect("memory"))
            });
            let mut pair = [(); 2].map(|()| backend.half(shape).expect("memory"));
            let basis: Vec<_> = history.iter().collect();
            let terms: Vec<_> = history.iter().map(|vector| (0.01, vector)).collect();
            bencher.iter(|| {
                let mut step = || {
                    backend.dots(&[g], &[g, d], scalars, 0)?;
                    backend.combine(&[(0.5, d)], s)?;
                    backend.halve(s, &mut pair[0])?;
                    backend.restore(&pair[0], s)?;
                    backend.combine(&[(1.0, g), (-1.0, x)], y)?;
                    backend.halve(y, &mut pair[1])?;
                    backend.restore(&pair[1], y)?;
                    backend.half_dots(&[s, y, g], &basis, scalars, 0)?;
                    backend.half_combine(&terms, (1.0, g), d)?;
                    backend.dots(&[d], &[d], scalars, 0)?;
                    backend.combine(&[(1.0, g), (0.5, d)], x)
                };
                backend.within(&mut step).expect("a step");
            });
        });
    }
}

/// All vector operations of an Adam step.
fn adam(c: &mut Criterion) {
    let (mut group, shape) = (group(c, "adam"), Shape::new(3, side(), side()));
    let step = AdamStep { rate: 1.0, beta1: 0.9, beta2: 0.999, correction2: 0.5, epsilon: 1e-8 };
    for backend in common::backends() {
        let mut operands = None;
        group.bench_function(id("step", &channels_and_sides(shape), &backend), |bencher| {
            let ([x, g, m, good], v, square) = operands.get_or_insert_with(|| {
                let vectors = [(); 4].map(|()| random(&backend, shape));
                (vectors, zeros(&backend, shape), backend.scalars(1).expect("memory"))
            });
            bencher.iter(|| {
                let mut update = || {
                    backend.dots(&[g], &[g], square, 0)?;
                    backend.copy(x, good)?;
                    backend.adam(&step, g, m, v, x)
                };
                backend.within(&mut update).expect("a step");
            });
        });
    }
}

criterion_group!(
    benches, conv2d, gram, pool2d, guide, moments, window, product, transport, nearest, sample, cosine, lbfgs, adam
);
criterion_main!(benches);
