//! A host array of `f64` with a shape.

use style_core::backend::Shape;
use style_core::backend::ops::Rows;

use crate::Rng;

/// Feature maps on the host, row-major `[C, H, W]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The extents.
    pub shape: Shape,
    /// `shape.len()` values.
    pub data: Vec<f64>,
}

impl Array {
    /// An array with the same value everywhere.
    #[must_use]
    pub fn full(shape: Shape, value: f64) -> Self {
        Self { shape, data: vec![value; shape.len()] }
    }

    /// Zeros.
    #[must_use]
    pub fn zeros(shape: Shape) -> Self {
        Self::full(shape, 0.0)
    }

    /// Random values in `[-1, 1)`, each exactly an `f32`.
    #[must_use]
    pub fn random(shape: Shape, rng: &mut Rng) -> Self {
        Self { shape, data: (0..shape.len()).map(|_| rng.unit()).collect() }
    }

    /// Values that resemble activations: about half zeros, the rest positive and large.
    #[must_use]
    pub fn activation(shape: Shape, rng: &mut Rng) -> Self {
        Self::random(shape, rng).map(|v| 256.0 * v.max(0.0))
    }

    /// From `f32` values.
    ///
    /// If the number of values is not `shape.len()`.
    #[must_use]
    pub fn from_f32(shape: Shape, values: &[f32]) -> Self {
        assert_eq!(values.len(), shape.len());
        Self { shape, data: values.iter().map(|&v| f64::from(v)).collect() }
    }

    /// To `f32`.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        self.data.iter().map(|&v| v as f32).collect()
    }

    /// Only these rows.
    #[must_use]
    pub fn rows(&self, rows: Rows) -> Self {
        let Shape { channels, width, .. } = self.shape;
        let lines = (0..channels).flat_map(|k| (rows.start..rows.end).map(move |r| (k, r)));
        let data = lines.flat_map(|(k, r)| (0..width).map(move |c| self.at(k, r, c))).collect();
        Self { shape: Shape::new(channels, rows.len(), width), data }
    }

    /// An array of `height` rows whose `rows` are this one; the others are NaN.
    #[must_use]
    pub fn among(&self, rows: Rows, height: usize) -> Self {
        let mut all = Self::full(Shape { height, ..self.shape }, f64::NAN);
        all.set_rows(rows, self, 0);
        all
    }

    /// Copies `rows` from another array, which starts at row `first`.
    pub fn set_rows(&mut self, rows: Rows, from: &Self, first: usize) {
        for k in 0..self.shape.channels {
            for (r, c) in (rows.start..rows.end).flat_map(|r| (0..from.shape.width).map(move |c| (r, c))) {
                *self.at_mut(k, r, c) = from.at(k, r - rows.start + first, c);
            }
        }
    }

    /// The index of `[k, r, c]` in `data`.
    #[must_use]
    pub fn index(&self, k: usize, r: usize, c: usize) -> usize {
        debug_assert!(k < self.shape.channels && r < self.shape.height && c < self.shape.width);
        (k * self.shape.height + r) * self.shape.width + c
    }

    /// The value at `[k, r, c]`.
    #[must_use]
    pub fn at(&self, k: usize, r: usize, c: usize) -> f64 {
        self.data[self.index(k, r, c)]
    }

    /// The value at `[k, r - 1, c - 1]`, and zero outside: the array with a one-element border of zeros.
    #[must_use]
    pub fn padded(&self, k: usize, r: usize, c: usize) -> f64 {
        let inside = (1..=self.shape.height).contains(&r) && (1..=self.shape.width).contains(&c);
        if inside { self.at(k, r - 1, c - 1) } else { 0.0 }
    }

    /// A mutable reference to the value at `[k, r, c]`.
    pub fn at_mut(&mut self, k: usize, r: usize, c: usize) -> &mut f64 {
        let i = self.index(k, r, c);
        &mut self.data[i]
    }

    /// Applies `f` to each value.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { shape: self.shape, data: self.data.iter().map(|&v| f(v)).collect() }
    }

    /// Applies `f` to each pair of values.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        assert_eq!(self.shape, other.shape);
        Self { shape: self.shape, data: self.data.iter().zip(&other.data).map(|(&a, &b)| f(a, b)).collect() }
    }

    /// The inner product.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn dot(&self, other: &Self) -> f64 {
        self.zip(other, |a, b| a * b).data.iter().sum()
    }

    /// The Euclidean norm.
    #[must_use]
    pub fn norm(&self) -> f64 {
        self.dot(self).sqrt()
    }

    /// The maximum, at least zero.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.data.iter().fold(0.0, |m, &v| m.max(v))
    }
}
