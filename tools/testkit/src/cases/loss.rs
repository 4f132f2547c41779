//! Half the squared distance.

use libtest_mimic::Failed;
use style_core::backend::{Backend, Shape};

use super::{ACCS, Case, Check, Lab, accumulated, misfit, near, near_scalar, same_bits, served_or_misfit, tag};
use crate::oracle::loss as oracle;
use crate::{Array, Rng};

/// Maximum relative error of the value, whose terms are all positive: sums are `f64`, terms may be `f32`.
const TOLERANCE: f64 = 3e-7;

/// All cases of this op.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for shape in super::shapes().chain([Shape::new(64, 50, 37)]) {
        let name = |what: &str| format!("loss/{what}/{}", tag(shape));
        cases.push(Case::new(name("value"), move |b, rng| value(b, shape, rng)));
        cases.push(Case::new(name("bwd"), move |b, rng| backward(b, shape, rng)));
    }
    cases.push(Case::new("loss/misfit", misfits));
    cases.push(Case::new("loss/empty", empty));
    cases
}

fn value<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (x, y) = (Array::activation(shape, rng), Array::activation(shape, rng));
    let want = oracle::half_squared_distance(&x, &y);
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let (ta, tb, mut out) = (lab.put(&x)?, lab.put(&y)?, b.scalars(4)?);
        b.half_squared_distance(&ta, &tb, &mut out, 2)?;
        b.half_squared_distance(&ta, &ta, &mut out, 3)?;
        b.half_squared_distance(&tb, &ta, &mut out, 1)?;
        b.half_squared_distance(&ta, &tb, &mut out, 3)?;
        let got = lab.scalars(&out, 4)?;
        for (slot, want) in [0.0, want, want, want].into_iter().enumerate() {
            near_scalar(&format!("slot {slot}"), got[slot], want, TOLERANCE * want)?;
        }
        b.half_squared_distance(&ta, &ta, &mut out, 0)?;
        near_scalar("l(a, a)", lab.scalars(&out, 1)?[0], 0.0, 0.0)?;
        runs.push(got);
    }
    near_scalar("l again", runs[1][2], runs[0][2], 0.0)
}

fn backward<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (x, y) = (Array::random(shape, rng), Array::random(shape, rng));
    let (previous, scale) = (Array::random(shape, rng), -1.7_f32);
    let value = oracle::half_squared_distance_bwd(&x, &y, f64::from(scale));
    let bound = x.zip(&y, |x, y| TOLERANCE * f64::from(scale).abs() * (x.abs() + y.abs()));
    let runs = Lab::both(b).map(|lab| {
        let mut stored = Vec::new();
        for acc in ACCS {
            let mut da = lab.destination(acc, &previous)?;
            b.half_squared_distance_bwd(&lab.put(&x)?, &lab.put(&y)?, scale, acc, &mut da)?;
            let (want, bound) = accumulated(acc, &previous, &value, &bound);
            let got = lab.get(&da)?;
            near(&format!("da under {acc:?}"), &got, &want, &bound)?;
            stored.extend(got);
        }
        Ok::<_, Failed>(stored)
    });
    let [first, second] = runs;
    same_bits("da again", &first?, &second?)
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let shape = Shape::new(5, 3, 4);
    let (x, mut y, mut out) = (b.tensor(shape)?, b.tensor(shape)?, b.scalars(2)?);
    misfit("slot 2 of 2", b.half_squared_distance(&x, &y, &mut out, 2))?;
    misfit("the largest slot number", b.half_squared_distance(&x, &y, &mut out, usize::MAX))?;
    for bad in [(5, 4, 3), (4, 3, 4), (5, 3, 5), (1, 3, 20), (3, 4, 5)].map(|(c, h, w)| Shape::new(c, h, w)) {
        let mut bent = b.tensor(bad)?;
        misfit(&format!("b of {bad}"), b.half_squared_distance(&x, &bent, &mut out, 0))?;
        misfit(&format!("a of {bad}"), b.half_squared_distance(&bent, &x, &mut out, 0))?;
        for acc in ACCS {
            misfit("b, backward", b.half_squared_distance_bwd(&x, &bent, 1.0, acc, &mut y))?;
            misfit("a, backward", b.half_squared_distance_bwd(&bent, &x, 1.0, acc, &mut y))?;
            misfit("da", b.half_squared_distance_bwd(&x, &x, 1.0, acc, &mut bent))?;
        }
    }
    Ok(())
}

fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for shape in [Shape::new(3, 0, 4), Shape::new(0, 4, 4)] {
        let both_ways = || {
            let (x, mut da, mut out) = (b.tensor(shape)?, b.tensor(shape)?, b.scalars(1)?);
            b.half_squared_distance(&x, &x, &mut out, 0)?;
            b.half_squared_distance_bwd(&x, &x, 1.0, style_core::backend::Acc::Store, &mut da)
        };
        served_or_misfit("an empty distance", both_ways())?;
    }
    Ok(())
}
