//! Products with small dense matrices.

use libtest_mimic::Failed;
use style_core::backend::{Acc, Backend, Shape};

use super::{
    ACCS, Case, Check, Lab, accumulated, equal, misfit, near, near_scalar, padded_with_zeros, same_bits,
    served_or_misfit, tag,
};
use crate::oracle::product as oracle;
use crate::{Array, Rng};

/// Every error is below this times the sum of the magnitudes of the value's terms.
const TOLERANCE: f64 = 2e-6;

/// `(rows, inner, columns)` of products.
const EXTENTS: [(usize, usize, usize); 13] = [
    (1, 1, 1),
    (3, 5, 1),
    (1, 17, 3),
    (4, 3, 5),
    (15, 16, 17),
    (16, 16, 16),
    (17, 15, 16),
    (33, 64, 31),
    (64, 33, 65),
    (64, 64, 64),
    (5, 1, 129),
    (2, 515, 3),
    (70, 272, 130),
];

/// Rows of projections, in turn.
const ROWS: [usize; 8] = [1, 3, 4, 5, 16, 17, 33, 64];

/// All cases of these ops.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for (rows, inner, columns) in EXTENTS {
        let shapes = [matrix(rows, inner), matrix(inner, columns)];
        let body = move |b: &B, rng: &mut Rng| product(b, shapes.map(|s| Array::random(s, rng)), rng);
        cases.push(Case::new(format!("product/value/{rows}x{inner}x{columns}"), body));
        let body = move |b: &B, rng: &mut Rng| product(b, shapes.map(|s| Array::activation(s, rng)), rng);
        cases.push(Case::new(format!("product/positive/{rows}x{inner}x{columns}"), body));
    }
    let wide = [Shape::new(272, 3, 5), Shape::new(520, 1, 3)];
    for (i, shape) in super::shapes().chain(wide).enumerate() {
        for rows in [shape.channels, ROWS[i % ROWS.len()]] {
            let name = |what: &str| format!("product/{what}/{rows}-{}", tag(shape));
            cases.push(Case::new(name("project"), move |b, rng| project(b, rows, shape, rng)));
            cases.push(Case::new(name("project-bwd"), move |b, rng| backward(b, rows, shape, rng)));
            cases.push(Case::new(name("adjoint"), move |b, rng| adjoint(b, rows, shape, rng)));
        }
    }
    cases.push(Case::new("product/identity", identity));
    cases.push(Case::new("product/misfit", misfits));
    cases.push(Case::new("product/misfit-projection", projection_misfits));
    cases.push(Case::new("product/absurd", absurd));
    cases.push(Case::new("product/empty", empty));
    cases
}

fn matrix(rows: usize, columns: usize) -> Shape {
    Shape::new(1, rows, columns)
}

/// Runs an op twice, the second time with the workspace that the first has left; both must give the same bits.
fn twice<B: Backend>(
    lab: &Lab<'_, B>,
    bytes: usize,
    into: (Acc, &Array),
    op: impl Fn(Acc, &mut B::Tensor, &mut B::Workspace) -> style_core::Result<()>,
) -> Result<Vec<f32>, Failed> {
    let mut workspace = lab.b.workspace(bytes)?;
    let mut run = || {
        let mut to = lab.destination(into.0, into.1)?;
        op(into.0, &mut to, &mut workspace)?;
        let values = lab.get(&to)?;
        padded_with_zeros(lab, &to, &values)?;
        Ok::<_, Failed>(values)
    };
    let (first, second) = (run()?, run()?);
    same_bits("the result with a used workspace", &second, &first)?;
    Ok(first)
}

fn run_product<B: Backend>(
    lab: &Lab<'_, B>,
    [a, b]: &[Array; 2],
    scale: f32,
    into: (Acc, &Array),
) -> Result<Vec<f32>, Failed> {
    let bytes = lab.b.product_workspace(a.shape, b.shape);
    let (a, b) = (lab.put(a)?, lab.put(b)?);
    twice(lab, bytes, into, |acc, c, ws| lab.b.product(&a, &b, scale, acc, c, ws))
}

fn run_project<B: Backend>(lab: &Lab<'_, B>, a: &Array, x: &Array, scale: f32) -> Result<Vec<f32>, Failed> {
    let to = Array::zeros(Shape { channels: a.shape.height, ..x.shape });
    let bytes = lab.b.project_workspace(a.shape.height, x.shape);
    let (a, x) = (lab.put(a)?, lab.put(x)?);
    twice(lab, bytes, (Acc::Store, &to), |_, y, ws| lab.b.project(&a, &x, scale, y, ws))
}

fn run_bwd<B: Backend>(
    lab: &Lab<'_, B>,
    a: &Array,
    dy: &Array,
    scale: f32,
    into: (Acc, &Array),
) -> Result<Vec<f32>, Failed> {
    let bytes = lab.b.project_workspace(a.shape.height, into.1.shape);
    let (a, dy) = (lab.put(a)?, lab.put(dy)?);
    twice(lab, bytes, into, |acc, dx, ws| lab.b.project_bwd(&a, &dy, scale, acc, dx, ws))
}

/// Compares an op with its value under both modes, and its bits in fresh and stale memory.
fn check<B: Backend>(
    b: &B,
    what: &str,
    (value, magnitudes): (&Array, &Array),
    rng: &mut Rng,
    run: impl Fn(&Lab<'_, B>, (Acc, &Array)) -> Result<Vec<f32>, Failed>,
) -> Check {
    let (previous, mut runs) = (Array::random(value.shape, rng), [Vec::new(), Vec::new()]);
    for (lab, all) in Lab::both(b).iter().zip(&mut runs) {
        for acc in ACCS {
            let got = run(lab, (acc, &previous))?;
            let (want, bound) = accumulated(acc, &previous, value, &magnitudes.map(|v| TOLERANCE * v + 1e-30));
            near(&format!("{what} under {acc:?}"), &got, &want, &bound)?;
            all.extend(got);
        }
    }
    same_bits(&format!("{what} again"), &runs[1], &runs[0])
}

fn product<B: Backend>(b: &B, operands: [Array; 2], rng: &mut Rng) -> Check {
    let scale = -0.37_f32;
    let value = oracle::product(&operands[0], &operands[1], f64::from(scale));
    let [left, right] = operands.each_ref().map(|v| v.map(f64::abs));
    let magnitudes = oracle::product(&left, &right, f64::from(-scale));
    check(b, "C", (&value, &magnitudes), rng, |lab, into| run_product(lab, &operands, scale, into))
}

fn project<B: Backend>(b: &B, rows: usize, shape: Shape, rng: &mut Rng) -> Check {
    let (a, x, scale) = (Array::random(matrix(rows, shape.channels), rng), Array::random(shape, rng), -1.3_f32);
    let value = oracle::project(&a, &x, f64::from(scale));
    let bound = oracle::project(&a.map(f64::abs), &x.map(f64::abs), TOLERANCE * f64::from(-scale));
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let got = run_project(&lab, &a, &x, scale)?;
        near("Y", &got, &value, &bound.map(|v| v + 1e-30))?;
        runs.push(got);
    }
    same_bits("Y again", &runs[1], &runs[0])
}

fn backward<B: Backend>(b: &B, rows: usize, shape: Shape, rng: &mut Rng) -> Check {
    let (a, scale) = (Array::random(matrix(rows, shape.channels), rng), -0.7_f32);
    let dy = Array::random(Shape { channels: rows, ..shape }, rng);
    let value = oracle::project_bwd(&a, &dy, f64::from(scale));
    let magnitudes = oracle::project_bwd(&a.map(f64::abs), &dy.map(f64::abs), f64::from(-scale));
    check(b, "dX", (&value, &magnitudes), rng, |lab, into| run_bwd(lab, &a, &dy, scale, into))
}

/// `<dY, A X> = <A^T dY, X>`.
fn adjoint<B: Backend>(b: &B, rows: usize, shape: Shape, rng: &mut Rng) -> Check {
    let (a, x) = (Array::random(matrix(rows, shape.channels), rng), Array::random(shape, rng));
    let (dy, lab) = (Array::random(Shape { channels: rows, ..shape }, rng), Lab::fresh(b));
    let y = Array::from_f32(dy.shape, &run_project(&lab, &a, &x, 0.8)?);
    let dx = Array::from_f32(shape, &run_bwd(&lab, &a, &dy, 0.8, (Acc::Store, &x))?);
    let bound = TOLERANCE * (y.norm() * dy.norm() + dx.norm() * x.norm());
    near_scalar("<dY, A X> against <A^T dY, X>", dy.dot(&y), dx.dot(&x), bound)
}

/// Products with the identity keep every bit, but for the sign of zero.
fn identity<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    for n in [3, 17, 64] {
        let (mut one, x) = (Array::zeros(matrix(n, n)), Array::random(Shape::new(n, 5, 7), rng));
        (0..n).for_each(|i| *one.at_mut(0, i, i) = 1.0);
        let square = Array::random(matrix(n, n), rng);
        for lab in Lab::both(b) {
            let left = run_product(&lab, &[one.clone(), square.clone()], 1.0, (Acc::Store, &one))?;
            equal("I B", &left, &square.to_f32())?;
            let right = run_product(&lab, &[square.clone(), one.clone()], 1.0, (Acc::Store, &one))?;
            equal("A I", &right, &square.to_f32())?;
            equal("I X", &run_project(&lab, &one, &x, 1.0)?, &x.to_f32())?;
            equal("I^T dY", &run_bwd(&lab, &one, &x, 1.0, (Acc::Store, &x))?, &x.to_f32())?;
        }
    }
    Ok(())
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let (left, right) = (matrix(6, 5), matrix(5, 7));
    let (a, t, mut c) = (b.tensor(left)?, b.tensor(right)?, b.tensor(matrix(6, 7))?);
    let mut ws = b.workspace(b.product_workspace(left, right) + 4096)?;
    for acc in ACCS {
        for bad in [(1, 6, 4), (1, 5, 6), (1, 6, 6), (6, 5, 1), (2, 6, 5), (30, 1, 1)] {
            let bad = b.tensor(Shape::new(bad.0, bad.1, bad.2))?;
            misfit("A", b.product(&bad, &t, 1.0, acc, &mut c, &mut ws))?;
        }
        for bad in [(1, 7, 5), (1, 6, 7), (1, 5, 6), (5, 7, 1), (2, 5, 7), (35, 1, 1)] {
            let bad = b.tensor(Shape::new(bad.0, bad.1, bad.2))?;
            misfit("B", b.product(&a, &bad, 1.0, acc, &mut c, &mut ws))?;
        }
        for bad in [(1, 7, 6), (1, 5, 7), (1, 6, 8), (6, 7, 1), (2, 6, 7), (42, 1, 1)] {
            let mut bad = b.tensor(Shape::new(bad.0, bad.1, bad.2))?;
            misfit("C", b.product(&a, &t, 1.0, acc, &mut bad, &mut ws))?;
        }
    }
    served_or_misfit("no workspace", b.product(&a, &t, 1.0, Acc::Store, &mut c, &mut b.workspace(0)?))
}

fn projection_misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for (rows, channels) in [(3, 3), (3, 20), (20, 6)] {
        let (of_x, of_y) = (Shape::new(channels, 5, 4), Shape::new(rows, 5, 4));
        let a = b.tensor(matrix(rows, channels))?;
        let (mut x, mut y) = (b.tensor(of_x)?, b.tensor(of_y)?);
        let mut ws = b.workspace(b.project_workspace(rows + 1, Shape::new(channels + 1, 5, 5)))?;
        for bad in [(1, rows + 1, channels), (1, rows, channels - 1), (2, rows, channels), (rows, channels, 1)] {
            let bad = b.tensor(Shape::new(bad.0, bad.1, bad.2))?;
            misfit("A", b.project(&bad, &x, 1.0, &mut y, &mut ws))?;
            misfit("A, backward", b.project_bwd(&bad, &y, 1.0, Acc::Add, &mut x, &mut ws))?;
        }
        for (more, height, width) in [(0, 4, 5), (0, 5, 5), (1, 5, 4), (0, 20, 1)] {
            let mut bad = b.tensor(Shape::new(rows + more, height, width))?;
            misfit("Y", b.project(&a, &x, 1.0, &mut bad, &mut ws))?;
            misfit("dY", b.project_bwd(&a, &bad, 1.0, Acc::Store, &mut x, &mut ws))?;
            let mut bad = b.tensor(Shape::new(channels + more, height, width))?;
            misfit("X", b.project(&a, &bad, 1.0, &mut y, &mut ws))?;
            misfit("dX", b.project_bwd(&a, &y, 1.0, Acc::Store, &mut bad, &mut ws))?;
        }
        let mut small = b.workspace(0)?;
        served_or_misfit("no workspace", b.project(&a, &x, 1.0, &mut y, &mut small))?;
        served_or_misfit("no workspace", b.project_bwd(&a, &y, 1.0, Acc::Store, &mut x, &mut small))?;
    }
    Ok(())
}

/// Sizes of workspaces saturate.
fn absurd<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for huge in super::HUGE {
        for (rows, columns) in [(huge, huge), (huge, 1), (1, huge)] {
            let _ = b.product_workspace(matrix(rows, columns), matrix(columns, rows));
            let _ = b.project_workspace(rows, Shape::new(columns, 5, 4));
            let _ = b.project_workspace(rows, Shape::new(3, columns, huge));
        }
    }
    Ok(())
}

/// An empty sum is zero, if accepted.
fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let lab = Lab::fresh(b);
    for (rows, inner, columns) in [(3, 0, 4), (0, 3, 4), (3, 4, 0), (0, 0, 0)] {
        let (left, right, to) = (matrix(rows, inner), matrix(inner, columns), matrix(rows, columns));
        let mut c = lab.blank(to)?;
        let mut run = || {
            let mut ws = b.workspace(b.product_workspace(left, right))?;
            b.product(&b.tensor(left)?, &b.tensor(right)?, 1.0, Acc::Store, &mut c, &mut ws)
        };
        let served = run();
        if served.is_ok() {
            equal("a product over nothing", &lab.get(&c)?, &vec![0.0; to.len()])?;
        }
        served_or_misfit("an empty product", served)?;
    }
    for (rows, shape) in [(3, Shape::new(5, 0, 4)), (0, Shape::new(3, 2, 2)), (20, Shape::new(0, 4, 4))] {
        let (mut x, mut y) = (lab.blank(shape)?, lab.blank(Shape { channels: rows, ..shape })?);
        let mut run = || {
            let mut ws = b.workspace(b.project_workspace(rows, shape))?;
            let a = b.tensor(matrix(rows, shape.channels))?;
            b.project(&a, &x, 1.0, &mut y, &mut ws)?;
            b.project_bwd(&a, &y, 1.0, Acc::Store, &mut x, &mut ws)
        };
        let served = run();
        if served.is_ok() {
            equal("a projection from nothing", &lab.get(&y)?, &vec![0.0; rows * shape.positions()])?;
            equal("a gradient of nothing", &lab.get(&x)?, &vec![0.0; shape.len()])?;
        }
        served_or_misfit("an empty projection", served)?;
    }
    Ok(())
}
