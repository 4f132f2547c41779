//! Total variation of every kind.

use libtest_mimic::Failed;
use style_core::backend::ops::Tv;
use style_core::backend::{Acc, Backend, Shape};

use super::{ACCS, Case, Check, Lab, accumulated, equal, misfit, near, near_scalar, same_bits, served_or_misfit, tag};
use crate::oracle::tv as oracle;
use crate::{Array, Rng};

/// Maximum relative error of the value, whose terms are all positive: sums are `f64`, terms may be `f32`.
const TOLERANCE: f64 = 3e-7;

/// Maximum error of a gradient, relative to the sum of the magnitudes of its terms. Powers of `f32` are the worst.
const GRADIENT_TOLERANCE: f64 = 1e-6;

/// Each kind, its name, and its degree: `tv(a x) = |a|^degree tv(x)`.
const KINDS: [(Tv, &str, f64); 9] = [
    (Tv::Squared, "squared", 2.0),
    (Tv::Absolute, "absolute", 1.0),
    (Tv::Means, "means", 2.0),
    (Tv::NinePoint, "nine-point", 2.0),
    (Tv::Power(1.0), "power-1", 1.0),
    (Tv::Power(1.5), "power-1.5", 1.5),
    (Tv::Power(2.0), "power-2", 2.0),
    (Tv::Power(2.5), "power-2.5", 2.5),
    (Tv::Power(4.0), "power-4", 4.0),
];

/// All cases of this op.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for (kind, kind_name, degree) in KINDS {
        let name = |what: &str| format!("tv/{kind_name}/{what}");
        for shape in super::shapes() {
            let name = |what: &str| name(&format!("{what}/{}", tag(shape)));
            cases.push(Case::new(name("value"), move |b, rng| value(b, kind, &Array::random(shape, rng).map(pixel))));
            cases.push(Case::new(name("bwd"), move |b, rng| backward(b, kind, &Array::random(shape, rng), rng)));
            cases.push(Case::new(name("euler"), move |b, rng| euler(b, kind, degree, shape, rng)));
            let ties = move |rng: &mut Rng| Array::random(shape, rng).map(|v| (1.4 * v).round());
            cases.push(Case::new(name("ties"), move |b, rng| {
                value(b, kind, &ties(rng))?;
                backward(b, kind, &ties(rng), rng)
            }));
            if degree == 2.0 {
                cases.push(Case::new(name("adjoint"), move |b, rng| adjoint(b, kind, shape, rng)));
            }
        }
        cases.push(Case::new(name("constant"), move |b, _| constant(b, kind)));
        cases.push(Case::new(name("misfit"), move |b, _| misfits(b, kind)));
        cases.push(Case::new(name("empty"), move |b, _| empty(b, kind)));
    }
    cases
}

/// Maps `[-1, 1)` to the range of a pixel.
fn pixel(v: f64) -> f64 {
    f64::from((127.5 * v) as f32)
}

fn value<B: Backend>(b: &B, kind: Tv, x: &Array) -> Check {
    let want = oracle::fwd(kind, x);
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let (x, mut out) = (lab.put(x)?, b.scalars(3)?);
        b.tv(kind, &x, &mut out, 1)?;
        let got = lab.scalars(&out, 3)?;
        for (slot, want) in [0.0, want, 0.0].into_iter().enumerate() {
            near_scalar(&format!("slot {slot}"), got[slot], want, TOLERANCE * want)?;
        }
        runs.push(got[1]);
    }
    near_scalar("tv again", runs[1], runs[0], 0.0)
}

fn backward<B: Backend>(b: &B, kind: Tv, x: &Array, rng: &mut Rng) -> Check {
    let (previous, scale) = (Array::random(x.shape, rng), -2.3_f32);
    let value = oracle::bwd(kind, x, f64::from(scale));
    let bound = oracle::bwd_magnitudes(kind, x, f64::from(scale)).map(|v| GRADIENT_TOLERANCE * v);
    let runs = Lab::both(b).map(|lab| {
        let mut all = Vec::new();
        for acc in ACCS {
            let mut dx = lab.destination(acc, &previous)?;
            b.tv_bwd(kind, &lab.put(x)?, scale, acc, &mut dx)?;
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

fn gradient<B: Backend>(lab: &Lab<'_, B>, kind: Tv, x: &Array) -> Result<Array, Failed> {
    let mut dx = lab.blank(x.shape)?;
    lab.b.tv_bwd(kind, &lab.put(x)?, 1.0, Acc::Store, &mut dx)?;
    Ok(Array::from_f32(x.shape, &lab.get(&dx)?))
}

/// `<dtv/dx, x> = degree tv(x)` (Euler), for every kind.
fn euler<B: Backend>(b: &B, kind: Tv, degree: f64, shape: Shape, rng: &mut Rng) -> Check {
    let (x, lab, mut out) = (Array::random(shape, rng), Lab::fresh(b), b.scalars(1)?);
    let dx = gradient(&lab, kind, &x)?;
    b.tv(kind, &lab.put(&x)?, &mut out, 0)?;
    let want = degree * lab.scalars(&out, 1)?[0];
    let magnitudes = oracle::bwd_magnitudes(kind, &x, 1.0).dot(&x.map(f64::abs));
    near_scalar("<dtv/dx, x> against degree tv(x)", dx.dot(&x), want, GRADIENT_TOLERANCE * magnitudes)
}

/// The gradient of a quadratic form is its own adjoint.
fn adjoint<B: Backend>(b: &B, kind: Tv, shape: Shape, rng: &mut Rng) -> Check {
    let (x, v, lab) = (Array::random(shape, rng), Array::random(shape, rng), Lab::fresh(b));
    let (lx, lv) = (gradient(&lab, kind, &x)?, gradient(&lab, kind, &v)?);
    let magnitudes = |x: &Array, v: &Array| oracle::bwd_magnitudes(kind, x, 1.0).dot(&v.map(f64::abs));
    let bound = GRADIENT_TOLERANCE * (magnitudes(&x, &v) + magnitudes(&v, &x));
    near_scalar("<L x, v> against <x, L v>", lx.dot(&v), x.dot(&lv), bound)
}

/// For a constant image, value and gradient are zero, also at the kinks.
fn constant<B: Backend>(b: &B, kind: Tv) -> Check {
    for shape in [Shape::new(3, 9, 8), Shape::new(20, 9, 8)] {
        let (x, lab, mut out) = (Array::full(shape, 100.25), Lab::fresh(b), b.scalars(1)?);
        b.tv(kind, &lab.put(&x)?, &mut out, 0)?;
        near_scalar("tv of a constant", lab.scalars(&out, 1)?[0], 0.0, 0.0)?;
        equal("dx of a constant", &gradient(&lab, kind, &x)?.to_f32(), &vec![0.0; shape.len()])?;
    }
    Ok(())
}

fn misfits<B: Backend>(b: &B, kind: Tv) -> Check {
    let shape = Shape::new(3, 5, 4);
    let (x, mut out) = (b.tensor(shape)?, b.scalars(2)?);
    misfit("slot 2 of 2", b.tv(kind, &x, &mut out, 2))?;
    for bad in [(3, 4, 5), (2, 5, 4), (3, 5, 5), (1, 3, 20)].map(|(c, h, w)| Shape::new(c, h, w)) {
        for acc in ACCS {
            misfit(&format!("dx of {bad}"), b.tv_bwd(kind, &x, 1.0, acc, &mut b.tensor(bad)?))?;
        }
    }
    Ok(())
}

fn empty<B: Backend>(b: &B, kind: Tv) -> Check {
    for shape in [Shape::new(3, 0, 4), Shape::new(3, 4, 0), Shape::new(0, 4, 4), Shape::new(20, 0, usize::MAX)] {
        let both_ways = || {
            let (x, mut dx, mut out) = (b.tensor(shape)?, b.tensor(shape)?, b.scalars(1)?);
            b.tv(kind, &x, &mut out, 0)?;
            b.tv_bwd(kind, &x, 1.0, Acc::Store, &mut dx)
        };
        served_or_misfit("the variation of an empty tensor", both_ways())?;
    }
    Ok(())
}
