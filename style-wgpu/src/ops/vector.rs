//! See [`style_core::backend::ops::VectorOps`] and kernels/vector.wgsl.

use style_core::Result;
use style_core::backend::expect_shape;
use style_core::backend::ops::{AdamStep, VectorOps};

use super::{extent, pair, parts};
use crate::backend::Wgpu;
use crate::buffer::Buffer;
use crate::kernels::{ADAM, COMBINE, COPY, DOTS, FACTOR, HALF_COMBINE, Kernel, PARTIAL_BYTES, REDUCE, SCALE};
use crate::tensor::{Scalars, Tensor};
use crate::turn::Entered;

/// Vectors of a dispatch of dot products, on the left and on the right.
const LEFT: usize = 2;
const RIGHT: usize = 4;

/// Terms of a dispatch of a sum.
const TERMS: usize = 6;

/// Values that are summed together: the second parts of their sums fill the buffer for partial sums.
const TOGETHER: usize = PARTIAL_BYTES / 4;

// Parts hold whole words of two values in half precision.
const _: () = assert!(TOGETHER.is_multiple_of(2));

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

    /// `out[first + i * rights.len() + j] = <lefts[i], rights[j]>`, at least one of each, all of one shape, with the kernel for
    /// what the rights are.
    pub(super) fn products(
        &self,
        entered: &mut Entered<'_>,
        lefts: &[&Tensor],
        (rights, kernel): (&[&Buffer], &'static Kernel),
        out: &Scalars,
        first: usize,
    ) -> Result<()> {
        let values = lefts[0].values();
        let parts = parts(values);
        for (i, lefts) in lefts.chunks(LEFT).enumerate() {
            for (j, group) in rights.chunks(RIGHT).enumerate() {
                // Vectors that are missing are the first one again; their products are not used.
                let mut operands = vec![&self.partial];
                operands.extend((0..LEFT).map(|k| &lefts.get(k).unwrap_or(&lefts[0]).buffer));
                operands.extend((0..RIGHT).map(|k| *group.get(k).unwrap_or(&group[0])));
                entered.launch(kernel, parts, &[extent(values)?, extent(parts)?], &operands)?;
                let first = first + i * LEFT * rights.len() + j * RIGHT;
                let (rows, columns) = (lefts.len(), group.len());
                let to = Rectangle { rows, columns, from_step: RIGHT, first, row_step: rights.len() };
                self.reduce_all(entered, parts, out, &to, 1.0)?;
            }
        }
        Ok(())
    }

    /// `y = sum_i c_i x_i`, of terms in `f32` and terms in half precision.
    pub(super) fn sum(
        &self,
        entered: &mut Entered<'_>,
        terms: &[(f64, &Buffer)],
        halves: &[(f64, &Buffer)],
        y: &Tensor,
    ) -> Result<()> {
        for first in (0..y.values()).step_by(TOGETHER) {
            let count = TOGETHER.min(y.values() - first);
            // Later groups add to the first, which is there even without terms.
            let full =
                terms.chunks(TERMS).chain(terms.is_empty().then_some(terms)).map(|group| (group, &COMBINE, count));
            let half = halves.chunks(TERMS).map(|group| (group, &HALF_COMBINE, count.div_ceil(2)));
            for (i, (group, kernel, threads)) in full.chain(half).enumerate() {
                let mut parameters = vec![extent(first)?, extent(count)?, extent(group.len())?, u32::from(i > 0)];
                let mut operands = vec![&y.buffer, &self.partial];
                for (factor, term) in group {
                    parameters.extend(quarters(*factor));
                    operands.push(term);
                }
                operands.resize(2 + TERMS, &self.spare);
                entered.launch_for(kernel, threads, &parameters, &operands)?;
            }
        }
        Ok(())
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
        let rights: Vec<_> = b.iter().map(|b| &b.buffer).collect();
        self.products(&mut entered, a, (&rights, &DOTS), out, first)
    }

    fn combine(&self, terms: &[(f64, &Tensor)], y: &mut Tensor) -> Result<()> {
        let mut entered = self.expect_vectors(y, terms.iter().map(|(_, x)| *x), &[])?;
        let terms: Vec<_> = terms.iter().map(|(c, x)| (*c, &x.buffer)).collect();
        self.sum(&mut entered, &terms, &[], y)
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
