//! Vectors in half precision. Products and combinations are compared with the oracle for the vectors as they are stored.

use libtest_mimic::Failed;
use style_core::backend::{Backend, Shape};

use super::vector::{COMBINE_ROUNDING, COMBINE_TOLERANCE, DOT_TOLERANCE};
use super::{Case, Check, Lab, misfit, near, near_scalar, same_bits, served_or_misfit, shapes, tag};
use crate::oracle::vector as oracle;
use crate::{Array, Rng};

/// Maximum relative error of a stored value: half the distance between two numbers of 8 bits.
const ROUNDING: f64 = 1.0 / 256.0;

/// Terms that are summed without rounding in between.
const MANY: usize = 200;

/// All cases of these ops.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for shape in shapes().chain([Shape::new(3, 200, 211)]) {
        let name = |what: &str| format!("history/{what}/{}", tag(shape));
        cases.push(Case::new(name("round"), move |b, rng| round(b, shape, rng)));
        cases.push(Case::new(name("dots"), move |b, rng| dots(b, shape, (3, 5), rng)));
        cases.push(Case::new(name("combine"), move |b, rng| combine(b, shape, 6, rng)));
    }
    for (m, n) in [(1, 1), (2, 250), (7, 3), (3, 131)] {
        let body = move |b: &B, rng: &mut Rng| dots(b, Shape::new(3, 13, 17), (m, n), rng);
        cases.push(Case::new(format!("history/dots-many/{m}-{n}"), body));
    }
    for terms in [0, 1, 2, 3, 4, 5, 128, 251, 500] {
        let body = move |b: &B, rng: &mut Rng| combine(b, Shape::new(3, 13, 17), terms, rng);
        cases.push(Case::new(format!("history/combine-many/{terms}"), body));
    }
    cases.push(Case::new("history/exact", exact));
    cases.push(Case::new("history/nearest", nearest));
    cases.push(Case::new("history/not-finite", not_finite));
    cases.push(Case::new("history/zeros", zeros));
    cases.push(Case::new("history/nothing", nothing));
    cases.push(Case::new("history/misfit", misfits));
    cases.push(Case::new("history/empty", empty));
    cases
}

/// A vector in half precision, and its values as they are stored.
fn stored<B: Backend>(lab: &Lab<'_, B>, x: &Array) -> Result<(B::Half, Array), Failed> {
    let mut h = lab.b.half(x.shape)?;
    lab.b.halve(&lab.put(x)?, &mut h)?;
    let values = restored(lab, &h, x.shape)?;
    Ok((h, Array::from_f32(x.shape, &values)))
}

fn restored<B: Backend>(lab: &Lab<'_, B>, h: &B::Half, shape: Shape) -> Result<Vec<f32>, Failed> {
    let mut x = lab.blank(shape)?;
    lab.b.restore(h, &mut x)?;
    lab.get(&x)
}

/// Values over many magnitudes.
fn draw(shape: Shape, rng: &mut Rng) -> Array {
    let scales = Array::random(shape, rng);
    Array::random(shape, rng).zip(&scales, |x, s| f64::from((x * (20.0 * s).exp()) as f32))
}

/// Rounded once; what is stored is then kept exactly.
fn round<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let x = draw(shape, rng);
    for lab in Lab::both(b) {
        let (_, once) = stored(&lab, &x)?;
        near("a stored vector", &once.to_f32(), &x, &x.map(|x| ROUNDING * x.abs()))?;
        let (_, twice) = stored(&lab, &once)?;
        same_bits("what is stored again", &twice.to_f32(), &once.to_f32())?;
    }
    Ok(())
}

/// An `m` by `n` block of products, written from `first` on and nowhere else.
fn dots<B: Backend>(b: &B, shape: Shape, (m, n): (usize, usize), rng: &mut Rng) -> Check {
    let first = 3;
    let xs: Vec<_> = (0..m).map(|_| draw(shape, rng)).collect();
    let hs: Vec<_> = (0..n).map(|_| draw(shape, rng)).collect();
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let lefts = xs.iter().map(|x| lab.put(x)).collect::<Result<Vec<_>, _>>()?;
        let rights = hs.iter().map(|h| stored(&lab, h)).collect::<Result<Vec<_>, _>>()?;
        let (halves, values): (Vec<_>, Vec<_>) = rights.iter().map(|(half, values)| (half, values)).unzip();
        let want = oracle::dots(&xs.iter().collect::<Vec<_>>(), &values);
        let magnitude = |of: &[&Array]| of.iter().map(|a| a.map(f64::abs)).collect::<Vec<_>>();
        let (xs_abs, values_abs) = (magnitude(&xs.iter().collect::<Vec<_>>()), magnitude(&values));
        let magnitudes = oracle::dots(&xs_abs.iter().collect::<Vec<_>>(), &values_abs.iter().collect::<Vec<_>>());
        let mut out = b.scalars(first + m * n + 2)?;
        b.half_dots(&lefts.iter().collect::<Vec<_>>(), &halves, &mut out, first)?;
        let got = lab.scalars(&out, first + m * n + 2)?;
        for i in 0..m * n {
            let what = format!("<a[{}], h[{}]>", i / n, i % n);
            near_scalar(&what, got[first + i], want[i], DOT_TOLERANCE * magnitudes[i])?;
        }
        for i in (0..first).chain(first + m * n..first + m * n + 2) {
            near_scalar("a scalar that must not change", got[i], 0.0, 0.0)?;
        }
        runs.push(got);
    }
    for (again, once) in runs[1].iter().zip(&runs[0]) {
        near_scalar("a dot product again", *again, *once, 0.0)?;
    }
    Ok(())
}

fn combine<B: Backend>(b: &B, shape: Shape, count: usize, rng: &mut Rng) -> Check {
    let xs: Vec<_> = (0..=count).map(|_| draw(shape, rng)).collect();
    let factors: Vec<_> = xs.iter().map(|_| rng.unit() - 0.5).collect();
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let halves = xs[..count].iter().map(|x| stored(&lab, x)).collect::<Result<Vec<_>, _>>()?;
        let (last, c) = (lab.put(&xs[count])?, factors[count]);
        let all: Vec<_> = factors.iter().copied().zip(halves.iter().map(|(_, v)| v).chain([&xs[count]])).collect();
        let want = oracle::combine(shape, &all);
        let all_abs: Vec<_> = all.iter().map(|(c, x)| (c.abs(), x.map(f64::abs))).collect();
        let magnitudes = oracle::combine(shape, &all_abs.iter().map(|(c, x)| (*c, x)).collect::<Vec<_>>());
        // A long sum may be rounded between groups of terms.
        let tolerance = if count > MANY { COMBINE_ROUNDING } else { COMBINE_TOLERANCE };
        let bound = want.zip(&magnitudes, |w, m| COMBINE_ROUNDING * w.abs() + tolerance * m + 1e-44);
        let terms: Vec<_> = factors.iter().copied().zip(halves.iter().map(|(h, _)| h)).collect();
        let mut y = lab.blank(shape)?;
        b.half_combine(&terms, (c, &last), &mut y)?;
        near("sum c h + c x", &lab.get(&y)?, &want, &bound)?;
        runs.push(lab.get(&y)?);
    }
    same_bits("sum c h + c x again", &runs[1], &runs[0])
}

/// Numbers of 8 bits are kept.
fn exact<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let mut values: Vec<f32> = (-256..=256).map(|i| i as f32).collect();
    values.extend((-120..=120).flat_map(|e| [1.0, -1.5, 1.9921875].map(|x: f32| x * 2f32.powi(e))));
    values.push(-0.0);
    let lab = Lab::fresh(b);
    let x = Array::from_f32(Shape::new(1, 1, values.len()), &values);
    same_bits("numbers of 8 bits", &stored(&lab, &x)?.1.to_f32(), &values)
}

/// Rounding goes to the nearest number, and carries into the exponent.
fn nearest<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let lab = Lab::fresh(b);
    let values = [1.0 + 0.49 / 128.0, 1.0 + 0.51 / 128.0, 1.999, -1.999, 255.8f32];
    let x = Array::from_f32(Shape::new(1, 1, values.len()), &values);
    let spacing = Array::from_f32(x.shape, &[1.0f32, 1.0, 1.0, 1.0, 128.0].map(|e| e / 128.0));
    near("the nearest number", &stored(&lab, &x)?.1.to_f32(), &x, &spacing.map(|s| 0.5 * s))
}

/// What is not finite is not stored as a number.
fn not_finite<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let lab = Lab::fresh(b);
    let bits = [0x7f80_0001, 0x7fff_ffff, 0xffff_ffff, 0x7fc0_0000];
    let values = bits.map(f32::from_bits).into_iter().chain([f32::INFINITY, f32::NEG_INFINITY]).collect::<Vec<_>>();
    let shape = Shape::new(1, 1, values.len());
    let (mut x, mut h) = (lab.tensor(shape)?, b.half(shape)?);
    b.upload(&values, &mut x)?;
    b.halve(&x, &mut h)?;
    let found = restored(&lab, &h, shape)?;
    if found[..4].iter().all(|v| v.is_nan()) && found[4..] == [f32::INFINITY, f32::NEG_INFINITY] {
        return Ok(());
    }
    Err(format!("expected four NaN and the infinities, found {found:?}").into())
}

fn zeros<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for shape in shapes() {
        same_bits("a new vector", &restored(&Lab::fresh(b), &b.half(shape)?, shape)?, &vec![0.0; shape.len()])?;
        let (bytes, most) = (b.half_bytes(shape), b.tensor_bytes(shape));
        if bytes > most || bytes < 2 * shape.len() {
            return Err(format!("{bytes} bytes for {shape}, a tensor of which takes {most}").into());
        }
    }
    Ok(())
}

/// Without vectors nothing is written.
fn nothing<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let lab = Lab::fresh(b);
    let x = Array::random(Shape::new(3, 5, 7), rng);
    let (h, _) = stored(&lab, &x)?;
    let mut out = b.scalars(2)?;
    b.half_dots(&[], &[&h], &mut out, 2)?;
    b.half_dots(&[&lab.put(&x)?], &[], &mut out, 0)?;
    for value in lab.scalars(&out, 2)? {
        near_scalar("an unwritten scalar", value, 0.0, 0.0)?;
    }
    Ok(())
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let shape = Shape::new(3, 5, 4);
    let (x, mut y, mut h) = (b.tensor(shape)?, b.tensor(shape)?, b.half(shape)?);
    let mut out = b.scalars(4)?;
    for bad in [(3, 4, 5), (2, 5, 4), (3, 5, 5), (1, 3, 20), (60, 1, 1)].map(|(c, h, w)| Shape::new(c, h, w)) {
        let (mut bent, mut bent_half) = (b.tensor(bad)?, b.half(bad)?);
        misfit("x of a rounding", b.halve(&bent, &mut h))?;
        misfit("h of a rounding", b.halve(&x, &mut bent_half))?;
        misfit("x of what is restored", b.restore(&h, &mut bent))?;
        misfit("a left vector", b.half_dots(&[&x, &bent], &[&h], &mut out, 0))?;
        misfit("a right vector", b.half_dots(&[&x], &[&h, &bent_half], &mut out, 0))?;
        misfit("a term", b.half_combine(&[(1.0, &h), (1.0, &bent_half)], (1.0, &x), &mut y))?;
        misfit("the last term", b.half_combine(&[(1.0, &h)], (1.0, &bent), &mut y))?;
        misfit("a sum", b.half_combine(&[(1.0, &h)], (1.0, &x), &mut bent))?;
    }
    for first in [1, 4, 5, usize::MAX] {
        misfit("products past the end", b.half_dots(&[&x, &x], &[&h, &h], &mut out, first))?;
    }
    Ok(())
}

fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let every_op = || {
        let shape = Shape::new(3, 0, 4);
        let (x, mut y, mut h, mut out) = (b.tensor(shape)?, b.tensor(shape)?, b.half(shape)?, b.scalars(1)?);
        b.halve(&x, &mut h)?;
        b.restore(&h, &mut y)?;
        b.half_dots(&[&x], &[&h], &mut out, 0)?;
        b.half_combine(&[(1.0, &h)], (1.0, &x), &mut y)
    };
    served_or_misfit("empty vectors", every_op())
}
