//! The Laplacian of the image, held to the photograph's: edges stay where they are (Li, Xu, Nie and Chua 2017,
//! "Laplacian-Steered Neural Style Transfer", equation 4).
//!
//! ```text
//! l = sum (D P x - D P c)^2 / sum (D P c)^2        x the image, c the photograph
//! (P x)[i, j] = the mean of x over p x p pixels     (D y)[a] = sum over the up to four neighbours b of a of (y[a] - y[b])
//! ```
//!
//! Adjoint: `dx = 2 / sum (D P c)^2 P^T D (D P x - D P c)`, as `D` is symmetric.
//!
//! Departures from the paper: the loss is relative to the photograph's Laplacian, and `D` repeats the border. It is computed
//! on the host, and each evaluation allocates memory for the averages.

use std::sync::Arc;

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::error::{Result, bad};
use crate::loss::custom::{Described, HostLoss, HostTerm, Inputs, Loss};
use crate::loss::term::Term;

/// The Laplacian of the image, averaged over squares of pixels; for [`SessionBuilder::loss`](crate::SessionBuilder::loss).
///
/// ```
/// # use style_core::backend::Backend;
/// # use style_core::{SessionBuilder, losses::Laplacian};
/// # fn describe<B: Backend>(builder: SessionBuilder<B>) {
/// let builder = builder.loss(0.02, Laplacian { pool: 4 });
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Laplacian {
    /// The side of the squares in pixels, `p`; the authors use 4 and 16. Rows and columns that do not fill a square are left
    /// out, and at least two squares must be there.
    pub pool: usize,
}

impl<B: Backend> Loss<B> for Laplacian {
    fn name(&self) -> String {
        name(self.pool)
    }

    fn identity(&self) -> String {
        name(self.pool)
    }

    fn layers(&self) -> Vec<String> {
        vec![]
    }

    fn check(&self, of: &Described<'_>) -> Result<()> {
        let found = self.pool;
        match of.image {
            image if pooled(image, found).positions() > 1 => Ok(()),
            Shape { width, height, .. } => {
                let most = width.min(height).min(width.max(height) / 2);
                Err(bad(format!(
                    "expected squares of 1 to {most} pixels for a picture of {width}x{height}, so that there are two; found {found}"
                )))
            }
        }
    }

    fn bytes(&self, backend: &B, of: &Described<'_>) -> usize {
        let pooled = pooled(of.image, self.pool).len().saturating_mul(3 * size_of::<f32>());
        HostTerm::bytes(backend, of.image).saturating_add(backend.tensor_bytes(of.image)).saturating_add(pooled)
    }

    fn term(&self, inputs: &Inputs<'_, B>) -> Result<Box<dyn Term<B>>> {
        let (backend, shape) = (inputs.network.backend(), inputs.features[0]);
        let content = inputs.content.ok_or_else(|| bad("a Laplacian loss needs a content picture"))?;
        let coarse = pooled(shape, self.pool);
        let mut means = zeros(coarse.len(), "a Laplacian")?;
        pool(content.pixels(), shape, self.pool, &mut means);
        let mut target = zeros(coarse.len(), "a Laplacian")?;
        laplacian(&means, coarse, &mut target);
        let sum: f64 = target.iter().map(|v| f64::from(*v).powi(2)).sum();
        // An even photograph counts as if it had a difference of one 8-bit level everywhere.
        let factor = 1.0 / sum.max(coarse.len() as f64);
        let held = Held { pool: self.pool, target, factor };
        Ok(Box::new(HostTerm::new(backend, Arc::new(held), shape, backend.tensor(shape)?)?))
    }
}

fn name(pool: usize) -> String {
    format!("laplacian of {pool}")
}

/// The loss for one photograph.
struct Held {
    pool: usize,
    /// `D P c`.
    target: Vec<f32>,
    /// `1 / sum (D P c)^2`.
    factor: f64,
}

impl HostLoss for Held {
    fn name(&self) -> String {
        name(self.pool)
    }

    fn identity(&self) -> String {
        name(self.pool)
    }

    fn evaluate(&self, shape: Shape, pixels: &[f32], gradient: &mut [f32]) -> f64 {
        let coarse = pooled(shape, self.pool);
        let mut means = vec![0.0; coarse.len()];
        pool(pixels, shape, self.pool, &mut means);
        let mut difference = vec![0.0; coarse.len()];
        laplacian(&means, coarse, &mut difference);
        difference.iter_mut().zip(&self.target).for_each(|(d, t)| *d -= t);
        let loss: f64 = difference.iter().map(|d| f64::from(*d).powi(2)).sum();
        laplacian(&difference, coarse, &mut means);
        let share = (2.0 * self.factor / (self.pool * self.pool) as f64) as f32;
        for (i, g) in gradient.iter_mut().enumerate() {
            let (k, y, x) = (i / shape.positions(), i / shape.width % shape.height, i % shape.width);
            let (row, column) = (y / self.pool, x / self.pool);
            if row < coarse.height && column < coarse.width {
                *g = share * means[(k * coarse.height + row) * coarse.width + column];
            }
        }
        self.factor * loss
    }
}

/// The shape of an image averaged over squares; remaining rows and columns are left out.
fn pooled(shape: Shape, pool: usize) -> Shape {
    let part = |n: usize| n.checked_div(pool).unwrap_or(0);
    Shape { height: part(shape.height), width: part(shape.width), ..shape }
}

/// Averages over squares of pixels.
fn pool(pixels: &[f32], shape: Shape, side: usize, means: &mut [f32]) {
    let coarse = pooled(shape, side);
    let share = 1.0 / (side * side) as f32;
    for (i, mean) in means.iter_mut().enumerate() {
        let (k, row, column) = (i / coarse.positions(), i / coarse.width % coarse.height, i % coarse.width);
        let line = |y: usize| &pixels[(k * shape.height + row * side + y) * shape.width + column * side..][..side];
        *mean = share * (0..side).flat_map(line).sum::<f32>();
    }
}

/// `D y`.
fn laplacian(y: &[f32], shape: Shape, out: &mut [f32]) {
    let Shape { height, width, .. } = shape;
    for (i, out) in out.iter_mut().enumerate() {
        let (row, column) = (i / width % height, i % width);
        let here = y[i];
        let beside = |exists: bool, at: usize| if exists { here - y[at] } else { 0.0 };
        *out = beside(row > 0, i.wrapping_sub(width))
            + beside(row + 1 < height, i + width)
            + beside(column > 0, i.wrapping_sub(1))
            + beside(column + 1 < width, i + 1);
    }
}
