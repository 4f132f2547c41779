//! The Gram matrix.

use libtest_mimic::Failed;
use style_core::backend::ops::Rows;
use style_core::backend::{Acc, Backend, Shape};

use super::{ACCS, Case, Check, Lab, accumulated, misfit, near, near_scalar, same_bits, served_or_misfit, tag};
use crate::oracle::gram as oracle;
use crate::{Array, Rng};

/// Every error is below this times the sum of the magnitudes of the value's terms. A sum of 20 000 positive terms in one
/// `f32` accumulator exceeds it; blocks of a few hundred do not.
const TOLERANCE: f64 = 2e-6;

/// More positions, or more channels, than one block of any backend.
const LARGE: [(usize, usize, usize); 4] = [(16, 150, 141), (20, 1, 20_011), (72, 40, 41), (272, 3, 5)];

/// All cases of this op.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let large = LARGE.map(|(c, h, w)| Shape::new(c, h, w));
    let mut cases = Vec::new();
    for shape in super::shapes().chain(large) {
        let name = |what: &str| format!("gram/{what}/{}", tag(shape));
        cases.push(Case::new(name("fwd"), move |b, rng| forward(b, &Array::random(shape, rng), rng)));
        cases.push(Case::new(name("bwd"), move |b, rng| backward(b, shape, rng)));
        cases.push(Case::new(name("activations"), move |b, rng| forward(b, &Array::activation(shape, rng), rng)));
    }
    for shape in super::shapes() {
        cases.push(Case::new(format!("gram/adjoint/{}", tag(shape)), move |b, rng| adjoint(b, shape, rng)));
    }
    cases.push(Case::new("gram/tiles", tiles));
    cases.push(Case::new("gram/misfit", misfits));
    cases.push(Case::new("gram/empty", empty));
    cases
}

fn run_fwd<B: Backend>(
    lab: &Lab<'_, B>,
    features: &Array,
    scale: f32,
    into: (Acc, &Array),
) -> Result<Vec<f32>, Failed> {
    let (f, mut g) = (lab.put(features)?, lab.destination(into.0, into.1)?);
    let mut workspace = lab.b.workspace(lab.b.gram_workspace(features.shape))?;
    lab.b.gram(&f, Rows::all(features.shape), scale, into.0, &mut g, &mut workspace)?;
    lab.get(&g)
}

fn run_bwd<B: Backend>(
    lab: &Lab<'_, B>,
    features: &Array,
    dg: &Array,
    scale: f32,
    into: (Acc, &Array),
) -> Result<Vec<f32>, Failed> {
    let (f, dg, mut df) = (lab.put(features)?, lab.put(dg)?, lab.destination(into.0, into.1)?);
    let mut workspace = lab.b.workspace(lab.b.gram_workspace(features.shape))?;
    lab.b.gram_bwd(&f, &dg, scale, into.0, &mut df, &mut workspace)?;
    lab.get(&df)
}

fn forward<B: Backend>(b: &B, features: &Array, rng: &mut Rng) -> Check {
    let n = features.shape.channels;
    let scale = 1.0 / features.shape.positions() as f32;
    let previous = Array::random(Shape::gram(n), rng);
    let value = oracle::fwd(features, f64::from(scale));
    let magnitudes = oracle::fwd(&features.map(f64::abs), f64::from(scale));
    let mut stored = Vec::new();
    for lab in Lab::both(b) {
        for acc in ACCS {
            let got = run_fwd(&lab, features, scale, (acc, &previous))?;
            let (want, bound) = accumulated(acc, &previous, &value, &magnitudes.map(|v| TOLERANCE * v + 1e-30));
            near(&format!("G under {acc:?}"), &got, &want, &bound)?;
            if acc == Acc::Store {
                for (i, j) in (0..n).flat_map(|i| (0..i).map(move |j| (i, j))) {
                    same_bits("G[i, j] against G[j, i]", &[got[i * n + j]], &[got[j * n + i]])?;
                }
                stored.push(got);
            }
        }
    }
    same_bits("G again", &stored[1], &stored[0])
}

/// `dG` is not symmetric here, so `dG + dG^T` must be computed.
fn backward<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (features, dg) = (Array::random(shape, rng), Array::random(Shape::gram(shape.channels), rng));
    let (previous, scale) = (Array::random(shape, rng), -0.37_f32);
    let value = oracle::bwd(&features, &dg, f64::from(scale));
    let magnitudes = oracle::bwd(&features.map(f64::abs), &dg.map(f64::abs), f64::from(-scale));
    let mut stored = Vec::new();
    for lab in Lab::both(b) {
        for acc in ACCS {
            let got = run_bwd(&lab, &features, &dg, scale, (acc, &previous))?;
            let (want, bound) = accumulated(acc, &previous, &value, &magnitudes.map(|v| TOLERANCE * v + 1e-30));
            near(&format!("dF under {acc:?}"), &got, &want, &bound)?;
            if acc == Acc::Store {
                stored.push(got);
            }
        }
    }
    same_bits("dF again", &stored[1], &stored[0])
}

/// The derivative of `<dG, s F F^T>` along `V` is `<dF, V>`, and equals the polarised form: `(<dG, G(F + V)> - <dG, G(F -
/// V)>) / 2`.
fn adjoint<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let (features, dg) = (Array::random(shape, rng), Array::random(Shape::gram(shape.channels), rng));
    let v = Array::random(shape, rng);
    let (lab, scale) = (Lab::fresh(b), 1.0 / shape.positions() as f32);
    let df = Array::from_f32(shape, &run_bwd(&lab, &features, &dg, scale, (Acc::Store, &v))?);
    let pushed = |sign: f64| {
        let f = features.zip(&v, |f, v| f64::from((f + sign * v) as f32));
        let g = run_fwd(&lab, &f, scale, (Acc::Store, &dg))?;
        Ok::<_, Failed>(Array::from_f32(dg.shape, &g))
    };
    let (up, down) = (pushed(1.0)?, pushed(-1.0)?);
    let polarised = (dg.dot(&up) - dg.dot(&down)) / 2.0;
    let bound = 2.0 * TOLERANCE * (dg.norm() * (up.norm() + down.norm()) + df.norm() * v.norm());
    near_scalar("<dF, V> against <dG, dG/dF V>", df.dot(&v), polarised, bound)
}

/// The sum over two tiles is the matrix of the whole.
fn tiles<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let whole = Array::random(Shape::new(17, 31, 40), rng);
    let scale = 1.0 / 1240.0_f32;
    for lab in Lab::both(b) {
        let zero = Array::zeros(Shape::gram(17));
        let first = Array::from_f32(
            zero.shape,
            &run_fwd(&lab, &whole.rows(Rows { start: 0, end: 13 }), scale, (Acc::Store, &zero))?,
        );
        let both = run_fwd(&lab, &whole.rows(Rows { start: 13, end: 31 }), scale, (Acc::Add, &first))?;
        let magnitudes = oracle::fwd(&whole.map(f64::abs), f64::from(scale));
        let want = oracle::fwd(&whole, f64::from(scale));
        near("G of two tiles", &both, &want, &magnitudes.map(|v| TOLERANCE * v))?;
        let (f, mut g) = (lab.put(&whole)?, lab.blank(zero.shape)?);
        let mut workspace = b.workspace(b.gram_workspace(whole.shape))?;
        for (start, end, acc) in [(0, 13, Acc::Store), (13, 13, Acc::Add), (13, 31, Acc::Add)] {
            b.gram(&f, Rows { start, end }, scale, acc, &mut g, &mut workspace)?;
        }
        near("G of two ranges of rows", &lab.get(&g)?, &want, &magnitudes.map(|v| TOLERANCE * v))?;
        for (start, end) in [(0, 32), (32, 33), (5, 4), (usize::MAX, usize::MAX)] {
            let rows = Rows { start, end };
            misfit("rows out of range", b.gram(&f, rows, scale, Acc::Store, &mut g, &mut workspace))?;
        }
    }
    Ok(())
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let shape = Shape::new(6, 5, 4);
    let (f, mut g, mut df) = (b.tensor(shape)?, b.tensor(Shape::gram(6))?, b.tensor(shape)?);
    let mut ws = b.workspace(b.gram_workspace(shape) + 4096)?;
    for bad in [Shape::gram(5), Shape::gram(7), Shape::new(6, 6, 1), Shape::new(1, 4, 9), Shape::new(36, 1, 1)] {
        let mut bad_g = b.tensor(bad)?;
        misfit(&format!("G of {bad}"), b.gram(&f, Rows::all(b.shape(&f)), 1.0, Acc::Store, &mut bad_g, &mut ws))?;
        misfit(&format!("dG of {bad}"), b.gram_bwd(&f, &bad_g, 1.0, Acc::Store, &mut df, &mut ws))?;
    }
    for bad in [(6, 4, 5), (5, 5, 4), (6, 5, 5), (6, 20, 1)].map(|(c, h, w)| Shape::new(c, h, w)) {
        let mut bad_df = b.tensor(bad)?;
        misfit(&format!("dF of {bad}"), b.gram_bwd(&f, &g, 1.0, Acc::Add, &mut bad_df, &mut ws))?;
    }
    for huge in [usize::MAX, usize::MAX / 2, 1 << (usize::BITS - 2), 1 << (usize::BITS / 2)] {
        let _ = (b.gram_workspace(Shape::new(huge, huge, huge)), b.gram_workspace(Shape::new(1, huge, 1)));
    }
    let (large, mut small) = (Shape::new(72, 40, 41), b.workspace(0)?);
    let (f, dg, mut df) = (b.tensor(large)?, b.tensor(Shape::gram(72))?, b.tensor(large)?);
    served_or_misfit("no workspace", b.gram_bwd(&f, &dg, 1.0, Acc::Store, &mut df, &mut small))?;
    g = dg;
    served_or_misfit("no workspace", b.gram(&f, Rows::all(b.shape(&f)), 1.0, Acc::Store, &mut g, &mut small))
}

/// No positions: zeros if accepted.
fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for shape in [Shape::new(3, 0, 4), Shape::new(3, 4, 0), Shape::new(0, 4, 4), Shape::new(0, 0, 0)] {
        let mut served = None;
        let mut both_ways = || {
            let mut ws = b.workspace(b.gram_workspace(shape))?;
            let (f, mut df) = (b.tensor(shape)?, b.tensor(shape)?);
            let mut g = b.tensor(Shape::gram(shape.channels))?;
            b.upload(&vec![f32::NAN; shape.channels * shape.channels], &mut g)?;
            b.gram(&f, Rows::all(b.shape(&f)), 1.0, Acc::Store, &mut g, &mut ws)?;
            b.gram_bwd(&f, &g, 1.0, Acc::Store, &mut df, &mut ws)?;
            served = Some(g);
            Ok(())
        };
        served_or_misfit("an empty Gram matrix", both_ways())?;
        if let Some(g) = served {
            let zeros = vec![0.0; shape.channels * shape.channels];
            super::equal("G of no positions", &Lab::fresh(b).get(&g)?, &zeros)?;
        }
    }
    Ok(())
}
