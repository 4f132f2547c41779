//! Cosine distances, position by position.

use libtest_mimic::Failed;
use style_core::backend::{Backend, Shape};

use super::{Case, Check, Lab, equal, misfit, near, near_scalar, padded_with_zeros, same_bits, served_or_misfit, tag};
use crate::oracle::cosine as oracle;
use crate::{Array, Rng};

/// Maximum error of an element of `d`, relative to the magnitudes of its two terms, and of `l`, relative to the number of
/// positions. Holds for features whose norms are 0 or from 1e-30 to 1e30.
const TOLERANCE: f64 = 1e-6;

/// All cases of this op.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for shape in super::shapes().chain([(2, 3, 5), (4, 9, 7), (300, 3, 5)].map(|(c, h, w)| Shape::new(c, h, w))) {
        let name = |what: &str| format!("cosine/{what}/{}", tag(shape));
        cases.push(Case::new(name("value"), move |b, rng| {
            check(b, &Array::random(shape, rng), &Array::random(shape, rng)).map(|_| ())
        }));
        cases.push(Case::new(name("activations"), move |b, rng| {
            check(b, &Array::activation(shape, rng), &Array::activation(shape, rng)).map(|_| ())
        }));
        cases.push(Case::new(name("orthogonal"), move |b, rng| orthogonal(b, shape, rng)));
    }
    for shape in [(1, 3, 5), (3, 4, 4), (5, 9, 7), (17, 3, 5), (64, 6, 6)] {
        let shape = Shape::new(shape.0, shape.1, shape.2);
        let name = |what: &str| format!("cosine/{what}/{}", tag(shape));
        cases.push(Case::new(name("zeros"), move |b, rng| zeros(b, shape, rng)));
        cases.push(Case::new(name("parallel"), move |b, rng| parallel(b, shape, rng)));
        cases.push(Case::new(name("magnitudes"), move |b, rng| magnitudes(b, shape, rng)));
        cases.push(Case::new(name("homogeneous"), move |b, rng| homogeneous(b, shape, rng)));
        cases.push(Case::new(name("slope"), move |b, rng| slope(b, shape, rng)));
    }
    cases.push(Case::new("cosine/nan", nan));
    cases.push(Case::new("cosine/misfit", misfits));
    cases.push(Case::new("cosine/empty", empty));
    cases
}

/// `l` and `d`.
fn run<B: Backend>(lab: &Lab<'_, B>, x: &Array, t: &Array) -> Result<(f64, Vec<f32>), Failed> {
    let (x, t, mut d) = (lab.put(x)?, lab.put(t)?, lab.blank(x.shape)?);
    let mut out = lab.b.scalars(3)?;
    for slot in [2, 1] {
        lab.b.cosine(&x, &t, &mut out, slot, &mut d)?;
    }
    let (scalars, values) = (lab.scalars(&out, 3)?, lab.get(&d)?);
    near_scalar("slot 0", scalars[0], 0.0, 0.0)?;
    if values.iter().all(|v| v.is_finite()) {
        near_scalar("slot 2 against slot 1", scalars[2], scalars[1], 0.0)?;
        padded_with_zeros(lab, &d, &values)?;
    }
    Ok((scalars[1], values))
}

/// The norm of each position, in each of its channels.
fn norms(x: &Array) -> Array {
    let positions = x.shape.positions();
    let norm = |i: usize| x.data.iter().skip(i % positions).step_by(positions).map(|v| v * v).sum::<f64>().sqrt();
    Array { shape: x.shape, data: (0..x.data.len()).map(norm).collect() }
}

/// The magnitudes of the terms of `d`, times [`TOLERANCE`].
fn bound(x: &Array, t: &Array) -> Array {
    let (of_x, of_t) = (norms(x), norms(t));
    let unit = |v: f64, norm: f64| if norm > 0.0 { v.abs() / norm } else { 0.0 };
    let terms = x.zip(&of_x, unit).zip(&t.zip(&of_t, unit), |x, t| TOLERANCE * (x + t));
    terms.zip(&of_x, |terms, norm| if norm > 0.0 { terms / norm } else { 0.0 })
}

/// Against the oracle; the same bits when repeated.
fn check<B: Backend>(b: &B, x: &Array, t: &Array) -> Result<(f64, Vec<f32>), Failed> {
    let ((l, d), bound) = (oracle::cosine(x, t), bound(x, t));
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let (got_l, got) = run(&lab, x, t)?;
        near_scalar("l", got_l, l, TOLERANCE * x.shape.positions() as f64)?;
        near("d", &got, &d, &bound)?;
        runs.push((got_l, got));
    }
    near_scalar("l again", runs[1].0, runs[0].0, 0.0)?;
    same_bits("d again", &runs[1].1, &runs[0].1)?;
    Ok(runs.swap_remove(0))
}

/// The gradient does not change the norm: `<d_p, x_p> = 0`.
fn orthogonal<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (x, t) = (Array::random(shape, rng), Array::random(shape, rng));
    let d = Array::from_f32(shape, &run(&Lab::fresh(b), &x, &t)?.1);
    let (along, most) = (d.zip(&x, |d, x| d * x), bound(&x, &t).zip(&x, |bound, x| bound * x.abs()));
    for p in 0..shape.positions() {
        let sum = |of: &Array| of.data.iter().skip(p).step_by(shape.positions()).sum::<f64>();
        near_scalar(&format!("<d, x> at position {p}"), sum(&along), 0.0, sum(&most))?;
    }
    Ok(())
}

/// Where one is zero, `c = 0` and `d = 0`; also for -0.0, and next to others.
fn zeros<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let positions = shape.positions();
    let without = |x: &Array, every: usize, zero: f64| {
        let mut x = x.clone();
        x.data
            .iter_mut()
            .enumerate()
            .filter(|(i, _)| (i % positions).is_multiple_of(every))
            .for_each(|(_, v)| *v = zero);
        x
    };
    let (x, t) = (Array::random(shape, rng), Array::random(shape, rng));
    check(b, &without(&x, 2, 0.0), &t)?;
    check(b, &x, &without(&t, 2, -0.0))?;
    check(b, &without(&x, 2, -0.0), &without(&t, 3, 0.0))?;
    let nothing = Array::zeros(shape);
    for (x, t) in [(&nothing, &t), (&x, &nothing), (&nothing, &nothing)] {
        let (l, d) = check(b, x, t)?;
        near_scalar("l of zeros", l, positions as f64, 0.0)?;
        equal("d of zeros", &d, &vec![0.0; shape.len()])?;
    }
    Ok(())
}

/// Multiples of the target: nothing is left. Opposite ones are twice as far as orthogonal ones.
fn parallel<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    // No position is zero.
    let x = Array::random(shape, rng).map(|v| if v < 0.0 { v - 0.125 } else { v + 0.125 });
    for factor in [1.0, 0.25, 1024.0] {
        check(b, &x, &x.map(|v| factor * v))?;
        let (l, _) = check(b, &x, &x.map(|v| -factor * v))?;
        near_scalar("l of opposites", l, 2.0 * shape.positions() as f64, TOLERANCE * shape.positions() as f64)?;
    }
    Ok(())
}

/// Large and small features, whose squares are no numbers of f32.
fn magnitudes<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let mut of_size = |size: f64| Array::random(shape, rng).map(|v| f64::from((size * (v + 1.125)) as f32));
    for (x, t) in [(1e-20, 1.0), (1.0, 1e-20), (1e15, 1.0), (1.0, 1e15), (1e15, 1e-20), (1e25, 1e25), (1e-28, 1e-28)] {
        check(b, &of_size(x), &of_size(t))?;
    }
    // Different sizes side by side.
    let (x, t, positions) = (Array::random(shape, rng), Array::random(shape, rng), shape.positions());
    let sizes = [1e-20, 1.0, 1e15, 1e-6, 1e7];
    let sized = |x: &Array, first: usize| Array {
        shape,
        data: (0..).zip(&x.data).map(|(i, v)| f64::from((sizes[(i % positions + first) % 5] * v) as f32)).collect(),
    };
    check(b, &sized(&x, 0), &sized(&t, 2)).map(|_| ())
}

/// `l` is the same for a multiple of `x` or `t`; `d` is divided by that of `x`.
fn homogeneous<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (x, t, lab) = (Array::random(shape, rng), Array::random(shape, rng), Lab::fresh(b));
    let (l, d) = run(&lab, &x, &t)?;
    let d = Array::from_f32(shape, &d);
    for (of_x, of_t) in [(8.0, 1.0), (1.0, 0.125), (0.0625, 32.0)] {
        let (scaled, other) = run(&lab, &x.map(|v| of_x * v), &t.map(|v| of_t * v))?;
        near_scalar("l", scaled, l, TOLERANCE * shape.positions() as f64)?;
        near("d", &other, &d.map(|v| v / of_x), &bound(&x, &t).map(|v| 2.0 * v / of_x))?;
    }
    Ok(())
}

/// `l(x + h v) - l(x - h v) = 2 h <d, v>`, up to the third power of `h`.
fn slope<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    // Far from zero, so that `l` is smooth.
    let x = Array::random(shape, rng).map(|v| if v < 0.0 { v - 1.0 } else { v + 1.0 });
    let (v, t, lab, h) = (Array::random(shape, rng), Array::random(shape, rng), Lab::fresh(b), 1.0 / 128.0);
    let pushed = |by: f64| run(&lab, &x.zip(&v, |x, v| f64::from((x + by * v) as f32)), &t);
    let ((up, _), (down, _), (_, d)) = (pushed(h)?, pushed(-h)?, pushed(0.0)?);
    let along = Array::from_f32(shape, &d).dot(&v);
    // 2 h |<d, v>| would be up to 1e-2 a position.
    let bound = 1e-5 * shape.positions() as f64;
    near_scalar("2 h <d, v> against the change of l", 2.0 * h * along, up - down, bound)
}

/// NaN in one position shows in `l` and in the `d` of that position alone.
fn nan<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    for channels in [3, 20] {
        let shape = Shape::new(channels, 4, 5);
        let (x, t) = (Array::random(shape, rng), Array::random(shape, rng));
        let want = oracle::cosine(&x, &t).1;
        for lab in Lab::both(b) {
            for in_x in [true, false] {
                let (mut x, mut t) = (x.clone(), t.clone());
                *(if in_x { &mut x } else { &mut t }).at_mut(1, 2, 3) = f64::NAN;
                let (l, d) = run(&lab, &x, &t)?;
                if !l.is_nan() {
                    return Err(format!("l of NaN is {l}").into());
                }
                let elsewhere = |i: usize| i % 20 != 13;
                let kept: Vec<_> = (0..).zip(&d).map(|(i, &d)| if elsewhere(i) { d } else { 0.0 }).collect();
                let mut want = want.clone();
                want.data.iter_mut().enumerate().filter(|&(i, _)| !elsewhere(i)).for_each(|(_, v)| *v = 0.0);
                near("d at other positions", &kept, &want, &Array::full(shape, 1e-5))?;
            }
        }
    }
    Ok(())
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for channels in [3, 20] {
        let shape = Shape::new(channels, 5, 4);
        let (x, mut d, mut out) = (b.tensor(shape)?, b.tensor(shape)?, b.scalars(2)?);
        for slot in [2, usize::MAX] {
            misfit("slot", b.cosine(&x, &x, &mut out, slot, &mut d))?;
        }
        for bad in [(channels, 4, 5), (channels, 5, 5), (channels + 1, 5, 4), (channels - 1, 5, 4), (channels, 20, 1)] {
            let mut bad = b.tensor(Shape::new(bad.0, bad.1, bad.2))?;
            misfit("x", b.cosine(&bad, &x, &mut out, 0, &mut d))?;
            misfit("t", b.cosine(&x, &bad, &mut out, 0, &mut d))?;
            misfit("d", b.cosine(&x, &x, &mut out, 0, &mut bad))?;
        }
    }
    Ok(())
}

/// Features without positions have no distance; without channels, all are zero.
fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for shape in [Shape::new(3, 0, 4), Shape::new(20, 4, 0), Shape::new(0, 4, 4), Shape::new(20, 0, usize::MAX)] {
        let mut out = b.scalars(1)?;
        let mut measured = || {
            let (x, mut d) = (b.tensor(shape)?, b.tensor(shape)?);
            b.cosine(&x, &x, &mut out, 0, &mut d)
        };
        let served = measured();
        let want = if served.is_ok() { shape.positions() as f64 } else { 0.0 };
        served_or_misfit("the distance of nothing", served)?;
        near_scalar("l of nothing", Lab::fresh(b).scalars(&out, 1)?[0], want, 0.0)?;
    }
    Ok(())
}
