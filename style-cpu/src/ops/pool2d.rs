//! 2x2 pooling; see [`style_core::backend::ops::Pool2dOps`].

use rayon::iter::IndexedParallelIterator;
use rayon::slice::ParallelSliceMut;
use style_core::backend::ops::{Pool2d, Pool2dOps};
use style_core::backend::{Acc, expect_shape};
use style_core::{Error, ErrorKind, Pooling, Result};

use crate::cpu::Cpu;
use crate::simd::LANES;
use crate::tensor::{Switches, Tensor, is_planar};

/// Extents in storage: rows of positions, each of `lanes` values.
struct Extents {
    lanes: usize,
    /// Values in a row of the pool's input and output.
    input_row: usize,
    output_row: usize,
    input_height: usize,
    output_height: usize,
}

impl Extents {
    /// Requires a nonempty input, so that nothing overflows.
    fn of(op: &Pool2d) -> Self {
        let lanes = if is_planar(op.input()) { 1 } else { LANES };
        Self {
            lanes,
            input_row: op.width * lanes,
            output_row: op.width / 2 * lanes,
            input_height: op.height,
            output_height: op.height / 2,
        }
    }

    /// The four values of each window of output row `i`, read from the input: `[0,0], [0,1], [1,0], [1,1]`.
    fn windows<'a>(&self, x: &'a [f32], i: usize) -> impl Iterator<Item = [f32; 4]> + 'a {
        let (lanes, n) = (self.lanes, self.input_row);
        let first = (i / self.output_height * self.input_height + i % self.output_height * 2) * n;
        let (top, bottom) = (&x[first..first + n], &x[first + n..first + 2 * n]);
        (0..self.output_row).map(move |o| {
            let c = o / lanes * 2 * lanes + o % lanes;
            [top[c], top[c + lanes], bottom[c], bottom[c + lanes]]
        })
    }
}

/// The index of a window's maximum, the first of equal values.
fn argmax(window: [f32; 4]) -> usize {
    (1..4).fold(0, |best, i| if window[i] > window[best] { i } else { best })
}

impl Pool2dOps for Cpu {
    fn pool2d_fwd(&self, op: &Pool2d, x: &Tensor, y: &mut Tensor, switches: Option<&mut Switches>) -> Result<()> {
        expect_shape("the input of a pool", op.input(), x.shape())?;
        expect_shape("the output of a pool", op.output(), y.shape())?;
        if op.output().is_empty() {
            return Ok(());
        }
        let extents = Extents::of(op);
        let (x, y) = (x.values(), y.values_mut());
        let count = y.len() / extents.output_row;
        let rows = y.par_chunks_exact_mut(extents.output_row).enumerate();
        match (op.pooling, switches) {
            (Pooling::Average, _) => self.threads.for_each_of(rows, |(i, y)| {
                let windows = extents.windows(x, i);
                y.iter_mut().zip(windows).for_each(|(y, [a, b, c, d])| *y = 0.25 * ((a + b) + (c + d)));
            }),
            (Pooling::Max, None) => self.threads.for_each_of(rows, |(i, y)| {
                y.iter_mut().zip(extents.windows(x, i)).for_each(|(y, w)| *y = w[argmax(w)]);
            }),
            (Pooling::Max, Some(switches)) => {
                switches.expect(op.output())?;
                let Switches { row, column, .. } = switches;
                let record = |y: &mut [f32], windows: &mut dyn Iterator<Item = [f32; 4]>| {
                    let (mut row, mut column) = (0, 0);
                    for (l, (y, w)) in y.iter_mut().zip(windows).enumerate() {
                        let taken = argmax(w);
                        *y = w[taken];
                        row |= (taken as u16 >> 1) << l;
                        column |= (taken as u16 & 1) << l;
                    }
                    (row, column)
                };
                if extents.lanes == LANES {
                    let words = extents.output_row / LANES;
                    let words = row.par_chunks_exact_mut(words).zip(column.par_chunks_exact_mut(words));
                    self.threads.for_each_of(rows.zip(words), |((i, y), (row, column))| {
                        let mut windows = extents.windows(x, i);
                        for ((y, row), column) in y.chunks_exact_mut(LANES).zip(row).zip(column) {
                            (*row, *column) = record(y, &mut windows);
                        }
                    });
                } else {
                    // Up to four channels: words may span rows, and there is little work.
                    let mut windows = (0..count).flat_map(|i| extents.windows(x, i));
                    for ((y, row), column) in y.chunks_mut(LANES).zip(&mut **row).zip(&mut **column) {
                        (*row, *column) = record(y, &mut windows);
                    }
                }
            }
        }
        Ok(())
    }

    fn pool2d_bwd(
        &self,
        op: &Pool2d,
        dy: &Tensor,
        switches: Option<&Switches>,
        acc: Acc,
        dx: &mut Tensor,
    ) -> Result<()> {
        expect_shape("the output gradient of a pool", op.output(), dy.shape())?;
        expect_shape("the input gradient of a pool", op.input(), dx.shape())?;
        let switches = match (op.pooling, switches) {
            (Pooling::Average, _) => None,
            (Pooling::Max, Some(switches)) => {
                switches.expect(op.output())?;
                Some(switches)
            }
            (Pooling::Max, None) => {
                let message = "the gradient of a max pool requires the switches of its forward pass";
                return Err(Error::new(ErrorKind::Argument, message));
            }
        };
        if op.input().is_empty() {
            return Ok(());
        }
        let e = Extents::of(op);
        let dy = dy.values();
        let plane = (e.input_height * e.input_row).max(1);
        let pair = |plane: usize, r: usize, dx: &mut [f32]| {
            if acc == Acc::Store {
                dx.fill(0.0);
            }
            if r >= e.output_height {
                return;
            }
            let first = (plane * e.output_height + r) * e.output_row;
            let (top, bottom) = dx.split_at_mut(e.input_row);
            for o in 0..e.output_row {
                let c = o / e.lanes * 2 * e.lanes + o % e.lanes;
                let d = dy[first + o];
                match switches {
                    None => {
                        for dx in [&mut *top, &mut *bottom] {
                            dx[c] += 0.25 * d;
                            dx[c + e.lanes] += 0.25 * d;
                        }
                    }
                    Some(switches) => {
                        let at = first + o;
                        let bit = |plane: &[u16]| plane[at / LANES] >> (at % LANES) & 1 == 1;
                        let row = if bit(&switches.row) { &mut *bottom } else { &mut *top };
                        row[c + if bit(&switches.column) { e.lanes } else { 0 }] += d;
                    }
                }
            }
        };
        let planes = dx.values_mut().par_chunks_exact_mut(plane).enumerate();
        self.threads.for_each_of(planes, |(p, dx)| {
            // Two input rows per item; if the height is odd, the last item has one.
            let pairs = dx.par_chunks_mut((2 * e.input_row).max(1)).enumerate();
            self.threads.for_each_of(pairs, |(r, dx)| pair(p, r, dx));
        });
        Ok(())
    }
}
