//! Self-similarity: the distances between hypercolumns of the image, held to those between the photograph's at the same
//! places (Kolkin, Salavon and Shakhnarovich 2019, "Style Transfer by Relaxed Optimal Transport and Self-Similarity", equation
//! 8). What is alike in the photograph stays alike, whatever it looks like.
//!
//! ```text
//! D[i, j] = 1 - <x_i, x_j> / (|x_i| |x_j|),  d[i, j] = D[i, j] / sum_i D[i, j]        x: N hypercolumns, of the image
//! l = 1/N sum_ij |d[i, j] - d'[i, j]|                                                 d': of the photograph
//! ```
//!
//! Adjoint: with `e = sign(d - d') / N`, `dD[i, j] = (e[i, j] - sum_k e[k, j] d[k, j]) / sum_k D[k, j]`, and `du = -(dD +
//! dD^T) u` of the hypercolumns of length one, `u = x / |x|`, of which `dx = (du - <du, u> u) / |x|`.
//!
//! Departure from the paper: the places are all cells of a grid, and layers finer than the grid are averaged over each; the
//! authors draw new places for each step. Sums are computed on the host, products on the device.

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::shape::{Acc, Shape};
use crate::distributed::Communicator;
use crate::error::{Result, bad};
use crate::loss::custom::{Described, Inputs, Loss};
use crate::loss::hypercolumns::{Hypercolumns, Places, channels, check, check_content};
use crate::loss::relaxed_emd::{PLACES, check_places, layers};
use crate::loss::term::{Buffers, Site, Term};

/// The distances within the image, held to those within the photograph; a content loss, for
/// [`SessionBuilder::loss`](crate::SessionBuilder::loss).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfSimilarity {
    /// The layers of a hypercolumn. Default: as for [`RelaxedEmd`](crate::losses::RelaxedEmd).
    pub layers: Vec<String>,
    /// About how many places are compared. Default: 1024.
    pub places: usize,
}

impl Default for SelfSimilarity {
    fn default() -> Self {
        Self { layers: layers(), places: PLACES }
    }
}

impl<B: Backend> Loss<B> for SelfSimilarity {
    fn name(&self) -> String {
        "self-similarity".into()
    }

    fn identity(&self) -> String {
        format!("self-similarity of {} places, by {}", self.places, self.layers.join(" "))
    }

    fn layers(&self) -> Vec<String> {
        self.layers.clone()
    }

    fn check(&self, of: &Described<'_>) -> Result<()> {
        check_places(self.places)?;
        check(&self.layers, of)?;
        check_content(of)
    }

    fn bytes(&self, backend: &B, of: &Described<'_>) -> usize {
        let features = of.features;
        let columns = Places::grid(of.image, self.places).shape(channels(features));
        let places = columns.positions();
        let square = places.saturating_mul(places);
        let device =
            backend.tensor_bytes(columns).saturating_mul(3).saturating_add(square.saturating_mul(size_of::<f32>()));
        let host = columns.len().saturating_mul(3).saturating_add(square.saturating_mul(3)).saturating_mul(4);
        let all =
            [Hypercolumns::bytes(backend, features, columns), device, host, backend.project_workspace(places, columns)];
        all.into_iter().fold(0, usize::saturating_add)
    }

    fn term(&self, inputs: &Inputs<'_, B>) -> Result<Box<dyn Term<B>>> {
        let backend = inputs.network.backend();
        let content = inputs.content.ok_or_else(|| bad("self-similarity: expected a content picture, found none"))?;
        let places = Places::grid(inputs.image, self.places);
        let columns = Hypercolumns::new(backend, &inputs.features, &vec![1.0; self.layers.len()], &places)?;
        let shape = backend.shape(&columns.values);
        let n = shape.positions();
        let mut within = Within {
            units: backend.tensor(shape)?,
            matrix: backend.tensor(Shape::new(1, n, shape.channels))?,
            products: backend.tensor(Shape { channels: n, ..shape })?,
            workspace: backend.workspace(backend.project_workspace(n, shape))?,
            lengths: vec![],
            target: vec![],
            columns,
            value: 0.0,
        };
        let photograph = Hypercolumns::of(inputs, content, &self.layers, &places, |_| 1.0)?;
        within.target = within.distances(backend, &photograph)?.0;
        Ok(Box::new(within))
    }
}

/// The term of [`SelfSimilarity`].
struct Within<B: Backend> {
    columns: Hypercolumns<B>,
    /// `u`, `[1, K, h, w]` with `N = h w`, then `dx`.
    units: B::Tensor,
    /// `u^T`, `[1, 1, N, K]`.
    matrix: B::Tensor,
    /// `u^T u`, `[1, N, h, w]`.
    products: B::Tensor,
    workspace: B::Workspace,
    /// `|x|`.
    lengths: Vec<f64>,
    /// `d'`.
    target: Vec<f32>,
    value: f64,
}

impl<B: Backend> Within<B> {
    /// `d`, and the sums that it was divided by. Sets `units`, `matrix` and `lengths`.
    fn distances(&mut self, backend: &B, x: &B::Tensor) -> Result<(Vec<f32>, Vec<f64>)> {
        let shape = backend.shape(x);
        let (n, k) = (shape.positions(), shape.channels);
        let mut u = zeros(shape.len(), "hypercolumns")?;
        backend.download(x, &mut u)?;
        let mut squares = vec![0.0; n];
        u.chunks_exact(n).for_each(|row| squares.iter_mut().zip(row).for_each(|(s, v)| *s += f64::from(*v).powi(2)));
        self.lengths = squares.into_iter().map(f64::sqrt).collect();
        let unit = |v: f32, length: f64| if length == 0.0 { 0.0 } else { (f64::from(v) / length) as f32 };
        for row in u.chunks_exact_mut(n) {
            row.iter_mut().zip(&self.lengths).for_each(|(v, &length)| *v = unit(*v, length));
        }
        backend.upload(&u, &mut self.units)?;
        let mut transposed = zeros(shape.len(), "hypercolumns")?;
        for (channel, row) in u.chunks_exact(n).enumerate() {
            row.iter().enumerate().for_each(|(i, v)| transposed[i * k + channel] = *v);
        }
        backend.upload(&transposed, &mut self.matrix)?;
        backend.project(&self.matrix, &self.units, 1.0, &mut self.products, &mut self.workspace)?;
        let mut d = zeros(n * n, "distances")?;
        backend.download(&self.products, &mut d)?;
        let mut sums = vec![0.0; n];
        for row in d.chunks_exact_mut(n) {
            for (v, sum) in row.iter_mut().zip(&mut sums) {
                // Rounding leaves less than nothing between equals.
                *v = if *v > 1.0 { 0.0 } else { 1.0 - *v };
                *sum += f64::from(*v);
            }
        }
        // Where all is alike but for rounding, there is nothing to hold.
        sums.iter_mut().filter(|sum| **sum < 1e-6 * n as f64).for_each(|sum| *sum = 0.0);
        for row in d.chunks_exact_mut(n) {
            row.iter_mut()
                .zip(&sums)
                .for_each(|(v, &sum)| *v = if sum == 0.0 { 0.0 } else { (f64::from(*v) / sum) as f32 });
        }
        Ok((d, sums))
    }
}

impl<B: Backend> Term<B> for Within<B> {
    fn on_host(&self) -> bool {
        true
    }

    fn forward(&mut self, at: &Site<'_, B>, _buffers: Buffers<'_, B>) -> Result<()> {
        self.columns.read(at.backend, at.layer, at.features)
    }

    fn end(&mut self, backend: &B, _communicator: &dyn Communicator, _buffers: Buffers<'_, B>) -> Result<()> {
        let x = std::mem::replace(&mut self.columns.values, backend.tensor(Shape::new(1, 1, 1))?);
        let distances = self.distances(backend, &x);
        self.columns.values = x;
        let (d, sums) = distances?;
        let n = self.lengths.len();
        // `e`, and `sum_k e[k, j] d[k, j]`.
        let (mut e, mut along, mut total) = (zeros(n * n, "distances")?, vec![0.0; n], 0.0);
        for ((e, d), t) in e.chunks_exact_mut(n).zip(d.chunks_exact(n)).zip(self.target.chunks_exact(n)) {
            for j in 0..n {
                let difference = f64::from(d[j]) - f64::from(t[j]);
                total += difference.abs();
                let sign = if difference == 0.0 { 0.0 } else { difference.signum() } / n as f64;
                e[j] = sign as f32;
                along[j] += sign * f64::from(d[j]);
            }
        }
        self.value = total / n as f64;
        // `-dD`.
        for e in e.chunks_exact_mut(n) {
            for j in 0..n {
                e[j] = if sums[j] == 0.0 { 0.0 } else { ((along[j] - f64::from(e[j])) / sums[j]) as f32 };
            }
        }
        for i in 0..n {
            for j in 0..=i {
                let sum = e[i * n + j] + e[j * n + i];
                (e[i * n + j], e[j * n + i]) = (sum, sum);
            }
        }
        backend.upload(&e, &mut self.products)?;
        let Self { columns, units, matrix, products, workspace, lengths, .. } = self;
        let shape = backend.shape(&columns.values);
        let mut u = zeros(shape.len(), "hypercolumns")?;
        backend.download(units, &mut u)?;
        backend.project_bwd(matrix, products, 1.0, Acc::Store, units, workspace)?;
        let mut du = zeros(shape.len(), "hypercolumns")?;
        backend.download(units, &mut du)?;
        let mut across = vec![0.0; n];
        for (du, u) in du.chunks_exact(n).zip(u.chunks_exact(n)) {
            across.iter_mut().zip(du.iter().zip(u)).for_each(|(sum, (a, b))| *sum += f64::from(*a) * f64::from(*b));
        }
        for (du, u) in du.chunks_exact_mut(n).zip(u.chunks_exact(n)) {
            for i in 0..n {
                let value = f64::from(du[i]) - across[i] * f64::from(u[i]);
                du[i] = if lengths[i] == 0.0 { 0.0 } else { (value / lengths[i]) as f32 };
            }
        }
        backend.upload(&du, units)
    }

    fn backward(
        &mut self,
        at: &Site<'_, B>,
        weight: f64,
        acc: Acc,
        dfeatures: &mut B::Tensor,
        _buffers: Buffers<'_, B>,
    ) -> Result<()> {
        self.columns.read_bwd(at.backend, at.layer, &self.units, weight, acc, dfeatures)
    }

    fn loss(&self, _scalars: &[f64]) -> f64 {
        self.value
    }
}
