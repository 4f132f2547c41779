//! Transport on a line.

use libtest_mimic::Failed;
use style_core::backend::{Backend, Shape};

use super::{Case, Check, HUGE, Lab, misfit, near, near_scalar, padded_with_zeros, same_bits, served_or_misfit, tag};
use crate::oracle::transport as oracle;
use crate::{Array, Rng};

/// Maximum relative error of a difference, and of the value, whose terms are all positive: sums are `f64`, terms may be
/// `f32`.
const TOLERANCE: f64 = 3e-7;

/// All cases of this op.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for shape in super::shapes().chain([Shape::new(2, 15, 273), Shape::new(5, 1, 2049)]) {
        let name = |what: &str| format!("transport/{what}/{}", tag(shape));
        cases.push(Case::new(name("value"), move |b, rng| check(b, &Array::random(shape, rng), rng)));
        cases.push(Case::new(name("activations"), move |b, rng| check(b, &Array::activation(shape, rng), rng)));
    }
    for shape in [(1, 1, 1), (3, 3, 5), (5, 8, 4), (17, 7, 9), (4, 16, 16), (1, 1, 2049)] {
        let shape = Shape::new(shape.0, shape.1, shape.2);
        let name = |what: &str| format!("transport/{what}/{}", tag(shape));
        // Few values, among them -0.0: their order is that of their positions.
        cases.push(Case::new(name("equals"), move |b, rng| {
            check(b, &Array::random(shape, rng).map(|v| 0.5 * (4.0 * v).trunc()), rng)
        }));
        cases.push(Case::new(name("zeros"), move |b, rng| {
            check(b, &Array::random(shape, rng).map(|v| if v < 0.0 { -0.0 } else { 0.0 }), rng)
        }));
        cases.push(Case::new(name("constant"), move |b, rng| check(b, &Array::full(shape, -1.5), rng)));
        cases.push(Case::new(name("ascending"), move |b, rng| check(b, &in_order(shape, 1.0), rng)));
        cases.push(Case::new(name("descending"), move |b, rng| check(b, &in_order(shape, -1.0), rng)));
    }
    cases.push(Case::new("transport/extremes", extremes));
    cases.push(Case::new("transport/arrived", arrived));
    cases.push(Case::new("transport/misfit", misfits));
    cases.push(Case::new("transport/absurd", absurd));
    cases.push(Case::new("transport/empty", empty));
    cases
}

/// The numbers of the values, times `sign`.
fn in_order(shape: Shape, sign: f64) -> Array {
    Array { shape, data: (0..shape.len()).map(|i| sign * i as f64).collect() }
}

/// The values of each channel in ascending order.
fn sorted(x: &Array) -> Array {
    let mut sorted = x.clone();
    sorted.data.chunks_mut(x.shape.positions().max(1)).for_each(|channel| channel.sort_by(f64::total_cmp));
    sorted
}

fn run<B: Backend>(lab: &Lab<'_, B>, x: &Array, t: &Array) -> Result<(Vec<f64>, Vec<f32>), Failed> {
    let (x, t, mut d) = (lab.put(x)?, lab.put(t)?, lab.blank(x.shape)?);
    let mut out = lab.b.scalars(4)?;
    let mut workspace = lab.b.workspace(lab.b.transport_workspace(lab.b.shape(&x)))?;
    // The second run finds a used workspace.
    lab.b.transport(&t, &t, &mut out, 3, &mut d, &mut workspace)?;
    for slot in [3, 1] {
        lab.b.transport(&x, &t, &mut out, slot, &mut d, &mut workspace)?;
    }
    let values = lab.get(&d)?;
    padded_with_zeros(lab, &d, &values)?;
    Ok((lab.scalars(&out, 4)?, values))
}

/// Against the oracle, for random targets.
fn check<B: Backend>(b: &B, x: &Array, rng: &mut Rng) -> Check {
    against(b, x, &sorted(&Array::random(x.shape, rng).map(|v| f64::from((50.0 * v) as f32))))
}

fn against<B: Backend>(b: &B, x: &Array, t: &Array) -> Check {
    let (l, d) = oracle::transport(x, t);
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let (scalars, got) = run(&lab, x, t)?;
        near("d", &got, &d, &d.map(|v| TOLERANCE * v.abs()))?;
        for (slot, want) in [0.0, l, 0.0, l].into_iter().enumerate() {
            near_scalar(&format!("slot {slot}"), scalars[slot], want, TOLERANCE * want)?;
        }
        let d = Array::from_f32(x.shape, &got);
        near_scalar("l against half the square of d", scalars[1], 0.5 * d.dot(&d), TOLERANCE * l)?;
        runs.push((scalars, got));
    }
    near_scalar("l again", runs[1].0[1], runs[0].0[1], 0.0)?;
    same_bits("d again", &runs[1].1, &runs[0].1)
}

/// The largest and the smallest numbers, and their order with ordinary ones.
fn extremes<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let (tiny, most) = (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
    let values = [most, -tiny, 0.5 * tiny, 1.0, -0.0, -most, tiny, -1.0, 0.0, -0.5 * tiny, 1e-30, 3e38];
    for channels in [1, 6] {
        let shape = Shape::new(channels, 4, 3);
        let x = Array { shape, data: values.iter().copied().cycle().take(shape.len()).collect() };
        for lab in Lab::both(b) {
            // Targets far from zero; each difference tells which value went there.
            let t = Array { shape, data: (0..shape.len()).map(|i| (i % 12 * 4096) as f64).collect() };
            let (_, got) = run(&lab, &x, &t)?;
            let want = oracle::transport(&x, &t).1;
            near("d", &got, &want, &want.map(|v| TOLERANCE * v.abs()))?;
        }
    }
    Ok(())
}

/// Values that are their own targets, in any order: nothing is left.
fn arrived<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    for shape in [Shape::new(3, 9, 11), Shape::new(21, 16, 16)] {
        let x = Array::activation(shape, rng);
        against(b, &x, &sorted(&x))?;
    }
    Ok(())
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for channels in [3, 20] {
        let shape = Shape::new(channels, 5, 4);
        let (x, mut d, mut out) = (b.tensor(shape)?, b.tensor(shape)?, b.scalars(2)?);
        let mut ws = b.workspace(b.transport_workspace(Shape::new(channels + 1, 5, 5)))?;
        misfit("slot 2 of 2", b.transport(&x, &x, &mut out, 2, &mut d, &mut ws))?;
        misfit("the largest slot number", b.transport(&x, &x, &mut out, usize::MAX, &mut d, &mut ws))?;
        for bad in [(channels, 4, 5), (channels, 5, 5), (channels + 1, 5, 4), (channels - 1, 5, 4), (channels, 20, 1)] {
            let mut bad = b.tensor(Shape::new(bad.0, bad.1, bad.2))?;
            misfit("x", b.transport(&bad, &x, &mut out, 0, &mut d, &mut ws))?;
            misfit("t", b.transport(&x, &bad, &mut out, 0, &mut d, &mut ws))?;
            misfit("d", b.transport(&x, &x, &mut out, 0, &mut bad, &mut ws))?;
        }
        served_or_misfit("no workspace", b.transport(&x, &x, &mut out, 0, &mut d, &mut b.workspace(0)?))?;
    }
    Ok(())
}

/// Sizes of workspaces saturate.
fn absurd<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for huge in HUGE {
        for shape in [(huge, huge, huge), (1, huge, 1), (huge, 3, 3), (3, huge, huge)] {
            let _ = b.transport_workspace(Shape::new(shape.0, shape.1, shape.2));
        }
    }
    Ok(())
}

fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for shape in [Shape::new(3, 0, 4), Shape::new(20, 4, 0), Shape::new(0, 4, 4), Shape::new(20, 0, usize::MAX)] {
        let mut out = b.scalars(1)?;
        let mut moved = || {
            let (x, mut d) = (b.tensor(shape)?, b.tensor(shape)?);
            b.transport(&x, &x, &mut out, 0, &mut d, &mut b.workspace(b.transport_workspace(shape))?)
        };
        served_or_misfit("transport of nothing", moved())?;
        near_scalar("l of nothing", Lab::fresh(b).scalars(&out, 1)?[0], 0.0, 0.0)?;
    }
    Ok(())
}
