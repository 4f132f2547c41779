//! `C = s A B`, `Y = s A X` at every position, and `dX = s A^T dY`.

use style_core::backend::Shape;

use crate::Array;

/// `C[r, c] = s sum_k A[r, k] B[k, c]`.
#[must_use]
pub fn product(a: &Array, b: &Array, scale: f64) -> Array {
    assert_eq!((a.shape.channels, b.shape.channels, a.shape.width), (1, 1, b.shape.height));
    let mut c = Array::zeros(Shape::new(1, a.shape.height, b.shape.width));
    for i in 0..a.shape.height {
        for j in 0..b.shape.width {
            let mut sum = 0.0;
            for k in 0..a.shape.width {
                sum += a.at(0, i, k) * b.at(0, k, j);
            }
            *c.at_mut(0, i, j) = scale * sum;
        }
    }
    c
}

/// `Y[k, p] = s sum_n A[k, n] X[n, p]`.
#[must_use]
pub fn project(matrix: &Array, x: &Array, scale: f64) -> Array {
    assert_eq!(matrix.shape, Shape::new(1, matrix.shape.height, x.shape.channels));
    let mut y = Array::zeros(Shape { channels: matrix.shape.height, ..x.shape });
    let positions = x.shape.positions();
    for k in 0..y.shape.channels {
        for p in 0..positions {
            let mut sum = 0.0;
            for n in 0..x.shape.channels {
                sum += matrix.at(0, k, n) * x.data[n * positions + p];
            }
            y.data[k * positions + p] = scale * sum;
        }
    }
    y
}

/// `dX[n, p] = s sum_k A[k, n] dY[k, p]`.
#[must_use]
pub fn project_bwd(matrix: &Array, dy: &Array, scale: f64) -> Array {
    let mut transposed = Array::zeros(Shape::new(1, matrix.shape.width, matrix.shape.height));
    for k in 0..matrix.shape.height {
        for n in 0..matrix.shape.width {
            *transposed.at_mut(0, n, k) = matrix.at(0, k, n);
        }
    }
    project(&transposed, dy, scale)
}
