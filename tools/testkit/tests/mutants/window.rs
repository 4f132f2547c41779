//! Windows with their mistakes, based on the reference backend.

use style_core::Result;
use style_core::backend::ops::{WindowOps, expect_window};
use style_core::backend::{Acc, Shape, Storage};

use crate::mutant::Mistake::*;
use crate::mutant::{Mutant, R, Tensor, change, read};

impl Mutant {
    /// The assumed position of a window.
    fn place(&self, whole: Shape, at: [usize; 2], window: Shape) -> Result<[usize; 2]> {
        if !self.makes(WindowAnywhere) {
            expect_window(whole, at, window)?;
        }
        let [row, column] = at;
        let [last_row, last_column] =
            [whole.height.saturating_sub(window.height), whole.width.saturating_sub(window.width)];
        let at = match self.mistake {
            WindowAtOrigin => [0, 0],
            WindowPlaceTurned => [column, row],
            WindowOffByARow => [row + 1, column],
            _ => at,
        };
        Ok([at[0].min(last_row), at[1].min(last_column)])
    }
}

impl WindowOps for Mutant {
    fn window(&self, x: &Tensor, at: [usize; 2], y: &mut Tensor) -> Result<()> {
        let at = self.place(self.shape(x), at, self.shape(y))?;
        R.window(&x.inner, at, &mut y.inner)?;
        self.spoil("window", x, y);
        Ok(())
    }

    fn window_bwd(&self, dy: &Tensor, at: [usize; 2], acc: Acc, dx: &mut Tensor) -> Result<()> {
        let (whole, within) = (self.shape(dx), self.shape(dy));
        let at = self.place(whole, at, within)?;
        let (acc, previous) = (self.acc("window", acc), read(&dx.inner));
        R.window_bwd(&dy.inner, at, acc, &mut dx.inner)?;
        let outside = |i: usize| {
            let (r, c) = (i / whole.width % whole.height, i % whole.width);
            !(at[0]..at[0] + within.height).contains(&r) || !(at[1]..at[1] + within.width).contains(&c)
        };
        change(&mut dx.inner, |i, v| match self.mistake {
            WindowRestKept if outside(i) => previous[i],
            WindowRestZeroed if outside(i) => 0.0,
            WindowRestAdded if outside(i) => v + 0.0,
            _ => v,
        });
        self.spoil("window", dy, dx);
        Ok(())
    }
}
