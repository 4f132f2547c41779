//! The relaxed earth mover's distance between hypercolumns of the image and of the painting, with their moments (Kolkin,
//! Salavon and Shakhnarovich 2019, "Style Transfer by Relaxed Optimal Transport and Self-Similarity", equations 4 to 7), and
//! between their colours.
//!
//! ```text
//! C[i, j] = 1 - <x_i, y_j> / (|x_i| |y_j|)                                x: N hypercolumns of the image, y: of the painting
//! R = max(1/N sum_i min_j C[i, j], 1/N' sum_j min_i C[i, j])
//! l = R + sum |m_x - m_y| / sum |m_y| + sum |S_x - S_y| / sum |S_y|       m, S: mean and covariance of the hypercolumns
//! ```
//!
//! Adjoint: of `R`, the gradient of the cosine distance of the pairs that attain the larger sum; of the moments, `sign(m_x -
//! m_y) / (N sum |m_y|)` and `2 E (x_i - m_x) / (N sum |S_y|)` with `E = sign(S_x - S_y)`.
//!
//! The palette is `R` on colours, turned so that the first axis is grey, with `C[i, j] = 1 - cos + sqrt(|x_i - y_j|^2 / 3)`.
//!
//! Departures from the paper:
//!
//! - Places are drawn once a scale, one in each cell of a grid, so that the loss is one function, as L-BFGS needs. The authors
//!   draw new ones for each step of RMSprop.
//! - Hypercolumns have no colours; the palette has them. The painting's are interpolated as the image's are.
//! - Moments are relative to the painting's. The authors take means over channels, which suits the scale of their network's
//!   features.
//! - The deepest layer is conv5_1, the last of the embedded weights, not conv5_3.
//!
//! Distances and sums are computed on the host; neighbours, Gram matrices and samples on the device.

use std::sync::Arc;

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::shape::{Acc, Rows, Shape};
use crate::distributed::Communicator;
use crate::error::{Result, bad};
use crate::image::Image;
use crate::loss::custom::{Described, HostLoss, HostTerm, Inputs, Loss};
use crate::loss::hypercolumns::{Columns, Hypercolumns, Places, channels, check, check_styles, cosine};
use crate::loss::term::{Buffers, Site, Term};

/// The layers of a hypercolumn by default: those of VGG-16 that the authors use.
pub(super) fn layers() -> Vec<String> {
    let all = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_3", "conv5_1"];
    all.map(Into::into).to_vec()
}

/// Places by default.
pub(super) const PLACES: usize = 1024;

/// The relaxed earth mover's distance between hypercolumns, and the distance of their moments; for
/// [`SessionBuilder::loss`](crate::SessionBuilder::loss).
///
/// The authors' objective is this loss with weight 1, [`SelfSimilarity`](crate::losses::SelfSimilarity) with a weight `a` that
/// is 16 for pictures of 64 pixels and is halved with each larger scale, and [`Palette`] with `1 / max(a, 1)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelaxedEmd {
    /// The layers of a hypercolumn. Default: nine of VGG-16, those of the authors but for conv5_1 in place of conv5_3.
    pub layers: Vec<String>,
    /// About how many places of each picture are compared. Default: 1024.
    pub places: usize,
    /// The seed of the places.
    pub seed: u64,
}

impl Default for RelaxedEmd {
    fn default() -> Self {
        Self { layers: layers(), places: PLACES, seed: 0 }
    }
}

/// Checks the number of places.
pub(super) fn check_places(places: usize) -> Result<()> {
    if (2..=1 << 14).contains(&places) {
        return Ok(());
    }
    Err(bad(format!("places of hypercolumns: expected 2 to {}, found {places}", 1 << 14)))
}

/// The larger of the means of the least distances, of each `x` and of each `y`, and whether it is that of `x`.
fn larger(of_x: &[f64], of_y: &[f64]) -> (f64, bool) {
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len().max(1) as f64;
    let (of_x, of_y) = (mean(of_x), mean(of_y));
    if of_x > of_y { (of_x, true) } else { (of_y, false) }
}

impl<B: Backend> Loss<B> for RelaxedEmd {
    fn name(&self) -> String {
        "relaxed-emd".into()
    }

    fn identity(&self) -> String {
        format!("relaxed-emd of {} places, seed {}, by {}", self.places, self.seed, self.layers.join(" "))
    }

    fn layers(&self) -> Vec<String> {
        self.layers.clone()
    }

    fn check(&self, of: &Described<'_>) -> Result<()> {
        check_places(self.places)?;
        check(&self.layers, of)?;
        check_styles(of, 1)
    }

    fn bytes(&self, backend: &B, of: &Described<'_>) -> usize {
        let features = of.features;
        let columns = Shape::new(channels(features), 1, self.places.saturating_mul(2));
        let gram = Shape::gram(columns.channels);
        let device = backend.tensor_bytes(columns).saturating_mul(3).saturating_add(backend.tensor_bytes(gram) * 2);
        let host = columns.len().saturating_mul(4).saturating_add(gram.len().saturating_mul(2)).saturating_mul(4);
        let workspace = backend.gram_workspace(columns).saturating_add(backend.nearest_workspace(columns, 1));
        let all = [Hypercolumns::bytes(backend, features, columns), device, host, workspace];
        all.into_iter().fold(0, usize::saturating_add)
    }

    fn term(&self, inputs: &Inputs<'_, B>) -> Result<Box<dyn Term<B>>> {
        let backend = inputs.network.backend();
        let [style] = inputs.styles else { return Err(bad("relaxed-emd: expected one style picture")) };
        let places = Places::random(inputs.image, self.places, self.seed);
        let of_style = Places::random(style.shape(), self.places, self.seed);
        let columns = Hypercolumns::new(backend, &inputs.features, &vec![1.0; self.layers.len()], &places)?;
        let painting = Hypercolumns::of(inputs, style, &self.layers, &of_style, |_| 1.0)?;
        let (x, y) = (backend.shape(&columns.values), backend.shape(&painting));
        let workspace = [(x, y), (y, x)].map(|(x, _)| backend.nearest_workspace(x, 1)).into_iter();
        let workspace = workspace.chain([x, y].map(|s| backend.gram_workspace(s))).fold(0, usize::max);
        let mut workspace = backend.workspace(workspace)?;
        let mut gram = backend.tensor(Shape::gram(x.channels))?;
        let host = Columns::download(backend, &painting)?;
        let moments = Moments::of(backend, &painting, &host, &mut gram, &mut workspace)?;
        Ok(Box::new(Transported {
            columns,
            gradient: backend.tensor(x)?,
            found: [backend.tensor(Shape { channels: 1, ..x })?, backend.tensor(Shape { channels: 1, ..y })?],
            painting,
            host,
            shares: [
                share(moments.mean.iter().copied(), 0.0),
                share(
                    moments.covariance.iter().copied().map(f64::from),
                    moments.mean.iter().map(|m| m.abs()).sum::<f64>().powi(2),
                ),
            ],
            moments,
            gram,
            workspace,
            value: 0.0,
        }))
    }
}

/// Mean and covariance, `[K]` and `[K, K]`.
struct Moments {
    mean: Vec<f64>,
    covariance: Vec<f32>,
}

/// The reciprocal of a sum of magnitudes; 0 if it is rounding beside `scale`.
fn share(values: impl Iterator<Item = f64>, scale: f64) -> f64 {
    let sum: f64 = values.map(f64::abs).sum();
    if sum > 1e-6 * scale { sum.recip() } else { 0.0 }
}

impl Moments {
    fn of<B: Backend>(
        backend: &B,
        tensor: &B::Tensor,
        host: &Columns,
        gram: &mut B::Tensor,
        workspace: &mut B::Workspace,
    ) -> Result<Self> {
        let (shape, mean) = (backend.shape(tensor), host.means());
        backend.gram(tensor, Rows::all(shape), (1.0 / host.places as f64) as f32, Acc::Store, gram, workspace)?;
        let mut covariance = zeros(host.channels * host.channels, "a covariance")?;
        backend.download(gram, &mut covariance)?;
        for (row, &a) in covariance.chunks_exact_mut(host.channels).zip(&mean) {
            row.iter_mut().zip(&mean).for_each(|(v, &b)| *v = (f64::from(*v) - a * b) as f32);
        }
        Ok(Self { mean, covariance })
    }
}

fn sign(v: f64) -> f64 {
    if v == 0.0 { 0.0 } else { v.signum() }
}

/// The term of [`RelaxedEmd`].
struct Transported<B: Backend> {
    columns: Hypercolumns<B>,
    gradient: B::Tensor,
    /// The nearest of the painting's for each of the image's, and of the image's for each of the painting's.
    found: [B::Tensor; 2],
    painting: B::Tensor,
    host: Columns,
    moments: Moments,
    /// `1 / sum |m_y|` and `1 / sum |S_y|`.
    shares: [f64; 2],
    gram: B::Tensor,
    workspace: B::Workspace,
    value: f64,
}

impl<B: Backend> Transported<B> {
    /// `R`; adds its gradient.
    fn transport(&mut self, backend: &B, x: &Columns, gradient: &mut [f32]) -> Result<f64> {
        let Self { columns, painting, found: [of_x, of_y], workspace, host: y, .. } = self;
        backend.nearest(&columns.values, painting, 1, of_x, workspace)?;
        backend.nearest(painting, &columns.values, 1, of_y, workspace)?;
        let (mut q, mut r) = (zeros(x.places, "neighbours")?, zeros(y.places, "neighbours")?);
        backend.download(of_x, &mut q)?;
        backend.download(of_y, &mut r)?;
        let near = |v: f32, places: usize| (v as usize).min(places - 1);
        let of_x: Vec<_> = q.iter().enumerate().map(|(i, &j)| (i, near(j, y.places))).collect();
        let of_y: Vec<_> = r.iter().enumerate().map(|(j, &i)| (near(i, x.places), j)).collect();
        let products = [x.products(y, &of_x), x.products(y, &of_y)];
        let distances = |products: &Vec<_>| products.iter().map(|&p| 1.0 - cosine(p)).collect::<Vec<_>>();
        let [to_painting, from_painting] = products.each_ref().map(distances);
        let (value, first) = larger(&to_painting, &from_painting);
        let (pairs, products) = if first { (of_x, &products[0]) } else { (of_y, &products[1]) };
        let share = 1.0 / pairs.len().max(1) as f64;
        let factors: Vec<_> = products
            .iter()
            .map(|&[xx, xy, yy]| {
                let product = (xx * yy).sqrt();
                if product > 0.0 { [share * xy / product / xx, -share / product] } else { [0.0; 2] }
            })
            .collect();
        let of_channels = gradient.chunks_exact_mut(x.places).zip(x.channels());
        for ((gradient, x), y) in of_channels.zip(y.channels()) {
            for (&(i, j), [of_x, of_y]) in pairs.iter().zip(&factors) {
                gradient[i] += (of_x * f64::from(x[i]) + of_y * f64::from(y[j])) as f32;
            }
        }
        Ok(value)
    }

    /// The distance of the moments. Adds the gradient of the mean to `gradient`, and adds that of the covariance on the
    /// device, once `gradient` is there.
    fn moments(&mut self, backend: &B, x: &Columns, gradient: &mut [f32]) -> Result<f64> {
        let Self { columns, moments: target, shares: [of_means, of_covariances], gram, workspace, .. } = self;
        let Moments { mean, covariance } = Moments::of(backend, &columns.values, x, gram, workspace)?;
        let n = x.places as f64;
        let mut value = 0.0;
        let mut of_mean = vec![0.0; mean.len()];
        for ((to, a), b) in of_mean.iter_mut().zip(&mean).zip(&target.mean) {
            value += (a - b).abs() * *of_means;
            *to = sign(a - b) * *of_means / n;
        }
        let mut signs = covariance;
        for (row, (signs, targets)) in
            signs.chunks_exact_mut(mean.len()).zip(target.covariance.chunks_exact(mean.len())).enumerate()
        {
            for ((v, t), m) in signs.iter_mut().zip(targets).zip(&mean) {
                let difference = f64::from(*v) - f64::from(*t);
                value += difference.abs() * *of_covariances;
                *v = sign(difference) as f32;
                of_mean[row] -= 2.0 * f64::from(*v) * m * *of_covariances / n;
            }
        }
        for (gradient, of_mean) in gradient.chunks_exact_mut(x.places).zip(of_mean) {
            gradient.iter_mut().for_each(|g| *g += of_mean as f32);
        }
        backend.upload(&signs, gram)?;
        Ok(value)
    }
}

impl<B: Backend> Term<B> for Transported<B> {
    fn on_host(&self) -> bool {
        true
    }

    fn forward(&mut self, at: &Site<'_, B>, _buffers: Buffers<'_, B>) -> Result<()> {
        self.columns.read(at.backend, at.layer, at.features)
    }

    fn end(&mut self, backend: &B, _communicator: &dyn Communicator, _buffers: Buffers<'_, B>) -> Result<()> {
        let x = Columns::download(backend, &self.columns.values)?;
        let mut gradient = zeros(x.values.len(), "a gradient")?;
        self.value = self.transport(backend, &x, &mut gradient)?;
        self.value += self.moments(backend, &x, &mut gradient)?;
        backend.upload(&gradient, &mut self.gradient)?;
        // `gram_bwd` adds `E + E^T`.
        let scale = (self.shares[1] / x.places as f64) as f32;
        let Self { columns, gradient, gram, workspace, .. } = self;
        backend.gram_bwd(&columns.values, gram, scale, Acc::Add, gradient, workspace)
    }

    fn backward(
        &mut self,
        at: &Site<'_, B>,
        weight: f64,
        acc: Acc,
        dfeatures: &mut B::Tensor,
        _buffers: Buffers<'_, B>,
    ) -> Result<()> {
        self.columns.read_bwd(at.backend, at.layer, &self.gradient, weight, acc, dfeatures)
    }

    fn loss(&self, _scalars: &[f64]) -> f64 {
        self.value
    }
}

/// The relaxed earth mover's distance between colours of the image and of the painting; for
/// [`SessionBuilder::loss`](crate::SessionBuilder::loss).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// About how many places of each picture are compared. Default: 1024.
    pub places: usize,
    /// The seed of the places.
    pub seed: u64,
}

impl Default for Palette {
    fn default() -> Self {
        Self { places: PLACES, seed: 0 }
    }
}

impl<B: Backend> Loss<B> for Palette {
    fn name(&self) -> String {
        "palette".into()
    }

    fn identity(&self) -> String {
        format!("palette of {} places, seed {}", self.places, self.seed)
    }

    fn layers(&self) -> Vec<String> {
        vec![]
    }

    fn check(&self, of: &Described<'_>) -> Result<()> {
        check_places(self.places)?;
        check_styles(of, 1)
    }

    fn bytes(&self, backend: &B, of: &Described<'_>) -> usize {
        HostTerm::bytes(backend, of.image).saturating_add(backend.tensor_bytes(of.image))
    }

    fn term(&self, inputs: &Inputs<'_, B>) -> Result<Box<dyn Term<B>>> {
        let (backend, shape) = (inputs.network.backend(), inputs.features[0]);
        let [style] = inputs.styles else { return Err(bad("palette: expected one style picture")) };
        let pixels = |shape: Shape| {
            let Places::Points(points) = Places::random(shape, self.places, self.seed) else { return vec![] };
            let at = |&[row, column]: &[f64; 2]| {
                let [row, column] =
                    [(row, shape.height), (column, shape.width)].map(|(at, n)| ((at * n as f64) as usize).min(n - 1));
                row * shape.width + column
            };
            points.iter().map(at).collect::<Vec<_>>()
        };
        let colour = |image: &Image, at: usize| {
            let m = image.shape().positions();
            turned([0, 1, 2].map(|k| f64::from(image.pixels()[k * m + at])))
        };
        let of_style = pixels(style.shape()).into_iter().map(|at| colour(style, at)).collect();
        let held = Colours { pixels: pixels(shape), of_style, mean: inputs.network.mean() };
        Ok(Box::new(HostTerm::new(backend, Arc::new(held), shape, backend.tensor(shape)?)?))
    }
}

/// The rotation of colours: grey to the first axis.
const AXES: [[f64; 3]; 3] =
    [[0.577_350, 0.577_350, 0.577_350], [-0.577_350, 0.788_675, -0.211_325], [-0.577_350, -0.211_325, 0.788_675]];

/// A colour of 0 to 255, turned; of 0 to 1 along each of its own axes.
fn turned(rgb: [f64; 3]) -> [f64; 3] {
    AXES.map(|axis| axis.iter().zip(rgb).map(|(a, v)| a * v / 255.0).sum())
}

/// The loss of [`Palette`] for one painting.
struct Colours {
    /// The positions of the image that are compared.
    pixels: Vec<usize>,
    of_style: Vec<[f64; 3]>,
    mean: [f32; 3],
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The distance of two colours, and its gradient in the first.
fn between(x: [f64; 3], y: [f64; 3]) -> (f64, [f64; 3]) {
    let (xx, xy, yy) = (dot(x, x), dot(x, y), dot(y, y));
    let product = (xx * yy).sqrt();
    let cosine = if product > 0.0 { xy / product } else { 0.0 };
    let square = (xx - 2.0 * xy + yy).clamp(1e-5, 1e5);
    let root = (square / 3.0).sqrt();
    let gradient = [0, 1, 2].map(|k| {
        let of_cosine = if product > 0.0 { (cosine * x[k] / xx) - y[k] / product } else { 0.0 };
        of_cosine + if square > 1e-5 { (x[k] - y[k]) / (3.0 * root) } else { 0.0 }
    });
    (1.0 - cosine + root, gradient)
}

impl HostLoss for Colours {
    fn name(&self) -> String {
        "palette".into()
    }

    fn identity(&self) -> String {
        "palette".into()
    }

    fn evaluate(&self, shape: Shape, pixels: &[f32], gradient: &mut [f32]) -> f64 {
        let m = shape.positions();
        let colour = |&at: &usize| turned([0, 1, 2].map(|k| f64::from(pixels[k * m + at]) + f64::from(self.mean[k])));
        let colours: Vec<_> = self.pixels.iter().map(colour).collect();
        let mut of_image = vec![(f64::INFINITY, 0); colours.len()];
        let mut of_style = vec![(f64::INFINITY, 0); self.of_style.len()];
        for (i, (x, best)) in colours.iter().zip(&mut of_image).enumerate() {
            for (j, (y, of_y)) in self.of_style.iter().zip(&mut of_style).enumerate() {
                let (distance, _) = between(*x, *y);
                if distance < best.0 {
                    *best = (distance, j);
                }
                if distance < of_y.0 {
                    *of_y = (distance, i);
                }
            }
        }
        let least = |all: &[(f64, usize)]| all.iter().map(|(distance, _)| *distance).collect::<Vec<_>>();
        let (value, first) = larger(&least(&of_image), &least(&of_style));
        let pairs: Vec<_> = match first {
            true => of_image.iter().enumerate().map(|(i, &(_, j))| (i, j)).collect(),
            false => of_style.iter().enumerate().map(|(j, &(_, i))| (i, j)).collect(),
        };
        let share = 1.0 / (255.0 * pairs.len().max(1) as f64);
        for (i, j) in pairs {
            let (_, of_turned) = between(colours[i], self.of_style[j]);
            for k in 0..3 {
                let of_colour: f64 = (0..3).map(|axis| AXES[axis][k] * of_turned[axis]).sum();
                gradient[k * m + self.pixels[i]] += (share * of_colour) as f32;
            }
        }
        value
    }
}
