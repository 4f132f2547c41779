//! Cases for features in half precision: each op against the oracle, and checks without tolerance.
//!
//! Operands are compared as the device stores them, so their rounding is not an error. The remaining errors are the
//! rounding of filters, of results, and of operands whose type an op changes: at most three roundings per term of a sum,
//! with practically random signs, and one of the result.

use libtest_mimic::Failed;
use style_core::Pooling;
use style_core::backend::ops::{Conv2d, Epilogue, Padding, Pool2d, Rows, Sparse};
use style_core::backend::{Acc, Backend, Shape};

use super::{ACCS, Case, Check, Lab, conv2d, equal, near, near_scalar, same_bits, tag};
use crate::oracle;
use crate::oracle::conv2d::Weights;
use crate::{Array, Rng};

/// `(in, out, height, width)`.
const EXTENTS: [(usize, usize, usize, usize); 16] = [
    (3, 8, 5, 97),
    (3, 64, 17, 15),
    (64, 3, 17, 15),
    (8, 8, 1, 1),
    (5, 8, 7, 9),
    (8, 15, 13, 17),
    (16, 17, 16, 16),
    (17, 31, 9, 33),
    (32, 32, 8, 16),
    (33, 48, 13, 17),
    (48, 64, 7, 9),
    (64, 64, 16, 18),
    (64, 64, 1, 17),
    (64, 33, 17, 1),
    (72, 136, 10, 19),
    (128, 64, 4, 4),
];

/// Pictures with a repeated border.
const PICTURES: [(usize, usize, usize, usize); 4] = [(3, 64, 1, 1), (3, 17, 3, 5), (3, 64, 17, 15), (3, 8, 5, 65)];

/// Features of various layers.
const SHAPES: [(usize, usize, usize); 7] =
    [(5, 3, 5), (8, 1, 1), (17, 13, 17), (33, 9, 18), (64, 20, 31), (72, 40, 41), (136, 7, 5)];

/// All cases for half precision.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    let padded = |padding: Padding| move |extents| (extents, padding);
    let extents = EXTENTS.into_iter().map(padded(Padding::Zero));
    for ((in_channels, out_channels, height, width), padding) in
        extents.chain(PICTURES.into_iter().map(padded(Padding::Replicate)))
    {
        let op = Conv2d::new(in_channels, out_channels, height, width).with_padding(padding);
        let tag = if padding == Padding::Zero { "" } else { "/replicate" };
        let name = |what: &str| format!("half/conv2d/{what}/{in_channels}-{out_channels}x{height}x{width}{tag}");
        cases.push(Case::new(name("fwd"), move |b, rng| forward(b, &op, rng)));
        cases.push(Case::new(name("bwd"), move |b, rng| backward(b, &op, rng)));
        cases.push(Case::new(name("fused"), move |b, rng| fused(b, &op, rng)));
        cases.push(Case::new(name("pooled"), move |b, rng| pooled(b, &op, rng)));
    }
    for (channels, height, width) in SHAPES {
        let shape = Shape::new(channels, height, width);
        let name = |what: &str| format!("half/{what}/{}", tag(shape));
        cases.push(Case::new(name("gram"), move |b, rng| gram(b, shape, rng)));
        cases.push(Case::new(name("gram-bwd"), move |b, rng| gram_bwd(b, shape, rng)));
        cases.push(Case::new(name("pool2d"), move |b, rng| pool2d(b, shape, rng)));
        cases.push(Case::new(name("elementwise"), move |b, rng| elementwise(b, shape, rng)));
        cases.push(Case::new(name("moments"), move |b, rng| moments(b, shape, rng)));
        cases.push(Case::new(name("window"), move |b, rng| window(b, shape, rng)));
        cases.push(Case::new(name("project"), move |b, rng| project(b, shape, rng)));
        if shape.len() < 1 << 16 {
            cases.push(Case::new(name("nearest"), move |b, rng| nearest(b, shape, rng)));
            cases.push(Case::new(name("sample"), move |b, rng| sample(b, shape, rng)));
        }
    }
    cases.push(Case::new("half/round-trip", round_trip));
    cases.push(Case::new("half/tiny-gradients", tiny_gradients));
    cases
}

/// Features on the device, in memory that was not zero, and their stored values.
fn put<B: Backend>(b: &B, values: &Array) -> Result<(B::Tensor, Array), Failed> {
    let mut tensor = blank(b, values.shape)?;
    b.upload(&values.to_f32(), &mut tensor)?;
    let held = get(b, &tensor)?;
    Ok((tensor, held))
}

/// Features full of NaN.
fn blank<B: Backend>(b: &B, shape: Shape) -> Result<B::Tensor, Failed> {
    let mut tensor = b.features(shape)?;
    b.upload(&vec![f32::NAN; shape.len()], &mut tensor)?;
    Ok(tensor)
}

fn get<B: Backend>(b: &B, tensor: &B::Tensor) -> Result<Array, Failed> {
    Ok(Array::from_f32(b.shape(tensor), &Lab::fresh(b).get(tensor)?))
}

/// A gradient on the device, in the gradient type: half of `values` twice, so that `Add` is tested too.
fn gradient<B: Backend>(b: &B, values: &Array) -> Result<(B::Tensor, Array), Failed> {
    let (half, mut tensor) = (put(b, &values.map(|v| 0.5 * v))?.0, blank(b, values.shape)?);
    let zero = put(b, &Array::zeros(values.shape))?.0;
    for acc in ACCS {
        b.half_squared_distance_bwd(&half, &zero, 1.0, acc, &mut tensor)?;
    }
    let held = get(b, &tensor)?;
    Ok((tensor, held))
}

/// Checks errors against the root of the sum of the squared terms: at most three roundings of each and one of the result.
fn within(what: &str, got: &Array, want: &Array, squares: &Array, roundoff: f64) -> Check {
    let scale = squares.max().sqrt();
    let limit = (16.0 * roundoff + 1e-5) * scale;
    near(what, &got.to_f32(), want, &Array::full(want.shape, limit))?;
    let rms = got.zip(want, |g, w| g - w).norm() / (want.data.len() as f64).sqrt();
    near_scalar(&format!("{what}: root mean square of the errors"), rms, 0.0, (2.5 * roundoff + 5e-6) * scale)
}

fn squares(x: &Array) -> Array {
    x.map(|v| v * v)
}

fn convolve<B: Backend>(
    b: &B,
    op: &Conv2d,
    x: &B::Tensor,
    filter: &B::Filter,
    epilogue: Epilogue<'_, B::Gate>,
) -> Result<B::Tensor, Failed> {
    let pooled = matches!(epilogue, Epilogue::ReluPool | Epilogue::ReluPoolGate(_));
    let mut y = blank(b, op.y(pooled))?;
    b.conv2d_fwd(op, x, filter, epilogue, &mut y, &mut b.workspace(b.conv2d_workspace(op))?)?;
    Ok(y)
}

/// `dx` under `acc`, onto a gradient.
fn convolve_back<B: Backend>(
    b: &B,
    op: &Conv2d,
    dy: &B::Tensor,
    gate: Option<&B::Gate>,
    filter: &B::Filter,
    (acc, previous): (Acc, &Array),
) -> Result<Array, Failed> {
    let mut dx = if acc == Acc::Add { gradient(b, previous)?.0 } else { blank(b, op.input())? };
    b.conv2d_bwd(op, dy, gate, filter, acc, &mut dx, &mut b.workspace(b.conv2d_workspace(op))?)?;
    get(b, &dx)
}

fn weights<B: Backend>(b: &B, op: &Conv2d, rng: &mut Rng) -> Result<(Weights, B::Filter), Failed> {
    let w = conv2d::random_weights(op, rng);
    let filter = conv2d::pack(b, &w)?;
    Ok((w, filter))
}

fn forward<B: Backend>(b: &B, op: &Conv2d, rng: &mut Rng) -> Check {
    let (w, filter) = weights(b, op, rng)?;
    let (x, held) = put(b, &Array::random(op.input(), rng))?;
    let want = oracle::conv2d::fwd(op, &held, &w);
    let terms = oracle::conv2d::fwd(op, &squares(&held), &w.map(|v| v * v));
    let [roundoff, _] = b.unit_roundoffs();
    let y = get(b, &convolve(b, op, &x, &filter, Epilogue::Bias)?)?;
    within("W x + b", &y, &want, &terms, roundoff)?;
    let again = get(b, &convolve(b, op, &x, &filter, Epilogue::Bias)?)?;
    same_bits("W x + b again", &again.to_f32(), &y.to_f32())
}

fn backward<B: Backend>(b: &B, op: &Conv2d, rng: &mut Rng) -> Check {
    let (w, filter) = weights(b, op, rng)?;
    let random = Array::random(op.output(), rng);
    let previous = Array::random(op.input(), rng);
    let [_, roundoff] = b.unit_roundoffs();
    // A gradient as produced by ops, and an uploaded one, which may have another type.
    for (dy, held) in [gradient(b, &random)?, put(b, &random)?] {
        let value = oracle::conv2d::bwd(op, &held, &w);
        let terms = oracle::conv2d::bwd(op, &squares(&held), &w.map(|v| v * v)).map(|s| s.max(0.01));
        for acc in ACCS {
            let got = convolve_back(b, op, &dy, None, &filter, (acc, &previous))?;
            let want =
                if acc == Acc::Add { gradient(b, &previous)?.1.zip(&value, |p, v| p + v) } else { value.clone() };
            within(&format!("dx under {acc:?}"), &got, &want, &terms, roundoff)?;
        }
    }
    Ok(())
}

/// Epilogues equal the bias form followed by `max`; a gate equals gating `dy` explicitly. No tolerance.
fn fused<B: Backend>(b: &B, op: &Conv2d, rng: &mut Rng) -> Check {
    let (_, filter) = weights(b, op, rng)?;
    let (x, previous) = (put(b, &Array::random(op.input(), rng))?.0, Array::random(op.input(), rng));
    let linear = get(b, &convolve(b, op, &x, &filter, Epilogue::Bias)?)?;
    let composed = oracle::conv2d::relu(&linear).to_f32();
    let relu = get(b, &convolve(b, op, &x, &filter, Epilogue::Relu)?)?;
    equal("Relu against Bias and max", &relu.to_f32(), &composed)?;
    let mut gate = b.gate(op.output())?;
    let gated = get(b, &convolve(b, op, &x, &filter, Epilogue::ReluGate(&mut gate))?)?;
    equal("ReluGate against Bias and max", &gated.to_f32(), &composed)?;
    let (dy, held) = gradient(b, &Array::random(op.output(), rng))?;
    let by_hand = gradient(b, &held.zip(&oracle::conv2d::gate(&linear), |dy, gate| dy * gate))?.0;
    for acc in ACCS {
        let fused = convolve_back(b, op, &dy, Some(&gate), &filter, (acc, &previous))?;
        let composed = convolve_back(b, op, &by_hand, None, &filter, (acc, &previous))?;
        equal(&format!("a gate against dy gated by hand, {acc:?}"), &fused.to_f32(), &composed.to_f32())?;
    }
    Ok(())
}

/// A fused average pool equals a separate one, in both directions. No tolerance.
fn pooled<B: Backend>(b: &B, op: &Conv2d, rng: &mut Rng) -> Check {
    if op.pooled().is_empty() || !b.conv2d_pools(op) {
        return Ok(());
    }
    let pool = Pool2d { pooling: Pooling::Average, channels: op.out_channels, height: op.height, width: op.width };
    let (_, filter) = weights(b, op, rng)?;
    let (x, previous) = (put(b, &Array::random(op.input(), rng))?.0, Array::random(op.input(), rng));
    let (mut gate, mut taken_gate, mut apart) = (b.gate(op.output())?, b.gate(op.output())?, blank(b, op.pooled())?);
    let whole = convolve(b, op, &x, &filter, Epilogue::ReluGate(&mut gate))?;
    b.pool2d_fwd(&pool, &whole, &mut apart, None)?;
    let apart = get(b, &apart)?.to_f32();
    let fused = get(b, &convolve(b, op, &x, &filter, Epilogue::ReluPool)?)?;
    equal("ReluPool against Relu and a pool", &fused.to_f32(), &apart)?;
    let fused = get(b, &convolve(b, op, &x, &filter, Epilogue::ReluPoolGate(&mut taken_gate))?)?;
    equal("ReluPoolGate against ReluGate and a pool", &fused.to_f32(), &apart)?;
    let (dy, mut spread) = (gradient(b, &Array::random(op.pooled(), rng))?.0, blank(b, op.output())?);
    b.pool2d_bwd(&pool, &dy, None, Acc::Store, &mut spread)?;
    for (gate, acc) in [None, Some(())].into_iter().flat_map(|gated| ACCS.map(|acc| (gated, acc))) {
        let composed = convolve_back(b, op, &spread, gate.map(|()| &taken_gate), &filter, (acc, &previous))?;
        let fused = convolve_back(b, op, &dy, gate.map(|()| &taken_gate), &filter, (acc, &previous))?;
        equal(&format!("the gradient through a pool, {acc:?}"), &fused.to_f32(), &composed.to_f32())?;
    }
    Ok(())
}

fn gram<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (f, held) = put(b, &Array::activation(shape, rng))?;
    let (n, lab) = (shape.channels, Lab::fresh(b));
    let mut workspace = b.workspace(b.gram_workspace(shape))?;
    // Exact products, summed in f32, as in full precision.
    let previous = Array::random(Shape::gram(n), rng);
    let ranges = [Rows::all(shape), Rows { start: shape.height / 3, end: shape.height }];
    for (rows, acc) in ranges.into_iter().flat_map(|rows| ACCS.map(|acc| (rows, acc))) {
        let scale = 1.0 / (rows.len() * shape.width) as f32;
        let value = oracle::gram::fwd(&held.rows(rows), f64::from(scale));
        let mut g = lab.destination(acc, &previous)?;
        b.gram(&f, rows, scale, acc, &mut g, &mut workspace)?;
        let got = lab.get(&g)?;
        let bound = value.map(|v| 4e-6 * v.abs());
        let (want, bound) = super::accumulated(acc, &previous, &value, &bound);
        near(&format!("G under {acc:?}"), &got, &want, &bound)?;
        for (i, j) in (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).filter(|_| acc == Acc::Store) {
            same_bits("G[i, j] against G[j, i]", &[got[i * n + j]], &[got[j * n + i]])?;
        }
    }
    Ok(())
}

fn gram_bwd<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (f, held) = put(b, &Array::activation(shape, rng))?;
    let (dg, previous) =
        (Array::random(Shape::gram(shape.channels), rng), Array::random(shape, rng).map(|v| 100.0 * v));
    let (lab, [_, roundoff]) = (Lab::fresh(b), b.unit_roundoffs());
    let value = oracle::gram::bwd(&held, &dg, -0.37);
    // For (dG + dG^T)^2 F^2, with the same sums.
    let symmetric = |i: usize, j: usize| dg.at(0, i, j) + dg.at(0, j, i);
    let mut squared = Array::zeros(dg.shape);
    for (i, j) in (0..shape.channels).flat_map(|i| (0..shape.channels).map(move |j| (i, j))) {
        *squared.at_mut(0, i, j) = 0.5 * symmetric(i, j).powi(2);
    }
    let terms = oracle::gram::bwd(&squares(&held), &squared, 0.37 * 0.37).map(|v| v.abs().max(1.0));
    let mut workspace = b.workspace(b.gram_workspace(shape))?;
    for acc in ACCS {
        let (mut df, before) =
            if acc == Acc::Add { gradient(b, &previous)? } else { (blank(b, shape)?, Array::zeros(shape)) };
        b.gram_bwd(&f, &lab.put(&dg)?, -0.37, acc, &mut df, &mut workspace)?;
        let want = value.zip(&before, |v, p| v + p);
        within(&format!("dF under {acc:?}"), &get(b, &df)?, &want, &terms, roundoff)?;
    }
    Ok(())
}

fn pool2d<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    for pooling in [Pooling::Average, Pooling::Max] {
        let op = Pool2d { pooling, channels: shape.channels, height: shape.height, width: shape.width };
        if op.output().is_empty() {
            continue;
        }
        let (x, held) = put(b, &Array::activation(shape, rng))?;
        let (mut y, mut switches) = (blank(b, op.output())?, b.switches(op.output())?);
        b.pool2d_fwd(&op, &x, &mut y, Some(&mut switches))?;
        let (want, taken) = oracle::pool2d::fwd(&op, &held);
        let [activation, of_gradient] = b.unit_roundoffs();
        let close = |v: f64, roundoff: f64| 1.01 * roundoff * v.abs() + 1e-30;
        near("y", &get(b, &y)?.to_f32(), &want, &want.map(|v| close(v, activation)))?;
        let (dy, held) = gradient(b, &Array::random(op.output(), rng))?;
        let mut dx = blank(b, shape)?;
        b.pool2d_bwd(&op, &dy, Some(&switches), Acc::Store, &mut dx)?;
        let want = oracle::pool2d::bwd(&op, &held, &taken);
        near("dx", &get(b, &dx)?.to_f32(), &want, &want.map(|v| close(v, of_gradient)))?;
    }
    Ok(())
}

fn elementwise<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (mut x, x_held) = put(b, &Array::random(shape, rng))?;
    let (y, y_held) = put(b, &Array::random(shape, rng))?;
    let (lab, [_, roundoff]) = (Lab::fresh(b), b.unit_roundoffs());
    let mut out = b.scalars(1)?;
    b.half_squared_distance(&x, &y, &mut out, 0)?;
    let want = oracle::loss::half_squared_distance(&x_held, &y_held);
    near_scalar("the distance", lab.scalars(&out, 1)?[0], want, 1e-6 * want)?;

    let close = |want: &Array| want.map(|v| 1.01 * roundoff * v.abs() + 1e-6);
    let mut dx = blank(b, shape)?;
    b.half_squared_distance_bwd(&x, &y, 3.0, Acc::Store, &mut dx)?;
    let want = x_held.zip(&y_held, |x, y| 3.0 * (x - y));
    near("the gradient of the distance", &get(b, &dx)?.to_f32(), &want, &close(&want))?;

    let t = Array::random(Shape { channels: 1, ..shape }, rng);
    b.guide(&x, &lab.put(&t)?, 0.5, Acc::Store, &mut dx)?;
    let want = oracle::guide::guide(&x_held, &t, 0.5);
    near("guided features", &get(b, &dx)?.to_f32(), &want, &close(&want))?;

    let mut copy = blank(b, shape)?;
    b.copy(&x, &mut copy)?;
    same_bits("a copy", &get(b, &copy)?.to_f32(), &x_held.to_f32())?;
    b.rectify(&mut x)?;
    equal("max(0, x)", &get(b, &x)?.to_f32(), &oracle::relu::rectify(&x_held).to_f32())
}

fn moments<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (x, held) = put(b, &Array::activation(shape, rng))?;
    let (lab, small, [_, roundoff]) = (Lab::fresh(b), Shape::new(shape.channels, 1, 1), b.unit_roundoffs());
    let (mut mean, mut deviation) = (lab.blank(small)?, lab.blank(small)?);
    b.moments(&x, None, &mut mean, Some(&mut deviation))?;
    let (want_mean, want_deviation) = oracle::moments::fwd(&held, None);
    near("the mean", &lab.get(&mean)?, &want_mean, &want_mean.map(|v| 1e-6 * v + 1e-30))?;
    near("the deviation", &lab.get(&deviation)?, &want_deviation, &want_mean.map(|v| 1e-6 * v + 1e-30))?;
    let (dmean, ddeviation) = (Array::random(small, rng), Array::random(small, rng));
    let mut dx = blank(b, shape)?;
    let pair = (&deviation, &lab.put(&ddeviation)?);
    b.moments_bwd(&x, None, &mean, &lab.put(&dmean)?, Some(pair), Acc::Store, &mut dx)?;
    let (mean, deviation) = (get(b, &mean)?, get(b, &deviation)?);
    let want = oracle::moments::bwd(&held, None, &mean, &dmean, Some((&deviation, &ddeviation)));
    let bound = want.map(|v| 1.01 * roundoff * v.abs() + 1e-5 / shape.positions() as f64);
    near("dx", &get(b, &dx)?.to_f32(), &want, &bound)
}

/// Windows of features copy the stored values, and gradients are written back in their type.
fn window<B: Backend>(b: &B, whole: Shape, rng: &mut Rng) -> Check {
    let at = [whole.height / 3, whole.width / 4];
    let within =
        Shape { height: (whole.height - at[0]).div_ceil(2), width: (whole.width - at[1]).div_ceil(2), ..whole };
    let (x, held) = put(b, &Array::random(whole, rng))?;
    let want = oracle::window::fwd(&held, at, within).to_f32();
    // Into features, and into f32.
    for mut y in [blank(b, within)?, Lab::fresh(b).blank(within)?] {
        b.window(&x, at, &mut y)?;
        same_bits("y", &get(b, &y)?.to_f32(), &want)?;
    }
    let [_, roundoff] = b.unit_roundoffs();
    let (random, previous) = (Array::random(within, rng), Array::random(whole, rng));
    let is_within = oracle::window::bwd(&Array::full(within, 1.0), at, whole);
    // A gradient as produced by ops, and an uploaded one, which may have another type.
    for ((dy, held), acc) in [gradient(b, &random)?, put(b, &random)?].iter().flat_map(|dy| ACCS.map(|acc| (dy, acc))) {
        let (mut dx, before) =
            if acc == Acc::Add { gradient(b, &previous)? } else { (blank(b, whole)?, Array::zeros(whole)) };
        b.window_bwd(dy, at, acc, &mut dx)?;
        let want = oracle::window::bwd(held, at, whole).zip(&before, |v, p| v + p);
        let bound = want.zip(&is_within, |v, within| 1.01 * roundoff * within * v.abs());
        near(&format!("dx under {acc:?}"), &get(b, &dx)?.to_f32(), &want, &bound)?;
    }
    Ok(())
}

/// Projections of features are `f32`; their gradients become gradients of features.
fn project<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (x, held) = put(b, &Array::activation(shape, rng))?;
    let (lab, rows, [_, roundoff]) = (Lab::fresh(b), 19, b.unit_roundoffs());
    let matrix = Array::random(Shape::new(1, rows, shape.channels), rng);
    let (a, mut y) = (lab.put(&matrix)?, lab.blank(Shape { channels: rows, ..shape })?);
    let mut workspace = b.workspace(b.project_workspace(rows, shape))?;
    b.project(&a, &x, 0.3, &mut y, &mut workspace)?;
    let absolute = matrix.map(f64::abs);
    let bound = oracle::product::project(&absolute, &held, 0.3).map(|v| 2e-6 * v + 1e-30);
    near("Y", &lab.get(&y)?, &oracle::product::project(&matrix, &held, 0.3), &bound)?;

    let (dy, previous) = (Array::random(b.shape(&y), rng), Array::random(shape, rng));
    let value = oracle::product::project_bwd(&matrix, &dy, 0.3);
    let rounding = oracle::product::project_bwd(&absolute, &dy.map(f64::abs), 2e-6 * 0.3);
    for acc in ACCS {
        let (mut dx, before) =
            if acc == Acc::Add { gradient(b, &previous)? } else { (blank(b, shape)?, Array::zeros(shape)) };
        b.project_bwd(&a, &lab.put(&dy)?, 0.3, acc, &mut dx, &mut workspace)?;
        let want = value.zip(&before, |v, p| v + p);
        let bound = want.zip(&rounding, |w, r| 1.01 * roundoff * w.abs() + r + 1e-6);
        near(&format!("dX under {acc:?}"), &get(b, &dx)?.to_f32(), &want, &bound)?;
    }
    Ok(())
}

/// Neighbours of stored features, and the distance from them.
fn nearest<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let side = shape.height.min(shape.width).min(3);
    let (x, x_held) = put(b, &Array::activation(shape, rng))?;
    let (y, y_held) = put(b, &Array::activation(Shape { height: 7, width: 6, ..shape }, rng))?;
    let (lab, cosines) = (Lab::fresh(b), oracle::nearest::cosines(&x_held, &y_held, side));
    let of_patches = Shape::new(1, shape.height + 1 - side, shape.width + 1 - side);
    let (mut found, mut d, mut out) = (lab.blank(of_patches)?, lab.blank(shape)?, b.scalars(1)?);
    b.nearest(&x, &y, side, &mut found, &mut b.workspace(b.nearest_workspace(shape, side))?)?;
    let neighbours = get(b, &found)?;
    for (p, &q) in neighbours.data.iter().enumerate() {
        let best = (0..cosines.shape.width).map(|q| cosines.at(0, p, q)).fold(f64::NEG_INFINITY, f64::max);
        near_scalar(&format!("the cosine of patch {p}"), cosines.at(0, p, q as usize), best, 1e-5)?;
    }
    b.nearest_distance(&x, &y, side, &found, &mut out, 0, &mut d)?;
    let (l, want) = oracle::nearest::distance(&x_held, &y_held, side, &neighbours);
    near_scalar("the distance", lab.scalars(&out, 1)?[0], l, 1e-6 * l)?;
    near("the differences", &lab.get(&d)?, &want, &Array::full(shape, 1e-6 * 512.0 * (side * side) as f64))
}

/// Samples of features are `f32`; their gradients become gradients of features.
fn sample<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (x, held) = put(b, &Array::activation(shape, rng))?;
    let (lab, o, [_, roundoff]) = (Lab::fresh(b), 16, b.unit_roundoffs());
    let of_y = Shape::new(o + shape.channels + 20, 6, 7);
    let mut entry = || (rng.below(shape.positions() as u64) as usize, rng.unit());
    let rows: Vec<oracle::sample::Row> = (0..of_y.positions()).map(|i| (0..i % 5).map(|_| entry()).collect()).collect();
    let transposed = oracle::sample::transposed(&rows, shape.positions());
    let magnitudes = |rows: &[oracle::sample::Row]| -> Vec<oracle::sample::Row> {
        rows.iter().map(|row| row.iter().map(|&(column, value)| (column, value.abs())).collect()).collect()
    };
    let lists = |rows: &[oracle::sample::Row]| {
        let [offsets, columns, values] = oracle::sample::compressed(rows);
        Ok::<_, Failed>((lab.put(&offsets)?, lab.put(&columns)?, lab.put(&values)?))
    };

    let (previous, (offsets, columns, values)) = (Array::random(of_y, rng), lists(&rows)?);
    let mut y = lab.put(&previous)?;
    let matrix = Sparse { offsets: &offsets, columns: &columns, values: &values };
    b.sample(matrix, &x, 0.3, &mut y, o)?;
    let scale = f64::from(0.3_f32);
    let want = oracle::sample::sample(&rows, &held, scale, &previous, o);
    let bound = oracle::sample::sample(&magnitudes(&rows), &held, 1e-6 * scale, &Array::zeros(of_y), o);
    near("y", &lab.get(&y)?, &want, &bound)?;

    let (dy, previous, (offsets, columns, values)) =
        (Array::random(of_y, rng), Array::random(shape, rng), lists(&transposed)?);
    let value = oracle::sample::sample_bwd(&transposed, &dy, o, scale, shape);
    let rounding = oracle::sample::sample_bwd(&magnitudes(&transposed), &dy.map(f64::abs), o, 1e-6 * scale, shape);
    for acc in ACCS {
        let (mut dx, before) =
            if acc == Acc::Add { gradient(b, &previous)? } else { (blank(b, shape)?, Array::zeros(shape)) };
        let matrix = Sparse { offsets: &offsets, columns: &columns, values: &values };
        b.sample_bwd(matrix, &lab.put(&dy)?, o, 0.3, acc, &mut dx)?;
        let want = value.zip(&before, |v, p| v + p);
        let bound = want.zip(&rounding, |w, r| 1.01 * roundoff * w.abs() + r + 1e-6);
        near(&format!("dx under {acc:?}"), &get(b, &dx)?.to_f32(), &want, &bound)?;
    }
    Ok(())
}

/// Downloaded values equal the uploaded ones within the roundoff, and survive another upload bit by bit; none becomes
/// infinite.
fn round_trip<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let (shape, [roundoff, _]) = (Shape::new(20, 7, 9), b.unit_roundoffs());
    let x = Array::random(shape, rng).map(|v| 300.0 * v);
    let held = put(b, &x)?.1;
    near("downloaded values", &held.to_f32(), &x, &x.map(|v| 1.01 * roundoff * v.abs() + 1e-30))?;
    same_bits("downloaded values, again", &put(b, &held)?.1.to_f32(), &held.to_f32())?;
    let large = put(b, &Array::full(shape, 1e6))?.1;
    if large.data.iter().all(|v| v.is_finite()) { Ok(()) } else { Err("a large feature became infinite".into()) }
}

/// Gradients as small as those of means over millions of values do not underflow to zero.
fn tiny_gradients<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let op = Conv2d::new(16, 24, 9, 11);
    let (w, filter) = weights(b, &op, rng)?;
    let (ones, zero) = (Array::random(op.output(), rng), Array::zeros(op.output()));
    let (a, held) = put(b, &ones)?;
    let mut dy = blank(b, op.output())?;
    b.half_squared_distance_bwd(&a, &put(b, &zero)?.0, 1e-15, Acc::Store, &mut dy)?;
    let got = convolve_back(b, &op, &dy, None, &filter, (Acc::Store, &zero))?;
    let held = held.map(|v| 1e-15 * v);
    let terms = oracle::conv2d::bwd(&op, &squares(&held), &w.map(|v| v * v));
    let [_, roundoff] = b.unit_roundoffs();
    let want = oracle::conv2d::bwd(&op, &held, &w);
    within(
        "dx of tiny gradients",
        &got.map(|v| 1e15 * v),
        &want.map(|v| 1e15 * v),
        &terms.map(|v| 1e30 * v),
        2.0 * roundoff,
    )
}
