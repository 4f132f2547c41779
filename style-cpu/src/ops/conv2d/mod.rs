//! Convolution; see [`style_core::backend::ops::Conv2dOps`].
//!
//! Convolutions between blocked tensors use [`winograd`], unless the backend is configured otherwise. Where a side is
//! planar (up to four channels, as for the image itself), they use [`direct`]. Backward-data is the same computation
//! with the filters rotated by 180 degrees, input and output channels swapped, the ReLU's gate applied as the input is
//! read, and a different [`Finish`].

mod direct;
mod winograd;

use style_core::backend::ops::{Conv2d, Conv2dOps, Epilogue, Padding, Rows, gate_required};
use style_core::backend::{Acc, Shape, expect_shape};
use style_core::{Error, ErrorKind, Pooling, Result};

use crate::cpu::{Convolution, Cpu};
use crate::memory::{Memory, zeroed};
use crate::parallel::Shared;
use crate::simd::{LANES, Simd};
use crate::tensor::{Gate, Lanes, Tensor, Workspace, blocks, is_planar};

/// The most bytes that a part reads: small compared with whole images, large enough for all threads.
const PART_BYTES: usize = 8 << 20;

/// Filters and bias, packed for both directions.
pub struct Filter {
    in_channels: usize,
    out_channels: usize,
    /// Padded to whole blocks.
    bias: Memory<f32>,
    kind: Kind,
}

enum Kind {
    /// Panels of the direct product, forward and backward.
    Direct { forward: Memory<Lanes>, backward: Memory<Lanes> },
    /// `[O/16, I, 9, 16]`, not yet transformed.
    Winograd(Memory<Lanes>),
}

/// The direction of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// The input: a tensor, or the adjoint of a pool applied to it, and the gate that it passes through.
#[derive(Clone, Copy)]
struct Source<'a> {
    /// The shape of the whole image as read: where it is pooled, twice the tensor's size, plus one if odd.
    shape: Shape,
    /// The rows that `values` holds.
    held: Rows,
    values: &'a [f32],
    gate: Option<&'a [u16]>,
    pooled: bool,
    /// The factor of the pool's adjoint.
    share: f32,
    /// For a planar source, what is read outside the image.
    padding: Padding,
}

/// The operations applied to a result before and during its write.
#[derive(Clone, Copy)]
struct Finish<'a> {
    /// The shape of the whole output, before any pool.
    shape: Shape,
    /// The computed rows, and the rows that `y` holds.
    computed: Rows,
    held: Rows,
    y: Shared<f32>,
    kind: FinishKind<'a>,
    /// Whether the mean of each 2x2 window is written, or its maximum.
    pooled: bool,
    maximum: bool,
    /// For a planar output, whether contributions outside the image are added to its border.
    folded: bool,
}

#[derive(Clone, Copy)]
enum FinishKind<'a> {
    Bias(&'a [f32]),
    Relu(&'a [f32], Option<Shared<u16>>),
    Acc(Acc),
}

impl Finish<'_> {
    /// Whether contributions outside the image are added at this position.
    #[inline(always)]
    fn folds_at(&self, row: usize, column: usize) -> bool {
        let Shape { height, width, .. } = self.shape;
        self.folded && (row == 0 || column == 0 || row + 1 == height || column + 1 == width)
    }

    /// Writes sixteen channels of one position.
    ///
    /// # Safety
    /// `y` must be blocked and hold this block and position, and no other thread may access it.
    #[inline(always)]
    unsafe fn write<S: Simd>(self, simd: S, block: usize, row: usize, column: usize, v: S::V) {
        let line = block * self.held.len() + row - self.held.start;
        // SAFETY: the caller guarantees the address in `y`.
        unsafe {
            let at = self.y.at((line * self.shape.width + column) * LANES);
            let v = self.finished(simd, block, row, column, v);
            let v = if let FinishKind::Acc(Acc::Add) = self.kind { simd.add(v, simd.load(at)) } else { v };
            simd.store(v, at);
        }
    }

    /// Applies bias and ReLU to sixteen channels of one position and writes their gate.
    ///
    /// # Safety
    /// The block and position must be within the shape, and no other thread may access their gate.
    #[inline(always)]
    unsafe fn finished<S: Simd>(self, simd: S, block: usize, row: usize, column: usize, v: S::V) -> S::V {
        // SAFETY: the bias is padded to whole blocks; a gate has one word for each vector before the pool.
        unsafe {
            match self.kind {
                FinishKind::Acc(_) => v,
                FinishKind::Bias(bias) => simd.add(v, simd.load(bias[block * LANES..].as_ptr())),
                FinishKind::Relu(bias, gate) => {
                    let v = simd.add(v, simd.load(bias[block * LANES..].as_ptr()));
                    let mask = simd.positive(v);
                    if let Some(gate) = gate {
                        *gate.at((block * self.shape.height + row) * self.shape.width + column) = mask;
                    }
                    simd.gate(mask, v)
                }
            }
        }
    }

    /// Writes the mean or maximum of a window of four finished values, with sixteen channels each; `row` and `column` refer to
    /// any one of them. For a maximum, closes the gates of those that are not selected.
    ///
    /// # Safety
    /// `y` must be blocked and hold this block and window, and no other thread may access them or the gates of the window.
    #[inline(always)]
    unsafe fn write_window<S: Simd>(self, simd: S, block: usize, row: usize, column: usize, window: [S::V; 4]) {
        let line = block * (self.held.len() / 2) + row / 2 - self.held.start / 2;
        let [a, b, c, d] = window;
        let value = if self.maximum {
            let (most, selected) = maximum(simd, window);
            if let FinishKind::Relu(_, Some(gate)) = self.kind {
                let first = (block * self.shape.height + row / 2 * 2) * self.shape.width + column / 2 * 2;
                let places = [first, first + 1, first + self.shape.width, first + self.shape.width + 1];
                for (place, selected) in places.into_iter().zip(selected) {
                    // SAFETY: a gate has one word for each vector before the pool, and the caller guarantees the access.
                    unsafe { *gate.at(place) &= selected };
                }
            }
            most
        } else {
            simd.mul(simd.splat(0.25), simd.add(simd.add(a, b), simd.add(c, d)))
        };
        // SAFETY: the caller guarantees the address in `y`.
        unsafe { simd.store(value, self.y.at((line * (self.shape.width / 2) + column / 2) * LANES)) };
    }
}

/// The maximum of four values, and for each of them the lanes in which it is the first that is as large.
#[inline(always)]
fn maximum<S: Simd>(simd: S, [a, b, c, d]: [S::V; 4]) -> (S::V, [u16; 4]) {
    let (most, in_b) = larger(simd, a, b);
    let (most, in_c) = larger(simd, most, c);
    let (most, in_d) = larger(simd, most, d);
    (most, [!(in_b | in_c | in_d), in_b & !(in_c | in_d), in_c & !in_d, in_d])
}

/// The larger of two values, and the lanes in which it is the second.
#[inline(always)]
fn larger<S: Simd>(simd: S, most: S::V, v: S::V) -> (S::V, u16) {
    let lanes = simd.positive(simd.sub(v, most));
    (simd.add(simd.gate(!lanes, most), simd.gate(lanes, v)), lanes)
}

impl Source<'_> {
    /// The vector index of a position in a blocked tensor that is not pooled.
    #[inline(always)]
    fn vector(&self, block: usize, row: usize, column: usize) -> usize {
        (block * self.held.len() + row - self.held.start) * self.shape.width + column
    }

    /// The gate word index of a position in a blocked tensor.
    #[inline(always)]
    fn word(&self, block: usize, row: usize, column: usize) -> usize {
        (block * self.shape.height + row) * self.shape.width + column
    }
}

impl Filter {
    fn expect(&self, op: &Conv2d) -> Result<()> {
        if (self.in_channels, self.out_channels) == (op.in_channels, op.out_channels) {
            return Ok(());
        }
        let message = format!(
            "expected filters for a convolution from {} to {} channels, found filters from {} to {}",
            op.in_channels, op.out_channels, self.in_channels, self.out_channels
        );
        Err(Error::new(ErrorKind::Shape, message))
    }
}

impl Cpu {
    fn is_direct(&self, in_channels: usize, out_channels: usize) -> bool {
        let planar = |channels| is_planar(Shape::new(channels, 1, 1));
        self.convolution == Convolution::Direct || planar(in_channels) || planar(out_channels)
    }

    /// Checks that pooling can be fused, by this backend and with these filters, which another backend may have packed.
    fn expect_pools(&self, op: &Conv2d, filter: &Filter) -> Result<()> {
        if self.conv2d_pools(op) && matches!(filter.kind, Kind::Winograd(_)) {
            return Ok(());
        }
        let message = format!(
            "pooling cannot be fused into a convolution from {} to {} channels with these filters; pool separately",
            op.in_channels, op.out_channels
        );
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// Checks that the padding of `op`, and its part if it has one, are supported.
    fn expect_part(&self, op: &Conv2d, forward: bool, pooled: bool) -> Result<()> {
        op.expect_padding()?;
        op.expect_part(forward, pooled)?;
        if op.part.is_none() || self.conv2d_part_rows(op).is_some() {
            return Ok(());
        }
        let message = format!("a convolution to {} channels cannot be split into parts", op.out_channels);
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    fn convolve(
        &self,
        op: &Conv2d,
        direction: Direction,
        source: Source<'_>,
        filter: &Filter,
        finish: Finish<'_>,
        workspace: &mut Workspace,
    ) -> Result<()> {
        filter.expect(op)?;
        if op.output().is_empty() || op.input().is_empty() || finish.computed.is_empty() {
            return Ok(());
        }
        let out_channels = match direction {
            Direction::Forward => op.out_channels,
            Direction::Backward => op.in_channels,
        };
        match &filter.kind {
            Kind::Direct { forward, backward } => {
                let panels = if direction == Direction::Forward { forward } else { backward };
                direct::run(self, source, out_channels, panels, finish, workspace)
            }
            Kind::Winograd(raw) => winograd::run(self, source, out_channels, raw, direction, finish, workspace),
        }
    }
}

impl Conv2dOps for Cpu {
    type Filter = Filter;

    fn pack(&self, in_channels: usize, out_channels: usize, weight: &[f32], bias: &[f32]) -> Result<Filter> {
        let wanted = in_channels.saturating_mul(out_channels).saturating_mul(9);
        if weight.len() != wanted || bias.len() != out_channels || wanted == 0 {
            let message = format!(
                "expected {wanted} filter values and {out_channels} biases, at least one of each, for a convolution from \
                 {in_channels} to {out_channels} channels, found {} and {}",
                weight.len(),
                bias.len()
            );
            return Err(Error::new(ErrorKind::Shape, message));
        }
        let mut padded: Memory<f32> = zeroed(blocks(out_channels) * LANES, "a bias")?;
        padded[..out_channels].copy_from_slice(bias);
        let kind = if self.is_direct(in_channels, out_channels) {
            let panels = |d| direct::pack(in_channels, out_channels, weight, d);
            Kind::Direct { forward: panels(Direction::Forward)?, backward: panels(Direction::Backward)? }
        } else {
            Kind::Winograd(winograd::pack(&self.threads, in_channels, weight)?)
        };
        Ok(Filter { in_channels, out_channels, bias: padded, kind })
    }

    fn filter_bytes(&self, in_channels: usize, out_channels: usize) -> usize {
        let vectors = if self.is_direct(in_channels, out_channels) {
            let panels = |d| direct::panel_vectors(in_channels, out_channels, d);
            panels(Direction::Forward).saturating_add(panels(Direction::Backward))
        } else {
            winograd::packed_vectors(in_channels, out_channels)
        };
        vectors.saturating_add(blocks(out_channels)).saturating_mul(size_of::<Lanes>())
    }

    fn conv2d_algorithm(&self, op: &Conv2d) -> &'static str {
        if self.is_direct(op.in_channels, op.out_channels) {
            return "direct";
        }
        winograd::layout::Layout::new(self, op.input(), op.out_channels, op.height).name()
    }

    fn conv2d_pools(&self, op: &Conv2d) -> bool {
        !self.is_direct(op.in_channels, op.out_channels)
    }

    fn conv2d_part_rows(&self, op: &Conv2d) -> Option<usize> {
        // The words of a planar gate span rows.
        if is_planar(op.output()) {
            return None;
        }
        // Whole tiles of either size, so that computing an image in such parts gives bitwise the same forward result.
        let row = Tensor::bytes(Shape { height: 1, ..op.input() }).max(1);
        Some((PART_BYTES / row / 12 * 12).max(12))
    }

    fn conv2d_workspace(&self, op: &Conv2d) -> usize {
        let threads = self.threads.count();
        let vectors = if self.is_direct(op.in_channels, op.out_channels) {
            let of = |d| direct::workspace(op.in_channels, op.out_channels, d, threads);
            of(Direction::Forward).max(of(Direction::Backward))
        } else {
            let rows = op.rows().computed.len();
            let layout = |source, written| winograd::layout::Layout::new(self, source, written, rows);
            let forward = layout(op.input(), op.out_channels).workspace(threads);
            forward.max(layout(op.output(), op.in_channels).workspace(threads))
        };
        vectors.saturating_mul(size_of::<Lanes>())
    }

    fn conv2d_fwd(
        &self,
        op: &Conv2d,
        x: &Tensor,
        filter: &Filter,
        epilogue: Epilogue<'_, Gate>,
        y: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let pooled = matches!(epilogue, Epilogue::ReluPool | Epilogue::ReluPoolGate(_));
        self.expect_part(op, true, pooled)?;
        expect_shape("the input of a convolution", op.x(), x.shape())?;
        if pooled {
            self.expect_pools(op, filter)?;
        }
        expect_shape("the output of a convolution", op.y(pooled), y.shape())?;
        let rows = op.rows();
        let (shape, padding) = (op.input(), op.padding);
        let source = Source { shape, held: rows.x, values: x.values(), gate: None, pooled: false, share: 1.0, padding };
        let bias = &filter.bias;
        let planar = y.is_planar();
        let mut planar_gate = None;
        let kind = match epilogue {
            Epilogue::Bias => FinishKind::Bias(bias),
            Epilogue::Relu | Epilogue::ReluPool => FinishKind::Relu(bias, None),
            Epilogue::ReluGate(gate) | Epilogue::ReluPoolGate(gate) => {
                gate.expect(op.output())?;
                let words = Shared::new(&mut gate.words);
                planar_gate = planar.then_some(gate);
                FinishKind::Relu(bias, (!planar).then_some(words))
            }
        };
        let (shape, y_values) = (op.output(), Shared::new(y.values_mut()));
        let maximum = op.pooling == Pooling::Max;
        let (computed, held) = (rows.computed, rows.y);
        let finish = Finish { shape, computed, held, y: y_values, kind, pooled, maximum, folded: false };
        self.convolve(op, Direction::Forward, source, filter, finish, workspace)?;
        if let Some(gate) = planar_gate {
            // The words of a planar gate span rows, so they are built afterwards: the gate is open where y > 0.
            for (word, values) in gate.words.iter_mut().zip(y.values().chunks(LANES)) {
                *word = values.iter().enumerate().fold(0, |word, (i, &v)| word | u16::from(v > 0.0) << i);
            }
        }
        Ok(())
    }

    fn conv2d_bwd(
        &self,
        op: &Conv2d,
        dy: &Tensor,
        gate: Option<&Gate>,
        filter: &Filter,
        acc: Acc,
        dx: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let pooled = dy.shape() == op.y(true) && dy.shape() != op.y(false);
        self.expect_part(op, false, pooled)?;
        if pooled {
            self.expect_pools(op, filter)?;
        } else {
            expect_shape("the output gradient of a convolution", op.y(false), dy.shape())?;
        }
        let share = match (op.pooling, gate) {
            (Pooling::Average, _) => 0.25,
            (Pooling::Max, None) if pooled => return Err(gate_required()),
            (Pooling::Max, _) => 1.0,
        };
        expect_shape("the input gradient of a convolution", op.x(), dx.shape())?;
        if let Some(gate) = gate {
            gate.expect(op.output())?;
        }
        let rows = op.rows();
        let gate = gate.map(|g| &*g.words);
        let (shape, padding) = (op.output(), Padding::Zero);
        let source = Source { shape, held: rows.y, values: dy.values(), gate, pooled, share, padding };
        let (y, kind) = (Shared::new(dx.values_mut()), FinishKind::Acc(acc));
        let (shape, folded) = (op.input(), op.padding == Padding::Replicate);
        let finish =
            Finish { shape, computed: rows.computed, held: rows.x, y, kind, pooled: false, maximum: false, folded };
        self.convolve(op, Direction::Backward, source, filter, finish, workspace)
    }
}
