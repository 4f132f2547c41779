//! Mean and standard deviation.

use libtest_mimic::Failed;
use style_core::backend::{Acc, Backend, Shape};

use super::{ACCS, Case, Check, Lab, accumulated, equal, misfit, near, near_scalar, same_bits, served_or_misfit, tag};
use crate::oracle::moments as oracle;
use crate::{Array, Rng};

/// Every error is below this times the sum of the magnitudes of the value's terms: sums are `f64`, terms may be `f32`.
const TOLERANCE: f64 = 3e-7;

/// The same for the gradient, whose elements take a few more operations.
const GRADIENT_TOLERANCE: f64 = 8e-7;

/// More positions than one work item of any backend.
const LARGE: [(usize, usize, usize); 3] = [(16, 150, 141), (20, 1, 20_011), (3, 200, 211)];

/// All cases of this op.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    let large = LARGE.map(|(c, h, w)| Shape::new(c, h, w));
    for (weighted, kind) in [(false, "plain"), (true, "weighted")] {
        for shape in super::shapes().chain(large) {
            let name = |what: &str| format!("moments/{kind}/{what}/{}", tag(shape));
            let t = move |rng: &mut Rng| weighted.then(|| weights(shape, rng));
            cases.push(Case::new(name("fwd"), move |b, rng| forward(b, &Array::random(shape, rng), t(rng))));
            let activations = move |b: &B, rng: &mut Rng| forward(b, &Array::activation(shape, rng), t(rng));
            cases.push(Case::new(name("activations"), activations));
            let offset = move |b: &B, rng: &mut Rng| {
                let far = Array::random(shape, rng).map(|v| f64::from((1000.0 + 0.1 * v) as f32));
                forward(b, &far, t(rng))
            };
            cases.push(Case::new(name("far-from-zero"), offset));
            cases.push(Case::new(name("bwd"), move |b, rng| backward(b, shape, t(rng), rng)));
            cases.push(Case::new(name("euler"), move |b, rng| euler(b, shape, t(rng), rng)));
        }
    }
    cases.push(Case::new("moments/constant", constant));
    cases.push(Case::new("moments/one-position", one_position));
    cases.push(Case::new("moments/misfit", misfits));
    cases.push(Case::new("moments/empty", empty));
    cases
}

fn of_channels(shape: Shape) -> Shape {
    Shape::new(shape.channels, 1, 1)
}

fn map(shape: Shape) -> Shape {
    Shape { channels: 1, ..shape }
}

/// Weights that sum to 1 within the precision of `f32`; some are zero.
fn weights(shape: Shape, rng: &mut Rng) -> Array {
    let mut t = Array::random(map(shape), rng).map(|v| (v + 0.5).max(0.0));
    t.data[0] = 1.0;
    let sum: f64 = t.data.iter().sum();
    t.map(|v| f64::from((v / sum) as f32))
}

/// Computes the mean, and the deviation if requested.
fn run_fwd<B: Backend>(
    lab: &Lab<'_, B>,
    x: &Array,
    t: Option<&Array>,
    with_deviation: bool,
) -> Result<(Vec<f32>, Vec<f32>), Failed> {
    let (mut mean, mut deviation) = (lab.blank(of_channels(x.shape))?, lab.blank(of_channels(x.shape))?);
    let t = t.map(|t| lab.put(t)).transpose()?;
    lab.b.moments(&lab.put(x)?, t.as_ref(), &mut mean, with_deviation.then_some(&mut deviation))?;
    Ok((lab.get(&mean)?, if with_deviation { lab.get(&deviation)? } else { Vec::new() }))
}

/// The operands of the gradient.
struct Operands<'a> {
    x: &'a Array,
    t: Option<&'a Array>,
    mean: &'a Array,
    dmean: &'a Array,
    deviation: Option<(&'a Array, &'a Array)>,
}

fn run_bwd<B: Backend>(lab: &Lab<'_, B>, of: &Operands<'_>, into: (Acc, &Array)) -> Result<Vec<f32>, Failed> {
    let t = of.t.map(|t| lab.put(t)).transpose()?;
    let deviation = of.deviation.map(|(value, gradient)| Ok::<_, Failed>((lab.put(value)?, lab.put(gradient)?)));
    let deviation = deviation.transpose()?;
    let deviation = deviation.as_ref().map(|(value, gradient)| (value, gradient));
    let (x, mean, dmean, mut dx) =
        (lab.put(of.x)?, lab.put(of.mean)?, lab.put(of.dmean)?, lab.destination(into.0, into.1)?);
    lab.b.moments_bwd(&x, t.as_ref(), &mean, &dmean, deviation, into.0, &mut dx)?;
    lab.get(&dx)
}

fn forward<B: Backend>(b: &B, x: &Array, t: Option<Array>) -> Check {
    let t = t.as_ref();
    let (mean, deviation) = oracle::fwd(x, t);
    let magnitudes = oracle::fwd(&x.map(f64::abs), t).0;
    let mean_bound = magnitudes.map(|v| TOLERANCE * v + 1e-30);
    // The mean may be rounded to f32: for equal values, this leaves a deviation of that size.
    let deviation_bound = deviation.zip(&magnitudes, |d, m| TOLERANCE * (d + 0.5 * m) + 1e-30);
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let (got_mean, got_deviation) = run_fwd(&lab, x, t, true)?;
        near("the mean", &got_mean, &mean, &mean_bound)?;
        near("the deviation", &got_deviation, &deviation, &deviation_bound)?;
        near("the mean alone", &run_fwd(&lab, x, t, false)?.0, &mean, &mean_bound)?;
        runs.push([got_mean, got_deviation].concat());
    }
    same_bits("moments again", &runs[1], &runs[0])
}

/// Uses arbitrary operands, which need not be the moments of `x`. Every third deviation is zero.
fn backward<B: Backend>(b: &B, shape: Shape, t: Option<Array>, rng: &mut Rng) -> Check {
    let (x, previous) = (Array::random(shape, rng), Array::random(shape, rng));
    let mut draw = || Array::random(of_channels(shape), rng);
    let (mean, dmean, mut deviation, ddeviation) = (draw(), draw(), draw().map(|v| 0.25 + v.abs()), draw());
    deviation.data.iter_mut().skip(2).step_by(3).for_each(|v| *v = 0.0);
    let mut stored = [Vec::new(), Vec::new()];
    for deviation in [None, Some((&deviation, &ddeviation))] {
        let of = Operands { x: &x, t: t.as_ref(), mean: &mean, dmean: &dmean, deviation };
        let value = oracle::bwd(of.x, of.t, of.mean, of.dmean, of.deviation);
        let (x, mean, dmean) = (x.map(f64::abs), mean.map(|v| -v.abs()), dmean.map(f64::abs));
        let ddeviation = ddeviation.map(f64::abs);
        let magnitudes = oracle::bwd(&x, of.t, &mean, &dmean, deviation.map(|(value, _)| (value, &ddeviation)));
        let bound = magnitudes.map(|v| GRADIENT_TOLERANCE * v + 1e-30);
        for (lab, stored) in Lab::both(b).into_iter().zip(&mut stored) {
            for acc in ACCS {
                let got = run_bwd(&lab, &of, (acc, &previous))?;
                let (want, bound) = accumulated(acc, &previous, &value, &bound);
                near(
                    &format!("dx under {acc:?}, {}", deviation.map_or("mean alone", |_| "both")),
                    &got,
                    &want,
                    &bound,
                )?;
                stored.extend(got);
            }
        }
    }
    same_bits("dx again", &stored[1], &stored[0])
}

/// Both moments are homogeneous of degree 1: `<dx, x> = <dmean, mean> + <ddeviation, deviation>`. For the mean alone, which
/// is linear, this is the adjoint identity.
fn euler<B: Backend>(b: &B, shape: Shape, t: Option<Array>, rng: &mut Rng) -> Check {
    let (x, lab, t) = (Array::random(shape, rng), Lab::fresh(b), t.as_ref());
    let (dmean, ddeviation) = (Array::random(of_channels(shape), rng), Array::random(of_channels(shape), rng));
    let (mean, deviation) = run_fwd(&lab, &x, t, true)?;
    let (mean, deviation) = (Array::from_f32(dmean.shape, &mean), Array::from_f32(dmean.shape, &deviation));
    for both in [false, true] {
        let pair = both.then_some((&deviation, &ddeviation));
        let of = Operands { x: &x, t, mean: &mean, dmean: &dmean, deviation: pair };
        let dx = Array::from_f32(shape, &run_bwd(&lab, &of, (Acc::Store, &x))?);
        let want = dmean.dot(&mean) + if both { ddeviation.dot(&deviation) } else { 0.0 };
        let what = if both { "<dx, x> of both" } else { "<dx, x> of the mean" };
        near_scalar(what, dx.dot(&x), want, 3e-6 * shape.channels as f64)?;
    }
    Ok(())
}

/// Constant channels: the deviation is exactly zero, and nothing is divided by it.
fn constant<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    // Weights of 1/64 and sums in f64 are exact here.
    for (channels, t) in [3, 19].into_iter().flat_map(|n| [(n, None), (n, Some(1.0 / 64.0))]) {
        let shape = Shape::new(channels, 8, 8);
        let t = t.map(|t| Array::full(map(shape), t));
        let value = Array::random(of_channels(shape), rng);
        let mut x = Array::zeros(shape);
        for (row, &v) in x.data.chunks_exact_mut(64).zip(&value.data) {
            row.fill(v);
        }
        let lab = Lab::fresh(b);
        let (mean, deviation) = run_fwd(&lab, &x, t.as_ref(), true)?;
        equal("the mean of one value", &mean, &value.to_f32())?;
        equal("the deviation of one value", &deviation, &vec![0.0; channels])?;
        let (zero, ddeviation) = (Array::zeros(value.shape), Array::full(value.shape, 1.0));
        let pair = Some((&zero, &ddeviation));
        let of = Operands { x: &x, t: t.as_ref(), mean: &value, dmean: &value, deviation: pair };
        let want = x.map(|v| v / 64.0).to_f32();
        equal("dx of one value", &run_bwd(&lab, &of, (Acc::Store, &x))?, &want)?;
    }
    Ok(())
}

/// All weight on one position: its value is the mean, the deviation is zero, and the others get no gradient, although they
/// are far from the mean.
fn one_position<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    for shape in [Shape::new(2, 7, 9), Shape::new(18, 7, 9), Shape::new(17, 60, 70)] {
        let (x, mut t) = (Array::random(shape, rng).map(|v| 1e6 * v), Array::zeros(map(shape)));
        let (m, at) = (shape.positions(), shape.positions() - 5);
        t.data[at] = 1.0;
        let x = x.map(|v| f64::from(v as f32));
        let lab = Lab::fresh(b);
        let (mean, deviation) = run_fwd(&lab, &x, Some(&t), true)?;
        let there: Vec<_> = (0..shape.channels).map(|k| x.data[k * m + at] as f32).collect();
        equal("the mean", &mean, &there)?;
        equal("the deviation", &deviation, &vec![0.0; shape.channels])?;

        // A deviation so small that distant values would overflow if they were divided before being weighted.
        let mean = Array::from_f32(of_channels(shape), &mean);
        let (dmean, small) = (Array::full(mean.shape, 0.5), Array::full(mean.shape, 1e-37));
        let of = Operands { x: &x, t: Some(&t), mean: &mean, dmean: &dmean, deviation: Some((&small, &dmean)) };
        let want: Vec<_> = (0..shape.len()).map(|i| if i % m == at { 0.5 } else { 0.0 }).collect();
        equal("dx", &run_bwd(&lab, &of, (Acc::Store, &x))?, &want)?;
    }
    Ok(())
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for channels in [3, 20] {
        let shape = Shape::new(channels, 5, 4);
        let (x, mut dx, t) = (b.tensor(shape)?, b.tensor(shape)?, b.tensor(map(shape))?);
        let small = || b.tensor(of_channels(shape));
        let (mut mean, mut deviation, dmean, ddeviation) = (small()?, small()?, small()?, small()?);
        for bad in [(1, 4, 5), (1, 5, 5), (1, 1, 20), (channels, 5, 4), (2, 5, 4), (20, 1, 1)] {
            let bad = b.tensor(Shape::new(bad.0, bad.1, bad.2))?;
            let what = |op: &str| format!("t of {} in {op}", b.shape(&bad));
            misfit(&what("moments"), b.moments(&x, Some(&bad), &mut mean, None))?;
            misfit(&what("moments"), b.moments(&x, Some(&bad), &mut mean, Some(&mut deviation)))?;
            for acc in ACCS {
                misfit(&what("moments_bwd"), b.moments_bwd(&x, Some(&bad), &mean, &dmean, None, acc, &mut dx))?;
            }
        }
        for bad in [(channels + 1, 1, 1), (channels - 1, 1, 1), (1, 1, channels), (1, channels, 1), (channels, 1, 2)] {
            let mut bad = b.tensor(Shape::new(bad.0, bad.1, bad.2))?;
            misfit("mean", b.moments(&x, Some(&t), &mut bad, None))?;
            misfit("mean", b.moments(&x, None, &mut bad, Some(&mut deviation)))?;
            misfit("deviation", b.moments(&x, None, &mut mean, Some(&mut bad)))?;
            let mut bwd = |mean, dmean, deviation| b.moments_bwd(&x, None, mean, dmean, deviation, Acc::Store, &mut dx);
            misfit("mean, backward", bwd(&bad, &dmean, None))?;
            misfit("dmean", bwd(&mean, &bad, None))?;
            misfit("deviation, backward", bwd(&mean, &dmean, Some((&bad, &ddeviation))))?;
            misfit("ddeviation", bwd(&mean, &dmean, Some((&deviation, &bad))))?;
        }
        for bad in [(channels, 4, 5), (channels + 1, 5, 4), (channels, 20, 1)] {
            let mut bad = b.tensor(Shape::new(bad.0, bad.1, bad.2))?;
            misfit("dx", b.moments_bwd(&x, None, &mean, &dmean, None, Acc::Add, &mut bad))?;
        }
    }
    Ok(())
}

/// No positions: zeros if accepted.
fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for shape in [Shape::new(3, 0, 4), Shape::new(20, 4, 0), Shape::new(0, 4, 4), Shape::new(20, 0, usize::MAX)] {
        for weighted in [false, true] {
            let lab = Lab::fresh(b);
            let (mut mean, mut deviation) = (lab.blank(of_channels(shape))?, lab.blank(of_channels(shape))?);
            let mut both_ways = || {
                let (x, mut dx, t) = (b.tensor(shape)?, b.tensor(shape)?, b.tensor(map(shape))?);
                let t = weighted.then_some(&t);
                b.moments(&x, t, &mut mean, Some(&mut deviation))?;
                b.moments_bwd(&x, t, &mean, &mean, Some((&deviation, &mean)), Acc::Store, &mut dx)
            };
            let served = both_ways();
            if served.is_ok() {
                let zeros = vec![0.0; shape.channels];
                equal("the mean of no positions", &lab.get(&mean)?, &zeros)?;
                equal("the deviation of no positions", &lab.get(&deviation)?, &zeros)?;
            }
            served_or_misfit("empty moments", served)?;
        }
    }
    Ok(())
}
