//! See [`style_core::backend::ops::VectorOps`] and kernels/vector.wgsl.

use style_core::Result;
use style_core::backend::expect_shape;
use style_core::backend::ops::{AdamStep, VectorOps};

use super::{extent, pair, parts};
use crate::backend::Wgpu;
use crate::buffer::Buffer;
use crate::kernels::{ADAM, COMBINE, COPY, DOTS, FACTOR, PARTIAL_BYTES, REDUCE, SCALE};
use crate::tensor::{Scalars, Tensor};
use crate::turn::Entered;

/// Vectors of a dispatch of dot products, on the left and on the right.
const LEFT: usize = 2;
const RIGHT: usize = 4;

/// Terms of a dispatch of a sum.
const TERMS: usize = 6;

/// Values that are summed together: the second parts of their sums fill the buffer for partial sums.
const TOGETHER: usize = PARTIAL_BYTES / 4;

/// A rectangle of sums in scalars.
struct Rectangle {
    rows: usize,
    columns: usize,
    /// Sums between rows of the partial sums.
    from_step: usize,
    /// The scalar of the first sum, and scalars between rows.
    first: usize,
    row_step: usize,
}

impl Wgpu {
    /// `out[slot] = scale` times the sum of the first `count` partial sums.
    pub(super) fn reduce(
        &self,
        entered: &mut Entered<'_>,
        count: usize,
        out: &Scalars,
        slot: usize,
        scale: f64,
    ) -> Result<()> {
        let one = Rectangle { rows: 1, columns: 1, from_step: 1, first: slot, row_step: 1 };
        self.reduce_all(entered, count, out, &one, scale)
    }

    fn reduce_all(
        &self,
        entered: &mut Entered<'_>,
        count: usize,
        out: &Scalars,
        to: &Rectangle,
        scale: f64,
    ) -> Result<()> {
        let [high, low] = pair(scale);
        let extents = [count, to.columns, to.from_step, to.first, to.row_step];
        let mut parameters = extents.into_iter().map(extent).collect::<Result<Vec<_>>>()?;
        // A pair lies at a multiple of eight bytes.
        parameters.extend([0, high, low]);
        entered.launch(&REDUCE, to.rows * to.columns, &parameters, &[&self.partial, &out.buffer])
    }

    /// Checks that operands have one shape, and enters with these and `more` buffers.
    pub(super) fn expect_vectors<'a>(
        &self,
        first: &'a Tensor,
        others: impl IntoIterator<Item = &'a Tensor>,
        more: &[&'a Buffer],
    ) -> Result<Entered<'_>> {
        let mut buffers = more.to_vec();
        buffers.push(&first.buffer);
        for other in others {
            expect_shape("an operand of a vector operation", first.shape(), other.shape())?;
            buffers.push(&other.buffer);
        }
        self.enter(&buffers)
    }
}

/// A factor in four parts of 12 bits.
fn quarters(factor: f64) -> [u32; 4] {
    let halves = pair(factor).map(f32::from_bits).map(|v| {
        let leading = f32::from_bits(v.to_bits() & 0xffff_f000);
        [leading, v - leading]
    });
    let [[a, b], [c, d]] = halves;
    [a, b, c, d].map(f32::to_bits)
}

impl VectorOps for Wgpu {
    fn copy(&self, src: &Tensor, dst: &mut Tensor) -> Result<()> {
        expect_shape("the destination of a copy", src.shape(), dst.shape())?;
        let operands = [&src.buffer, &dst.buffer];
        self.enter(&operands)?.launch_for(&COPY, src.values(), &[extent(src.values())?], &operands)
    }

    fn dots(&self, a: &[&Tensor], b: &[&Tensor], out: &mut Scalars, first: usize) -> Result<()> {
        out.slots(first, a.len().saturating_mul(b.len()))?;
        let (Some(&one), false) = (a.first(), b.is_empty()) else { return Ok(()) };
        let mut entered = self.expect_vectors(one, a.iter().chain(b).copied(), &[&out.buffer])?;
        let parts = parts(one.values());
        for (i, lefts) in a.chunks(LEFT).enumerate() {
            for (j, rights) in b.chunks(RIGHT).enumerate() {
                // Vectors that are missing are the first one again; their products are not used.
                let mut operands = vec![&self.partial];
                for (vectors, count) in [(lefts, LEFT), (rights, RIGHT)] {
                    operands.extend((0..count).map(|k| vectors.get(k).map_or(&one.buffer, |v| &v.buffer)));
                }
                entered.launch(&DOTS, parts, &[extent(one.values())?, extent(parts)?], &operands)?;
                let first = first + i * LEFT * b.len() + j * RIGHT;
                let (rows, columns) = (lefts.len(), rights.len());
                let to = Rectangle { rows, columns, from_step: RIGHT, first, row_step: b.len() };
                self.reduce_all(&mut entered, parts, out, &to, 1.0)?;
            }
        }
        Ok(())
    }

    fn combine(&self, terms: &[(f64, &Tensor)], y: &mut Tensor) -> Result<()> {
        let mut entered = self.expect_vectors(y, terms.iter().map(|(_, x)| *x), &[])?;
        let mut first = 0;
        while first < y.values() {
            let count = TOGETHER.min(y.values() - first);
            // Later groups add to the first, which is there even without terms.
            let mut rest = terms;
            let mut begun = false;
            while !begun || !rest.is_empty() {
                let (group, later) = rest.split_at(rest.len().min(TERMS));
                let mut parameters = vec![extent(first)?, extent(count)?, extent(group.len())?, u32::from(begun)];
                let mut operands = vec![&y.buffer, &self.partial];
                for (factor, term) in group {
                    parameters.extend(quarters(*factor));
                    operands.push(&term.buffer);
                }
                operands.resize(2 + TERMS, &self.spare);
                entered.launch_for(&COMBINE, count, &parameters, &operands)?;
                (rest, begun) = (later, true);
            }
            first += count;
        }
        Ok(())
    }

    fn scale_by(&self, x: &Tensor, scalars: &Scalars, slot: usize, power: f64, y: &mut Tensor) -> Result<()> {
        let slot = scalars.slots(slot, 1)?;
        let mut entered = self.expect_vectors(x, [&*y], &[&scalars.buffer])?;
        let [high, low] = pair(power);
        entered.launch(&FACTOR, 1, &[extent(slot)?, 0, high, low], &[&scalars.buffer, &self.partial])?;
        let operands = [&x.buffer, &self.partial, &y.buffer];
        entered.launch_for(&SCALE, x.values(), &[extent(x.values())?], &operands)
    }

    fn adam(&self, step: &AdamStep, g: &Tensor, m: &mut Tensor, v: &mut Tensor, x: &mut Tensor) -> Result<()> {
        let mut entered = self.expect_vectors(g, [&*m, v, x], &[])?;
        let AdamStep { rate, beta1, beta2, correction2, epsilon } = *step;
        let constants = [rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, correction2, epsilon];
        let mut parameters = vec![extent(g.values())?];
        parameters.extend(constants.map(f32::to_bits));
        entered.launch_for(&ADAM, g.values(), &parameters, &[&g.buffer, &m.buffer, &v.buffer, &x.buffer])
    }
}
