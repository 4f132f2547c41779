//! Samples of features by a sparse matrix, and their gradient.

use style_core::backend::Shape;
use style_core::backend::ops::CHANNEL_GROUP;

use crate::Array;

/// The entries of a row, each with its column and its value.
pub type Row = Vec<(usize, f64)>;

/// The whole number from 0 to `last` that is nearest to `v`.
fn number(v: f64, last: usize) -> usize {
    v.round().clamp(0.0, last as f64) as usize
}

/// The rows of a matrix with so many columns, from its compressed form. An offset or a column that is none is read as the
/// nearest number that is one.
#[must_use]
pub fn rows(offsets: &Array, columns: &Array, values: &Array, count: usize) -> Vec<Row> {
    let entries = values.data.len();
    let mut rows = Vec::new();
    for ends in offsets.data.windows(2) {
        let mut row = Vec::new();
        for e in number(ends[0], entries)..number(ends[1], entries) {
            row.push((number(columns.data[e], count - 1), values.data[e]));
        }
        rows.push(row);
    }
    rows
}

/// The compressed form of a matrix: offsets, columns and values.
#[must_use]
pub fn compressed(rows: &[Row]) -> [Array; 3] {
    let list = |data: Vec<f64>| Array { shape: Shape::new(1, 1, data.len()), data };
    let (mut offsets, mut columns, mut values) = (vec![0.0], Vec::new(), Vec::new());
    for row in rows {
        for &(column, value) in row {
            columns.push(column as f64);
            values.push(value);
        }
        offsets.push(values.len() as f64);
    }
    [offsets, columns, values].map(list)
}

/// The rows of the transpose of a matrix with so many columns.
#[must_use]
pub fn transposed(rows: &[Row], count: usize) -> Vec<Row> {
    let mut transposed = vec![Row::new(); count];
    for (i, row) in rows.iter().enumerate() {
        for &(column, value) in row {
            transposed[column].push((i, value));
        }
    }
    transposed
}

/// `y[o + k, i] = s sum_p S[i, p] x[k, p]`, and zeros in the channels that fill up the last group; the others are those of `y`.
#[must_use]
pub fn sample(matrix: &[Row], x: &Array, scale: f64, y: &Array, o: usize) -> Array {
    let (from, to, mut y) = (x.shape.positions(), y.shape.positions(), y.clone());
    let filled = (o + x.shape.channels.next_multiple_of(CHANNEL_GROUP)).min(y.shape.channels);
    assert_eq!(matrix.len(), to);
    for k in o..filled {
        for (i, row) in matrix.iter().enumerate() {
            let mut sum = 0.0;
            if k - o < x.shape.channels {
                for &(p, value) in row {
                    sum += value * x.data[(k - o) * from + p];
                }
            }
            y.data[k * to + i] = scale * sum;
        }
    }
    y
}

/// `dx[k, p] = s sum_i S[i, p] dy[o + k, i]`, of `shape`, from the rows of the transpose of `S`.
#[must_use]
pub fn sample_bwd(transposed: &[Row], dy: &Array, o: usize, scale: f64, shape: Shape) -> Array {
    let (from, to, mut dx) = (dy.shape.positions(), shape.positions(), Array::zeros(shape));
    assert_eq!(transposed.len(), to);
    for k in 0..shape.channels {
        for (p, row) in transposed.iter().enumerate() {
            let mut sum = 0.0;
            for &(i, value) in row {
                sum += value * dy.data[(o + k) * from + i];
            }
            dx.data[k * to + p] = scale * sum;
        }
    }
    dx
}
