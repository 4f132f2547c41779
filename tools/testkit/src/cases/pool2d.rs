//! Pooling.

use libtest_mimic::Failed;
use style_core::backend::ops::Pool2d;
use style_core::backend::{Acc, Backend, Shape};
use style_core::{ErrorKind, Pooling};

use super::{ACCS, Case, Check, Lab, accumulated, equal, misfit, near, near_scalar, refused, same_bits};
use super::{served_or_misfit, shapes, tag};
use crate::oracle::pool2d as oracle;
use crate::{Array, Rng};

/// Maximum error of an average of four, relative to the sum of their magnitudes. A maximum is exact.
const TOLERANCE: f64 = 2e-7;

/// All cases of this op.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for pooling in [Pooling::Average, Pooling::Max] {
        let kind = if pooling == Pooling::Average { "avg" } else { "max" };
        for shape in shapes().filter(|s| s.height > 1 && s.width > 1) {
            let op = Pool2d { pooling, channels: shape.channels, height: shape.height, width: shape.width };
            let name = |what: &str| format!("pool2d/{kind}/{what}/{}", tag(shape));
            cases.push(Case::new(name("both-ways"), move |b, rng| {
                let x = Array::random(shape, rng);
                both_ways(b, &op, &x, rng)
            }));
            cases.push(Case::new(name("ties"), move |b, rng| ties(b, &op, rng)));
            cases.push(Case::new(name("adjoint"), move |b, rng| adjoint(b, &op, rng)));
        }
        let op = Pool2d { pooling, channels: 5, height: 8, width: 7 };
        cases.push(Case::new(format!("pool2d/{kind}/misfit"), move |b, _| misfits(b, &op)));
        cases.push(Case::new(format!("pool2d/{kind}/empty"), move |b, rng| empty(b, pooling, rng)));
    }
    cases.push(Case::new("pool2d/max/requires-switches", requires_switches));
    cases.push(Case::new("pool2d/max/all-zero", all_zero));
    cases
}

/// The results of a pool: `y`, and `dx` under `Store` and `Add`.
struct Results {
    y: Vec<f32>,
    dx: [Vec<f32>; 2],
}

fn run<B: Backend>(lab: &Lab<'_, B>, op: &Pool2d, x: &Array, dy: &Array, previous: &Array) -> Result<Results, Failed> {
    let b = lab.b;
    let (x, mut y, mut switches) = (lab.put(x)?, lab.blank(op.output())?, lab.switches(op.output())?);
    b.pool2d_fwd(op, &x, &mut y, Some(&mut switches))?;
    let mut dx = [Vec::new(), Vec::new()];
    for (acc, out) in ACCS.into_iter().zip(&mut dx) {
        let mut destination = lab.destination(acc, previous)?;
        b.pool2d_bwd(op, &lab.put(dy)?, Some(&switches), acc, &mut destination)?;
        *out = lab.get(&destination)?;
    }
    Ok(Results { y: lab.get(&y)?, dx })
}

/// Compares with the oracle: `y`, `dx` under `Store` (zero where dropped) and under `Add` (unchanged where dropped); then
/// checks for the same bits when repeated, and without switches.
fn both_ways<B: Backend>(b: &B, op: &Pool2d, x: &Array, rng: &mut Rng) -> Check {
    let (dy, previous) = (Array::random(op.output(), rng), Array::random(op.input(), rng));
    let (want, taken) = oracle::fwd(op, x);
    let value = oracle::bwd(op, &dy, &taken);
    let bound = match op.pooling {
        Pooling::Average => oracle::fwd(op, &x.map(|v| TOLERANCE * v.abs())).0,
        Pooling::Max => Array::zeros(op.output()),
    };
    let results = Lab::both(b).map(|lab| {
        let got = run(&lab, op, x, &dy, &previous)?;
        near("y", &got.y, &want, &bound)?;
        for (acc, dx) in ACCS.into_iter().zip(&got.dx) {
            let (want, bound) = accumulated(acc, &previous, &value, &value.map(|v| TOLERANCE * v.abs()));
            near(&format!("dx under {acc:?}"), dx, &want, &bound)?;
        }
        for (i, &previous) in previous.data.iter().enumerate().filter(|&(i, _)| dropped(op, i)) {
            equal("dx in a dropped row or column under Store", &got.dx[0][i..=i], &[0.0])?;
            same_bits("dx in a dropped row or column under Add", &got.dx[1][i..=i], &[previous as f32])?;
        }
        let mut y = lab.blank(op.output())?;
        b.pool2d_fwd(op, &lab.put(x)?, &mut y, None)?;
        same_bits("y without switches", &lab.get(&y)?, &got.y)?;
        Ok::<_, Failed>(got)
    });
    let [first, second] = results;
    let (first, second) = (first?, second?);
    same_bits("y again", &first.y, &second.y)?;
    same_bits("dx again", &first.dx.concat(), &second.dx.concat())
}

/// Whether element `i` of the input lies in a dropped row or column.
fn dropped(op: &Pool2d, i: usize) -> bool {
    i % op.width >= op.width / 2 * 2 || i / op.width % op.height >= op.height / 2 * 2
}

/// Few distinct values, including zeros of both signs and infinities: nearly every window has ties.
fn ties<B: Backend>(b: &B, op: &Pool2d, rng: &mut Rng) -> Check {
    let values: &[f64] = match op.pooling {
        Pooling::Average => &[-1.0, -0.0, 0.0, 1.0],
        Pooling::Max => &[f64::NEG_INFINITY, -1.0, -0.0, 0.0, 0.0, 1.0],
    };
    let mut x = Array::zeros(op.input());
    for v in &mut x.data {
        *v = values[rng.below(values.len() as u64) as usize];
    }
    if op.pooling == Pooling::Average {
        return both_ways(b, op, &x, rng);
    }
    let (dy, previous) = (Array::random(op.output(), rng), Array::random(op.input(), rng));
    let (want, taken) = oracle::fwd(op, &x);
    for lab in Lab::both(b) {
        let got = run(&lab, op, &x, &dy, &previous)?;
        equal("y", &got.y, &want.to_f32())?;
        equal("dx of ties", &got.dx[0], &oracle::bwd(op, &dy, &taken).to_f32())?;
    }
    Ok(())
}

/// The output of a ReLU with no activations: the first element of each window is selected, and no other.
fn all_zero<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let op = Pool2d { pooling: Pooling::Max, channels: 33, height: 9, width: 20 };
    let dy = Array::random(op.output(), rng);
    let previous = Array::zeros(op.input());
    for lab in Lab::both(b) {
        for zero in [0.0, -0.0, -3.5] {
            let got = run(&lab, &op, &Array::full(op.input(), zero), &dy, &previous)?;
            for (i, &got) in got.dx[0].iter().enumerate() {
                let (k, r, c) = (i / 180, i / 20 % 9, i % 20);
                let first = r % 2 == 0 && c % 2 == 0 && r < 8;
                let want = if first { dy.at(k, r / 2, c / 2) as f32 } else { 0.0 };
                equal(&format!("dx[{k}, {r}, {c}]"), &[got], &[want])?;
            }
        }
    }
    Ok(())
}

/// `<dy, P x> = <P^T dy, x>`, with the switches of `x` for a max pool.
fn adjoint<B: Backend>(b: &B, op: &Pool2d, rng: &mut Rng) -> Check {
    let (x, dy) = (Array::random(op.input(), rng), Array::random(op.output(), rng));
    let got = run(&Lab::fresh(b), op, &x, &dy, &x)?;
    let y = Array::from_f32(op.output(), &got.y);
    let dx = Array::from_f32(op.input(), &got.dx[0]);
    near_scalar("<P^T dy, x> against <dy, P x>", dx.dot(&x), dy.dot(&y), 1e-6 * dy.norm() * y.norm())
}

fn misfits<B: Backend>(b: &B, op: &Pool2d) -> Check {
    let (x, mut y, mut switches) = (b.tensor(op.input())?, b.tensor(op.output())?, b.switches(op.output())?);
    let (dy, mut dx) = (b.tensor(op.output())?, b.tensor(op.input())?);
    b.pool2d_fwd(op, &x, &mut y, Some(&mut switches))?;
    for shape in [(5, 9, 7), (5, 8, 6), (4, 8, 7), (5, 7, 8), (5, 4, 3)].map(|(c, h, w)| Shape::new(c, h, w)) {
        let mut bad = b.tensor(shape)?;
        misfit(&format!("x of {shape}"), b.pool2d_fwd(op, &bad, &mut y, Some(&mut switches)))?;
        misfit(&format!("dx of {shape}"), b.pool2d_bwd(op, &dy, Some(&switches), Acc::Store, &mut bad))?;
    }
    for shape in [(5, 4, 4), (5, 3, 3), (6, 4, 3), (5, 3, 4), (5, 8, 7)].map(|(c, h, w)| Shape::new(c, h, w)) {
        let (mut bad, mut bad_switches) = (b.tensor(shape)?, b.switches(shape)?);
        misfit(&format!("y of {shape}"), b.pool2d_fwd(op, &x, &mut bad, Some(&mut switches)))?;
        misfit(&format!("dy of {shape}"), b.pool2d_bwd(op, &bad, Some(&switches), Acc::Add, &mut dx))?;
        if op.pooling == Pooling::Max {
            let forwards = b.pool2d_fwd(op, &x, &mut y, Some(&mut bad_switches));
            misfit(&format!("switches of {shape}"), forwards)?;
            let backwards = b.pool2d_bwd(op, &dy, Some(&bad_switches), Acc::Store, &mut dx);
            misfit(&format!("switches of {shape}, backward"), backwards)?;
        }
    }
    for huge in [usize::MAX, usize::MAX / 2, 1 << (usize::BITS - 2)] {
        let op = Pool2d { channels: huge, height: huge, width: huge, ..*op };
        misfit("absurd", b.pool2d_fwd(&op, &x, &mut y, Some(&mut switches)))?;
        misfit("absurd", b.pool2d_bwd(&op, &dy, Some(&switches), Acc::Store, &mut dx))?;
    }
    Ok(())
}

fn requires_switches<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let op = Pool2d { pooling: Pooling::Max, channels: 3, height: 4, width: 4 };
    let (dy, mut dx) = (b.tensor(op.output())?, b.tensor(op.input())?);
    refused("no switches", ErrorKind::Argument, b.pool2d_bwd(&op, &dy, None, Acc::Store, &mut dx))?;
    let op = Pool2d { pooling: Pooling::Average, ..op };
    b.pool2d_bwd(&op, &dy, None, Acc::Store, &mut dx)?;
    Ok(())
}

/// A single row or column gives no output; if accepted, `dx` must still be correct.
fn empty<B: Backend>(b: &B, pooling: Pooling, rng: &mut Rng) -> Check {
    for (channels, height, width) in [(3, 1, 5), (3, 5, 1), (3, 1, 1), (3, 0, 4), (3, 4, 0), (0, 4, 4)] {
        let op = Pool2d { pooling, channels, height, width };
        let previous = Array::random(op.input(), rng);
        let mut served = None;
        let mut both_ways = || {
            let (x, mut y, mut switches) = (b.tensor(op.input())?, b.tensor(op.output())?, b.switches(op.output())?);
            b.pool2d_fwd(&op, &x, &mut y, Some(&mut switches))?;
            let mut dx = [b.tensor(op.input())?, b.tensor(op.input())?];
            for (acc, dx) in ACCS.into_iter().zip(&mut dx) {
                b.upload(&previous.to_f32(), dx)?;
                b.pool2d_bwd(&op, &y, Some(&switches), acc, dx)?;
            }
            served = Some(dx);
            Ok(())
        };
        served_or_misfit("an empty pool", both_ways())?;
        if let Some([stored, added]) = served {
            let lab = Lab::fresh(b);
            equal("dx of no windows under Store", &lab.get(&stored)?, &vec![0.0; previous.data.len()])?;
            same_bits("dx of no windows under Add", &lab.get(&added)?, &previous.to_f32())?;
        }
    }
    Ok(())
}
