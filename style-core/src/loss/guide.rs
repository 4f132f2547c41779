//! Masks at a layer: how much each position of the features counts.

use crate::alloc::collected;
use crate::backend::Backend;
use crate::backend::shape::{Rows, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::image::mask::{MASK, Mask};
use crate::pass::tiles::Window;

/// A mask at a layer, on the device, for the whole picture, one tile, or one band of rows.
pub struct Guide<B: Backend> {
    /// `t^2 / sum t^2`, which sums to 1: `[1, 1, H, W]`. All zero in a tile that the mask excludes.
    pub weights: B::Tensor,
    /// The square root of the weights.
    pub root: B::Tensor,
    /// The share of the picture that counts: the mean of `t^2`.
    pub area: f64,
    /// The tile's share of `sum t^2`.
    pub(crate) share: f64,
}

impl<B: Backend> Guide<B> {
    /// `mask` resampled to a picture of `image`'s size, at a layer after `pools` pools; one part per tile.
    pub(crate) fn new(
        backend: &B,
        mask: &Mask,
        image: Shape,
        pools: usize,
        layer: &str,
        tiles: impl Iterator<Item = Window>,
    ) -> Result<Vec<Self>> {
        let (shape, t) = mask.at(image.width, image.height, pools)?;
        let all: f64 = t.iter().map(|t| t * t).sum();
        if !all.is_normal() {
            let message = format!("the mask is zero almost everywhere at {layer}; use a larger or brighter region");
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let guide = |window: Window| {
            let t = within(&t, shape, window)?;
            let sum: f64 = t.iter().map(|t| t * t).sum();
            let [sum, share] = if sum.is_normal() { [sum, sum / all] } else { [f64::INFINITY, 0.0] };
            let root = map(backend, window.shape(1), t.iter().map(|t| t / sum.sqrt()))?;
            let weights = map(backend, window.shape(1), t.iter().map(|t| t * t / sum))?;
            Ok(Self { weights, root, area: all / shape.len() as f64, share })
        };
        tiles.map(guide).collect()
    }

    /// Room for some rows of a guide; `shape` is the largest part.
    pub(crate) fn room(backend: &B, shape: Shape) -> Result<Self> {
        let [weights, root] = [backend.tensor(shape)?, backend.tensor(shape)?];
        Ok(Self { weights, root, area: 0.0, share: 0.0 })
    }

    /// Copies some rows of `from`.
    pub(crate) fn take(&mut self, backend: &B, from: &Self, rows: Rows) -> Result<()> {
        let shape = Shape { height: rows.len(), ..backend.shape(&from.weights) };
        for (to, from) in [(&mut self.weights, &from.weights), (&mut self.root, &from.root)] {
            backend.reshape(to, shape)?;
            backend.window(from, [rows.start, 0], to)?;
        }
        (self.area, self.share) = (from.area, from.share);
        Ok(())
    }
}

/// Position weights of a content loss, with `m` the mask at the layer: `1/2 sum m (F - P)^2`.
pub(crate) struct ContentGuide<B: Backend> {
    pub(crate) weights: B::Tensor,
    /// The square root of the weights.
    pub(crate) root: B::Tensor,
}

impl<B: Backend> ContentGuide<B> {
    /// As [`Guide::new`].
    pub(crate) fn new(
        backend: &B,
        mask: &Mask,
        image: Shape,
        pools: usize,
        tiles: impl Iterator<Item = Window>,
    ) -> Result<Vec<Self>> {
        let (shape, m) = mask.at(image.width, image.height, pools)?;
        let guide = |window: Window| {
            let m = within(&m, shape, window)?;
            let root = map(backend, window.shape(1), m.iter().map(|m| m.sqrt()))?;
            Ok(Self { weights: map(backend, window.shape(1), m.iter().copied())?, root })
        };
        tiles.map(guide).collect()
    }
}

/// The values of a map within a window.
fn within(values: &[f64], shape: Shape, window: Window) -> Result<Vec<f64>> {
    let row = |r: usize| &values[r * shape.width..][window.columns.start..window.columns.end];
    let count = window.shape(1).len();
    collected(count, MASK, (window.rows.start..window.rows.end).flat_map(row).copied())
}

fn map<B: Backend>(backend: &B, shape: Shape, values: impl Iterator<Item = f64>) -> Result<B::Tensor> {
    let mut tensor = backend.tensor(shape)?;
    backend.upload(&collected(shape.len(), MASK, values.map(|v| v as f32))?, &mut tensor)?;
    Ok(tensor)
}
