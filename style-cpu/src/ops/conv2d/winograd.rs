//! Winograd's minimal filtering (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015), tiles of
//! 4x4 outputs from 6x6 inputs with the points 0, 1, -1, 2, -2: `Y = A^T [(G g G^T) . (B^T d B)] A`, 36
//! multiplications for 16 outputs where the direct form takes 144.
//!
//! For each of the 36 points the sum over channels is a matrix product over tiles. Work is cut into blocks of tiles
//! times groups of output channels; an item transforms its tiles, multiplies and transforms back, with all that lies
//! between in scratch memory of its thread. The filters are transformed anew in each pass: that is a few percent of
//! the work, and keeping them for both directions would take eight times their size.

use style_core::{Result, Shape};

use super::{Direction, Finish, Source};
use crate::Cpu;
use crate::gemm::{Product, groups};
use crate::parallel::{Shared, Slots};
use crate::simd::{Kernel, LANES, Simd};
use crate::tensor::{Lanes, Workspace, blocks, expect_workspace, zeroed};

/// Outputs of a tile, along one side.
const OUT: usize = 4;
/// Inputs of a tile, along one side.
const IN: usize = 6;
/// Multiplications of a tile.
const POINTS: usize = IN * IN;

/// `[f(0), f(1), ...]`; `zero` is any value of that type. [`std::array::from_fn`] would hide `f` in a closure, which
/// the compiler may leave a function of its own: there it is without its caller's instruction set, and each vector
/// operation a call.
macro_rules! array {
    ($zero:expr, $i:ident => $f:expr) => {{
        let mut array = [$zero; _];
        for $i in 0..array.len() {
            array[$i] = $f;
        }
        array
    }};
}

/// `B^T d`.
#[inline(always)]
fn input_transform<S: Simd>(s: S, d: [S::V; IN]) -> [S::V; IN] {
    let even = s.add_scaled(d[4], -4.0, d[2]);
    let odd = s.add_scaled(d[3], -4.0, d[1]);
    let (even2, odd2) = (s.sub(d[4], d[2]), s.sub(d[3], d[1]));
    [
        s.add_scaled(s.add_scaled(d[4], -5.0, d[2]), 4.0, d[0]),
        s.add(even, odd),
        s.sub(even, odd),
        s.add_scaled(even2, 2.0, odd2),
        s.add_scaled(even2, -2.0, odd2),
        s.add_scaled(s.add_scaled(d[5], -5.0, d[3]), 4.0, d[1]),
    ]
}

/// `A^T m`.
#[inline(always)]
fn output_transform<S: Simd>(s: S, m: [S::V; IN]) -> [S::V; OUT] {
    let (sum1, difference1) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (sum2, difference2) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [
        s.add(m[0], s.add(sum1, sum2)),
        s.add_scaled(difference1, 2.0, difference2),
        s.add_scaled(sum1, 4.0, sum2),
        s.add(m[5], s.add_scaled(difference1, 8.0, difference2)),
    ]
}

/// `G g`.
#[inline(always)]
fn filter_transform<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; IN] {
    let outer = s.mul(s.splat(-1.0 / 6.0), s.add(g[0], g[2]));
    let wide = s.add_scaled(s.mul(s.splat(1.0 / 24.0), g[0]), 1.0 / 6.0, g[2]);
    [
        s.mul(s.splat(0.25), g[0]),
        s.add_scaled(outer, -1.0 / 6.0, g[1]),
        s.add_scaled(outer, 1.0 / 6.0, g[1]),
        s.add_scaled(wide, 1.0 / 12.0, g[1]),
        s.add_scaled(wide, -1.0 / 12.0, g[1]),
        g[2],
    ]
}

/// How one convolution is cut up; from shapes alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    width: usize,
    height: usize,
    /// Blocks of channels read and written.
    read: usize,
    written: usize,
    tiles_across: usize,
    tiles: usize,
    /// Tiles of an item.
    block: usize,
    /// Blocks of output channels of an item.
    group: usize,
}

impl Layout {
    pub(super) fn new(source: Shape, out_channels: usize) -> Self {
        let Shape { channels, height, width } = source;
        let (read, written) = (blocks(channels), blocks(out_channels));
        let tiles_across = width.div_ceil(OUT);
        let tiles = height.div_ceil(OUT).saturating_mul(tiles_across);
        let block = tiles.clamp(1, 56);
        // Few tiles, as in deep layers: cut the output channels, to have items enough for several threads.
        let wanted = 8usize.div_ceil(tiles.div_ceil(block).max(1)).min(written.div_ceil(4)).max(1);
        let group = written.div_ceil(wanted);
        Self { width, height, read, written, tiles_across, tiles, block, group }
    }

    /// Vectors of a pass' transformed filters, `[36, written, 16 read, 16]`.
    fn filters(&self) -> usize {
        self.read.saturating_mul(POINTS * LANES).saturating_mul(self.written)
    }

    /// Vectors of an item's transformed tiles, in and out.
    fn scratch(&self) -> usize {
        self.read.saturating_add(self.group).saturating_mul(POINTS * self.block)
    }

    /// Vectors of workspace.
    pub(super) fn workspace(&self, threads: usize) -> usize {
        self.filters().saturating_add(self.scratch().saturating_mul(threads))
    }
}

pub(super) fn packed_vectors(in_channels: usize, out_channels: usize) -> usize {
    blocks(out_channels).saturating_mul(in_channels).saturating_mul(9)
}

/// `[O/16, I, 9, 16]` of filters `[O, I, 3, 3]`.
pub(super) fn pack(in_channels: usize, out_channels: usize, weight: &[f32]) -> Result<Vec<Lanes>> {
    let mut packed: Vec<Lanes> = zeroed(packed_vectors(in_channels, out_channels), "filters")?;
    for (i, &value) in weight.iter().enumerate() {
        let (o, rest) = (i / (9 * in_channels), i % (9 * in_channels));
        packed[o / LANES * 9 * in_channels + rest].0[o % LANES] = value;
    }
    Ok(packed)
}

pub(super) fn run(
    cpu: &Cpu,
    source: Source<'_>,
    out_channels: usize,
    raw: &[Lanes],
    direction: Direction,
    finish: Finish<'_>,
    workspace: &mut Workspace,
) -> Result<()> {
    let layout = Layout::new(source.shape, out_channels);
    expect_workspace(&mut workspace.memory, layout.workspace(1))?;
    let (filters, scratch) = workspace.memory.split_at_mut(layout.filters());
    let to = Shared::new(bytemuck::cast_slice_mut(filters));
    let read = source.shape.channels;
    cpu.threads.for_each(layout.written, |block| {
        cpu.level.run(Filters { raw, direction, read, written: out_channels, layout, block, to });
    });
    let filters: &[f32] = bytemuck::cast_slice(filters);
    let slots = Slots::new(scratch, layout.scratch());
    let groups = layout.written.div_ceil(layout.group);
    cpu.threads.for_each(layout.tiles.div_ceil(layout.block) * groups, |i| {
        let (block, group) = (i / groups * layout.block, i % groups * layout.group);
        let tiles = block..layout.tiles.min(block + layout.block);
        let group = group..layout.written.min(group + layout.group);
        let mut slot = slots.take();
        let scratch = bytemuck::cast_slice_mut(&mut slot);
        cpu.level.run(Item { source, layout, filters, tiles, group, scratch, finish });
    });
    Ok(())
}

/// Transforms the filters of one block of channels written, to `[36, written, 16 read, 16]`.
struct Filters<'a> {
    raw: &'a [Lanes],
    direction: Direction,
    read: usize,
    written: usize,
    layout: Layout,
    block: usize,
    to: Shared<f32>,
}

impl Kernel for Filters<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // `columns` is read across
    fn run<S: Simd>(self, simd: S) {
        let Self { raw, direction, read, written, layout, block, to } = self;
        let padded = layout.read * LANES;
        for r in 0..padded {
            let mut taps = [[0.0f32; LANES]; 9];
            if r < read {
                match direction {
                    Direction::Forward => {
                        for (tap, lanes) in taps.iter_mut().enumerate() {
                            *lanes = raw[(block * read + r) * 9 + tap].0;
                        }
                    }
                    // raw is [read/16, written, 9, 16]: turned by 180 degrees and transposed.
                    Direction::Backward => {
                        for l in 0..LANES.min(written - block * LANES) {
                            let from = &raw[(r / LANES * written + block * LANES + l) * 9..][..9];
                            for (tap, lanes) in taps.iter_mut().enumerate() {
                                lanes[l] = from[8 - tap].0[r % LANES];
                            }
                        }
                    }
                }
            }
            // SAFETY: loads are of arrays of sixteen; the stores are this block's own part of the destination.
            unsafe {
                let zero = simd.splat(0.0);
                let g: [[S::V; 3]; 3] = array!([zero; 3], u => array!(zero, v => simd.load(taps[3 * u + v].as_ptr())));
                let columns: [[S::V; IN]; 3] =
                    array!([zero; IN], v => filter_transform(simd, [g[0][v], g[1][v], g[2][v]]));
                for i in 0..IN {
                    let row = filter_transform(simd, [columns[0][i], columns[1][i], columns[2][i]]);
                    for (j, v) in row.into_iter().enumerate() {
                        let point = i * IN + j;
                        simd.store(v, to.at(((point * layout.written + block) * padded + r) * LANES));
                    }
                }
            }
        }
    }
}

/// A block of tiles, for a group of output channels.
struct Item<'a> {
    source: Source<'a>,
    layout: Layout,
    filters: &'a [f32],
    tiles: std::ops::Range<usize>,
    group: std::ops::Range<usize>,
    scratch: &'a mut [f32],
    finish: Finish<'a>,
}

impl Kernel for Item<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { source, layout, filters, tiles, group, scratch, finish } = self;
        let n = tiles.len();
        let (inputs, outputs) = scratch.split_at_mut(POINTS * layout.read * n * LANES);
        transform_tiles(simd, source, &layout, &tiles, inputs);
        multiply_points(simd, &layout, filters, n, &group, inputs, outputs);
        transform_back(simd, &layout, &tiles, &group, outputs, finish);
    }
}

/// `B^T d B` of each tile, to `[36, read, tiles, 16]`.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // `columns` is read across
fn transform_tiles<S: Simd>(
    simd: S,
    source: Source<'_>,
    layout: &Layout,
    tiles: &std::ops::Range<usize>,
    inputs: &mut [f32],
) {
    let n = tiles.len();
    let zero = simd.splat(0.0);
    let inputs = Shared::new(inputs);
    for block in 0..layout.read {
        for (t, tile) in tiles.clone().enumerate() {
            let (row, column) = (tile / layout.tiles_across * OUT, tile % layout.tiles_across * OUT);
            let columns: [[S::V; IN]; IN] = array!([zero; IN], j => {
                let patch = array!(zero, i => load_input(simd, source, layout, block, row + i, column + j));
                input_transform(simd, patch)
            });
            for i in 0..IN {
                let rows = input_transform(simd, array!(zero, j => columns[j][i]));
                for (j, v) in rows.into_iter().enumerate() {
                    let at = (((i * IN + j) * layout.read + block) * n + t) * LANES;
                    // SAFETY: `inputs` holds 36 x read x tiles vectors.
                    unsafe { simd.store(v, inputs.at(at)) };
                }
            }
        }
    }
}

/// The input of a tile at row `r` and column `c`, counted from one before the picture: zero outside of it.
#[inline(always)]
fn load_input<S: Simd>(simd: S, source: Source<'_>, layout: &Layout, block: usize, r: usize, c: usize) -> S::V {
    if r == 0 || c == 0 || r > layout.height || c > layout.width {
        return simd.splat(0.0);
    }
    let vector = (block * layout.height + r - 1) * layout.width + c - 1;
    // SAFETY: the position is inside the picture, as was just checked, and so is the block; of a pooled source, the
    // window is inside of what is pooled.
    unsafe {
        let v = if source.pooled {
            let (height, width) = (layout.height / 2, layout.width / 2);
            let (r, c) = ((r - 1) / 2, (c - 1) / 2);
            if r == height || c == width {
                return simd.splat(0.0);
            }
            let window = (block * height + r) * width + c;
            simd.mul(simd.splat(0.25), simd.load(source.values.as_ptr().add(window * LANES)))
        } else {
            simd.load(source.values.as_ptr().add(vector * LANES))
        };
        match source.gate {
            None => v,
            Some(gate) => simd.gate(*gate.get_unchecked(vector), v),
        }
    }
}

/// At each point the product over channels, to `[36, group, tiles, 16]`.
#[inline(always)]
fn multiply_points<S: Simd>(
    simd: S,
    layout: &Layout,
    filters: &[f32],
    n: usize,
    group: &std::ops::Range<usize>,
    inputs: &[f32],
    outputs: &mut [f32],
) {
    let k = layout.read * LANES;
    let outputs = Shared::new(outputs);
    let offsets: Vec<_> = (0..layout.read).map(|block| block * n * LANES).collect();
    for point in 0..POINTS {
        let a = &inputs[point * layout.read * n * LANES..];
        for block in group.clone().step_by(S::PANELS) {
            let panels = S::PANELS.min(group.end - block);
            for rows in groups(n, S::ROWS) {
                let first = (point * group.len() + block - group.start) * n + rows.start;
                // SAFETY: `inputs` holds `read` blocks of `n` tiles for each point, `filters` `k` vectors for each
                // point and block, `outputs` `group` blocks of `n` tiles for each point.
                unsafe {
                    let product = Product {
                        a: a[rows.start * LANES..].as_ptr(),
                        offsets: &offsets,
                        b: filters[(point * layout.written + block) * k * LANES..].as_ptr(),
                        panel_stride: k * LANES,
                        k,
                        c: outputs.at(first * LANES),
                        c_stride: n * LANES,
                    };
                    simd.multiply_positions(product, rows.len(), panels);
                }
            }
        }
    }
}

/// `A^T m A` of each tile, cut to the picture and finished.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // `columns` is read across
fn transform_back<S: Simd>(
    simd: S,
    layout: &Layout,
    tiles: &std::ops::Range<usize>,
    group: &std::ops::Range<usize>,
    outputs: &[f32],
    finish: Finish<'_>,
) {
    let n = tiles.len();
    let zero = simd.splat(0.0);
    for block in group.clone() {
        for (t, tile) in tiles.clone().enumerate() {
            let (row, column) = (tile / layout.tiles_across * OUT, tile % layout.tiles_across * OUT);
            let first = (block - group.start) * n + t;
            let stride = group.len() * n;
            let columns: [[S::V; OUT]; IN] = array!([zero; OUT], j => output_transform(simd, array!(zero, i => {
                // SAFETY: `outputs` holds 36 x group x tiles vectors.
                unsafe { simd.load(outputs.as_ptr().add((first + (i * IN + j) * stride) * LANES)) }
            })));
            let mut above = [zero; OUT];
            for i in 0..OUT.min(layout.height - row) {
                let mut values = output_transform(simd, array!(zero, j => columns[j][i]));
                for j in 0..OUT.min(layout.width - column) {
                    let position = (row + i) * layout.width + column + j;
                    // SAFETY: the position is inside the picture and in this item's tiles, which no other item has
                    // for this block of channels. Windows of a pool lie within a tile.
                    unsafe {
                        if !finish.pooled {
                            finish.write(simd, block, position, values[j]);
                            continue;
                        }
                        values[j] = finish.finished(simd, block, position, values[j]);
                        if i % 2 == 1 && j % 2 == 1 {
                            let window = [above[j - 1], above[j], values[j - 1], values[j]];
                            let pooled = (row + i) / 2 * (layout.width / 2) + (column + j) / 2;
                            finish.write_mean(simd, block, pooled, window);
                        }
                    }
                }
                above = values;
            }
        }
    }
}
