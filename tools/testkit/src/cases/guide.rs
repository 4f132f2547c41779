//! Multiplication by a map.

use libtest_mimic::Failed;
use style_core::backend::{Acc, Backend, Shape};

use super::{ACCS, Case, Check, Lab, accumulated, equal, misfit, near, near_scalar, same_bits, served_or_misfit, tag};
use crate::oracle::guide as oracle;
use crate::{Array, Rng};

/// Maximum relative error of a product of three `f32`.
const TOLERANCE: f64 = 3e-7;

/// More positions than one work item of any backend.
const LARGE: [(usize, usize, usize); 2] = [(20, 50, 67), (3, 200, 211)];

/// All cases of this op.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for shape in super::shapes().chain(LARGE.map(|(c, h, w)| Shape::new(c, h, w))) {
        let name = |what: &str| format!("guide/{what}/{}", tag(shape));
        cases.push(Case::new(name("value"), move |b, rng| value(b, shape, rng)));
        cases.push(Case::new(name("adjoint"), move |b, rng| adjoint(b, shape, rng)));
    }
    cases.push(Case::new("guide/mask", mask));
    cases.push(Case::new("guide/misfit", misfits));
    cases.push(Case::new("guide/empty", empty));
    cases
}

/// The shape of a map over features of `shape`.
fn map(shape: Shape) -> Shape {
    Shape { channels: 1, ..shape }
}

fn run<B: Backend>(
    lab: &Lab<'_, B>,
    x: &Array,
    t: &Array,
    scale: f32,
    into: (Acc, &Array),
) -> Result<Vec<f32>, Failed> {
    let mut y = lab.destination(into.0, into.1)?;
    lab.b.guide(&lab.put(x)?, &lab.put(t)?, scale, into.0, &mut y)?;
    lab.get(&y)
}

fn value<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (x, t, previous) = (Array::random(shape, rng), Array::random(map(shape), rng), Array::random(shape, rng));
    let scale = -1.7_f32;
    let value = oracle::guide(&x, &t, f64::from(scale));
    let bound = value.map(|v| TOLERANCE * v.abs());
    let runs = Lab::both(b).map(|lab| {
        let mut all = Vec::new();
        for acc in ACCS {
            let got = run(&lab, &x, &t, scale, (acc, &previous))?;
            let (want, bound) = accumulated(acc, &previous, &value, &bound);
            near(&format!("y under {acc:?}"), &got, &want, &bound)?;
            all.extend(got);
        }
        Ok::<_, Failed>(all)
    });
    let [first, second] = runs;
    same_bits("y again", &first?, &second?)
}

/// `<guide(x), v> = <x, guide(v)>`.
fn adjoint<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (x, v, t) = (Array::random(shape, rng), Array::random(shape, rng), Array::random(map(shape), rng));
    let lab = Lab::fresh(b);
    let guided = |x: &Array| Ok::<_, Failed>(Array::from_f32(shape, &run(&lab, x, &t, 0.8, (Acc::Store, x))?));
    let (left, right) = (guided(&x)?.dot(&v), guided(&v)?.dot(&x));
    near_scalar("<guide(x), v> against <x, guide(v)>", left, right, TOLERANCE * 2.0 * x.norm() * v.norm())
}

/// A map of zeros and ones keeps and drops exactly.
fn mask<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    for channels in [3, 21] {
        let x = Array::random(Shape::new(channels, 6, 7), rng);
        let t = Array::random(Shape::new(1, 6, 7), rng).map(|v| if v > 0.0 { 1.0 } else { 0.0 });
        let want = oracle::guide(&x, &t, 1.0).to_f32();
        equal("masked features", &run(&Lab::fresh(b), &x, &t, 1.0, (Acc::Store, &x))?, &want)?;
    }
    Ok(())
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for channels in [1, 6, 20] {
        let shape = Shape::new(channels, 5, 4);
        let (x, t, mut y) = (b.tensor(shape)?, b.tensor(map(shape))?, b.tensor(shape)?);
        for acc in ACCS {
            for bad in [(1, 4, 5), (1, 5, 5), (1, 1, 20), (2, 5, 4), (21, 5, 4), (20, 1, 1), (5, 1, 4)] {
                let bad = Shape::new(bad.0, bad.1, bad.2);
                misfit(&format!("t of {bad}"), b.guide(&x, &b.tensor(bad)?, 1.0, acc, &mut y))?;
            }
            for bad in [(channels, 4, 5), (channels + 1, 5, 4), (channels, 5, 5), (channels, 20, 1)] {
                let bad = Shape::new(bad.0, bad.1, bad.2);
                misfit(&format!("y of {bad}"), b.guide(&x, &t, 1.0, acc, &mut b.tensor(bad)?))?;
                misfit(&format!("x of {bad}"), b.guide(&b.tensor(bad)?, &t, 1.0, acc, &mut y))?;
            }
        }
    }
    Ok(())
}

fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for shape in [Shape::new(3, 0, 4), Shape::new(20, 4, 0), Shape::new(0, 4, 4), Shape::new(20, 0, usize::MAX)] {
        let guided = || b.guide(&b.tensor(shape)?, &b.tensor(map(shape))?, 1.0, Acc::Store, &mut b.tensor(shape)?);
        served_or_misfit("empty guidance", guided())?;
    }
    Ok(())
}
