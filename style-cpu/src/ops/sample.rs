//! Samples of features; see [`style_core::backend::ops::SampleOps`].

use style_core::Result;
use style_core::backend::Acc;
use style_core::backend::ops::{CHANNEL_GROUP, SampleOps, Sparse, expect_sparse};

use super::{Piece, for_each_piece};
use crate::cpu::Cpu;
use crate::gemm::Gemm;
use crate::isa::Kernel;
use crate::simd::LANES;
use crate::tensor::{Tensor, blocks};

const _: () = assert!(CHANNEL_GROUP == LANES);

/// The nearest of the numbers `0..=most`.
fn number(value: f32, most: usize) -> usize {
    (value.round() as usize).min(most)
}

/// Some rows of a matrix.
#[derive(Clone, Copy)]
struct Rows<'a> {
    /// One more than there are rows.
    offsets: &'a [f32],
    columns: &'a [f32],
    values: &'a [f32],
    /// The largest column.
    last: usize,
}

impl Rows<'_> {
    fn count(self) -> usize {
        self.offsets.len() - 1
    }

    /// The column and the value of each entry of a row.
    fn entries(self, row: usize) -> impl Iterator<Item = (usize, f32)> {
        let Self { columns, values, last, .. } = self;
        let at = |i: usize| number(self.offsets[i], columns.len());
        let entries = at(row)..at(row + 1).max(at(row));
        columns[entries.clone()].iter().map(move |&c| number(c, last)).zip(values[entries].iter().copied())
    }
}

/// `y (=|+=) scale S x` for sixteen channels.
struct Multiply<'a> {
    rows: Rows<'a>,
    x: &'a [[f32; LANES]],
    scale: f32,
    acc: Acc,
    /// The channels that are there.
    mask: u16,
    y: &'a mut [[f32; LANES]],
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Gemm>(self, simd: S) {
        let Self { rows, x, scale, acc, mask, y } = self;
        for (row, y) in y.iter_mut().enumerate() {
            let mut total = simd.splat(0.0);
            for (column, value) in rows.entries(row) {
                total = simd.add_scaled(total, value, simd.get(&x[column]));
            }
            let mut total = simd.gate(mask, simd.mul(simd.splat(scale), total));
            if acc == Acc::Add {
                total = simd.add(total, simd.get(y));
            }
            simd.put(total, y);
        }
    }
}

/// Some channels of a tensor, beginning at a block.
#[derive(Clone, Copy)]
struct Channels<'a> {
    tensor: &'a Tensor,
    first: usize,
    count: usize,
}

impl Channels<'_> {
    fn at(self, channel: usize, position: usize) -> f32 {
        let (m, channel) = (self.tensor.shape().positions(), self.first + channel);
        let blocked = (channel / LANES * m + position) * LANES + channel % LANES;
        self.tensor.values()[if self.tensor.is_planar() { channel * m + position } else { blocked }]
    }
}

impl Cpu {
    /// The channels of `y` from `to` on `(=|+=) scale S x`.
    fn multiply_sparse(
        &self,
        Sparse { offsets, columns, values }: Sparse<'_, Tensor>,
        x: Channels<'_>,
        scale: f32,
        acc: Acc,
        y: &mut Tensor,
        to: usize,
    ) -> Result<()> {
        let shapes = [offsets.shape(), columns.shape(), values.shape()];
        let first = to.max(x.first);
        expect_sparse(shapes, x.tensor.shape(), y.shape(), x.count, first)?;
        let (m, planar) = (x.tensor.shape().positions(), y.is_planar());
        let (columns, values, last) = (columns.values(), values.values(), m.saturating_sub(1));
        for_each_piece(&self.threads, y, |Piece { plane, positions, values: y, .. }| {
            let rows = Rows { offsets: &offsets.values()[positions.start..=positions.end], columns, values, last };
            if planar {
                let sums = (0..rows.count()).map(|i| rows.entries(i).map(|(p, w)| w * x.at(plane, p)).sum::<f32>());
                for (y, sum) in y.iter_mut().zip(sums) {
                    *y = scale * sum + if acc == Acc::Add { *y } else { 0.0 };
                }
                return;
            }
            let Some(block) = plane.checked_sub(to / LANES).filter(|&b| b < blocks(x.count)) else { return };
            let count = (x.count - block * LANES).min(LANES);
            let y = y.as_chunks_mut().0;
            if !x.tensor.is_planar() {
                let x = &x.tensor.values()[(x.first / LANES + block) * m * LANES..][..m * LANES];
                let mask = (u32::from(u16::MAX) >> (LANES - count)) as u16;
                self.level.run(Multiply { rows, x: x.as_chunks().0, scale, acc, mask, y });
                return;
            }
            for (i, y) in y.iter_mut().enumerate() {
                let sum = |c| rows.entries(i).map(|(p, w)| w * x.at(c, p)).sum::<f32>();
                for (lane, y) in y.iter_mut().enumerate() {
                    let value = if lane < count { scale * sum(lane) } else { 0.0 };
                    *y = value + if acc == Acc::Add { *y } else { 0.0 };
                }
            }
        });
        Ok(())
    }
}

impl SampleOps for Cpu {
    fn sample(&self, matrix: Sparse<'_, Tensor>, x: &Tensor, scale: f32, y: &mut Tensor, o: usize) -> Result<()> {
        let x = Channels { tensor: x, first: 0, count: x.shape().channels };
        self.multiply_sparse(matrix, x, scale, Acc::Store, y, o)
    }

    fn sample_bwd(
        &self,
        transposed: Sparse<'_, Tensor>,
        dy: &Tensor,
        o: usize,
        scale: f32,
        acc: Acc,
        dx: &mut Tensor,
    ) -> Result<()> {
        let dy = Channels { tensor: dy, first: o, count: dx.shape().channels };
        self.multiply_sparse(transposed, dy, scale, acc, dx, 0)
    }
}
