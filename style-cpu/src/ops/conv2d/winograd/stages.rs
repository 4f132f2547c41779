//! The stages of a pass, for any part of the work: filter transform, input transform, products, output transform.

use std::marker::PhantomData;
use std::ops::Range;

use super::layout::Layout;
use super::tile::Tile;
use crate::gemm::{Gemm, Product, groups};
use crate::isa::Kernel;
use crate::ops::conv2d::{Direction, Finish, FinishKind, Source};
use crate::parallel::Shared;
use crate::simd::{LANES, Simd};
use crate::tensor::Lanes;
use style_core::backend::Acc;
use style_core::backend::ops::Rows;

/// Channel blocks that a product sums at a time: their panels stay in the first-level cache.
const PIECE: usize = 16;

/// `[f(0), f(1), ...]`; `zero` is any value of that type. [`std::array::from_fn`] would wrap `f` in a closure, which
/// the compiler may leave as a separate function. That function lacks its caller's instruction set, so each vector
/// operation becomes a call.
macro_rules! array {
    ($zero:expr, $i:ident => $f:expr) => {{
        let mut array = [$zero; _];
        for $i in 0..array.len() {
            array[$i] = $f;
        }
        array
    }};
}

/// Transforms the filters of one written channel block to `[IN IN, written, 16 read, 16]`.
pub(super) struct Filters<'a, T> {
    pub(super) tile: PhantomData<T>,
    pub(super) raw: &'a [Lanes],
    pub(super) direction: Direction,
    pub(super) read: usize,
    pub(super) written: usize,
    pub(super) layout: Layout,
    pub(super) block: usize,
    pub(super) to: Shared<f32>,
}

impl<T> Filters<'_, T> {
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // `columns` is read across
    pub(super) fn transform<S: Simd, const IN: usize, const OUT: usize>(self, simd: S)
    where
        T: Tile<IN, OUT>,
    {
        let Self { raw, direction, read, written, layout, block, to, .. } = self;
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
                    // raw is [read/16, written, 9, 16]: rotated by 180 degrees and transposed.
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
            // SAFETY: loads are from arrays of sixteen; stores go to this block's own part of the destination.
            unsafe {
                let zero = simd.splat(0.0);
                let g: [[S::V; 3]; 3] = array!([zero; 3], u => array!(zero, v => simd.load(taps[3 * u + v].as_ptr())));
                let columns: [[S::V; IN]; 3] = array!([zero; IN], v => T::filter(simd, [g[0][v], g[1][v], g[2][v]]));
                for i in 0..IN {
                    let row = T::filter(simd, [columns[0][i], columns[1][i], columns[2][i]]);
                    for j in 0..IN {
                        let at = (((i * IN + j) * layout.written + block) * padded + r) * LANES;
                        simd.store(row[j], to.at(at));
                    }
                }
            }
        }
    }
}

/// Some of the stages, for a block of tiles.
pub(super) struct Item<'a, T> {
    pub(super) tile: PhantomData<T>,
    pub(super) stage: Stage,
    pub(super) layout: Layout,
    pub(super) source: Source<'a>,
    pub(super) filters: &'a [f32],
    pub(super) tiles: Range<usize>,
    /// `[points, read, stride, 16]`.
    pub(super) inputs: Shared<f32>,
    /// `[points, written, stride, 16]`.
    pub(super) outputs: Shared<f32>,
    pub(super) finish: Finish<'a>,
}

/// The stages that an item runs.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// All stages.
    All,
    /// The input transform of one channel block.
    Inputs(usize),
    /// The products of one point, for a range of written channel blocks.
    Products(usize, usize, usize),
    /// The output transform of one channel block, with the finish.
    Outputs(usize),
}

impl<T> Item<'_, T> {
    #[inline(always)]
    pub(super) fn work<S: Gemm, const IN: usize, const OUT: usize>(self, simd: S)
    where
        T: Tile<IN, OUT>,
    {
        let Layout { read, written, .. } = self.layout;
        let (read, points, group, written) = match self.stage {
            Stage::All => (0..read, 0..IN * IN, 0..written, 0..written),
            Stage::Inputs(block) => (block..block + 1, 0..0, 0..0, 0..0),
            Stage::Products(point, from, to) => (0..0, point..point + 1, from..to, 0..0),
            Stage::Outputs(block) => (0..0, 0..0, 0..0, block..block + 1),
        };
        match (self.source.gate.is_some(), self.source.pooled) {
            (false, false) => self.transform::<S, IN, OUT, false, false>(simd, read),
            (true, false) => self.transform::<S, IN, OUT, true, false>(simd, read),
            (false, true) => self.transform::<S, IN, OUT, false, true>(simd, read),
            (true, true) => self.transform::<S, IN, OUT, true, true>(simd, read),
        }
        self.multiply(simd, points, group);
        // Each kind is passed as a constant, so that no write has to test it.
        let finish = self.finish;
        match (finish.kind, finish.pooled) {
            (FinishKind::Relu(bias, Some(gate)), false) => {
                let kind = FinishKind::Relu(bias, Some(gate));
                self.transform_back(simd, written, Finish { kind, pooled: false, ..finish });
            }
            (FinishKind::Relu(bias, Some(gate)), true) => {
                let kind = FinishKind::Relu(bias, Some(gate));
                self.transform_back(simd, written, Finish { kind, pooled: true, ..finish });
            }
            (FinishKind::Acc(Acc::Store), false) => {
                let kind = FinishKind::Acc(Acc::Store);
                self.transform_back(simd, written, Finish { kind, pooled: false, ..finish });
            }
            _ => self.transform_back(simd, written, finish),
        }
    }

    /// `B^T d B` of each tile.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // `columns` is read across
    fn transform<S: Simd, const IN: usize, const OUT: usize, const GATED: bool, const POOLED: bool>(
        &self,
        simd: S,
        blocks: Range<usize>,
    ) where
        T: Tile<IN, OUT>,
    {
        let layout = &self.layout;
        let (first, (rows, width)) = (self.finish.computed.start, self.extent::<POOLED>());
        let zero = simd.splat(0.0);
        for block in blocks {
            for (t, tile) in self.tiles.clone().enumerate() {
                // Counted from one before the image.
                let row = first + tile / layout.tiles_across * OUT;
                let column = tile % layout.tiles_across * OUT;
                let inside = row > rows.start && column > 0 && row + IN < rows.end + 2 && column + IN < width + 2;
                let columns: [[S::V; IN]; IN] = if inside {
                    // SAFETY: the tensor holds the whole tile.
                    unsafe {
                        array!([zero; IN], j => {
                            let patch = array!(zero, i => self.read::<S, GATED, POOLED>(simd, block, row + i - 1, column + j - 1));
                            T::input(simd, patch)
                        })
                    }
                } else {
                    array!([zero; IN], j => {
                        let patch = array!(zero, i => self.read_or_zero::<S, GATED, POOLED>(simd, block, row + i, column + j));
                        T::input(simd, patch)
                    })
                };
                for i in 0..IN {
                    let points: [S::V; IN] = T::input(simd, array!(zero, j => columns[j][i]));
                    for j in 0..IN {
                        let at = (((i * IN + j) * layout.read + block) * layout.stride + t) * LANES;
                        // SAFETY: `inputs` holds points x read x stride vectors, and this block belongs to this item
                        // alone.
                        unsafe { simd.store(points[j], self.inputs.at(at)) };
                    }
                }
            }
        }
    }

    /// The rows and columns that can be read: a pool drops the last of an odd number. A tile may extend beyond them,
    /// but only outputs that are not computed depend on that part.
    #[inline(always)]
    fn extent<const POOLED: bool>(&self) -> (Rows, usize) {
        let Source { held, shape, .. } = self.source;
        if POOLED {
            (Rows { start: held.start, end: held.end / 2 * 2 }, shape.width / 2 * 2)
        } else {
            (held, shape.width)
        }
    }

    /// The source at row `r` and column `c`, both counted from one before the image; zero outside.
    #[inline(always)]
    fn read_or_zero<S: Simd, const GATED: bool, const POOLED: bool>(
        &self,
        simd: S,
        block: usize,
        r: usize,
        c: usize,
    ) -> S::V {
        let (rows, width) = self.extent::<POOLED>();
        if r <= rows.start || c == 0 || r > rows.end || c > width {
            return simd.splat(0.0);
        }
        // SAFETY: the tensor holds the position.
        unsafe { self.read::<S, GATED, POOLED>(simd, block, r - 1, c - 1) }
    }

    /// # Safety
    /// The tensor must hold the position, and a pool must not have dropped it.
    #[inline(always)]
    unsafe fn read<S: Simd, const GATED: bool, const POOLED: bool>(
        &self,
        simd: S,
        block: usize,
        r: usize,
        c: usize,
    ) -> S::V {
        let Source { shape, held, values, gate, .. } = self.source;
        // SAFETY: the caller guarantees the position.
        unsafe {
            let v = if POOLED {
                let line = block * (held.len() / 2) + r / 2 - held.start / 2;
                let window = line * (shape.width / 2) + c / 2;
                simd.mul(simd.splat(0.25), simd.load(values.as_ptr().add(window * LANES)))
            } else {
                simd.load(values.as_ptr().add(self.source.vector(block, r, c) * LANES))
            };
            match gate {
                Some(gate) if GATED => simd.gate(*gate.get_unchecked(self.source.word(block, r, c)), v),
                _ => v,
            }
        }
    }

    /// Computes the product over channels at each of the points.
    #[inline(always)]
    fn multiply<S: Gemm>(&self, simd: S, points: Range<usize>, group: Range<usize>) {
        let Layout { read, written, stride, .. } = self.layout;
        let k = read * LANES;
        for point in points {
            for block in group.clone().step_by(S::PANELS) {
                let panels = S::PANELS.min(group.end - block);
                for piece in (0..read).step_by(PIECE) {
                    let acc = if piece == 0 { Acc::Store } else { Acc::Add };
                    for rows in groups(self.tiles.len(), S::ROWS) {
                        // SAFETY: `inputs` and `outputs` hold `read` and `written` blocks of `stride` tiles for each
                        // point, and `filters` holds `k` vectors for each point and block; this part of the outputs
                        // belongs to this item alone.
                        unsafe {
                            let product = Product {
                                a: self.inputs.at(((point * read + piece) * stride + rows.start) * LANES),
                                a_stride: stride * LANES,
                                b: self.filters[((point * written + block) * k + piece * LANES) * LANES..].as_ptr(),
                                panel_stride: k * LANES,
                                k: PIECE.min(read - piece) * LANES,
                                acc,
                                c: self.outputs.at(((point * written + block) * stride + rows.start) * LANES),
                                c_stride: stride * LANES,
                            };
                            simd.multiply_positions(product, rows.len(), panels);
                        }
                    }
                }
            }
        }
    }

    /// `A^T m A` of each tile, clipped to the image and finished.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // `columns` is read across
    fn transform_back<S: Simd, const IN: usize, const OUT: usize>(
        &self,
        simd: S,
        blocks: Range<usize>,
        finish: Finish<'_>,
    ) where
        T: Tile<IN, OUT>,
    {
        let Layout { width, written, stride, tiles_across, .. } = self.layout;
        let computed = finish.computed;
        let zero = simd.splat(0.0);
        for block in blocks {
            for (t, tile) in self.tiles.clone().enumerate() {
                let row = computed.start + tile / tiles_across * OUT;
                let column = tile % tiles_across * OUT;
                let columns: [[S::V; OUT]; IN] = array!([zero; OUT], j => T::output(simd, array!(zero, i => {
                    // SAFETY: `outputs` holds points x written x stride vectors.
                    unsafe { simd.load(self.outputs.at((((i * IN + j) * written + block) * stride + t) * LANES)) }
                })));
                let (rows, across) = (OUT.min(computed.end - row), OUT.min(width - column));
                let mut above = [zero; OUT];
                for i in 0..OUT {
                    let mut values: [S::V; OUT] = T::output(simd, array!(zero, j => columns[j][i]));
                    if i >= rows {
                        break;
                    }
                    // SAFETY: the positions are inside the image and in this item's tiles, which no other item has for
                    // this channel block. The windows of a pool lie within a tile.
                    unsafe {
                        for j in 0..OUT {
                            if j >= across {
                                break;
                            }
                            if !finish.pooled {
                                finish.write(simd, block, row + i, column + j, values[j]);
                                continue;
                            }
                            values[j] = finish.finished(simd, block, row + i, column + j, values[j]);
                            if i % 2 == 1 && j % 2 == 1 {
                                let window = [above[j - 1], above[j], values[j - 1], values[j]];
                                finish.write_mean(simd, block, row + i, column + j, window);
                            }
                        }
                    }
                    above = values;
                }
            }
        }
    }
}

/// Implements the kernels of one tile size.
macro_rules! kernels {
    ($tile:ty, $in:literal, $out:literal) => {
        impl Kernel for Filters<'_, $tile> {
            type Output = ();

            #[inline(always)]
            fn run<S: Gemm>(self, simd: S) {
                self.transform::<S, $in, $out>(simd);
            }
        }

        impl Kernel for Item<'_, $tile> {
            type Output = ();

            #[inline(always)]
            fn run<S: Gemm>(self, simd: S) {
                self.work::<S, $in, $out>(simd);
            }
        }
    };
}
kernels!(super::tile::Four, 6, 4);
kernels!(super::tile::Six, 8, 6);
