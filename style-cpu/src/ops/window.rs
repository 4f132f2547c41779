//! Windows; see [`style_core::backend::ops::WindowOps`].

use rayon::iter::IndexedParallelIterator;
use rayon::slice::ParallelSliceMut;
use style_core::Result;
use style_core::backend::ops::{WindowOps, expect_window};
use style_core::backend::{Acc, Shape};

use crate::cpu::Cpu;
use crate::simd::LANES;
use crate::tensor::{Tensor, is_planar};

/// Extents in storage: rows and the offset of a window within them, counted in values.
struct Extents {
    whole_height: usize,
    whole_row: usize,
    top: usize,
    left: usize,
    height: usize,
    row: usize,
}

impl Extents {
    /// Requires a window inside a nonempty whole, so that nothing overflows.
    fn new(whole: Shape, [top, left]: [usize; 2], window: Shape) -> Self {
        let lanes = if is_planar(whole) { 1 } else { LANES };
        Self {
            whole_height: whole.height,
            whole_row: whole.width * lanes,
            top,
            left: left * lanes,
            height: window.height,
            row: window.width * lanes,
        }
    }
}

impl WindowOps for Cpu {
    fn window(&self, x: &Tensor, at: [usize; 2], y: &mut Tensor) -> Result<()> {
        expect_window(x.shape(), at, y.shape())?;
        if y.shape().is_empty() {
            return Ok(());
        }
        let Extents { whole_height, whole_row, top, left, height, row } = Extents::new(x.shape(), at, y.shape());
        let x = x.values();
        let rows = y.values_mut().par_chunks_exact_mut(row).enumerate();
        self.threads.for_each_of(rows, |(i, y)| {
            let first = (i / height * whole_height + top + i % height) * whole_row + left;
            y.copy_from_slice(&x[first..first + row]);
        });
        Ok(())
    }

    fn window_bwd(&self, dy: &Tensor, at: [usize; 2], acc: Acc, dx: &mut Tensor) -> Result<()> {
        expect_window(dx.shape(), at, dy.shape())?;
        if dx.shape().is_empty() {
            return Ok(());
        }
        let Extents { whole_height, whole_row, top, left, height, row } = Extents::new(dx.shape(), at, dy.shape());
        let dy = dy.values();
        let put = |plane: usize, r: usize, dx: &mut [f32]| {
            let Some(r) = r.checked_sub(top).filter(|&r| r < height) else {
                return dx.fill(0.0);
            };
            let first = (plane * height + r) * row;
            let dy = &dy[first..first + row];
            let (before, rest) = dx.split_at_mut(left);
            let (within, after) = rest.split_at_mut(row);
            match acc {
                Acc::Store => {
                    before.fill(0.0);
                    within.copy_from_slice(dy);
                    after.fill(0.0);
                }
                Acc::Add => within.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy),
            }
        };
        // With `Add`, only the rows of the window.
        let (start, end) = if acc == Acc::Store { (0, whole_height) } else { (top, top + height) };
        let planes = dx.values_mut().par_chunks_exact_mut(whole_height * whole_row).enumerate();
        self.threads.for_each_of(planes, |(plane, dx)| {
            let rows = dx[start * whole_row..end * whole_row].par_chunks_exact_mut(whole_row).enumerate();
            self.threads.for_each_of(rows, |(i, dx)| put(plane, start + i, dx));
        });
        Ok(())
    }
}
