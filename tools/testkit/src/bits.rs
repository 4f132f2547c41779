//! Checks that two instances of a backend, for example with different numbers of threads, give the same bits.

use libtest_mimic::Failed;
use style_core::Pooling;
use style_core::backend::ops::{AdamStep, Conv2d, Epilogue, Padding, Pool2d, Sparse, Tv, expect_patches};
use style_core::backend::{Acc, Backend, Shape};

use crate::oracle::sample;
use crate::{Array, Rng};

/// Input sizes that split unevenly among threads.
const SHAPES: [(usize, usize, usize); 5] = [(3, 97, 61), (64, 37, 29), (33, 50, 41), (16, 150, 141), (1, 1, 7)];

/// Those of further convolutions: so many channels that threads of the CPU backend share the tiles of an output channel, of both
/// sizes.
const WIDE: [(usize, usize, usize); 2] = [(214, 28, 42), (214, 48, 48)];

/// One total variation of each kind.
const KINDS: [Tv; 4] = [Tv::Squared, Tv::Absolute, Tv::Means, Tv::Power(2.5)];

/// The bits of every op's results on some inputs, by name.
///
/// # Errors
/// Backend errors.
pub fn bits<B: Backend>(b: &B) -> Result<Vec<(String, Vec<u64>)>, Failed> {
    let mut all = Vec::new();
    for (c, h, w) in SHAPES.into_iter().chain(WIDE) {
        of_convolutions(b, Shape::new(c, h, w), &mut all)?;
    }
    for (c, h, w) in SHAPES {
        of_others(b, Shape::new(c, h, w), &mut all)?;
    }
    Ok(all)
}

/// Checks that two backends give the same bits.
///
/// # Errors
/// The op that differs, and the position.
pub fn assert_same_bits<A: Backend, B: Backend>(a: &A, b: &B) -> Result<(), Failed> {
    for ((name, x), (_, y)) in bits(a)?.iter().zip(&bits(b)?) {
        if let Some(i) = x.iter().zip(y).position(|(x, y)| x != y) {
            let message = format!("{name}: element {i} differs between {} and {}", a.description(), b.description());
            return Err(message.into());
        }
    }
    Ok(())
}

fn put<B: Backend>(b: &B, values: &Array) -> Result<B::Tensor, Failed> {
    let mut tensor = b.tensor(values.shape)?;
    b.upload(&values.to_f32(), &mut tensor)?;
    Ok(tensor)
}

/// What adds the bits of a tensor, named after an op and the shape of its input.
fn keeper<'a, B: Backend>(
    b: &'a B,
    shape: Shape,
    all: &'a mut Vec<(String, Vec<u64>)>,
) -> impl FnMut(&str, &B::Tensor) -> Result<(), Failed> + 'a {
    move |name, tensor| {
        let mut values = vec![0.0; b.shape(tensor).len()];
        b.download(tensor, &mut values)?;
        all.push((format!("{name} {shape}"), values.iter().map(|v| u64::from(v.to_bits())).collect()));
        Ok(())
    }
}

fn of_convolutions<B: Backend>(b: &B, shape: Shape, all: &mut Vec<(String, Vec<u64>)>) -> Result<(), Failed> {
    let rng = &mut Rng::new(&format!("bits of convolutions {shape}"));
    let mut keep = keeper(b, shape, all);
    let x = put(b, &Array::random(shape, rng))?;
    let mut out = b.tensor(shape)?;

    let conv = Conv2d::new(shape.channels, 40, shape.height, shape.width);
    let weight: Vec<f32> = (0..9 * 40 * shape.channels).map(|_| rng.unit() as f32).collect();
    let filter = b.pack(shape.channels, 40, &weight, &[0.25; 40])?;
    let mut ws = b.workspace(b.conv2d_workspace(&conv))?;
    let (mut z, mut gate) = (b.tensor(conv.output())?, b.gate(conv.output())?);
    b.conv2d_fwd(&conv, &x, &filter, Epilogue::ReluGate(&mut gate), &mut z, &mut ws)?;
    keep("conv2d_fwd", &z)?;
    b.conv2d_bwd(&conv, &z, Some(&gate), &filter, Acc::Store, &mut out, &mut ws)?;
    keep("conv2d_bwd", &out)?;
    if shape.channels <= Conv2d::PICTURE {
        let conv = conv.with_padding(Padding::Replicate);
        b.conv2d_fwd(&conv, &x, &filter, Epilogue::ReluGate(&mut gate), &mut z, &mut ws)?;
        keep("conv2d_fwd, replicate", &z)?;
        b.conv2d_bwd(&conv, &z, Some(&gate), &filter, Acc::Store, &mut out, &mut ws)?;
        keep("conv2d_bwd, replicate", &out)?;
    }
    if b.conv2d_pools(&conv) && !conv.pooled().is_empty() {
        let mut pooled = b.tensor(conv.pooled())?;
        b.conv2d_fwd(&conv, &x, &filter, Epilogue::ReluPoolGate(&mut gate), &mut pooled, &mut ws)?;
        keep("conv2d_fwd, pooled", &pooled)?;
        b.conv2d_bwd(&conv, &pooled, Some(&gate), &filter, Acc::Store, &mut out, &mut ws)?;
        keep("conv2d_bwd, pooled", &out)?;
    }
    Ok(())
}

fn of_others<B: Backend>(b: &B, shape: Shape, all: &mut Vec<(String, Vec<u64>)>) -> Result<(), Failed> {
    let rng = &mut Rng::new(&format!("bits {shape}"));
    let mut keep = keeper(b, shape, all);
    let x = put(b, &Array::random(shape, rng))?;
    let y = put(b, &Array::random(shape, rng))?;
    let mut out = b.tensor(shape)?;
    let mut ws = b.workspace(b.gram_workspace(shape))?;

    for pooling in [Pooling::Average, Pooling::Max] {
        let op = Pool2d { pooling, channels: shape.channels, height: shape.height, width: shape.width };
        if op.output().is_empty() {
            continue;
        }
        let (mut pooled, mut switches) = (b.tensor(op.output())?, b.switches(op.output())?);
        b.pool2d_fwd(&op, &x, &mut pooled, Some(&mut switches))?;
        keep("pool2d_fwd", &pooled)?;
        b.pool2d_bwd(&op, &pooled, Some(&switches), Acc::Store, &mut out)?;
        keep("pool2d_bwd", &out)?;
    }

    let mut g = b.tensor(Shape::gram(shape.channels))?;
    b.gram(&x, style_core::backend::ops::Rows::all(shape), 0.001, Acc::Store, &mut g, &mut ws)?;
    keep("gram", &g)?;
    b.gram_bwd(&x, &g, 0.001, Acc::Store, &mut out, &mut ws)?;
    keep("gram_bwd", &out)?;

    let t = put(b, &Array::random(Shape { channels: 1, ..shape }, rng).map(f64::abs))?;
    b.guide(&x, &t, 0.7, Acc::Add, &mut out)?;
    keep("guide", &out)?;
    let of_channels = Shape::new(shape.channels, 1, 1);
    let (mut mean, mut deviation) = (b.tensor(of_channels)?, b.tensor(of_channels)?);
    for (name, t) in [("moments", None), ("weighted moments", Some(&t))] {
        b.moments(&x, t, &mut mean, Some(&mut deviation))?;
        keep(&format!("mean of {name}"), &mean)?;
        keep(&format!("deviation of {name}"), &deviation)?;
        b.moments_bwd(&x, t, &mean, &mean, Some((&deviation, &mean)), Acc::Add, &mut out)?;
        keep(&format!("gradient of {name}"), &out)?;
    }
    b.rectify(&mut out)?;
    keep("rectify", &out)?;
    let at = [shape.height / 3, shape.width / 3];
    let mut part = b.tensor(Shape { height: shape.height - at[0], width: shape.width - at[1], ..shape })?;
    b.window(&x, at, &mut part)?;
    keep("window", &part)?;
    for (at, acc) in [(at, Acc::Add), ([0, 0], Acc::Store)] {
        b.window_bwd(&part, at, acc, &mut out)?;
        keep(&format!("window_bwd {acc:?}"), &out)?;
    }

    b.half_squared_distance_bwd(&x, &y, 0.7, Acc::Add, &mut out)?;
    keep("half_squared_distance_bwd", &out)?;
    for kind in KINDS {
        b.tv_bwd(kind, &x, 0.7, Acc::Add, &mut out)?;
        keep(&format!("tv_bwd {kind:?}"), &out)?;
    }
    b.combine(&[(0.3, &x), (-0.7, &y), (1.0 / 3.0, &x)], &mut out)?;
    keep("combine", &out)?;
    let (mut h, mut restored) = (b.half(shape)?, b.tensor(shape)?);
    b.halve(&y, &mut h)?;
    b.restore(&h, &mut restored)?;
    keep("halve", &restored)?;
    b.half_combine(&[(0.3, &h); 6], (-0.7, &x), &mut restored)?;
    keep("half_combine", &restored)?;
    let (mut m, mut v) = (b.tensor(shape)?, b.tensor(shape)?);
    let step = AdamStep { rate: 2.0, beta1: 0.9, beta2: 0.999, correction2: 0.001, epsilon: 1e-8 };
    b.adam(&step, &x, &mut m, &mut v, &mut out)?;
    for (name, tensor) in [("adam m", &m), ("adam v", &v), ("adam x", &out)] {
        keep(name, tensor)?;
    }

    let mut values = [0.0; 10 + KINDS.len()];
    let mut scalars = b.scalars(values.len())?;
    for rows in [3, 40] {
        let a = put(b, &Array::random(Shape::new(1, rows, shape.channels), rng))?;
        let mut ws =
            b.workspace(b.project_workspace(rows, shape).max(b.product_workspace(b.shape(&a), b.shape(&g))))?;
        let (mut product, mut z) = (b.tensor(b.shape(&a))?, b.tensor(Shape { channels: rows, ..shape })?);
        b.product(&a, &g, 0.7, Acc::Store, &mut product, &mut ws)?;
        keep("product", &product)?;
        b.project(&a, &x, 0.7, &mut z, &mut ws)?;
        keep("project", &z)?;
        b.project_bwd(&a, &z, 0.7, Acc::Add, &mut out, &mut ws)?;
        keep("project_bwd", &out)?;
    }
    let mut ws = b.workspace(b.transport_workspace(shape))?;
    b.transport(&x, &y, &mut scalars, 7, &mut out, &mut ws)?;
    keep("transport", &out)?;
    // Comparing all patches with all would take long.
    let part = Shape { height: shape.height.min(40), width: shape.width.min(30), ..shape };
    let (mut of_x, mut of_y, mut d) = (b.tensor(part)?, b.tensor(part)?, b.tensor(part)?);
    b.window(&x, [0, 0], &mut of_x)?;
    b.window(&y, [0, 0], &mut of_y)?;
    let side = part.height.min(3);
    let mut found = b.tensor(expect_patches(part, part, side)?)?;
    b.nearest(&of_x, &of_y, side, &mut found, &mut b.workspace(b.nearest_workspace(part, side))?)?;
    keep("nearest", &found)?;
    b.nearest_distance(&of_x, &of_y, side, &found, &mut scalars, 8, &mut d)?;
    keep("nearest_distance", &d)?;
    b.cosine(&x, &y, &mut scalars, 9, &mut out)?;
    keep("cosine", &out)?;
    let positions = shape.positions() as u64;
    let mut row = |i: usize| (0..i % 7).map(|_| (rng.below(positions) as usize, rng.unit())).collect();
    let rows: Vec<sample::Row> = (0..shape.positions()).map(&mut row).collect();
    let mut samples = b.tensor(Shape { channels: 16 + shape.channels, ..shape })?;
    let lists = |rows: &[sample::Row]| {
        let [offsets, columns, values] = sample::compressed(rows);
        Ok::<_, Failed>((put(b, &offsets)?, put(b, &columns)?, put(b, &values)?))
    };
    let (offsets, columns, values_of) = lists(&rows)?;
    b.sample(Sparse { offsets: &offsets, columns: &columns, values: &values_of }, &x, 0.7, &mut samples, 16)?;
    keep("sample", &samples)?;
    let (offsets, columns, values_of) = lists(&sample::transposed(&rows, shape.positions()))?;
    let transposed = Sparse { offsets: &offsets, columns: &columns, values: &values_of };
    b.sample_bwd(transposed, &samples, 16, 0.7, Acc::Add, &mut out)?;
    keep("sample_bwd", &out)?;
    b.half_squared_distance(&x, &y, &mut scalars, 0)?;
    b.dots(&[&x, &y], &[&x, &y, &out], &mut scalars, 1)?;
    for (i, kind) in KINDS.into_iter().enumerate() {
        b.tv(kind, &x, &mut scalars, 10 + i)?;
    }
    b.scale_by(&x, &scalars, 1, -0.5, &mut out)?;
    keep("scale_by", &out)?;
    b.read_scalars(&scalars, &mut values)?;
    drop(keep);
    all.push((format!("scalars {shape}"), values.map(f64::to_bits).to_vec()));
    Ok(())
}
