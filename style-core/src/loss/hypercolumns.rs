//! Hypercolumns: the features of several layers at each of some places of a picture, one layer after the other.
//!
//! ```text
//! h[o_l + k, i] = s_l sum_p S_l[i, p] F_l[k, p]        S_l: bilinear interpolation of layer l at place i, or a mean around it
//! ```
//!
//! Adjoint: `dF_l[k, p] (=|+=) s_l sum_i S_l[i, p] dh[o_l + k, i]`; see [`SampleOps`](crate::backend::ops::SampleOps). The
//! offsets `o_l` are multiples of sixteen; channels between two layers are zero, so that they change no product.

use std::slice::ChunksExact;
use std::sync::Arc;

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::alloc::{collected, reserved, zeros};
use crate::backend::Backend;
use crate::backend::ops::sample::{CHANNEL_GROUP, Sparse};
use crate::backend::shape::{Acc, Shape};
use crate::error::{Result, bad};
use crate::image::Image;
use crate::loss::custom::{Described, Inputs};
use crate::network::taps::Taps;
use crate::pass::chain::Chain;
use crate::pass::plan::ChainPlan;

/// Where a picture is sampled.
#[derive(Clone, Debug)]
pub(crate) enum Places {
    /// A grid of cells. A layer of more positions than cells is averaged over each cell; one of fewer is interpolated, from
    /// corner to corner.
    Grid { height: usize, width: usize },
    /// Rows and columns, as fractions of the height and the width; each layer is interpolated.
    Points(Arc<[[f64; 2]]>),
}

/// Some positions along an axis, with weights that sum to 1.
type Along = Vec<(usize, f64)>;

/// The two positions around a coordinate, or one.
fn around(at: f64, n: usize) -> Along {
    let last = n.saturating_sub(1);
    let first = (at.floor() as usize).min(last);
    let share = (at - first as f64).clamp(0.0, 1.0);
    let both = [(first, 1.0 - share), ((first + 1).min(last), share)];
    both.into_iter().filter(|(_, weight)| *weight > 0.0).collect()
}

/// The positions of a cell of a grid.
fn of_cell(cell: usize, cells: usize, n: usize) -> Along {
    if n <= cells {
        return around(cell as f64 * n.saturating_sub(1) as f64 / cells.saturating_sub(1).max(1) as f64, n);
    }
    let positions = cell * n / cells..((cell + 1) * n).div_ceil(cells);
    let weight = 1.0 / positions.len() as f64;
    positions.map(|p| (p, weight)).collect()
}

impl Places {
    /// A grid of about `count` cells over a picture of this shape.
    pub(crate) fn grid(picture: Shape, count: usize) -> Self {
        let [height, width] = cells(picture, count);
        Self::Grid { height, width }
    }

    /// About `count` places: a random one in each cell of a grid over a picture of this shape.
    pub(crate) fn random(picture: Shape, count: usize, seed: u64) -> Self {
        let [rows, columns] = cells(picture, count);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut unit = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let mut place = |i: usize, n: usize| (i as f64 + unit()) / n as f64;
        let cell = |i: usize| [place(i / columns, rows), place(i % columns, columns)];
        Self::Points((0..rows * columns).map(cell).collect())
    }

    /// The shape of hypercolumns of so many channels.
    pub(crate) fn shape(&self, channels: usize) -> Shape {
        match self {
            Self::Grid { height, width } => Shape::new(channels, *height, *width),
            Self::Points(points) => Shape::new(channels, 1, points.len()),
        }
    }

    /// The rows and the columns of a layer that make up the place with this number.
    fn at(&self, i: usize, layer: Shape) -> [Along; 2] {
        match self {
            Self::Grid { height, width } => {
                [of_cell(i / width, *height, layer.height), of_cell(i % width, *width, layer.width)]
            }
            Self::Points(points) => {
                let [row, column] = points[i];
                [around(row * layer.height as f64, layer.height), around(column * layer.width as f64, layer.width)]
            }
        }
    }
}

/// Rows and columns of about `count` cells, as square as can be.
fn cells(picture: Shape, count: usize) -> [usize; 2] {
    let count = count.min(picture.positions()).max(1) as f64;
    let most = (picture.height as f64).min(count).max(1.0);
    let rows = (count * picture.height as f64 / picture.width.max(1) as f64).sqrt().round().clamp(1.0, most);
    [rows as usize, (count / rows).round().clamp(1.0, picture.width.max(1) as f64) as usize]
}

/// A sparse matrix; see [`Sparse`].
struct Matrix {
    offsets: Vec<f32>,
    columns: Vec<f32>,
    values: Vec<f32>,
}

impl Matrix {
    /// The weights of a layer's positions at each place, and the transpose.
    fn weights(places: &Places, layer: Shape) -> Result<[Self; 2]> {
        let (rows, positions) = (places.shape(1).positions(), layer.positions());
        let mut entries: Vec<(usize, usize, f32)> = reserved(rows.saturating_mul(4), "the places of hypercolumns")?;
        for i in 0..rows {
            let [down, across] = places.at(i, layer);
            for (r, of_row) in down {
                entries.extend(across.iter().map(|(c, w)| (i, r * layer.width + c, (of_row * w) as f32)));
            }
        }
        let matrix = Self::of(rows, entries.iter().copied(), entries.len())?;
        entries.sort_by_key(|&(_, position, _)| position);
        let transposed = entries.iter().map(|&(i, position, value)| (position, i, value));
        Ok([matrix, Self::of(positions, transposed, entries.len())?])
    }

    /// A matrix with these entries, row by row.
    fn of(rows: usize, entries: impl Iterator<Item = (usize, usize, f32)> + Clone, count: usize) -> Result<Self> {
        let what = "a sparse matrix";
        let mut offsets = zeros(rows + 1, what)?;
        entries.clone().for_each(|(row, ..)| offsets[row + 1] += 1.0);
        (0..rows).for_each(|row| offsets[row + 1] += offsets[row]);
        let columns = collected(count, what, entries.clone().map(|(_, column, _)| column as f32))?;
        Ok(Self { offsets, columns, values: collected(count, what, entries.map(|(.., value)| value))? })
    }

    fn upload<B: Backend>(&self, backend: &B) -> Result<[B::Tensor; 3]> {
        let [mut offsets, mut columns, mut values] = [
            backend.tensor(Shape::new(1, 1, self.offsets.len()))?,
            backend.tensor(Shape::new(1, 1, self.columns.len()))?,
            backend.tensor(Shape::new(1, 1, self.values.len()))?,
        ];
        backend.upload(&self.offsets, &mut offsets)?;
        backend.upload(&self.columns, &mut columns)?;
        backend.upload(&self.values, &mut values)?;
        Ok([offsets, columns, values])
    }
}

fn sparse<T>([offsets, columns, values]: &[T; 3]) -> Sparse<'_, T> {
    Sparse { offsets, columns, values }
}

/// A layer's part of hypercolumns.
struct Part<B: Backend> {
    matrix: [B::Tensor; 3],
    transposed: [B::Tensor; 3],
    /// Its first channel.
    first: usize,
    scale: f32,
}

/// The hypercolumns of one picture.
pub(crate) struct Hypercolumns<B: Backend> {
    parts: Vec<Part<B>>,
    /// `[1, K, h, w]`.
    pub(crate) values: B::Tensor,
}

/// Channels of hypercolumns of layers of these shapes, those between the layers among them.
pub(crate) fn channels(layers: &[Shape]) -> usize {
    let all = layers.iter().map(|s| s.channels.div_ceil(CHANNEL_GROUP).saturating_mul(CHANNEL_GROUP));
    all.fold(0, usize::saturating_add)
}

/// At most as many weights as a layer of this shape has at so many places, whose cells share their first and last rows and
/// columns. (Grids have the picture's proportions, so both axes are averaged, or both interpolated.)
fn weights(layer: Shape, places: usize) -> usize {
    layer.positions().saturating_mul(2).saturating_add(places.saturating_mul(4))
}

/// Checks that the layers can be sampled at so many places of the image and of each painting.
///
/// # Errors
/// `Argument` without layers, and for pictures that are too large.
pub(crate) fn check(names: &[String], of: &Described<'_>) -> Result<()> {
    // A layer then has fewer weights than the 2^24 that the op takes.
    const MOST: usize = 1 << 22;
    if names.is_empty() {
        return Err(bad("expected at least one layer, found none"));
    }
    let most = of.styles.iter().chain([&of.image]).map(Shape::positions).fold(0, usize::max);
    if most > MOST {
        return Err(bad(format!("expected pictures of at most {MOST} pixels, found {most}; use smaller ones")));
    }
    Ok(())
}

/// Checks that there is a photograph that the image can be compared with place by place.
///
/// # Errors
/// `Argument` if there is none, or if the image repeats without seams, which the photograph does not.
pub(crate) fn check_content(of: &Described<'_>) -> Result<()> {
    if !of.content {
        return Err(bad("expected a content picture, found none"));
    }
    if of.seamless {
        return Err(bad(
            "it cannot be compared with the photograph where the picture repeats without seams; remove one of the two",
        ));
    }
    Ok(())
}

/// Checks that there is a style picture, that there are at most `most`, and that they count as a whole.
///
/// # Errors
/// `Argument` if not.
pub(crate) fn check_styles(of: &Described<'_>, most: usize) -> Result<()> {
    match of.styles.len() {
        0 => Err(bad("expected a style picture, found none (shared targets do not hold the pictures)")),
        found if found > most => Err(bad(format!("expected one style picture, found {found}"))),
        _ if of.masked => Err(bad(
            "it compares whole pictures; remove the masks and regions of the styles (a transparent painting has a region)",
        )),
        _ => Ok(()),
    }
}

impl<B: Backend> Hypercolumns<B> {
    /// For layers of these shapes, each with its factor.
    pub(crate) fn new(backend: &B, layers: &[Shape], scales: &[f32], places: &Places) -> Result<Self> {
        let mut first = 0;
        let part = |(&layer, &scale): (&Shape, &f32)| {
            let [matrix, transposed] = Matrix::weights(places, layer)?;
            let part = Part { matrix: matrix.upload(backend)?, transposed: transposed.upload(backend)?, first, scale };
            first += channels(&[layer]);
            Ok(part)
        };
        let parts = layers.iter().zip(scales).map(part).collect::<Result<_>>()?;
        Ok(Self { parts, values: backend.tensor(places.shape(channels(layers)))? })
    }

    /// Memory that [`new`](Self::new) allocates, in bytes.
    pub(crate) fn bytes(backend: &B, layers: &[Shape], places: Shape) -> usize {
        let list = |n: usize| backend.tensor_bytes(Shape::new(1, 1, n));
        let of_layer = |l: &Shape| {
            let entries = list(weights(*l, places.positions())).saturating_mul(4);
            list(l.positions()).saturating_add(list(places.positions())).saturating_add(entries)
        };
        let values = backend.tensor_bytes(Shape { channels: channels(layers), ..places });
        layers.iter().map(of_layer).fold(values, usize::saturating_add)
    }

    /// The hypercolumns of a picture that does not change.
    pub(crate) fn of(
        inputs: &Inputs<'_, B>,
        image: &Image,
        layers: &[String],
        places: &Places,
        scale: impl Fn(Shape) -> f32,
    ) -> Result<B::Tensor> {
        let network = inputs.network;
        let backend = network.backend();
        let positions = layers.iter().map(|l| network.position(l)).collect::<Result<Vec<_>>>()?;
        let taps = Taps::new(positions.iter().copied());
        let plan = ChainPlan::new(network, image.shape(), &taps, inputs.pooling, inputs.padding, false, None)?;
        let shapes = (0..taps.len()).map(|tap| plan.tapped_shape(tap));
        let shapes =
            shapes.collect::<Option<Vec<_>>>().ok_or_else(|| bad("hypercolumns of a layer without features"))?;
        let of_layers: Vec<_> = positions.iter().filter_map(|&p| Some(shapes[taps.at(p)?])).collect();
        let scales: Vec<_> = of_layers.iter().map(|&s| scale(s)).collect();
        let mut all = Self::new(backend, &of_layers, &scales, places)?;
        let mut workspace = backend.workspace(plan.workspace())?;
        let mut chain = Chain::new(backend, &[Arc::new(plan)])?;
        chain.forward(network, &network.upload(image)?, &mut workspace, |tapped, _| {
            inputs.cancel.check()?;
            let here = positions.iter().enumerate().filter(|&(_, &p)| taps.at(p) == Some(tapped.tap));
            here.map(|(layer, _)| layer).try_for_each(|layer| all.read(backend, layer, tapped.features))
        })?;
        Ok(all.values)
    }

    /// Samples a layer.
    pub(crate) fn read(&mut self, backend: &B, layer: usize, features: &B::Tensor) -> Result<()> {
        let Part { matrix, first, scale, .. } = &self.parts[layer];
        backend.sample(sparse(matrix), features, *scale, &mut self.values, *first)
    }

    /// `dfeatures (=|+=) scale dl/dfeatures` of a layer, for a gradient of the hypercolumns.
    pub(crate) fn read_bwd(
        &self,
        backend: &B,
        layer: usize,
        dvalues: &B::Tensor,
        scale: f64,
        acc: Acc,
        dfeatures: &mut B::Tensor,
    ) -> Result<()> {
        let Part { transposed, first, scale: own, .. } = &self.parts[layer];
        let scale = (scale * f64::from(*own)) as f32;
        backend.sample_bwd(sparse(transposed), dvalues, *first, scale, acc, dfeatures)
    }
}

/// Hypercolumns on the host, `[K, M]`.
pub(super) struct Columns {
    pub(super) values: Vec<f32>,
    pub(super) channels: usize,
    pub(super) places: usize,
}

/// `<x, x>`, `<x, y>` and `<y, y>` of two hypercolumns.
pub(super) type Products = [f64; 3];

/// The cosine of two hypercolumns; 0 if one is zero.
pub(super) fn cosine([xx, xy, yy]: Products) -> f64 {
    if xx * yy > 0.0 { xy / (xx * yy).sqrt() } else { 0.0 }
}

impl Columns {
    pub(super) fn download<B: Backend>(backend: &B, tensor: &B::Tensor) -> Result<Self> {
        let shape = backend.shape(tensor);
        let mut values = zeros(shape.len(), "hypercolumns")?;
        backend.download(tensor, &mut values)?;
        Ok(Self { values, channels: shape.channels, places: shape.positions().max(1) })
    }

    /// The values of each channel at all places.
    pub(super) fn channels(&self) -> ChunksExact<'_, f32> {
        self.values.chunks_exact(self.places)
    }

    /// The mean of each channel.
    pub(super) fn means(&self) -> Vec<f64> {
        let mean = |channel: &[f32]| channel.iter().map(|&v| f64::from(v)).sum::<f64>() / self.places as f64;
        self.channels().map(mean).collect()
    }

    /// With something subtracted from each channel.
    pub(super) fn without(&self, means: &[f64]) -> Result<Self> {
        let channel = |(channel, mean): (&[f32], &f64)| {
            let mean = *mean as f32;
            channel.iter().map(move |v| v - mean).collect::<Vec<_>>()
        };
        let values = self.channels().zip(means).flat_map(channel);
        Ok(Self { values: collected(self.values.len(), "hypercolumns", values)?, ..*self })
    }

    /// The products of pairs, the first of each from this picture and the second from the other.
    pub(super) fn products(&self, other: &Self, pairs: &[(usize, usize)]) -> Vec<Products> {
        let mut sums = vec![[0.0f64; 3]; pairs.len()];
        for (x, y) in self.channels().zip(other.channels()) {
            for (sums, &(i, j)) in sums.iter_mut().zip(pairs) {
                let (x, y) = (f64::from(x[i]), f64::from(y[j]));
                *sums = [sums[0] + x * x, sums[1] + x * y, sums[2] + y * y];
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_about_as_many_cells_as_wanted() {
        for (height, width) in [(4096, 16), (16, 4096), (8192, 1), (1, 1), (3, 5), (384, 512)] {
            for count in [1, 2, 64, 1024] {
                let [rows, columns] = cells(Shape::new(3, height, width), count);
                assert!(rows >= 1 && columns >= 1 && rows <= height && columns <= width);
                assert!(rows * columns <= 2 * count, "{rows}x{columns} of {count} in {height}x{width}");
            }
        }
    }

    /// Each place is a mean: its weights sum to 1, and there are no more of them than planned.
    #[test]
    fn places_are_means() {
        for (height, width) in [(1, 1), (3, 5), (13, 9), (55, 55)] {
            let layer = Shape::new(8, height, width);
            let grids = [(1, 1), (2, 3), (39, 39)].map(|(height, width)| Places::Grid { height, width });
            for places in grids.into_iter().chain([Places::random(layer, 40, 1)]) {
                let [matrix, transposed] = Matrix::weights(&places, layer).unwrap();
                let count = places.shape(1).positions();
                assert!(matrix.values.len() <= weights(layer, count), "{places:?} in {layer}");
                assert_eq!(matrix.offsets.len(), count + 1);
                assert_eq!(transposed.offsets.len(), layer.positions() + 1);
                for row in matrix.offsets.windows(2) {
                    let values = &matrix.values[row[0] as usize..row[1] as usize];
                    let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
                    assert!((sum - 1.0).abs() < 1e-6, "{places:?} in {layer}: {sum}");
                }
            }
        }
    }
}
