//! Windows. They copy, so there is no tolerance except for the sum of `Add`.

use libtest_mimic::Failed;
use style_core::backend::{Acc, Backend, Shape};

use super::{ACCS, Case, Check, Lab, accumulated, equal, misfit, near, near_scalar, same_bits, served_or_misfit, tag};
use crate::oracle::window as oracle;
use crate::{Array, Rng};

/// Whole shapes, and windows `[row, column, height, width]` within them.
#[rustfmt::skip]
const WINDOWS: [(Shape, &[[usize; 4]]); 10] = [
    (Shape::new(1, 1, 1), &[[0, 0, 1, 1]]),
    (Shape::new(3, 1, 17), &[[0, 0, 1, 17], [0, 5, 1, 7]]),
    (Shape::new(5, 9, 1), &[[0, 0, 9, 1], [4, 0, 5, 1]]),
    (Shape::new(3, 13, 21), &[[0, 0, 13, 21], [3, 4, 7, 9], [0, 6, 5, 8], [8, 6, 5, 8], [4, 0, 5, 7], [4, 14, 5, 7]]),
    (Shape::new(4, 12, 10), &[[0, 0, 12, 10], [2, 3, 5, 6], [0, 0, 1, 10], [11, 0, 1, 10], [11, 9, 1, 1]]),
    (Shape::new(16, 7, 9), &[[0, 0, 7, 9], [2, 1, 3, 5], [0, 2, 7, 3], [3, 0, 2, 9]]),
    (Shape::new(17, 13, 17), &[[0, 0, 13, 17], [5, 3, 6, 11], [6, 8, 1, 1]]),
    (Shape::new(17, 13, 17), &[[0, 4, 4, 5], [9, 4, 4, 5], [4, 0, 4, 5], [4, 12, 4, 5]]),
    (Shape::new(33, 12, 11), &[[0, 0, 12, 11], [1, 3, 9, 4], [0, 0, 5, 5], [7, 6, 5, 5]]),
    // More positions than one work item of any backend.
    (Shape::new(3, 200, 211), &[[37, 11, 150, 190]]),
];

/// All cases of this op.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for (whole, windows) in WINDOWS {
        for &[row, column, height, width] in windows {
            let (at, within) = ([row, column], Shape { height, width, ..whole });
            let name = |what: &str| format!("window/{what}/{}/{height}x{width}-at-{row}-{column}", tag(whole));
            cases.push(Case::new(name("both-ways"), move |b, rng| both_ways(b, whole, at, within, rng)));
            cases.push(Case::new(name("adjoint"), move |b, rng| adjoint(b, whole, at, within, rng)));
            cases.push(Case::new(name("outside"), move |b, rng| outside(b, whole, at, within, rng)));
        }
    }
    cases.push(Case::new("window/tiles", tiles));
    cases.push(Case::new("window/overlap", overlap));
    cases.push(Case::new("window/misfit", misfits));
    cases.push(Case::new("window/absurd", absurd));
    cases.push(Case::new("window/empty", empty));
    cases
}

fn forward<B: Backend>(lab: &Lab<'_, B>, x: &Array, at: [usize; 2], within: Shape) -> Result<Vec<f32>, Failed> {
    let mut y = lab.blank(within)?;
    lab.b.window(&lab.put(x)?, at, &mut y)?;
    lab.get(&y)
}

fn backward<B: Backend>(
    lab: &Lab<'_, B>,
    dy: &Array,
    at: [usize; 2],
    acc: Acc,
    previous: &Array,
) -> Result<Vec<f32>, Failed> {
    let mut dx = lab.destination(acc, previous)?;
    lab.b.window_bwd(&lab.put(dy)?, at, acc, &mut dx)?;
    lab.get(&dx)
}

/// Compares with the oracle: `y`, and `dx` under `Store` and `Add`; then checks for the same bits when repeated.
fn both_ways<B: Backend>(b: &B, whole: Shape, at: [usize; 2], within: Shape, rng: &mut Rng) -> Check {
    let (x, previous) = (Array::random(whole, rng), Array::random(whole, rng));
    let dy = Array::random(within, rng);
    let value = oracle::bwd(&dy, at, whole);
    let runs = Lab::both(b).map(|lab| {
        let mut all = forward(&lab, &x, at, within)?;
        same_bits("y", &all, &oracle::fwd(&x, at, within).to_f32())?;
        for acc in ACCS {
            let dx = backward(&lab, &dy, at, acc, &previous)?;
            let (want, bound) = accumulated(acc, &previous, &value, &Array::zeros(whole));
            near(&format!("dx under {acc:?}"), &dx, &want, &bound)?;
            all.extend(dx);
        }
        Ok::<_, Failed>(all)
    });
    let [first, second] = runs;
    same_bits("y and dx again", &first?, &second?)
}

/// `<dy, W x> = <W^T dy, x>`.
fn adjoint<B: Backend>(b: &B, whole: Shape, at: [usize; 2], within: Shape, rng: &mut Rng) -> Check {
    let (x, dy, lab) = (Array::random(whole, rng), Array::random(within, rng), Lab::fresh(b));
    let y = Array::from_f32(within, &forward(&lab, &x, at, within)?);
    let dx = Array::from_f32(whole, &backward(&lab, &dy, at, Acc::Store, &x)?);
    near_scalar("<W^T dy, x> against <dy, W x>", dx.dot(&x), dy.dot(&y), 1e-12 * dy.norm() * y.norm())
}

/// Values outside are zero under `Store`, and keep their bits under `Add`, also for -0.0 and NaN.
fn outside<B: Backend>(b: &B, whole: Shape, at: [usize; 2], within: Shape, rng: &mut Rng) -> Check {
    let dy = Array::random(within, rng);
    let is_within = oracle::bwd(&Array::full(within, 1.0), at, whole);
    let outside: Vec<_> = (0..whole.len()).filter(|&i| is_within.data[i] == 0.0).collect();
    let of = |values: &[f32]| outside.iter().map(|&i| values[i]).collect::<Vec<_>>();
    for lab in Lab::both(b) {
        let stored = backward(&lab, &dy, at, Acc::Store, &Array::zeros(whole))?;
        equal("dx outside under Store", &of(&stored), &vec![0.0; outside.len()])?;
        for previous in [-0.0, f64::from(f32::MIN_POSITIVE / 2.0), f64::NEG_INFINITY, f64::NAN] {
            let added = backward(&lab, &dy, at, Acc::Add, &Array::full(whole, previous))?;
            same_bits("dx outside under Add", &of(&added), &vec![previous as f32; outside.len()])?;
        }
    }
    Ok(())
}

/// Tiles cut from a picture and put back reproduce the picture.
fn tiles<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    for channels in [3, 20] {
        let whole = Shape::new(channels, 23, 31);
        let x = Array::random(whole, rng);
        for lab in Lab::both(b) {
            let (from, mut to) = (lab.put(&x)?, lab.put(&Array::zeros(whole))?);
            for (row, column) in (0..23).step_by(8).flat_map(|r| (0..31).step_by(12).map(move |c| (r, c))) {
                let mut tile = lab.blank(Shape::new(channels, 8.min(23 - row), 12.min(31 - column)))?;
                b.window(&from, [row, column], &mut tile)?;
                b.window_bwd(&tile, [row, column], Acc::Add, &mut to)?;
            }
            equal("a picture of its tiles", &lab.get(&to)?, &x.to_f32())?;
        }
    }
    Ok(())
}

/// The gradients of overlapping windows accumulate.
fn overlap<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    let (whole, window) = (Shape::new(18, 9, 11), Shape::new(18, 6, 7));
    let lab = Lab::fresh(b);
    let (mut dx, mut sum) = (lab.blank(whole)?, Array::zeros(whole));
    for (at, acc) in [([0, 0], Acc::Store), ([3, 4], Acc::Add), ([1, 2], Acc::Add)] {
        let dy = Array::random(window, rng);
        b.window_bwd(&lab.put(&dy)?, at, acc, &mut dx)?;
        sum = sum.zip(&oracle::bwd(&dy, at, whole), |s, v| s + v);
    }
    near("dx", &lab.get(&dx)?, &sum, &Array::full(whole, 1e-6))
}

fn both_misfit<B: Backend>(b: &B, whole: Shape, at: [usize; 2], within: Shape) -> Check {
    let (mut x, mut y) = (b.tensor(whole)?, b.tensor(within)?);
    let what = format!("a window {within} at {at:?} of {whole}");
    misfit(&what, b.window(&x, at, &mut y))?;
    for acc in ACCS {
        misfit(&format!("{what}, backward"), b.window_bwd(&y, at, acc, &mut x))?;
    }
    Ok(())
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for channels in [3, 20] {
        let whole = Shape::new(channels, 5, 7);
        for (at, height, width) in [
            ([0, 0], 6, 7),
            ([0, 0], 5, 8),
            ([0, 0], 7, 5),
            ([1, 0], 5, 7),
            ([0, 1], 5, 7),
            ([3, 0], 3, 1),
            ([0, 6], 1, 2),
            ([5, 0], 1, 1),
            ([0, 7], 1, 1),
            ([6, 3], 1, 1),
        ] {
            both_misfit(b, whole, at, Shape { height, width, ..whole })?;
        }
        for other in [1, 2, 4, 5, channels - 1, channels + 1] {
            both_misfit(b, whole, [1, 1], Shape::new(other, 2, 3))?;
        }
    }
    Ok(())
}

/// Positions outside any picture are an error, and the check does not overflow.
fn absurd<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for channels in [3, 20] {
        let (whole, within) = (Shape::new(channels, 5, 7), Shape::new(channels, 2, 3));
        for huge in [
            usize::MAX,
            usize::MAX - 1,
            usize::MAX - 2,
            usize::MAX / 2,
            1 << (usize::BITS / 2),
            (1 << (usize::BITS / 2)) + 1,
            1 << (usize::BITS - 2),
        ] {
            for at in [[huge, 0], [0, huge], [huge, huge]] {
                both_misfit(b, whole, at, within)?;
                both_misfit(b, whole, at, Shape { height: 0, width: 0, ..within })?;
            }
        }
    }
    Ok(())
}

/// An empty window does nothing, except that `Store` writes zeros; also for an empty tensor.
fn empty<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    for channels in [3, 20] {
        let whole = Shape::new(channels, 5, 7);
        let previous = Array::random(whole, rng);
        for (at, height, width) in [([0, 0], 0, 0), ([2, 3], 0, 2), ([2, 3], 2, 0), ([5, 7], 0, 0), ([5, 0], 0, 7)] {
            let within = Shape { height, width, ..whole };
            for lab in Lab::both(b) {
                let (mut y, dy) = (b.tensor(within)?, Array::zeros(within));
                b.window(&lab.put(&previous)?, at, &mut y)?;
                let stored = backward(&lab, &dy, at, Acc::Store, &previous)?;
                equal("dx of an empty window under Store", &stored, &vec![0.0; whole.len()])?;
                let added = backward(&lab, &dy, at, Acc::Add, &previous)?;
                same_bits("dx of an empty window under Add", &added, &previous.to_f32())?;
            }
        }
    }
    for shape in [Shape::new(3, 0, 4), Shape::new(20, 4, 0), Shape::new(0, 4, 4), Shape::new(20, 0, usize::MAX)] {
        let of_nothing = || {
            let (mut x, mut y) = (b.tensor(shape)?, b.tensor(shape)?);
            b.window(&x, [0, 0], &mut y)?;
            ACCS.into_iter().try_for_each(|acc| b.window_bwd(&y, [0, 0], acc, &mut x))
        };
        served_or_misfit("an empty window", of_nothing())?;
    }
    Ok(())
}
