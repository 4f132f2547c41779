//! Direct convolution: strips of positions are gathered with their neighbours, `[K/16, positions, 16]`, and multiplied
//! by the filters. `K` runs over the nine taps and, within a tap, over the channels: padded to sixteen for a blocked
//! source, so that gathering copies whole vectors; unpadded for a planar one, whose few channels would be all padding.

use style_core::{Acc, Result, Shape};

use super::{Direction, Finish, FinishKind, Source};
use crate::Cpu;
use crate::gemm::{Product, groups};
use crate::memory::{Memory, zeroed};
use crate::parallel::Slots;
use crate::simd::{Kernel, LANES, Simd};
use crate::tensor::{Lanes, PLANAR, Workspace, blocks, expect_workspace, is_planar};

/// Positions of a strip.
const STRIP: usize = 56;

/// Terms of one tap.
fn tap_terms(channels: usize) -> usize {
    if channels <= PLANAR { channels } else { blocks(channels).saturating_mul(LANES) }
}

/// Blocks of sixteen terms that a source of so many channels gives.
fn k_blocks(channels: usize) -> usize {
    tap_terms(channels).saturating_mul(9).div_ceil(LANES)
}

/// Channels read and written.
fn channels(in_channels: usize, out_channels: usize, direction: Direction) -> (usize, usize) {
    match direction {
        Direction::Forward => (in_channels, out_channels),
        Direction::Backward => (out_channels, in_channels),
    }
}

pub(super) fn panel_vectors(in_channels: usize, out_channels: usize, direction: Direction) -> usize {
    let (read, written) = channels(in_channels, out_channels, direction);
    blocks(written).saturating_mul(LANES).saturating_mul(k_blocks(read))
}

/// Panels `[written/16, K, 16]` of filters `[O, I, 3, 3]`.
pub(super) fn pack(
    in_channels: usize,
    out_channels: usize,
    weight: &[f32],
    direction: Direction,
) -> Result<Memory<Lanes>> {
    let (read, written) = channels(in_channels, out_channels, direction);
    let mut panels: Memory<Lanes> = zeroed(panel_vectors(in_channels, out_channels, direction), "filters")?;
    for (w, tap, r) in (0..written).flat_map(|w| (0..9).flat_map(move |tap| (0..read).map(move |r| (w, tap, r)))) {
        let value = match direction {
            Direction::Forward => weight[(w * in_channels + r) * 9 + tap],
            Direction::Backward => weight[(r * in_channels + w) * 9 + 8 - tap],
        };
        panels[w / LANES * k_blocks(read) * LANES + tap * tap_terms(read) + r].0[w % LANES] = value;
    }
    Ok(panels)
}

/// Vectors of workspace to read a source of this shape.
pub(super) fn workspace(source: Shape, threads: usize) -> usize {
    k_blocks(source.channels).saturating_mul(STRIP).saturating_mul(threads)
}

pub(super) fn run(
    cpu: &Cpu,
    source: Source<'_>,
    out_channels: usize,
    panels: &[Lanes],
    finish: Finish<'_>,
    workspace: &mut Workspace,
) -> Result<()> {
    let Shape { height, width, channels } = source.shape;
    let slot = k_blocks(channels) * STRIP;
    expect_workspace(&mut workspace.memory, slot)?;
    let slots = Slots::new(&mut workspace.memory, slot);
    let strips = width.div_ceil(STRIP);
    cpu.threads.for_each(height * strips, |i| {
        let (row, start) = (i / strips, i % strips * STRIP);
        let strip = start..width.min(start + STRIP);
        let gathered = &mut slots.take();
        cpu.level.run(Strip { source, out_channels, panels, finish, row, strip, gathered });
    });
    Ok(())
}

struct Strip<'a> {
    source: Source<'a>,
    out_channels: usize,
    panels: &'a [Lanes],
    finish: Finish<'a>,
    row: usize,
    strip: std::ops::Range<usize>,
    gathered: &'a mut [Lanes],
}

impl Kernel for Strip<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let k_blocks = k_blocks(self.source.shape.channels);
        let n = self.strip.len();
        if is_planar(self.source.shape) {
            self.gather_planar(n);
        } else {
            self.gather_blocked(simd, n);
        }
        let Self { source, out_channels, panels, finish, row, strip, gathered } = self;
        let a: &[f32] = bytemuck::cast_slice(gathered);
        let b: &[f32] = bytemuck::cast_slice(panels);
        let position = row * source.shape.width + strip.start;
        let planar = out_channels <= PLANAR;
        let mut tile = [[[0.0f32; LANES]; LANES]; 2];
        for block in (0..blocks(out_channels)).step_by(S::PANELS) {
            let panels = S::PANELS.min(blocks(out_channels) - block);
            for rows in groups(n, S::ROWS) {
                let product = Product {
                    a: a[rows.start * LANES..].as_ptr(),
                    a_stride: n * LANES,
                    b: b[block * k_blocks * LANES * LANES..].as_ptr(),
                    panel_stride: k_blocks * LANES * LANES,
                    k: k_blocks * LANES,
                    acc: Acc::Store,
                    c: tile.as_mut_ptr().cast(),
                    c_stride: LANES * LANES,
                };
                // SAFETY: `gathered` holds `k_blocks` blocks of `n` rows, `panels` as many terms for each block, `tile`
                // two panels of sixteen rows; the strip's positions are this item's alone.
                unsafe {
                    simd.multiply_positions(product, rows.len(), panels);
                    for (p, tile) in tile.iter().enumerate().take(panels) {
                        for (r, values) in tile.iter().enumerate().take(rows.len()) {
                            let position = position + rows.start + r;
                            if planar {
                                write_planar(finish, out_channels, position, values);
                            } else {
                                finish.write(simd, block + p, position, simd.load(values.as_ptr()));
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Strip<'_> {
    /// The column that tap `tap` of the strip's position `i` reads, and its row, where they are inside the picture.
    #[inline(always)]
    fn tap(&self, tap: usize, i: usize) -> Option<usize> {
        let Shape { height, width, .. } = self.source.shape;
        let row = (self.row + tap / 3).checked_sub(1).filter(|&r| r < height)?;
        let column = (self.strip.start + i + tap % 3).checked_sub(1).filter(|&c| c < width)?;
        Some(row * width + column)
    }

    #[inline(always)]
    fn gather_planar(&mut self, n: usize) {
        let Source { shape, values, gate, .. } = self.source;
        let terms = 9 * shape.channels;
        for i in 0..n {
            for tap in 0..9 {
                let position = self.tap(tap, i);
                for c in 0..shape.channels {
                    let k = tap * shape.channels + c;
                    let at = position.map(|p| c * shape.positions() + p);
                    let at = at.filter(|at| gate.is_none_or(|g| g[at / LANES] >> (at % LANES) & 1 == 1));
                    self.gathered[k / LANES * n + i].0[k % LANES] = at.map_or(0.0, |at| values[at]);
                }
            }
            for k in terms..terms.div_ceil(LANES) * LANES {
                self.gathered[k / LANES * n + i].0[k % LANES] = 0.0;
            }
        }
    }

    #[inline(always)]
    fn gather_blocked<S: Simd>(&mut self, simd: S, n: usize) {
        let Source { shape, values, gate, .. } = self.source;
        let (nb, m) = (blocks(shape.channels), shape.positions());
        for tap in 0..9 {
            for i in 0..n {
                let position = self.tap(tap, i);
                for block in 0..nb {
                    let vector = position.map(|p| block * m + p);
                    let to = self.gathered[(tap * nb + block) * n + i].0.as_mut_ptr();
                    // SAFETY: sixteen values are read from a slice of at least as many and written to an array of
                    // sixteen.
                    unsafe {
                        let v = match (vector, gate) {
                            (None, _) => simd.splat(0.0),
                            (Some(v), None) => simd.load(values[v * LANES..][..LANES].as_ptr()),
                            (Some(v), Some(gate)) => {
                                simd.gate(gate[v], simd.load(values[v * LANES..][..LANES].as_ptr()))
                            }
                        };
                        simd.store(v, to);
                    }
                }
            }
        }
    }
}

/// Writes up to four channels of one position of a planar tensor.
///
/// # Safety
/// The tensor must have that position, which no other thread touches.
#[inline(always)]
unsafe fn write_planar(finish: Finish<'_>, channels: usize, position: usize, values: &[f32; LANES]) {
    for (c, &v) in values.iter().enumerate().take(channels) {
        // SAFETY: the caller vouches for the position.
        let y = unsafe { &mut *finish.y.at(c * finish.shape.positions() + position) };
        *y = match finish.kind {
            FinishKind::Acc(Acc::Store) => v,
            FinishKind::Acc(Acc::Add) => *y + v,
            FinishKind::Bias(bias) => v + bias[c],
            FinishKind::Relu(bias, _) => (v + bias[c]).max(0.0),
        };
    }
}
