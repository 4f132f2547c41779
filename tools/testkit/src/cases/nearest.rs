//! Nearest neighbours of patches, and the distance from them.

use libtest_mimic::Failed;
use style_core::backend::ops::expect_patches;
use style_core::backend::{Backend, Shape};

use super::{
    Case, Check, HUGE, Lab, equal, misfit, near, near_scalar, padded_with_zeros, same_bits, served_or_misfit, tag,
};
use crate::oracle::nearest as oracle;
use crate::{Array, Rng};

/// By how much the cosine of a neighbour may be below the largest one.
const COSINE: f64 = 1e-5;

/// Maximum error of the distance, relative to the sum of its positive terms, and of a difference, relative to the sum of
/// the magnitudes of its terms.
const TOLERANCE: f64 = 1e-6;

/// Channels, extents of both features, and the side of a patch.
type Extents = (usize, [usize; 2], [usize; 2], usize);

const EXTENTS: [Extents; 19] = [
    (1, [1, 1], [1, 1], 1),
    (1, [3, 5], [4, 4], 2),
    (3, [3, 5], [5, 3], 1),
    (3, [3, 3], [3, 3], 3),
    (3, [17, 16], [15, 18], 3),
    (4, [3, 5], [4, 7], 3),
    (4, [1, 70], [1, 131], 1),
    (5, [9, 4], [3, 3], 3),
    (5, [1, 1], [9, 15], 1),
    (15, [3, 17], [5, 13], 2),
    (16, [7, 9], [6, 8], 1),
    (16, [3, 4], [9, 10], 3),
    (17, [5, 6], [7, 5], 3),
    (33, [4, 5], [5, 4], 2),
    (33, [9, 8], [8, 9], 1),
    (64, [8, 9], [9, 8], 3),
    (64, [7, 7], [7, 7], 5),
    (72, [5, 3], [3, 5], 1),
    // More neighbours than one part of any backend.
    (1, [42, 39], [39, 41], 2),
];

/// All cases of these ops.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for (channels, [h, w], [other_h, other_w], side) in EXTENTS {
        let (of_x, of_y) = (Shape::new(channels, h, w), Shape::new(channels, other_h, other_w));
        let name = |what: &str| format!("nearest/{what}/{}-{other_h}x{other_w}-side-{side}", tag(of_x));
        cases.push(Case::new(name("best"), move |b, rng| best(b, of_x, of_y, side, rng)));
        cases.push(Case::new(name("positive"), move |b, rng| {
            search(b, &Array::activation(of_x, rng), &Array::activation(of_y, rng), side).map(|_| ())
        }));
        cases.push(Case::new(name("distance"), move |b, rng| distance(b, of_x, of_y, side, rng)));
        cases.push(Case::new(name("slope"), move |b, rng| slope(b, of_x, of_y, side, rng)));
    }
    for (channels, side) in [(3, 2), (5, 1), (17, 1), (17, 3), (64, 2)] {
        let name = |what: &str| format!("nearest/{what}/{channels}-side-{side}");
        cases.push(Case::new(name("first-of-equal"), move |b, rng| first_of_equal(b, channels, side, rng)));
        cases.push(Case::new(name("within"), move |b, rng| within(b, channels, side, rng)));
        cases.push(Case::new(name("zero-patches"), move |b, rng| zero_patches(b, channels, side, rng)));
    }
    cases.push(Case::new("nearest/misfit", misfits));
    cases.push(Case::new("nearest/absurd", absurd));
    cases.push(Case::new("nearest/empty", empty));
    cases
}

/// The neighbours; with a used workspace, the same.
fn find<B: Backend>(lab: &Lab<'_, B>, x: &Array, y: &Array, side: usize) -> Result<Vec<f32>, Failed> {
    let mut workspace = lab.b.workspace(lab.b.nearest_workspace(x.shape, side))?;
    let shape = expect_patches(x.shape, y.shape, side)?;
    let (x, y) = (lab.put(x)?, lab.put(y)?);
    let mut run = || {
        let mut found = lab.blank(shape)?;
        lab.b.nearest(&x, &y, side, &mut found, &mut workspace)?;
        lab.get(&found)
    };
    let (first, second) = (run()?, run()?);
    same_bits("the neighbours with a used workspace", &second, &first)?;
    Ok(first)
}

/// Finds neighbours and compares their cosines with the largest.
fn search<B: Backend>(b: &B, x: &Array, y: &Array, side: usize) -> Result<Vec<f32>, Failed> {
    let cosines = oracle::cosines(x, y, side);
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let found = find(&lab, x, y, side)?;
        for (p, &q) in found.iter().enumerate() {
            if q.fract() != 0.0 || q < 0.0 || q >= cosines.shape.width as f32 {
                return Err(format!("the neighbour of patch {p} is {q}, which is no patch").into());
            }
            let row = (0..cosines.shape.width).map(|q| cosines.at(0, p, q));
            let (got, most) = (cosines.at(0, p, q as usize), row.fold(f64::NEG_INFINITY, f64::max));
            if got < most - COSINE {
                return Err(format!("the neighbour {q} of patch {p} has the cosine {got}, another has {most}").into());
            }
        }
        runs.push(found);
    }
    same_bits("the neighbours again", &runs[1], &runs[0])?;
    Ok(runs.swap_remove(0))
}

/// Random features; the norms of neighbours differ widely, and must not matter.
fn best<B: Backend>(b: &B, of_x: Shape, of_y: Shape, side: usize, rng: &mut Rng) -> Check {
    let x = Array::random(of_x, rng).map(|v| f64::from((30.0 * v) as f32));
    let mut y = Array::random(of_y, rng);
    let positions = of_y.positions();
    let sizes: Vec<_> = (0..positions).map(|_| (6.0 * rng.unit()).exp()).collect();
    y.data.iter_mut().enumerate().for_each(|(i, v)| *v = f64::from((sizes[i % positions] * *v) as f32));
    search(b, &x, &y, side).map(|_| ())
}

/// Every row of `y` holds the same patches; the neighbours are in the first.
fn first_of_equal<B: Backend>(b: &B, channels: usize, side: usize, rng: &mut Rng) -> Check {
    let x = Array::random(Shape::new(channels, side, 9), rng);
    let row = Array::random(Shape::new(channels, 1, 12 + side), rng);
    let mut y = Array::zeros(Shape { height: 6 + side, ..row.shape });
    for k in 0..channels {
        for r in 0..6 + side {
            (0..12 + side).for_each(|c| *y.at_mut(k, r, c) = row.at(k, 0, c));
        }
    }
    let columns = (y.shape.width + 1 - side) as f32;
    match search(b, &x, &y, side)?.iter().find(|&&q| q >= columns) {
        Some(q) => Err(format!("the neighbour {q} equals an earlier one").into()),
        None => Ok(()),
    }
}

/// A window of the features has its neighbours where it was cut, and no distance from them.
fn within<B: Backend>(b: &B, channels: usize, side: usize, rng: &mut Rng) -> Check {
    let (y, at) = (Array::random(Shape::new(channels, 9, 11), rng), [2, 3]);
    let of_x = Shape::new(channels, 6, 7);
    let x = crate::oracle::window::fwd(&y, at, of_x).map(|v| 2.0 * v);
    let columns = y.shape.width + 1 - side;
    let patches = expect_patches(of_x, y.shape, side)?;
    let want: Vec<_> = (0..patches.len())
        .map(|p| ((at[0] + p / patches.width) * columns + at[1] + p % patches.width) as f32)
        .collect();
    let found = search(b, &x, &y, side)?;
    equal("the neighbours", &found, &want)?;
    let (l, d) = measure(&Lab::fresh(b), &x.map(|v| 0.5 * v), &y, side, &Array::from_f32(patches, &found))?;
    near_scalar("l of copies", l, 0.0, 0.0)?;
    equal("d of copies", &d, &vec![0.0; of_x.len()])
}

/// A patch of zeros has the quotient 0: more than a negative one, less than a positive one. All are equal to a patch of
/// zeros.
fn zero_patches<B: Backend>(b: &B, channels: usize, side: usize, rng: &mut Rng) -> Check {
    let mut y = Array::random(Shape::new(channels, 8, 9), rng).map(|v| 0.25 + v.abs());
    let columns = y.shape.width + 1 - side;
    let (row, column) = (5, 4);
    for (k, r, c) in (0..channels).flat_map(|k| (0..side * side).map(move |i| (k, i / side, i % side))) {
        // -0.0 is a zero.
        *y.at_mut(k, row + r, column + c) = -0.0;
    }
    let of_x = Shape::new(channels, side, side + 1);
    for (value, want) in [(-1.0, Some((row * columns + column) as f32)), (0.0, Some(0.0)), (1.0, None)] {
        let found = search(b, &Array::full(of_x, value), &y, side)?;
        if let Some(want) = want {
            equal(&format!("the neighbours of {value}"), &found, &[want; 2])?;
        }
    }
    Ok(())
}

/// `l` and `d`.
fn measure<B: Backend>(
    lab: &Lab<'_, B>,
    x: &Array,
    y: &Array,
    side: usize,
    found: &Array,
) -> Result<(f64, Vec<f32>), Failed> {
    let (x, y, found) = (lab.put(x)?, lab.put(y)?, lab.put(found)?);
    let (mut out, mut d) = (lab.b.scalars(3)?, lab.blank(lab.b.shape(&x))?);
    for slot in [2, 1] {
        lab.b.nearest_distance(&x, &y, side, &found, &mut out, slot, &mut d)?;
    }
    let (scalars, values) = (lab.scalars(&out, 3)?, lab.get(&d)?);
    near_scalar("slot 0", scalars[0], 0.0, 0.0)?;
    near_scalar("slot 2 against slot 1", scalars[2], scalars[1], 0.0)?;
    padded_with_zeros(lab, &d, &values)?;
    Ok((scalars[1], values))
}

/// Neighbours that no search has found, among them numbers that are none.
fn neighbours(of_x: Shape, of_y: Shape, side: usize, rng: &mut Rng) -> Result<Array, Failed> {
    let (shape, count) = (expect_patches(of_x, of_y, side)?, expect_patches(of_y, of_y, side)?.len());
    let mut found = Array::zeros(shape);
    for (i, v) in found.data.iter_mut().enumerate() {
        *v = match i % 11 {
            3 => -0.25,
            5 => -1e9,
            7 => 1e30,
            9 => count as f64,
            _ => rng.below(count as u64) as f64 + 0.25 * rng.unit(),
        };
    }
    Ok(found)
}

fn distance<B: Backend>(b: &B, of_x: Shape, of_y: Shape, side: usize, rng: &mut Rng) -> Check {
    let (x, y) = (Array::random(of_x, rng), Array::random(of_y, rng));
    let found = neighbours(of_x, of_y, side, rng)?;
    let (l, d) = oracle::distance(&x, &y, side, &found);
    let bound = oracle::distance(&x.map(f64::abs), &y.map(|v| -v.abs()), side, &found).1;
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let (got_l, got) = measure(&lab, &x, &y, side, &found)?;
        near_scalar("l", got_l, l, TOLERANCE * l)?;
        near("d", &got, &d, &bound.map(|v| TOLERANCE * v))?;
        runs.push((got_l, got));
    }
    near_scalar("l again", runs[1].0, runs[0].0, 0.0)?;
    same_bits("d again", &runs[1].1, &runs[0].1)
}

/// With neighbours that stay the same, `l` is quadratic: `l(x + v) - l(x - v) = 2 <d(x), v>`.
fn slope<B: Backend>(b: &B, of_x: Shape, of_y: Shape, side: usize, rng: &mut Rng) -> Check {
    let (x, v, y) = (Array::random(of_x, rng), Array::random(of_x, rng), Array::random(of_y, rng));
    let (found, lab) = (neighbours(of_x, of_y, side, rng)?, Lab::fresh(b));
    let pushed = |sign: f64| measure(&lab, &x.zip(&v, |x, v| f64::from((x + sign * v) as f32)), &y, side, &found);
    let ((up, _), (down, _), (_, d)) = (pushed(1.0)?, pushed(-1.0)?, pushed(0.0)?);
    let along = Array::from_f32(of_x, &d).dot(&v);
    near_scalar("2 <d, v> against the change of l", 2.0 * along, up - down, 2.0 * TOLERANCE * (up + down))
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for channels in [3, 20] {
        let (of_x, of_y, side) = (Shape::new(channels, 5, 4), Shape::new(channels, 6, 7), 3);
        let patches = Shape::new(1, 3, 2);
        let (x, y) = (b.tensor(of_x)?, b.tensor(of_y)?);
        let (mut found, mut d, mut out) = (b.tensor(patches)?, b.tensor(of_x)?, b.scalars(2)?);
        let mut ws = b.workspace(b.nearest_workspace(of_x, side) + 4096)?;
        for bad in [(channels + 1, 6, 7), (channels - 1, 6, 7), (channels, 2, 7), (channels, 6, 2)] {
            let bad = b.tensor(Shape::new(bad.0, bad.1, bad.2))?;
            misfit("y", b.nearest(&x, &bad, side, &mut found, &mut ws))?;
            misfit("x", b.nearest(&bad, &y, side, &mut found, &mut ws))?;
            misfit("y, distance", b.nearest_distance(&x, &bad, side, &found, &mut out, 0, &mut d))?;
            misfit("x, distance", b.nearest_distance(&bad, &y, side, &found, &mut out, 0, &mut d))?;
        }
        for bad in [(1, 2, 3), (1, 3, 3), (2, 3, 2), (1, 5, 4), (6, 1, 1)] {
            let mut bad = b.tensor(Shape::new(bad.0, bad.1, bad.2))?;
            misfit("found", b.nearest(&x, &y, side, &mut bad, &mut ws))?;
            misfit("found, distance", b.nearest_distance(&x, &y, side, &bad, &mut out, 0, &mut d))?;
        }
        for side in [0, 2, 5, 6, usize::MAX] {
            misfit("side", b.nearest(&x, &y, side, &mut found, &mut ws))?;
            misfit("side, distance", b.nearest_distance(&x, &y, side, &found, &mut out, 0, &mut d))?;
        }
        for bad in [(channels, 4, 5), (channels + 1, 5, 4), (channels, 6, 7), (channels, 20, 1)] {
            let mut bad = b.tensor(Shape::new(bad.0, bad.1, bad.2))?;
            misfit("d", b.nearest_distance(&x, &y, side, &found, &mut out, 0, &mut bad))?;
        }
        for slot in [2, usize::MAX] {
            misfit("slot", b.nearest_distance(&x, &y, side, &found, &mut out, slot, &mut d))?;
        }
        served_or_misfit("no workspace", b.nearest(&x, &y, side, &mut found, &mut b.workspace(0)?))?;
    }
    let (x, y) = (b.tensor(Shape::new(1, 1, 1))?, b.tensor(Shape::new(1, 1, (1 << 24) + 1))?);
    misfit("2^24 + 1 neighbours", b.nearest(&x, &y, 1, &mut b.tensor(Shape::new(1, 1, 1))?, &mut b.workspace(0)?))
}

/// Sizes of workspaces saturate.
fn absurd<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for huge in HUGE {
        for x in [(huge, huge, huge), (1, huge, 1), (huge, 3, 3), (3, huge, huge), (3, 5, 5)] {
            for side in [0, 1, 3, huge] {
                let _ = b.nearest_workspace(Shape::new(x.0, x.1, x.2), side);
            }
        }
    }
    Ok(())
}

/// Features without channels or positions; without channels, all patches are equal.
fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let lab = Lab::fresh(b);
    for shape in [Shape::new(3, 0, 4), Shape::new(20, 4, 0), Shape::new(0, 4, 4)] {
        let of_patches = Shape { channels: 1, ..shape };
        let (mut found, mut out) = (lab.blank(of_patches)?, b.scalars(1)?);
        let mut run = || {
            let (x, mut d) = (b.tensor(shape)?, b.tensor(shape)?);
            b.nearest(&x, &x, 1, &mut found, &mut b.workspace(b.nearest_workspace(shape, 1))?)?;
            b.nearest_distance(&x, &x, 1, &found, &mut out, 0, &mut d)
        };
        let served = run();
        if served.is_ok() {
            equal("the neighbours of nothing", &lab.get(&found)?, &vec![0.0; of_patches.len()])?;
        }
        served_or_misfit("neighbours of nothing", served)?;
        near_scalar("l of nothing", lab.scalars(&out, 1)?[0], 0.0, 0.0)?;
    }
    Ok(())
}
