//! Transport on a line: the `i`th smallest value of a channel travels to the `i`th target.

use crate::Array;

/// The positions of values in ascending order; of equal values, the smaller position comes first.
fn ascending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<_> = (0..values.len()).collect();
    // Adding zero makes -0.0 equal to 0.0; the sort keeps the order of equals.
    order.sort_by(|&i, &j| (values[i] + 0.0).total_cmp(&(values[j] + 0.0)));
    order
}

/// `l = 1/2 sum_k sum_i (x[k, r(i)] - t[k, i])^2`, and `d[k, r(i)] = x[k, r(i)] - t[k, i]`.
#[must_use]
pub fn transport(x: &Array, t: &Array) -> (f64, Array) {
    assert_eq!(x.shape, t.shape);
    let (mut sum, mut d, positions) = (0.0, Array::zeros(x.shape), x.shape.positions());
    for k in 0..x.shape.channels {
        let first = k * positions;
        for (i, r) in ascending(&x.data[first..first + positions]).into_iter().enumerate() {
            let difference = x.data[first + r] - t.data[first + i];
            d.data[first + r] = difference;
            sum += difference * difference;
        }
    }
    (0.5 * sum, d)
}
