//! Nearest neighbours of patches; see [`style_core::backend::ops::NearestOps`].
//!
//! An item takes some patches of a row of `x` and compares them with patches of `y`, a panel of sixteen at a time, so that
//! their products are in memory one register tile at a time. The panels hold patches divided by their norms; [`PANELS`] are
//! made at a time, and all items read them.

use std::ops::Range;

use style_core::Result;
use style_core::backend::ops::{NearestOps, expect_patches};
use style_core::backend::{Acc, Shape, expect_shape};

use crate::cpu::Cpu;
use crate::gemm::{Gemm, Product, groups};
use crate::isa::Kernel;
use crate::parallel::Shared;
use crate::simd::LANES;
use crate::tensor::{PLANAR, Scalars, Tensor, Workspace, blocks, expect_same, expect_workspace};

/// Panels that are made at a time.
const PANELS: usize = 16;
/// Patches of `x` in an item.
const STRIP: usize = 84;
/// The most rows of a register tile.
const ROWS: usize = 14;

/// The patches of a tensor.
#[derive(Clone, Copy)]
struct Patches<'a> {
    values: &'a [f32],
    shape: Shape,
    planar: bool,
    side: usize,
}

impl<'a> Patches<'a> {
    fn new(x: &'a Tensor, side: usize) -> Self {
        Self { values: x.values(), shape: x.shape(), planar: x.is_planar(), side }
    }

    /// Patches in a row, and rows.
    fn grid(self) -> [usize; 2] {
        [self.shape.width, self.shape.height].map(|n| n + 1 - self.side)
    }

    fn count(self) -> usize {
        let [across, down] = self.grid();
        across * down
    }

    /// The position of a patch's element, both counted row by row.
    fn position(self, patch: usize, element: usize) -> usize {
        let [across, _] = self.grid();
        let (row, column) = (patch / across + element / self.side, patch % across + element % self.side);
        row * self.shape.width + column
    }

    fn at(self, channel: usize, position: usize) -> f32 {
        let m = self.shape.positions();
        let blocked = (channel / LANES * m + position) * LANES + channel % LANES;
        self.values[if self.planar { channel * m + position } else { blocked }]
    }

    /// The reciprocal of a patch's norm; 0 for zeros.
    fn reciprocal_norm(self, patch: usize) -> f64 {
        let elements = 0..self.side * self.side;
        let of = |element| {
            let position = self.position(patch, element);
            (0..self.shape.channels).map(|c| f64::from(self.at(c, position)).powi(2)).sum::<f64>()
        };
        let square: f64 = elements.map(of).sum();
        if square > 0.0 { square.sqrt().recip() } else { 0.0 }
    }
}

/// Compares some patches of a row of blocked `x` with panels of patches of `y`, and keeps the best.
struct Strip<'a> {
    x: Patches<'a>,
    /// The position of the first patch.
    start: usize,
    rows: usize,
    /// `[panels, side^2, depth, 16]`, with the patches from `first` on.
    y: &'a [f32],
    first: usize,
    count: usize,
    scores: &'a mut [f32],
    found: &'a mut [f32],
}

impl Kernel for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, simd: S) {
        const { assert!(S::ROWS <= ROWS && S::PANELS <= 2) };
        let Self { x: Patches { values, shape, side, .. }, start, rows, y, first, count, scores, found } = self;
        let (m, depth) = (shape.positions(), blocks(shape.channels) * LANES);
        let mut tile = [[[0.0f32; LANES]; ROWS]; 2];
        let panels = count.div_ceil(LANES);
        for panel in (0..panels).step_by(S::PANELS) {
            let taken = S::PANELS.min(panels - panel);
            for group in groups(rows, S::ROWS) {
                for element in 0..side * side {
                    let shift = element / side * shape.width + element % side;
                    let product = Product {
                        a: values[(start + group.start + shift) * LANES..].as_ptr(),
                        a_stride: m * LANES,
                        b: y[(panel * side * side + element) * depth * LANES..].as_ptr(),
                        panel_stride: side * side * depth * LANES,
                        k: depth,
                        acc: if element == 0 { Acc::Store } else { Acc::Add },
                        c: tile.as_mut_ptr().cast(),
                        c_stride: ROWS * LANES,
                    };
                    // SAFETY: the patches lie within a row of patches, so their elements are positions of `x`; the panels
                    // are within `y`; `tile` has room for two panels of `ROWS` rows.
                    unsafe { simd.multiply_positions(product, group.len(), taken) };
                }
                for (p, tile) in tile.iter().enumerate().take(taken) {
                    let from = (panel + p) * LANES;
                    let lanes = LANES.min(count - from);
                    for (row, values) in group.clone().zip(tile) {
                        let best = values[..lanes].iter().copied().fold(f32::NEG_INFINITY, f32::max);
                        if best > scores[row] {
                            let lane = values.iter().position(|&v| v == best).unwrap_or(0);
                            (scores[row], found[row]) = (best, (first + from + lane) as f32);
                        }
                    }
                }
            }
        }
    }
}

impl Cpu {
    /// The same for planar features, which have few channels: one product after another.
    fn nearest_planar(&self, x: Patches<'_>, y: Patches<'_>, found: &mut [f32]) {
        let (found, norms) = (Shared::new(found), (0..y.count()).map(|q| y.reciprocal_norm(q)).collect::<Vec<_>>());
        self.threads.for_each(x.count(), |p| {
            let mut best = (f64::NEG_INFINITY, 0);
            for (q, norm) in norms.iter().enumerate() {
                let of = |e| {
                    let (p, q) = (x.position(p, e), y.position(q, e));
                    (0..x.shape.channels).map(|c| f64::from(x.at(c, p)) * f64::from(y.at(c, q))).sum::<f64>()
                };
                let score = (0..x.side * x.side).map(of).sum::<f64>() * norm;
                if score > best.0 {
                    best = (score, q);
                }
            }
            // SAFETY: each patch has its own element.
            unsafe { *found.at(p) = best.1 as f32 };
        });
    }
}

impl NearestOps for Cpu {
    fn nearest(
        &self,
        x: &Tensor,
        y: &Tensor,
        side: usize,
        found: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        expect_shape("the neighbours of patches", expect_patches(x.shape(), y.shape(), side)?, found.shape())?;
        let (x, y) = (Patches::new(x, side), Patches::new(y, side));
        if x.planar {
            self.nearest_planar(x, y, found.values_mut());
            return Ok(());
        }
        let (channels, depth) = (x.shape.channels, blocks(x.shape.channels) * LANES);
        let panel_len = side * side * depth * LANES;
        let memory: &mut [f32] = bytemuck::cast_slice_mut(&mut workspace.memory);
        let memory = expect_workspace(memory, x.count() + PANELS * panel_len)?;
        let (scores, panels) = memory.split_at_mut(x.count());
        scores.fill(f32::NEG_INFINITY);
        found.values_mut().fill(0.0);
        // A row of patches, or all of them if they are single positions.
        let (across, rows) = if side == 1 { (x.count(), 1) } else { (x.grid()[0], x.grid()[1]) };
        let strips = across.div_ceil(STRIP);
        let (scores, found) = (Shared::new(scores), Shared::new(found.values_mut()));
        for first in (0..y.count()).step_by(PANELS * LANES) {
            let count = (y.count() - first).min(PANELS * LANES);
            let to = Shared::new(panels);
            self.threads.for_each(count.div_ceil(LANES), |panel| {
                // SAFETY: each panel is written by one item.
                let values = unsafe { to.slice(panel * panel_len, panel_len) };
                fill(values, y, first + panel * LANES..(first + count).min(first + (panel + 1) * LANES), channels);
            });
            let panels = &*panels;
            self.threads.for_each(rows * strips, |i| {
                let (row, column) = (i / strips, i % strips * STRIP);
                let len = STRIP.min(across - column);
                let patch = row * across + column;
                // SAFETY: each strip has its own patches.
                let (scores, found) = unsafe { (scores.slice(patch, len), found.slice(patch, len)) };
                let start = x.position(patch, 0);
                self.level.run(Strip { x, start, rows: len, y: panels, first, count, scores, found });
            });
        }
        Ok(())
    }

    fn nearest_distance(
        &self,
        x: &Tensor,
        y: &Tensor,
        side: usize,
        found: &Tensor,
        out: &mut Scalars,
        slot: usize,
        d: &mut Tensor,
    ) -> Result<()> {
        expect_shape("the neighbours of patches", expect_patches(x.shape(), y.shape(), side)?, found.shape())?;
        expect_same(x, d)?;
        let (of_x, of_y) = (Patches::new(x, side), Patches::new(y, side));
        let ([across, down], m) = (of_x.grid(), x.shape().positions());
        let (width, last) = (x.shape().width, of_y.count() - 1);
        let neighbour = |patch: usize| (found.values()[patch].round() as usize).min(last);
        let lanes = if x.is_planar() { 1 } else { LANES };
        let (x, y, d) = (x.values(), y.values(), Shared::new(d.values_mut()));
        out.sum(&self.threads, slot, 1, x.len(), |at, sums| {
            for vector in at.start / lanes..at.end / lanes {
                let (plane, position) = (vector / m, vector % m);
                let (row, column) = (position / width, position % width);
                let mut total = [0.0f32; LANES];
                for element in 0..side * side {
                    let [up, left] = [element / side, element % side];
                    let (Some(top), Some(start)) = (row.checked_sub(up), column.checked_sub(left)) else { continue };
                    if top >= down || start >= across {
                        continue;
                    }
                    let from = of_y.position(neighbour(top * across + start), element);
                    let target = &y[(plane * of_y.shape.positions() + from) * lanes..][..lanes];
                    for ((total, x), y) in total.iter_mut().zip(&x[vector * lanes..][..lanes]).zip(target) {
                        let difference = x - y;
                        *total += difference;
                        sums[0] += 0.5 * f64::from(difference) * f64::from(difference);
                    }
                }
                // SAFETY: each range of values is written by one item.
                unsafe { d.slice(vector * lanes, lanes) }.copy_from_slice(&total[..lanes]);
            }
        })
    }

    fn nearest_workspace(&self, x: Shape, side: usize) -> usize {
        if x.channels <= PLANAR {
            return 0;
        }
        let depth = blocks(x.channels).saturating_mul(LANES).saturating_mul(side.saturating_mul(side));
        let panels = depth.saturating_mul(PANELS * LANES);
        x.positions().saturating_add(panels).saturating_mul(size_of::<f32>())
    }
}

/// Fills a panel, `[side^2, depth, 16]`, with patches divided by their norms.
fn fill(panel: &mut [f32], y: Patches<'_>, patches: Range<usize>, channels: usize) {
    let depth = blocks(channels) * LANES;
    panel.fill(0.0);
    for (lane, patch) in patches.enumerate() {
        let factor = y.reciprocal_norm(patch);
        for element in 0..y.side * y.side {
            let position = y.position(patch, element);
            for channel in 0..channels {
                panel[(element * depth + channel) * LANES + lane] =
                    (factor * f64::from(y.at(channel, position))) as f32;
            }
        }
    }
}
