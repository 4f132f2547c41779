//! Symmetric 3x3 matrices, in `f64`: square roots and triangular factors of covariances.

pub(crate) type Matrix = [[f64; 3]; 3];

const IDENTITY: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// A pivot this small relative to the trace is rounding error.
const PIVOT: f64 = 1e-12;

fn from_fn(value: impl Fn(usize, usize) -> f64) -> Matrix {
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| value(i, j)))
}

/// `A B`
pub(crate) fn product(a: &Matrix, b: &Matrix) -> Matrix {
    from_fn(|i, j| (0..3).map(|k| a[i][k] * b[k][j]).sum())
}

/// Eigenvalues, and eigenvectors as columns, of a symmetric matrix, by Jacobi rotations: each zeroes one off-diagonal
/// element, and all of them shrink quadratically (Golub and Van Loan, Matrix Computations, 8.5).
pub(crate) fn eigen(mut a: Matrix) -> ([f64; 3], Matrix) {
    let mut vectors = IDENTITY;
    // Six sweeps converge to the last bit; further ones cost nothing.
    for (p, q) in [(0, 1), (0, 2), (1, 2)].repeat(10) {
        if a[p][q] == 0.0 {
            continue;
        }
        let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
        let tan = theta.signum() / (theta.abs() + theta.hypot(1.0));
        let cos = 1.0 / tan.hypot(1.0);
        let mut rotation = IDENTITY;
        (rotation[p][p], rotation[q][q]) = (cos, cos);
        (rotation[p][q], rotation[q][p]) = (tan * cos, -tan * cos);
        let rotated = product(&a, &rotation);
        a = from_fn(|i, j| (0..3).map(|k| rotation[k][i] * rotated[k][j]).sum());
        (a[p][q], a[q][p]) = (0.0, 0.0);
        vectors = product(&vectors, &rotation);
    }
    ([a[0][0], a[1][1], a[2][2]], vectors)
}

/// `U f(diag) U^T` of a symmetric matrix `U diag U^T`.
pub(crate) fn map_eigenvalues(a: &Matrix, f: impl Fn(f64) -> f64) -> Matrix {
    let (values, u) = eigen(*a);
    let values = values.map(f);
    from_fn(|i, j| (0..3).map(|k| u[i][k] * values[k] * u[j][k]).sum())
}

/// The lower triangular `L` with `L L^T = A`, for a positive semi-definite matrix.
pub(crate) fn cholesky(a: &Matrix) -> Matrix {
    let least = PIVOT * (a[0][0] + a[1][1] + a[2][2]);
    let mut l = [[0.0; 3]; 3];
    for j in 0..3 {
        let rest = |i: usize, l: &Matrix| a[i][j] - (0..j).map(|k| l[i][k] * l[j][k]).sum::<f64>();
        let pivot = rest(j, &l);
        if pivot > least {
            l[j][j] = pivot.sqrt();
            for i in j + 1..3 {
                l[i][j] = rest(i, &l) / l[j][j];
            }
        }
    }
    l
}

/// `L^-1` of a lower triangular matrix with a nonzero diagonal.
pub(crate) fn inverse_lower(l: &Matrix) -> Matrix {
    let mut inverse = [[0.0; 3]; 3];
    for j in 0..3 {
        for i in j..3 {
            let sum: f64 = (j..i).map(|k| l[i][k] * inverse[k][j]).sum();
            inverse[i][j] = (IDENTITY[i][j] - sum) / l[i][i];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix, and its eigenvalues, Cholesky factor and square root from numpy.
    #[derive(serde::Deserialize)]
    struct Case {
        matrix: Matrix,
        eigenvalues: [f64; 3],
        cholesky: Option<Matrix>,
        root: Matrix,
    }

    fn assert_near(a: &Matrix, b: &Matrix, tolerance: f64) {
        let far = a.as_flattened().iter().zip(b.as_flattened()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(far <= tolerance, "{a:?} is not {b:?}: {far}");
    }

    #[test]
    fn as_numpy() {
        #[derive(serde::Deserialize)]
        struct Golden {
            matrices: Vec<Case>,
        }
        let golden: Golden = serde_json::from_str(include_str!("../tests/golden/colours.json")).expect("is JSON");
        assert!(golden.matrices.len() >= 6);
        for case in golden.matrices {
            let a = case.matrix;
            let scale = a.as_flattened().iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            let (mut values, vectors) = eigen(a);
            let orthogonal = from_fn(|i, j| (0..3).map(|k| vectors[k][i] * vectors[k][j]).sum());
            assert_near(&orthogonal, &IDENTITY, 1e-14);
            assert_near(&map_eigenvalues(&a, |v| v), &a, 1e-14 * scale);
            values.sort_by(f64::total_cmp);
            for (ours, numpy) in values.iter().zip(case.eigenvalues) {
                assert!((ours - numpy).abs() <= 4e-15 * scale, "{a:?}: {ours} is not {numpy}");
            }
            // At a zero eigenvalue, the square root turns a rounding error of `scale` into its root.
            let root = map_eigenvalues(&a, |v| v.max(0.0).sqrt());
            assert_near(&root, &case.root, if case.cholesky.is_some() { 1e-12 } else { 1e-7 } * scale.sqrt());
            let l = cholesky(&a);
            if let Some(numpy) = case.cholesky {
                assert_near(&l, &numpy, 1e-12 * scale.sqrt());
                assert_near(&product(&inverse_lower(&l), &l), &IDENTITY, 1e-8);
            }
            let square = from_fn(|i, j| (0..3).map(|k| l[i][k] * l[j][k]).sum());
            assert_near(&square, &a, 1e-11 * scale);
        }
    }
}
