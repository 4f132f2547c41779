//! Samples of features by a sparse matrix, and their gradient.

use libtest_mimic::Failed;
use style_core::backend::ops::{CHANNEL_GROUP, Sparse};
use style_core::backend::{Acc, Backend, Shape};

use super::{
    ACCS, Case, Check, HUGE, Lab, accumulated, equal, misfit, near, near_scalar, padded_with_zeros, same_bits,
    served_or_misfit, tag,
};
use crate::oracle::sample as oracle;
use crate::oracle::sample::Row;
use crate::{Array, Rng};

/// Maximum error of a value, relative to the sum of the magnitudes of its terms.
const TOLERANCE: f64 = 1e-6;

/// Channels of `x`, those of `y`, the first one that is written, and the extents of both.
type Extents = (usize, usize, usize, [usize; 2], [usize; 2]);

const EXTENTS: [Extents; 28] = [
    (1, 1, 0, [1, 1], [1, 1]),
    (1, 1, 0, [3, 5], [1, 70]),
    (1, 4, 0, [3, 5], [2, 2]),
    (3, 3, 0, [5, 7], [4, 4]),
    (3, 4, 0, [4, 4], [6, 9]),
    (4, 4, 0, [7, 6], [1, 5]),
    (1, 5, 0, [4, 9], [3, 3]),
    (2, 48, 16, [4, 3], [5, 5]),
    (3, 19, 16, [4, 9], [7, 3]),
    (3, 20, 0, [9, 8], [13, 11]),
    (4, 20, 16, [5, 5], [1, 1]),
    (3, 35, 32, [6, 5], [17, 2]),
    (4, 100, 32, [6, 5], [3, 7]),
    (5, 5, 0, [1, 1], [9, 15]),
    (5, 33, 16, [9, 1], [3, 4]),
    (15, 15, 0, [3, 17], [5, 13]),
    (15, 31, 16, [17, 3], [1, 1]),
    (15, 64, 32, [3, 3], [4, 4]),
    (16, 16, 0, [7, 9], [6, 8]),
    (16, 48, 16, [3, 4], [9, 10]),
    (17, 17, 0, [5, 6], [7, 5]),
    (17, 40, 16, [13, 17], [4, 5]),
    (17, 64, 32, [4, 5], [16, 16]),
    (33, 33, 0, [9, 8], [8, 9]),
    (33, 72, 16, [4, 5], [5, 4]),
    (64, 64, 0, [8, 9], [9, 8]),
    (64, 100, 32, [5, 3], [7, 7]),
    // More positions than one work item of any backend.
    (5, 21, 16, [70, 67], [81, 59]),
];

/// All cases of these ops.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for (channels, of_y, o, [h, w], [to_h, to_w]) in EXTENTS {
        let (x, y) = (Shape::new(channels, h, w), Shape::new(of_y, to_h, to_w));
        let name = |what: &str| format!("sample/{what}/{}-to-{}-from-{o}", tag(x), tag(y));
        cases.push(Case::new(name("fwd"), move |b, rng| fwd(b, &random(x, y, rng), x, y, o, rng)));
        cases.push(Case::new(name("bwd"), move |b, rng| bwd(b, &random(x, y, rng), x, y, o, rng)));
        cases.push(Case::new(name("adjoint"), move |b, rng| adjoint(b, x, y, o, rng)));
        cases.push(Case::new(name("outside"), move |b, rng| outside(b, x, y, o, rng)));
        cases.push(Case::new(name("unread"), move |b, rng| unread(b, x, y, o, rng)));
    }
    for (channels, of_y, o) in [(3, 4, 0), (3, 24, 16), (17, 40, 16), (64, 64, 0)] {
        let (x, y) = (Shape::new(channels, 6, 7), Shape::new(of_y, 5, 9));
        let name = |what: &str| format!("sample/{what}/{channels}-to-{of_y}-from-{o}");
        cases.push(Case::new(name("long-rows"), move |b, rng| {
            let rows = long_rows(x, y, rng);
            fwd(b, &rows, x, y, o, rng)?;
            bwd(b, &rows, x, y, o, rng)
        }));
        cases.push(Case::new(name("no-entries"), move |b, rng| {
            let rows = vec![Row::new(); y.positions()];
            fwd(b, &rows, x, y, o, rng)?;
            bwd(b, &rows, x, y, o, rng)
        }));
        cases.push(Case::new(name("permutation"), move |b, rng| permutation(b, channels, of_y, o, rng)));
        cases.push(Case::new(name("no-numbers"), move |b, rng| no_numbers(b, x, y, o, rng)));
        cases.push(Case::new(name("not-ascending"), move |b, rng| not_ascending(b, x, y, o, rng)));
        cases.push(Case::new(name("groups"), move |b, rng| groups(b, x, rng)));
    }
    cases.push(Case::new("sample/nan-numbers", nan_numbers));
    cases.push(Case::new("sample/misfit", misfits));
    cases.push(Case::new("sample/too-large", too_large));
    cases.push(Case::new("sample/absurd", absurd));
    cases.push(Case::new("sample/empty", empty));
    cases
}

/// Rows of up to six entries in any order, some with one column twice; each fifth has none.
fn random(x: Shape, y: Shape, rng: &mut Rng) -> Vec<Row> {
    let mut row = |i: usize| -> Row {
        let count = if i % 5 == 3 { 0 } else { rng.below(7) };
        (0..count).map(|_| (rng.below(x.positions() as u64) as usize, rng.unit())).collect()
    };
    (0..y.positions()).map(&mut row).collect()
}

/// The first row has all columns, the fifth has the second one many times; the second column is in all rows.
fn long_rows(x: Shape, y: Shape, rng: &mut Rng) -> Vec<Row> {
    let mut rows: Vec<Row> = (0..y.positions()).map(|_| vec![(1, rng.unit())]).collect();
    rows[0] = (0..x.positions()).map(|p| (p, rng.unit())).collect();
    rows[4] = (0..300).map(|_| (1, rng.unit())).collect();
    rows
}

/// The magnitudes of the values.
fn magnitudes(rows: &[Row]) -> Vec<Row> {
    rows.iter().map(|row| row.iter().map(|&(column, value)| (column, value.abs())).collect()).collect()
}

/// A factor that depends on the case.
fn factor(rng: &mut Rng) -> f64 {
    [1.0, 0.7_f32.into(), -2.5, 1e-3_f32.into()][rng.below(4) as usize]
}

/// A matrix on the device.
struct Put<B: Backend>([B::Tensor; 3]);

impl<B: Backend> Put<B> {
    fn new(lab: &Lab<'_, B>, [offsets, columns, values]: &[Array; 3]) -> Result<Self, Failed> {
        Ok(Self([lab.put(offsets)?, lab.put(columns)?, lab.put(values)?]))
    }

    fn sparse(&self) -> Sparse<'_, B::Tensor> {
        let Self([offsets, columns, values]) = self;
        Sparse { offsets, columns, values }
    }
}

/// `y` where it held `previous`.
fn forward<B: Backend>(
    lab: &Lab<'_, B>,
    matrix: &[Array; 3],
    x: &Array,
    scale: f64,
    previous: &Array,
    o: usize,
) -> Result<Vec<f32>, Failed> {
    let mut y = lab.put(previous)?;
    lab.b.sample(Put::new(lab, matrix)?.sparse(), &lab.put(x)?, scale as f32, &mut y, o)?;
    let values = lab.get(&y)?;
    if values.iter().all(|v| v.is_finite()) {
        padded_with_zeros(lab, &y, &values)?;
    }
    Ok(values)
}

fn backward<B: Backend>(
    lab: &Lab<'_, B>,
    transposed: &[Array; 3],
    (dy, o): (&Array, usize),
    scale: f64,
    acc: Acc,
    previous: &Array,
) -> Result<Vec<f32>, Failed> {
    let mut dx = lab.destination(acc, previous)?;
    lab.b.sample_bwd(Put::new(lab, transposed)?.sparse(), &lab.put(dy)?, o, scale as f32, acc, &mut dx)?;
    let values = lab.get(&dx)?;
    padded_with_zeros(lab, &dx, &values)?;
    Ok(values)
}

/// The channels of `y` that are written.
fn written(x: Shape, y: Shape, o: usize) -> std::ops::Range<usize> {
    o..(o + x.channels.next_multiple_of(CHANNEL_GROUP)).min(y.channels)
}

/// Compares with the oracle; then checks for the same bits when repeated.
fn fwd<B: Backend>(b: &B, rows: &[Row], x: Shape, y: Shape, o: usize, rng: &mut Rng) -> Check {
    let (x, previous, scale) = (Array::random(x, rng), Array::random(y, rng), factor(rng));
    let want = oracle::sample(rows, &x, scale, &previous, o);
    let bound = oracle::sample(&magnitudes(rows), &x.map(f64::abs), scale.abs() * TOLERANCE, &Array::zeros(y), o);
    let mut runs = Vec::new();
    for lab in Lab::both(b) {
        let got = forward(&lab, &oracle::compressed(rows), &x, scale, &previous, o)?;
        near("y", &got, &want, &bound)?;
        runs.push(got);
    }
    same_bits("y again", &runs[1], &runs[0])
}

fn bwd<B: Backend>(b: &B, rows: &[Row], x: Shape, y: Shape, o: usize, rng: &mut Rng) -> Check {
    let (dy, previous, scale) = (Array::random(y, rng), Array::random(x, rng), factor(rng));
    let transposed = oracle::transposed(rows, x.positions());
    let value = oracle::sample_bwd(&transposed, &dy, o, scale, x);
    let bound = oracle::sample_bwd(&magnitudes(&transposed), &dy.map(f64::abs), o, scale.abs() * TOLERANCE, x);
    for acc in ACCS {
        let mut runs = Vec::new();
        for lab in Lab::both(b) {
            let got = backward(&lab, &oracle::compressed(&transposed), (&dy, o), scale, acc, &previous)?;
            let (want, bound) = accumulated(acc, &previous, &value, &bound);
            near(&format!("dx under {acc:?}"), &got, &want, &bound)?;
            runs.push(got);
        }
        same_bits("dx again", &runs[1], &runs[0])?;
    }
    Ok(())
}

/// `<dy, S x> = <S^T dy, x>`, where `y` is zero but for the samples.
fn adjoint<B: Backend>(b: &B, x: Shape, y: Shape, o: usize, rng: &mut Rng) -> Check {
    let (rows, lab) = (random(x, y, rng), Lab::fresh(b));
    let (x, dy) = (Array::random(x, rng), Array::random(y, rng));
    let transposed = oracle::transposed(&rows, x.shape.positions());
    let sampled = forward(&lab, &oracle::compressed(&rows), &x, 0.5, &Array::zeros(y), o)?;
    let gathered = backward(&lab, &oracle::compressed(&transposed), (&dy, o), 0.5, Acc::Store, &x)?;
    let (left, right) = (dy.dot(&Array::from_f32(y, &sampled)), Array::from_f32(x.shape, &gathered).dot(&x));
    let terms = oracle::sample(&magnitudes(&rows), &x.map(f64::abs), 0.5, &Array::zeros(y), o);
    near_scalar("<S^T dy, x> against <dy, S x>", right, left, 2.0 * TOLERANCE * dy.map(f64::abs).dot(&terms))
}

/// Values of other channels keep their bits, also -0.0 and NaN; the channels that fill up the last group get zeros; what
/// the samples replace is not read.
fn outside<B: Backend>(b: &B, x: Shape, y: Shape, o: usize, rng: &mut Rng) -> Check {
    let (matrix, positions) = (oracle::compressed(&random(x, y, rng)), y.positions());
    let (x, written) = (Array::random(x, rng), written(x, y, o));
    for lab in Lab::both(b) {
        for previous in [-0.0, f64::from(f32::MIN_POSITIVE / 2.0), f64::NEG_INFINITY, f64::NAN] {
            let got = forward(&lab, &matrix, &x, 1.0, &Array::full(y, previous), o)?;
            let (before, rest) = got.split_at(written.start * positions);
            let (new, after) = rest.split_at(written.len() * positions);
            let (samples, filling) = new.split_at(x.shape.channels * positions);
            for (what, kept) in [("before", before), ("behind", after)] {
                same_bits(&format!("channels {what} the samples"), kept, &vec![previous as f32; kept.len()])?;
            }
            equal("channels that fill up the group", filling, &vec![0.0; filling.len()])?;
            if !samples.iter().all(|v| v.is_finite()) {
                return Err(format!("samples depend on the previous value {previous}").into());
            }
        }
    }
    Ok(())
}

/// NaN at positions that no entry reads, and in channels that are not sampled, does not matter.
fn unread<B: Backend>(b: &B, x: Shape, y: Shape, o: usize, rng: &mut Rng) -> Check {
    let rows = random(x, y, rng);
    let transposed = oracle::transposed(&rows, x.positions());
    let (mut of_x, mut dy, scale) = (Array::random(x, rng), Array::random(y, rng), 1.0);
    let want = oracle::sample(&rows, &of_x, scale, &Array::zeros(y), o);
    let want_dx = oracle::sample_bwd(&transposed, &dy, o, scale, x);
    for (i, v) in of_x.data.iter_mut().enumerate() {
        *v = if transposed[i % x.positions()].is_empty() { f64::NAN } else { *v };
    }
    for (i, v) in dy.data.iter_mut().enumerate() {
        let (k, p) = (i / y.positions(), i % y.positions());
        let is_read = (o..o + x.channels).contains(&k) && !rows[p].is_empty();
        *v = if is_read { *v } else { f64::NAN };
    }
    for lab in Lab::both(b) {
        let got = forward(&lab, &oracle::compressed(&rows), &of_x, scale, &Array::zeros(y), o)?;
        near("y", &got, &want, &Array::full(y, 6.0 * TOLERANCE))?;
        let got = backward(&lab, &oracle::compressed(&transposed), (&dy, o), scale, Acc::Store, &want_dx)?;
        near("dx", &got, &want_dx, &want_dx.map(|_| 1e-4))?;
    }
    Ok(())
}

/// Ones in a permutation copy the positions in another order, there and back. No tolerance.
fn permutation<B: Backend>(b: &B, channels: usize, of_y: usize, o: usize, rng: &mut Rng) -> Check {
    let (x, y) = (Array::random(Shape::new(channels, 6, 7), rng), Shape::new(of_y, 7, 6));
    let positions = y.positions();
    // 5 and 42 have no common factor.
    let from = |i: usize| (5 * i + 3) % positions;
    let rows: Vec<Row> = (0..positions).map(|i| vec![(from(i), 1.0)]).collect();
    let transposed = oracle::transposed(&rows, positions);
    for lab in Lab::both(b) {
        let got = forward(&lab, &oracle::compressed(&rows), &x, 1.0, &Array::zeros(y), o)?;
        for (k, i) in (0..channels).flat_map(|k| (0..positions).map(move |i| (k, i))) {
            let want = x.data[k * positions + from(i)] as f32;
            equal("y", &[got[(o + k) * positions + i]], &[want])?;
        }
        let dy = Array::from_f32(y, &got);
        let back = backward(&lab, &oracle::compressed(&transposed), (&dy, o), 1.0, Acc::Store, &x)?;
        equal("dx", &back, &x.to_f32())?;
    }
    Ok(())
}

/// Compares both directions with the oracle for a matrix as it is written down, which need not be one of rows.
fn as_written<B: Backend>(b: &B, matrix: &[Array; 3], x: Shape, y: Shape, o: usize, rng: &mut Rng) -> Check {
    let [offsets, columns, values] = matrix;
    let rows = oracle::rows(offsets, columns, values, x.positions());
    let (x, previous) = (Array::random(x, rng), Array::random(y, rng));
    let want = oracle::sample(&rows, &x, -1.5, &previous, o);
    let bound = oracle::sample(&magnitudes(&rows), &x.map(f64::abs), 1.5 * TOLERANCE, &Array::zeros(y), o);
    for lab in Lab::both(b) {
        near("y", &forward(&lab, matrix, &x, -1.5, &previous, o)?, &want, &bound)?;
    }
    // The same matrix backward: its rows are the positions of dx.
    let (dx, dy) = (Shape { channels: x.shape.channels, ..y }, Shape { channels: y.channels, ..x.shape });
    let (dy, previous) = (Array::random(dy, rng), Array::random(dx, rng));
    let value = oracle::sample_bwd(&rows, &dy, o, -1.5, dx);
    let bound = oracle::sample_bwd(&magnitudes(&rows), &dy.map(f64::abs), o, 1.5 * TOLERANCE, dx);
    for (lab, acc) in Lab::both(b).iter().flat_map(|lab| ACCS.map(|acc| (lab, acc))) {
        let (want, bound) = accumulated(acc, &previous, &value, &bound);
        near(&format!("dx under {acc:?}"), &backward(lab, matrix, (&dy, o), -1.5, acc, &previous)?, &want, &bound)?;
    }
    Ok(())
}

/// Fractions, and numbers that are no offsets and no columns.
fn no_numbers<B: Backend>(b: &B, x: Shape, y: Shape, o: usize, rng: &mut Rng) -> Check {
    let [mut offsets, mut columns, values] = oracle::compressed(&random(x, y, rng));
    let (rows, entries) = (y.positions(), columns.data.len());
    for (i, v) in columns.data.iter_mut().enumerate() {
        *v = match i % 11 {
            3 => -0.25,
            5 => -1e9,
            7 => 1e30,
            8 => f64::from(u32::MAX) + 1.0,
            9 => x.positions() as f64,
            10 => f64::NEG_INFINITY,
            _ => f64::from((*v + 0.45 * rng.unit()) as f32),
        };
    }
    for (i, v) in offsets.data.iter_mut().enumerate() {
        *v = match i {
            0 => -7.0,
            1 => f64::NEG_INFINITY,
            _ if i == rows - 2 => entries as f64 + 1.0,
            _ if i == rows - 1 => 1e20,
            _ if i == rows => f64::INFINITY,
            _ => f64::from((*v + 0.45 * rng.unit()) as f32),
        };
    }
    as_written(b, &[offsets, columns, values], x, y, o, rng)
}

/// Offsets in any order: entries may be in several rows, and a row that ends before it begins has none.
fn not_ascending<B: Backend>(b: &B, x: Shape, y: Shape, o: usize, rng: &mut Rng) -> Check {
    let [mut offsets, columns, values] = oracle::compressed(&random(x, y, rng));
    let entries = columns.data.len() as u64;
    offsets.data.iter_mut().for_each(|v| *v = rng.below(entries + 1) as f64);
    as_written(b, &[offsets, columns, values], x, y, o, rng)
}

/// Several layers side by side in one tensor, as one call each; the order of the calls does not matter, and each gets its
/// own gradient.
fn groups<B: Backend>(b: &B, first: Shape, rng: &mut Rng) -> Check {
    let layers = [first, Shape::new(3, 8, 5), Shape::new(33, 3, 3)];
    let (mut places, mut channels) = (Vec::new(), 0);
    for layer in layers {
        places.push(channels);
        channels += layer.channels.next_multiple_of(CHANNEL_GROUP);
    }
    let y = Shape::new(channels, 4, 7);
    let matrices = layers.map(|layer| random(layer, y, rng));
    let (features, dy) = (layers.map(|layer| Array::random(layer, rng)), Array::random(y, rng));
    let mut want = Array::zeros(y);
    for ((matrix, x), &o) in matrices.iter().zip(&features).zip(&places) {
        want = oracle::sample(matrix, x, 1.0, &want, o);
    }
    for (lab, order) in Lab::both(b).iter().zip([[0, 1, 2], [1, 2, 0]]) {
        let mut to = lab.blank(y)?;
        for layer in order {
            let matrix = Put::new(lab, &oracle::compressed(&matrices[layer]))?;
            b.sample(matrix.sparse(), &lab.put(&features[layer])?, 1.0, &mut to, places[layer])?;
        }
        let got = lab.get(&to)?;
        padded_with_zeros(lab, &to, &got)?;
        near("y", &got, &want, &Array::full(y, 6.0 * TOLERANCE))?;
        for layer in order {
            let transposed = oracle::transposed(&matrices[layer], layers[layer].positions());
            let want = oracle::sample_bwd(&transposed, &dy, places[layer], 1.0, layers[layer]);
            let of_layer = (&dy, places[layer]);
            let got = backward(lab, &oracle::compressed(&transposed), of_layer, 1.0, Acc::Store, &want)?;
            near("dx", &got, &want, &want.map(|_| 1e-4))?;
        }
    }
    Ok(())
}

/// NaN as an offset or a column reads something; which is unspecified.
fn nan_numbers<B: Backend>(b: &B, rng: &mut Rng) -> Check {
    for (channels, of_y) in [(3, 4), (17, 40)] {
        let (x, y) = (Array::random(Shape::new(channels, 3, 4), rng), Array::zeros(Shape::new(of_y, 5, 3)));
        let [offsets, columns, values] = oracle::compressed(&random(x.shape, y.shape, rng));
        let nan = |list: &Array| list.map(|_| f64::NAN);
        for matrix in [
            [nan(&offsets), columns.clone(), values.clone()],
            [offsets.clone(), nan(&columns), values.clone()],
            [nan(&offsets), nan(&columns), values],
        ] {
            let got = forward(&Lab::fresh(b), &matrix, &x, 1.0, &y, 0)?;
            if !got.iter().all(|v| v.is_finite()) {
                return Err("a position of x that is none was read".into());
            }
        }
    }
    Ok(())
}

/// Shapes of a matrix's lists, of `x` and of `y`, and the first channel.
struct Operands {
    lists: [Shape; 3],
    x: Shape,
    y: Shape,
    o: usize,
}

fn both_misfit<B: Backend>(b: &B, what: &str, operands: &Operands) -> Check {
    let &Operands { lists: [offsets, columns, values], x, y, o } = operands;
    let lists = Put::<B>([b.tensor(offsets)?, b.tensor(columns)?, b.tensor(values)?]);
    let (of_x, mut of_y) = (b.tensor(x)?, b.tensor(y)?);
    let what = format!("{what}: from {x} to {y} at {o} by {offsets}, {columns} and {values}");
    misfit(&what, b.sample(lists.sparse(), &of_x, 1.0, &mut of_y, o))?;
    // The same the other way round: the narrow tensor has the rows.
    let (dx, dy) = (Shape { channels: x.channels, ..y }, Shape { channels: y.channels, ..x });
    let (mut dx, dy) = (b.tensor(dx)?, b.tensor(dy)?);
    for acc in ACCS {
        misfit(&format!("{what}, backward"), b.sample_bwd(lists.sparse(), &dy, o, 1.0, acc, &mut dx))?;
    }
    Ok(())
}

fn misfits<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let list = |len| Shape::new(1, 1, len);
    for (channels, of_y) in [(3, 4), (3, 40), (20, 40)] {
        let (x, y) = (Shape::new(channels, 5, 4), Shape::new(of_y, 3, 2));
        let fits = || Operands { lists: [list(7), list(9), list(9)], x, y, o: 0 };
        for bad in [list(6), list(8), list(0), list(21), Shape::new(1, 7, 1), Shape::new(7, 1, 1)] {
            both_misfit(b, "offsets", &Operands { lists: [bad, list(9), list(9)], ..fits() })?;
        }
        for bad in [list(8), list(10), list(0), Shape::new(1, 9, 1), Shape::new(9, 1, 1), Shape::new(1, 3, 3)] {
            both_misfit(b, "columns", &Operands { lists: [list(7), bad, list(9)], ..fits() })?;
            both_misfit(b, "values", &Operands { lists: [list(7), list(9), bad], ..fits() })?;
        }
        for bad in [Shape::new(1, 9, 1), Shape::new(9, 1, 1), Shape::new(1, 3, 3)] {
            both_misfit(b, "columns and values", &Operands { lists: [list(7), bad, bad], ..fits() })?;
        }
        for y in [Shape::new(of_y, 2, 2), Shape::new(of_y, 3, 3), Shape::new(of_y, 7, 1)] {
            both_misfit(b, "positions", &Operands { y, ..fits() })?;
        }
        both_misfit(b, "nothing to read", &Operands { x: Shape { height: 0, ..x }, ..fits() })?;
        for y in [Shape { channels: channels - 1, ..y }, Shape { channels: 1, ..y }] {
            both_misfit(b, "more channels than those written", &Operands { y, ..fits() })?;
        }
        let behind = (of_y - channels) / CHANNEL_GROUP * CHANNEL_GROUP + CHANNEL_GROUP;
        for o in [1, 8, 15, 17, behind, 48, 1 << 24, usize::MAX, usize::MAX - 15] {
            both_misfit(b, "the first channel", &Operands { o, ..fits() })?;
        }
    }
    Ok(())
}

/// More than 2^24 entries or positions.
fn too_large<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    if cfg!(miri) {
        return Ok(());
    }
    let (list, map) = (|len| Shape::new(1, 1, len), Shape::new(1, 2, 2));
    let many = (1 << 24) + 1;
    both_misfit(b, "entries", &Operands { lists: [list(5), list(many), list(many)], x: map, y: map, o: 0 })?;
    both_misfit(b, "columns", &Operands { lists: [list(5), list(3), list(3)], x: list(many), y: map, o: 0 })?;
    both_misfit(b, "rows", &Operands { lists: [list(many + 1), list(3), list(3)], x: map, y: list(many), o: 0 })
}

/// First channels beyond any tensor are an error, and the check does not overflow.
fn absurd<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let list = |len| Shape::new(1, 1, len);
    for huge in HUGE {
        for o in [huge, huge / CHANNEL_GROUP * CHANNEL_GROUP] {
            for channels in [3, 20] {
                let (x, y) = (Shape::new(channels, 5, 4), Shape::new(40, 3, 2));
                both_misfit(b, "the first channel", &Operands { lists: [list(7), list(9), list(9)], x, y, o })?;
            }
        }
        // No positions, and as many columns as overflow.
        for (x, y) in [((3, huge, 0), (3, 2, 3)), ((3, 0, huge), (3, huge, 0)), ((3, 0, 4), (3, 0, huge))] {
            let nothing = || {
                let (x, mut y) = (b.tensor(Shape::new(x.0, x.1, x.2))?, b.tensor(Shape::new(y.0, y.1, y.2))?);
                let lists = Put::<B>([b.tensor(list(1))?, b.tensor(list(0))?, b.tensor(list(0))?]);
                b.sample(lists.sparse(), &x, 1.0, &mut y, 0)
            };
            served_or_misfit("samples of nothing", nothing())?;
        }
    }
    Ok(())
}

/// Tensors without channels or positions.
fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let lab = Lab::fresh(b);
    for (x, y) in [
        (Shape::new(0, 4, 4), Shape::new(20, 2, 3)),
        (Shape::new(3, 4, 4), Shape::new(20, 0, 3)),
        (Shape::new(20, 0, 4), Shape::new(20, 3, 0)),
        (Shape::new(0, 0, 4), Shape::new(0, 3, 0)),
    ] {
        for entries in [0, 3] {
            let run = || {
                let list = |len: usize| lab.put(&Array::full(Shape::new(1, 1, len), 1.0));
                let lists = Put::<B>([list(y.positions() + 1)?, list(entries)?, list(entries)?]);
                let (of_x, mut of_y) = (b.tensor(x)?, lab.put(&Array::full(y, -3.0))?);
                served_or_misfit("samples of nothing", b.sample(lists.sparse(), &of_x, 1.0, &mut of_y, 0))?;
                equal("y without samples", &lab.get(&of_y)?, &vec![-3.0; y.len()])?;
                let (mut dx, dy) =
                    (b.tensor(Shape { channels: x.channels, ..y })?, b.tensor(Shape { channels: y.channels, ..x })?);
                ACCS.into_iter().try_for_each(|acc| {
                    served_or_misfit("backward", b.sample_bwd(lists.sparse(), &dy, 0, 1.0, acc, &mut dx))
                })
            };
            run()?;
        }
    }
    Ok(())
}
