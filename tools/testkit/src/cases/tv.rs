//! Squared total variation.

use libtest_mimic::Failed;
use style_core::{Backend, Shape};

use super::{ACCS, Case, Check, Lab, accumulated, misfit, near, near_scalar, same_bits, served_or_misfit, tag};
use crate::oracle::tv as oracle;
use crate::{Array, Rng};

/// The value, whose terms are all positive, is off by less than this times itself: sums are `f64`, terms may be `f32`.
const TOLERANCE: f64 = 3e-7;

/// A gradient is off by less than this times `8 max |x|`.
const GRADIENT_TOLERANCE: f64 = 3e-7;

/// Every case of this room.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for shape in super::shapes() {
        let name = |what: &str| format!("tv/{what}/{}", tag(shape));
        cases.push(Case::new(name("value"), move |b, rng| value(b, shape, rng)));
        cases.push(Case::new(name("bwd"), move |b, rng| backward(b, shape, rng)));
        cases.push(Case::new(name("adjoint"), move |b, rng| adjoint(b, shape, rng)));
    }
    cases.push(Case::new("tv/misfit", misfits));
    cases.push(Case::new("tv/empty", empty));
    cases
}

fn value<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let x = Array::random(shape, rng).map(|v| f64::from((127.5 * v) as f32));
    let want = oracle::tv(&x);
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let (x, mut out) = (lab.put(&x)?, b.scalars(3)?);
        b.tv(&x, &mut out, 1)?;
        let got = lab.scalars(&out, 3)?;
        for (slot, want) in [0.0, want, 0.0].into_iter().enumerate() {
            near_scalar(&format!("slot {slot}"), got[slot], want, TOLERANCE * want)?;
        }
        runs.push(got[1]);
    }
    near_scalar("tv again", runs[1], runs[0], 0.0)
}

fn backward<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (x, previous, scale) = (Array::random(shape, rng), Array::random(shape, rng), -2.3_f32);
    let value = oracle::bwd(&x, f64::from(scale));
    let bound = Array::full(shape, GRADIENT_TOLERANCE * 8.0 * 2.3);
    let runs = Lab::both(b).map(|lab| {
        let mut all = Vec::new();
        for acc in ACCS {
            let mut dx = lab.destination(acc, &previous)?;
            b.tv_bwd(&lab.put(&x)?, scale, acc, &mut dx)?;
            let (want, bound) = accumulated(acc, &previous, &value, &bound);
            let got = lab.get(&dx)?;
            near(&format!("dx under {acc:?}"), &got, &want, &bound)?;
            all.extend(got);
        }
        Ok::<_, Failed>(all)
    });
    let [first, second] = runs;
    same_bits("dx again", &first?, &second?)
}

/// `L` is its own adjoint and `tv(x) = 1/2 <L x, x>`.
fn adjoint<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (x, v, lab) = (Array::random(shape, rng), Array::random(shape, rng), Lab::fresh(b));
    let laplacian = |of: &Array| {
        let mut out = lab.blank(shape)?;
        b.tv_bwd(&lab.put(of)?, 1.0, style_core::Acc::Store, &mut out)?;
        Ok::<_, Failed>(Array::from_f32(shape, &lab.get(&out)?))
    };
    let (lx, lv) = (laplacian(&x)?, laplacian(&v)?);
    let bound = 1e-6 * 8.0 * x.norm() * v.norm();
    near_scalar("<L x, v> beside <x, L v>", lx.dot(&v), x.dot(&lv), bound)?;
    let mut out = b.scalars(1)?;
    b.tv(&lab.put(&x)?, &mut out, 0)?;
    let bound = 1e-6 * 8.0 * x.dot(&x);
    near_scalar("tv(x) beside 1/2 <L x, x>", lab.scalars(&out, 1)?[0], 0.5 * lx.dot(&x), bound)
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let shape = Shape::new(3, 5, 4);
    let (x, mut out) = (b.tensor(shape)?, b.scalars(2)?);
    misfit("slot 2 of 2", b.tv(&x, &mut out, 2))?;
    for bad in [(3, 4, 5), (2, 5, 4), (3, 5, 5), (1, 3, 20)].map(|(c, h, w)| Shape::new(c, h, w)) {
        for acc in ACCS {
            misfit(&format!("dx of {bad}"), b.tv_bwd(&x, 1.0, acc, &mut b.tensor(bad)?))?;
        }
    }
    Ok(())
}

fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for shape in [Shape::new(3, 0, 4), Shape::new(3, 4, 0), Shape::new(0, 4, 4)] {
        let both_ways = || {
            let (x, mut dx, mut out) = (b.tensor(shape)?, b.tensor(shape)?, b.scalars(1)?);
            b.tv(&x, &mut out, 0)?;
            b.tv_bwd(&x, 1.0, style_core::Acc::Store, &mut dx)
        };
        served_or_misfit("the variation of nothing", both_ways())?;
    }
    Ok(())
}
