//! The stages of a pass, for any part of the work: filter transform, input transform, products, output transform.

use std::marker::PhantomData;
use std::ops::Range;

use super::layout::{Layout, PIECE};
use super::tile::Tile;
use crate::gemm::{Gemm, Product, groups};
use crate::isa::Kernel;
use crate::ops::conv2d::{Direction, Finish, FinishKind, Source};
use crate::parallel::Shared;
use crate::simd::{LANES, Simd};
use crate::tensor::Lanes;
use style_core::backend::Acc;
use style_core::backend::ops::Rows;

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

/// Some of the stages, for a block of tiles.
pub(super) struct Item<'a, T> {
    pub(super) tile: PhantomData<T>,
    pub(super) stage: Stage,
    pub(super) layout: Layout,
    pub(super) source: Source<'a>,
    /// `[O/16, I, 9, 16]`, as packed.
    pub(super) raw: &'a [Lanes],
    pub(super) direction: Direction,
    pub(super) out_channels: usize,
    pub(super) tiles: Range<usize>,
    /// The transformed filters of [`Panels`].
    pub(super) filters: Shared<f32>,
    /// `[points, read, stride, 16]`, in words.
    pub(super) inputs: Shared<f32>,
    /// `[points, written, stride, 16]`, of the channel blocks written by the stage.
    pub(super) outputs: Shared<f32>,
    pub(super) finish: Finish<'a>,
}

/// The stages that an item runs.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// The filter transform of one written channel block.
    Filters(usize),
    /// All others, with filters transformed before.
    All,
    /// The input transform of one channel block.
    Inputs(usize),
    /// Filter transform, products, output transform and finish of some written channel blocks.
    Group(Range<usize>),
}

/// Transformed filters, `[points, written, 16 read, 16]`, of some channel blocks; words hold [`Gemm::VALUES`] values of
/// neighbouring channels read.
struct Panels {
    written: Range<usize>,
    read: Range<usize>,
}

impl Panels {
    #[inline(always)]
    fn vector<S: Gemm>(&self, point: usize, block: usize, r: usize) -> usize {
        let vectors = self.read.len() * LANES / S::VALUES;
        let of_block = (r - self.read.start * LANES) / S::VALUES;
        // One vector more for each point, so that the points do not map to the same cache lines.
        point * (self.written.len() * vectors + 1) + (block - self.written.start) * vectors + of_block
    }
}

impl<T> Item<'_, T> {
    #[inline(always)]
    pub(super) fn work<S: Gemm, const IN: usize, const OUT: usize>(self, simd: S)
    where
        T: Tile<IN, OUT>,
    {
        let Layout { read, written, .. } = self.layout;
        let (inputs, piece, group, filters, outputs) = match self.stage.clone() {
            Stage::Filters(block) => (0..0, read, 0..written, block..block + 1, 0..0),
            Stage::All => (0..read, read, 0..written, 0..0, 0..written),
            Stage::Inputs(block) => (block..block + 1, read, 0..0, 0..0, 0..0),
            Stage::Group(group) => (0..0, PIECE, group.clone(), group.clone(), group),
        };
        match (self.source.gate.is_some(), self.source.pooled) {
            (false, false) => self.transform::<S, IN, OUT, false, false>(simd, inputs),
            (true, false) => self.transform::<S, IN, OUT, true, false>(simd, inputs),
            (false, true) => self.transform::<S, IN, OUT, false, true>(simd, inputs),
            (true, true) => self.transform::<S, IN, OUT, true, true>(simd, inputs),
        }
        for from in (0..read).step_by(piece) {
            let panels = Panels { written: group.clone(), read: from..read.min(from + piece) };
            self.transform_filters(simd, &panels, filters.clone());
            self.multiply::<S, IN>(simd, &panels, outputs.len());
        }
        // Each kind is passed as a constant, so that no write has to test it.
        let finish = self.finish;
        match (finish.kind, finish.pooled) {
            (FinishKind::Relu(bias, Some(gate)), false) => {
                let kind = FinishKind::Relu(bias, Some(gate));
                self.transform_back(simd, outputs, Finish { kind, pooled: false, ..finish });
            }
            (FinishKind::Relu(bias, Some(gate)), true) => {
                let kind = FinishKind::Relu(bias, Some(gate));
                self.transform_back(simd, outputs, Finish { kind, pooled: true, ..finish });
            }
            (FinishKind::Acc(Acc::Store), false) => {
                let kind = FinishKind::Acc(Acc::Store);
                self.transform_back(simd, outputs, Finish { kind, pooled: false, ..finish });
            }
            _ => self.transform_back(simd, outputs, finish),
        }
    }

    /// `G g G^T` of each filter of some written channel blocks.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // `columns` is read across
    fn transform_filters<S: Gemm, const IN: usize, const OUT: usize>(
        &self,
        simd: S,
        panels: &Panels,
        blocks: Range<usize>,
    ) where
        T: Tile<IN, OUT>,
    {
        let mut turned = [[0.0; LANES]; 9 * LANES];
        for block in blocks {
            for from in panels.read.clone() {
                let count = LANES.min(self.source.shape.channels - from * LANES);
                let filters = match self.direction {
                    Direction::Forward => self.raw[(block * self.source.shape.channels + from * LANES) * 9..].as_ptr(),
                    Direction::Backward => {
                        self.turn(simd, from, block, &mut turned);
                        turned.as_ptr().cast()
                    }
                };
                for r in (0..LANES).step_by(S::VALUES) {
                    // SAFETY: the block has `count` filters, of nine vectors each; `filters` holds the vectors of `panels`,
                    // and these blocks' belong to this item alone.
                    unsafe {
                        let even = filter_columns::<S, T, IN, OUT>(simd, filters.wrapping_add(9 * r), r < count);
                        let mut odd = even;
                        if S::VALUES == 2 {
                            odd = filter_columns::<S, T, IN, OUT>(simd, filters.wrapping_add(9 * r + 9), r + 1 < count);
                        }
                        for i in 0..IN {
                            let mut row = T::filter(simd, [even[0][i], even[1][i], even[2][i]]);
                            if S::VALUES == 2 {
                                let odd = T::filter(simd, [odd[0][i], odd[1][i], odd[2][i]]);
                                row = array!(row[0], j => simd.pair(row[j], odd[j]));
                            }
                            for j in 0..IN {
                                let at = panels.vector::<S>(i * IN + j, block, from * LANES + r) * LANES;
                                simd.store(row[j], self.filters.at(at));
                            }
                        }
                    }
                }
            }
        }
    }

    /// Rotates the filters of a block of channels read and one written by 180 degrees, and transposes them: `[16, 9, 16]`.
    #[inline(always)]
    fn turn<S: Simd>(&self, simd: S, read: usize, written: usize, turned: &mut [[f32; LANES]; 9 * LANES]) {
        let count = LANES.min(self.out_channels - written * LANES);
        let filters = &self.raw[(read * self.out_channels + written * LANES) * 9..][..count * 9];
        for tap in 0..9 {
            let mut lanes = [simd.splat(0.0); LANES];
            for (lanes, filter) in lanes.iter_mut().zip(filters.chunks_exact(9)) {
                *lanes = simd.get(&filter[8 - tap].0);
            }
            for (r, lanes) in simd.transpose(lanes).into_iter().enumerate() {
                simd.put(lanes, &mut turned[9 * r + tap]);
            }
        }
    }

    /// `B^T d B` of each tile.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // `columns` is read across
    fn transform<S: Gemm, const IN: usize, const OUT: usize, const GATED: bool, const POOLED: bool>(
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
                        let at = (((i * IN + j) * layout.read + block) * layout.stride + t) * LANES / S::VALUES;
                        // SAFETY: `inputs` holds sixteen values for each point, block and tile, and this block belongs to
                        // this item alone.
                        unsafe { simd.store_words(points[j], self.inputs.at(at)) };
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
                simd.mul(simd.splat(self.source.share), simd.load(values.as_ptr().add(window * LANES)))
            } else {
                simd.load(values.as_ptr().add(self.source.vector(block, r, c) * LANES))
            };
            match gate {
                Some(gate) if GATED => simd.gate(*gate.get_unchecked(self.source.word(block, r, c)), v),
                _ => v,
            }
        }
    }

    /// Computes the product over channels at each of the points, or adds the part over the channels of `panels`, for
    /// the first `written` of its blocks.
    #[inline(always)]
    fn multiply<S: Gemm, const IN: usize>(&self, simd: S, panels: &Panels, written: usize) {
        let Layout { read, stride, .. } = self.layout;
        let words = LANES / S::VALUES;
        let k = panels.read.len() * words;
        let acc = if panels.read.start == 0 { Acc::Store } else { Acc::Add };
        for point in 0..IN * IN {
            for block in (0..written).step_by(S::PANELS) {
                for rows in groups(self.tiles.len(), S::ROWS) {
                    // SAFETY: `inputs` and `outputs` hold `read` and `written` blocks of `stride` tiles for each point,
                    // and `filters` holds the vectors of `panels`; this part of the outputs belongs to this item alone.
                    unsafe {
                        let first = panels.vector::<S>(point, panels.written.start + block, panels.read.start * LANES);
                        let product = Product {
                            a: self.inputs.at(((point * read + panels.read.start) * stride + rows.start) * words),
                            a_stride: stride * words,
                            b: self.filters.at(first * LANES),
                            panel_stride: k * LANES,
                            k,
                            acc,
                            c: self.outputs.at(((point * written + block) * stride + rows.start) * LANES),
                            c_stride: stride * LANES,
                        };
                        simd.multiply_words(product, rows.len(), S::PANELS.min(written - block));
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
        let Layout { width, stride, tiles_across, .. } = self.layout;
        let (first, written, computed) = (blocks.start, blocks.len(), finish.computed);
        let zero = simd.splat(0.0);
        for block in blocks {
            for (t, tile) in self.tiles.clone().enumerate() {
                let row = computed.start + tile / tiles_across * OUT;
                let column = tile % tiles_across * OUT;
                let columns: [[S::V; OUT]; IN] = array!([zero; OUT], j => T::output(simd, array!(zero, i => {
                    // SAFETY: `outputs` holds points x written x stride vectors.
                    unsafe { simd.load(self.outputs.at((((i * IN + j) * written + block - first) * stride + t) * LANES)) }
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
                                finish.write_window(simd, block, row + i, column + j, window);
                            }
                        }
                    }
                    above = values;
                }
            }
        }
    }
}

/// `G g` of the columns of a filter of nine vectors; zero if `inside` is false.
///
/// # Safety
/// If `inside`, the nine vectors must be readable.
#[inline(always)]
unsafe fn filter_columns<S: Simd, T: Tile<IN, OUT>, const IN: usize, const OUT: usize>(
    simd: S,
    filter: *const Lanes,
    inside: bool,
) -> [[S::V; IN]; 3] {
    let zero = simd.splat(0.0);
    if !inside {
        return [[zero; IN]; 3];
    }
    // SAFETY: the caller guarantees the vectors.
    array!([zero; IN], v => T::filter(simd, array!(zero, u => unsafe { simd.load(filter.wrapping_add(3 * u + v).cast()) })))
}

/// Implements the kernels of one tile size.
macro_rules! kernels {
    ($tile:ty, $in:literal, $out:literal) => {
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
kernels!(super::tile::FourRounded, 6, 4);
kernels!(super::tile::Six, 8, 6);
