//! Direct convolution, by one of three methods depending on the channels read and written.
//!
//! - [`planar`]: from the few channels of an image; a product reads shifted copies in place.
//! - [`spread`]: to the few channels of an image; the products of all nine taps are computed at once for each position,
//!   then added up over the neighbours.
//! - [`gathered`]: between blocked tensors; each position is first gathered with its neighbours. No VGG layer uses this
//!   method unless it is requested: see [`super::Convolution::Direct`].

mod gathered;
mod planar;
mod spread;

use style_core::Result;
use style_core::backend::{Acc, Shape};

use super::{Direction, Finish, FinishKind, Source};
use crate::cpu::Cpu;
use crate::memory::{Memory, zeroed};
use crate::parallel::Slots;
use crate::simd::{LANES, Simd};
use crate::tensor::{Lanes, PLANAR, Workspace, blocks, expect_workspace};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Planar,
    Spread,
    Gathered,
}

impl Way {
    fn of(read: usize, written: usize) -> Self {
        match (read <= PLANAR, written <= PLANAR) {
            (true, _) => Self::Planar,
            (_, true) => Self::Spread,
            _ => Self::Gathered,
        }
    }

    /// The number of terms per sum, and of columns, in the filter matrix.
    fn matrix(self, read: usize, written: usize) -> (usize, usize) {
        let padded = blocks(read).saturating_mul(LANES);
        match self {
            Self::Planar => (9 * read, written),
            Self::Spread => (padded, 9 * written),
            Self::Gathered => (padded.saturating_mul(9), written),
        }
    }

    /// Vectors of scratch memory per item.
    fn scratch(self, read: usize, written: usize) -> usize {
        match self {
            Self::Planar => planar::SCRATCH,
            Self::Spread => spread::scratch(read, written),
            Self::Gathered => gathered::scratch(read),
        }
    }
}

/// The channels read and written.
fn channels(in_channels: usize, out_channels: usize, direction: Direction) -> (usize, usize) {
    match direction {
        Direction::Forward => (in_channels, out_channels),
        Direction::Backward => (out_channels, in_channels),
    }
}

pub(super) fn panel_vectors(in_channels: usize, out_channels: usize, direction: Direction) -> usize {
    let (read, written) = channels(in_channels, out_channels, direction);
    let (terms, columns) = Way::of(read, written).matrix(read, written);
    blocks(columns).saturating_mul(terms)
}

/// Packs filters `[O, I, 3, 3]` into panels `[columns/16, terms, 16]`.
pub(super) fn pack(
    in_channels: usize,
    out_channels: usize,
    weight: &[f32],
    direction: Direction,
) -> Result<Memory<Lanes>> {
    let (read, written) = channels(in_channels, out_channels, direction);
    let way = Way::of(read, written);
    let (terms, _) = way.matrix(read, written);
    let padded = blocks(read) * LANES;
    let mut panels: Memory<Lanes> = zeroed(panel_vectors(in_channels, out_channels, direction), "filters")?;
    for (w, tap, r) in (0..written).flat_map(|w| (0..9).flat_map(move |tap| (0..read).map(move |r| (w, tap, r)))) {
        let value = match direction {
            Direction::Forward => weight[(w * in_channels + r) * 9 + tap],
            Direction::Backward => weight[(r * in_channels + w) * 9 + 8 - tap],
        };
        let (term, column) = match way {
            Way::Planar => (r * 9 + tap, w),
            Way::Spread => (r, tap * written + w),
            Way::Gathered => (tap * padded + r, w),
        };
        panels[column / LANES * terms + term].0[column % LANES] = value;
    }
    Ok(panels)
}

/// Workspace size in vectors.
pub(super) fn workspace(in_channels: usize, out_channels: usize, direction: Direction, threads: usize) -> usize {
    let (read, written) = channels(in_channels, out_channels, direction);
    Way::of(read, written).scratch(read, written).saturating_mul(threads)
}

pub(super) fn run(
    cpu: &Cpu,
    source: Source<'_>,
    out_channels: usize,
    panels: &[Lanes],
    finish: Finish<'_>,
    workspace: &mut Workspace,
) -> Result<()> {
    let Shape { width, channels, .. } = source.shape;
    let computed = finish.computed;
    let way = Way::of(channels, out_channels);
    let slot = way.scratch(channels, out_channels);
    expect_workspace(&mut workspace.memory, slot)?;
    let slots = Slots::new(&mut workspace.memory, slot);
    let panels = bytemuck::cast_slice(panels);
    let (rows, columns) = match way {
        Way::Planar => (1, planar::STRIP),
        Way::Spread => (spread::BAND, spread::STRIP),
        Way::Gathered => (1, gathered::STRIP),
    };
    let across = width.div_ceil(columns);
    cpu.threads.for_each(computed.len().div_ceil(rows) * across, |i| {
        let (row, column) = (computed.start + i / across * rows, i % across * columns);
        let area = Area { rows: row..computed.end.min(row + rows), columns: column..width.min(column + columns) };
        let item = Item { source, out_channels, panels, finish, area, scratch: &mut slots.take() };
        match way {
            Way::Planar => cpu.level.run(planar::Planar(item)),
            Way::Spread => cpu.level.run(spread::Spread(item)),
            Way::Gathered => cpu.level.run(gathered::Gathered(item)),
        }
    });
    Ok(())
}

/// A part of the work.
struct Item<'a> {
    source: Source<'a>,
    out_channels: usize,
    panels: &'a [f32],
    finish: Finish<'a>,
    area: Area,
    scratch: &'a mut [Lanes],
}

/// The output area of an item.
struct Area {
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
}

/// Sixteen gated channels of a blocked source at row `r` and column `c`, both counted from one before the image; zero
/// outside.
#[inline(always)]
fn load<S: Simd>(simd: S, source: Source<'_>, block: usize, r: usize, c: usize) -> S::V {
    if r == 0 || c == 0 || r > source.shape.height || c > source.shape.width {
        return simd.splat(0.0);
    }
    let vector = source.vector(block, r - 1, c - 1);
    // SAFETY: sixteen values are read from a slice of that length.
    let v = unsafe { simd.load(source.values[vector * LANES..][..LANES].as_ptr()) };
    match source.gate {
        None => v,
        Some(gate) => simd.gate(gate[source.word(block, r - 1, c - 1)], v),
    }
}

/// The additional terms of a border position where the ring around the image is folded back: pairs of a neighbour and a
/// tap, both numbered as in a 3x3 window, whose product falls on the ring. Tap `t` of neighbour `n` falls on position
/// `n - t` relative to this one; inside the image, only pairs with `n = t` fall on this position.
fn folds(shape: Shape, row: usize, column: usize) -> impl Iterator<Item = (usize, usize)> {
    const PAIRS: [(usize, usize); 5] = [(0, 0), (1, 1), (2, 2), (1, 2), (1, 0)];
    let here = |i: usize, at: usize, extent: usize| i < 3 || if i == 3 { at == 0 } else { at + 1 == extent };
    let pairs = (0..25)
        .map(|i| (i / 5, i % 5))
        .filter(move |&(i, j)| (i >= 3 || j >= 3) && here(i, row, shape.height) && here(j, column, shape.width));
    pairs.map(|(i, j)| (3 * PAIRS[i].0 + PAIRS[j].0, 3 * PAIRS[i].1 + PAIRS[j].1))
}

/// Writes up to four channels of one position of a planar tensor.
///
/// # Safety
/// The tensor must have that position, and no other thread may access it.
#[inline(always)]
unsafe fn write_planar(finish: Finish<'_>, channels: usize, row: usize, column: usize, values: &[f32]) {
    for (c, &v) in values.iter().enumerate().take(channels) {
        let line = c * finish.held.len() + row - finish.held.start;
        // SAFETY: the caller guarantees the position.
        let y = unsafe { &mut *finish.y.at(line * finish.shape.width + column) };
        *y = match finish.kind {
            FinishKind::Acc(Acc::Store) => v,
            FinishKind::Acc(Acc::Add) => *y + v,
            FinishKind::Bias(bias) => v + bias[c],
            FinishKind::Relu(bias, _) => (v + bias[c]).max(0.0),
        };
    }
}
