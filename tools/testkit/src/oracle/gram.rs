//! `G = s F F^T`, and `dF = s (dG + dG^T) F`.

use style_core::backend::Shape;

use crate::Array;

/// `G[i, j] = s sum_m F[i, m] F[j, m]`.
#[must_use]
pub fn fwd(features: &Array, scale: f64) -> Array {
    let (n, m) = (features.shape.channels, features.shape.positions());
    let mut g = Array::zeros(Shape::gram(n));
    for i in 0..n {
        for j in 0..n {
            let mut sum = 0.0;
            for p in 0..m {
                sum += features.data[i * m + p] * features.data[j * m + p];
            }
            *g.at_mut(0, i, j) = scale * sum;
        }
    }
    g
}

/// `dF[i, m] = s sum_j (dG[i, j] + dG[j, i]) F[j, m]`.
#[must_use]
pub fn bwd(features: &Array, dg: &Array, scale: f64) -> Array {
    let (n, m) = (features.shape.channels, features.shape.positions());
    assert_eq!(dg.shape, Shape::gram(n));
    let mut df = Array::zeros(features.shape);
    for i in 0..n {
        for p in 0..m {
            let mut sum = 0.0;
            for j in 0..n {
                sum += (dg.at(0, i, j) + dg.at(0, j, i)) * features.data[j * m + p];
            }
            df.data[i * m + p] = scale * sum;
        }
    }
    df
}
