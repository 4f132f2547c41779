//! Vector ops of the optimisers.

use libtest_mimic::Failed;
use style_core::backend::ops::AdamStep;
use style_core::backend::{Backend, Shape};

use super::{Case, Check, Lab, equal, misfit, near, near_scalar, same_bits, served_or_misfit, tag};
use crate::oracle::vector as oracle;
use crate::{Array, Rng};

/// Maximum error of a dot product, relative to the sum of the magnitudes of its terms: sums are `f64`, but products of
/// `f32` may be `f32`.
pub(super) const DOT_TOLERANCE: f64 = 1e-7;

/// A combination is summed in `f64` and rounded once. Its maximum error is this times its value,
pub(super) const COMBINE_ROUNDING: f64 = 1.2e-7;

/// plus this times the sum of the magnitudes of its terms.
pub(super) const COMBINE_TOLERANCE: f64 = 1e-13;

/// Maximum error of Adam's moments and step, relative to the magnitudes they are computed from.
const ADAM_TOLERANCE: f64 = 1e-6;

/// Maximum relative error of a scaled value, whose factor may be rounded to `f32`.
const SCALE_TOLERANCE: f64 = 3e-7;

/// All cases of these ops.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for shape in super::shapes().chain([Shape::new(3, 200, 211)]) {
        let name = |what: &str| format!("vector/{what}/{}", tag(shape));
        cases.push(Case::new(name("copy"), move |b, rng| copy(b, shape, rng)));
        cases.push(Case::new(name("dots"), move |b, rng| dots(b, shape, (3, 2), rng)));
        cases.push(Case::new(name("combine"), move |b, rng| combine(b, shape, 4, rng)));
        cases.push(Case::new(name("scale-by"), move |b, rng| scale_by(b, shape, rng)));
        cases.push(Case::new(name("adam"), move |b, rng| adam(b, shape, rng)));
    }
    for (m, n) in [(1, 1), (1, 41), (41, 1), (20, 21)] {
        let shape = Shape::new(3, 13, 17);
        let body = move |b: &B, rng: &mut Rng| dots(b, shape, (m, n), rng);
        cases.push(Case::new(format!("vector/dots-many/{m}-{n}"), body));
    }
    for terms in [1, 2, 3, 5, 41, 101] {
        let shape = Shape::new(3, 13, 17);
        let body = move |b: &B, rng: &mut Rng| combine(b, shape, terms, rng);
        cases.push(Case::new(format!("vector/combine-many/{terms}"), body));
    }
    cases.push(Case::new("vector/combine-cancels", combine_cancels));
    cases.push(Case::new("vector/combine-nothing", combine_nothing));
    cases.push(Case::new("vector/dots-nothing", dots_nothing));
    cases.push(Case::new("vector/misfit", misfits));
    cases.push(Case::new("vector/empty", empty));
    cases
}

fn draw(count: usize, shape: Shape, rng: &mut Rng) -> Vec<Array> {
    (0..count).map(|_| Array::random(shape, rng)).collect()
}

fn put_all<B: Backend>(lab: &Lab<'_, B>, arrays: &[Array]) -> Result<Vec<B::Tensor>, Failed> {
    arrays.iter().map(|a| lab.put(a)).collect()
}

fn copy<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let mut x = Array::random(shape, rng);
    x.data[0] = -0.0;
    for lab in Lab::both(b) {
        let mut dst = lab.blank(shape)?;
        b.copy(&lab.put(&x)?, &mut dst)?;
        same_bits("a copy", &lab.get(&dst)?, &x.to_f32())?;
    }
    Ok(())
}

/// An `m` by `n` block of products, including `<x, x>`, written from `first` on and nowhere else.
fn dots<B: Backend>(b: &B, shape: Shape, (m, n): (usize, usize), rng: &mut Rng) -> Check {
    let (first, xs, mut ys) = (3, draw(m, shape, rng), draw(n, shape, rng));
    ys[0] = xs[0].clone();
    let magnitude = |v: &[Array]| v.iter().map(|a| a.map(f64::abs)).collect::<Vec<_>>();
    let all = |xs: &[Array], ys: &[Array]| oracle::dots(&xs.iter().collect::<Vec<_>>(), &ys.iter().collect::<Vec<_>>());
    let (want, magnitudes) = (all(&xs, &ys), all(&magnitude(&xs), &magnitude(&ys)));
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let (ta, tb) = (put_all(&lab, &xs)?, put_all(&lab, &ys)?);
        let (ra, mut rb): (Vec<_>, Vec<_>) = (ta.iter().collect(), tb.iter().collect());
        rb[0] = ra[0];
        let mut out = b.scalars(first + m * n + 2)?;
        b.dots(&ra, &rb, &mut out, first)?;
        let got = lab.scalars(&out, first + m * n + 2)?;
        for i in 0..m * n {
            let what = format!("<a[{}], b[{}]>", i / n, i % n);
            near_scalar(&what, got[first + i], want[i], DOT_TOLERANCE * magnitudes[i])?;
        }
        for i in (0..first).chain(first + m * n..first + m * n + 2) {
            near_scalar("a scalar that must not change", got[i], 0.0, 0.0)?;
        }
        b.dots(&rb, &ra, &mut out, 0)?;
        let turned = lab.scalars(&out, m * n)?;
        for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
            near_scalar("<b, a>", turned[j * m + i], want[i * n + j], DOT_TOLERANCE * magnitudes[i * n + j])?;
        }
        runs.push(got);
    }
    for (again, once) in runs[1].iter().zip(&runs[0]) {
        near_scalar("a dot product again", *again, *once, 0.0)?;
    }
    Ok(())
}

fn combine_against_oracle<B: Backend>(b: &B, shape: Shape, terms: &[(f64, &Array)]) -> Check {
    let want = oracle::combine(shape, terms);
    let terms_abs: Vec<_> = terms.iter().map(|(c, x)| (c.abs(), x.map(f64::abs))).collect();
    let terms_abs: Vec<_> = terms_abs.iter().map(|(c, x)| (*c, x)).collect();
    let magnitudes = oracle::combine(shape, &terms_abs);
    let bound = want.zip(&magnitudes, |w, m| COMBINE_ROUNDING * w.abs() + COMBINE_TOLERANCE * m + 1e-44);
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let tensors = terms.iter().map(|(c, x)| Ok((*c, lab.put(x)?))).collect::<Result<Vec<_>, Failed>>()?;
        let tensors: Vec<_> = tensors.iter().map(|(c, x)| (*c, x)).collect();
        let mut y = lab.blank(shape)?;
        b.combine(&tensors, &mut y)?;
        near("sum c x", &lab.get(&y)?, &want, &bound)?;
        runs.push(lab.get(&y)?);
    }
    same_bits("sum c x again", &runs[1], &runs[0])
}

fn combine<B: Backend>(b: &B, shape: Shape, count: usize, rng: &mut Rng) -> Check {
    let xs = draw(count, shape, rng);
    let terms: Vec<_> = xs.iter().map(|x| (rng.unit() * 1e-3 + 1.0 / 3.0, x)).collect();
    combine_against_oracle(b, shape, &terms)
}

/// Terms of `1e8` that cancel leave the small term, because the sum is `f64`.
fn combine_cancels<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let shape = Shape::new(3, 21, 11);
    let xs = draw(2, shape, rng);
    combine_against_oracle(b, shape, &[(1e8, &xs[0]), (1.0, &xs[1]), (-1e8, &xs[0]), (0.1, &xs[1])])
}

/// An empty sum is zero.
fn combine_nothing<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    combine_against_oracle(b, Shape::new(3, 5, 7), &[])
}

/// A device scalar with this value.
fn scalar<B: Backend>(b: &B, slot: usize, value: f64) -> Result<B::Scalars, Failed> {
    let (lab, one) = (Lab::fresh(b), Array::full(Shape::new(1, 1, 1), 1.0));
    let mut out = b.scalars(slot + 2)?;
    b.dots(&[&lab.put(&one.map(|v| value * v))?], &[&lab.put(&one)?], &mut out, slot)?;
    Ok(out)
}

fn scale_by<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let x = Array::random(shape, rng);
    let positive = [1.0, 2.0, 0.7, 3e-12, 5e7].map(|s| f64::from(s as f32));
    for (s, power) in positive.into_iter().flat_map(|s| [-0.5, -1.0, 0.0, 0.5, 1.0, 1.7].map(|power| (s, power))) {
        let (scalars, want) = (scalar(b, 1, s)?, oracle::scale_by(&x, s, power));
        let mut runs = Vec::new();
        for lab in Lab::both(b) {
            let mut y = lab.blank(shape)?;
            b.scale_by(&lab.put(&x)?, &scalars, 1, power, &mut y)?;
            let got = lab.get(&y)?;
            near(&format!("{s}^{power} x"), &got, &want, &want.map(|v| SCALE_TOLERANCE * v.abs() + 1e-37))?;
            runs.push(got);
        }
        same_bits("s^power x again", &runs[1], &runs[0])?;
    }
    for (s, power) in [0.0, -0.0, -2.0, f64::NAN].into_iter().flat_map(|s| [-0.5, 0.0, 2.0].map(|power| (s, power))) {
        let (lab, scalars) = (Lab::fresh(b), scalar(b, 0, s)?);
        let mut y = lab.blank(shape)?;
        b.scale_by(&lab.put(&x)?, &scalars, 0, power, &mut y)?;
        equal(&format!("x scaled by {s}"), &lab.get(&y)?, &vec![0.0; shape.len()])?;
    }
    Ok(())
}

fn dots_nothing<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let lab = Lab::fresh(b);
    let x = lab.put(&Array::random(Shape::new(3, 5, 7), rng))?;
    let mut out = b.scalars(2)?;
    b.dots(&[], &[&x], &mut out, 2)?;
    b.dots(&[&x], &[], &mut out, 0)?;
    b.dots(&[], &[], &mut out, 0)?;
    for value in lab.scalars(&out, 2)? {
        near_scalar("an unwritten scalar", value, 0.0, 0.0)?;
    }
    Ok(())
}

fn adam<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let step = AdamStep { rate: 2.5, beta1: 0.9, beta2: 0.999, correction2: 0.0297, epsilon: 1e-8 };
    let (mut g, mut m) = (Array::random(shape, rng), Array::random(shape, rng));
    let (mut v, x) = (Array::random(shape, rng).map(f64::abs), Array::random(shape, rng));
    let x = x.map(|v| f64::from((255.0 * v) as f32));
    (g.data[0], m.data[0], v.data[0]) = (0.0, 0.0, 0.0);
    let (want_m, want_v, want_x) = oracle::adam(&step, &g, &m, &v, &x);
    // With magnitudes, starting from zero: the terms that the first moment is summed from, and minus the largest possible
    // step.
    let zero = Array::zeros(shape);
    let (most_m, _, step_size) = oracle::adam(&step, &g.map(f64::abs), &m.map(f64::abs), &v, &zero);
    let bound_m = most_m.map(|m| ADAM_TOLERANCE * m);
    let bound_v = want_v.map(|v| ADAM_TOLERANCE * v);
    let bound_x = x.zip(&step_size, |x, s| ADAM_TOLERANCE * s.abs() + 2e-7 * (x.abs() + s.abs()));
    let runs = Lab::both(b).map(|lab| {
        let (mut tm, mut tv, mut tx) = (lab.put(&m)?, lab.put(&v)?, lab.put(&x)?);
        b.adam(&step, &lab.put(&g)?, &mut tm, &mut tv, &mut tx)?;
        near("m", &lab.get(&tm)?, &want_m, &bound_m)?;
        near("v", &lab.get(&tv)?, &want_v, &bound_v)?;
        near("x", &lab.get(&tx)?, &want_x, &bound_x)?;
        Ok::<_, Failed>([lab.get(&tm)?, lab.get(&tv)?, lab.get(&tx)?].concat())
    });
    let [first, second] = runs;
    same_bits("Adam again", &first?, &second?)
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let shape = Shape::new(3, 5, 4);
    let mut out = b.scalars(4)?;
    let step = AdamStep { rate: 1.0, beta1: 0.9, beta2: 0.999, correction2: 0.1, epsilon: 1e-8 };
    let (x, mut y, mut z) = (b.tensor(shape)?, b.tensor(shape)?, b.tensor(shape)?);
    for bad in [(3, 4, 5), (2, 5, 4), (3, 5, 5), (1, 3, 20), (60, 1, 1)].map(|(c, h, w)| Shape::new(c, h, w)) {
        let mut bent = b.tensor(bad)?;
        misfit("a copy from", b.copy(&bent, &mut y))?;
        misfit("a copy to", b.copy(&x, &mut bent))?;
        misfit("a dot product", b.dots(&[&x], &[&bent], &mut out, 0))?;
        misfit("a later dot product", b.dots(&[&x, &bent], &[&x], &mut out, 0))?;
        misfit("a term", b.combine(&[(1.0, &x), (1.0, &bent)], &mut y))?;
        misfit("a sum", b.combine(&[(1.0, &x)], &mut bent))?;
        misfit("x of a scaling", b.scale_by(&bent, &out, 0, 1.0, &mut y))?;
        misfit("y of a scaling", b.scale_by(&x, &out, 0, 1.0, &mut bent))?;
        misfit("g", b.adam(&step, &bent, &mut b.tensor(shape)?, &mut y, &mut z))?;
        misfit("m", b.adam(&step, &x, &mut bent, &mut y, &mut z))?;
        misfit("v", b.adam(&step, &x, &mut y, &mut bent, &mut z))?;
        misfit("x", b.adam(&step, &x, &mut y, &mut z, &mut bent))?;
    }
    for first in [1, 4, 5, usize::MAX] {
        misfit("products past the end", b.dots(&[&x, &x], &[&x, &x], &mut out, first))?;
    }
    b.dots(&[&x, &x], &[&x, &x], &mut out, 0)?;
    for slot in [4, 5, usize::MAX] {
        misfit("a factor past the end", b.scale_by(&x, &out, slot, 1.0, &mut y))?;
    }
    Ok(())
}

fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let step = AdamStep { rate: 1.0, beta1: 0.9, beta2: 0.999, correction2: 0.1, epsilon: 1e-8 };
    let every_op = || {
        let shape = Shape::new(3, 0, 4);
        let (x, mut y, mut z, mut w) = (b.tensor(shape)?, b.tensor(shape)?, b.tensor(shape)?, b.tensor(shape)?);
        let mut out = b.scalars(1)?;
        b.copy(&x, &mut y)?;
        b.dots(&[&x], &[&y], &mut out, 0)?;
        b.combine(&[(1.0, &x)], &mut y)?;
        b.scale_by(&x, &out, 0, 1.0, &mut y)?;
        b.adam(&step, &x, &mut y, &mut z, &mut w)
    };
    served_or_misfit("empty vectors", every_op())
}
