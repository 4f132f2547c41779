//! Samples with their mistakes, based on the reference backend.

use style_core::Result;
use style_core::backend::ops::{CHANNEL_GROUP, SampleOps, Sparse, expect_sparse};
use style_core::backend::{Acc, Shape, Storage};
use testkit::Array;
use testkit::oracle::sample as oracle;

use crate::mutant::Mistake::*;
use crate::mutant::{Inner, Mutant, R, Tensor, change, made, read};

fn sparse([offsets, columns, values]: &[Inner; 3]) -> Sparse<'_, Inner> {
    Sparse { offsets, columns, values }
}

impl Mutant {
    /// The matrix as it is read.
    fn matrix(&self, matrix: &Sparse<'_, Tensor>, from: Shape) -> Result<[Inner; 3]> {
        let [mut offsets, mut columns, mut values] =
            [matrix.offsets, matrix.columns, matrix.values].map(|list| read(&list.inner));
        let entries = columns.len() as f32;
        match self.mistake {
            SampleRoundsDown => [&mut offsets, &mut columns].into_iter().flatten().for_each(|v| *v = v.floor()),
            SampleWraps => {
                offsets.iter_mut().for_each(|v| *v = v.round().rem_euclid(entries + 1.0));
                columns.iter_mut().for_each(|v| *v = v.round().rem_euclid(from.positions() as f32));
            }
            SampleLastEntryLost => values.last_mut().into_iter().for_each(|v| *v = 0.0),
            _ => {}
        }
        let shapes = [matrix.offsets, matrix.columns, matrix.values].map(|list| self.shape(list));
        Ok([made(shapes[0], &offsets)?, made(shapes[1], &columns)?, made(shapes[2], &values)?])
    }

    fn of_scale(&self, scale: f32) -> f32 {
        if self.makes(SampleScaleIgnored) { 1.0 } else { scale }
    }

    /// Adds zero times each position that is read, as a product with a dense matrix does.
    fn touch(&self, from: &Tensor, to: &mut Tensor) {
        if self.makes(SampleReadsAll) {
            let nothing = read(&from.inner).iter().map(|v| 0.0 * v).sum::<f32>();
            change(&mut to.inner, |_, v| v + nothing);
        }
    }
}

impl SampleOps for Mutant {
    fn sample(&self, matrix: Sparse<'_, Tensor>, x: &Tensor, scale: f32, y: &mut Tensor, o: usize) -> Result<()> {
        let (of_x, of_y, previous) = (self.shape(x), self.shape(y), read(&y.inner));
        let matrix = self.matrix(&matrix, of_x)?;
        let shapes = [&matrix[0], &matrix[1], &matrix[2]].map(|list| R.shape(list));
        expect_sparse(shapes, of_x, of_y, of_x.channels, o)?;
        let o = if self.makes(SampleOffsetIgnored) { 0 } else { o };
        R.sample(sparse(&matrix), &x.inner, self.of_scale(scale), &mut y.inner, o)?;
        let filled = o + of_x.channels.next_multiple_of(CHANNEL_GROUP);
        change(&mut y.inner, |i, v| {
            let k = i / of_y.positions();
            match self.mistake {
                SampleFillingKept if (o + of_x.channels..filled).contains(&k) => previous[i],
                SampleRestZeroed if !(o..filled).contains(&k) => 0.0,
                _ => v,
            }
        });
        self.touch(x, y);
        self.spoil("sample", x, y);
        Ok(())
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
        let (of_x, of_y) = (self.shape(dx), self.shape(dy));
        let mut matrix = self.matrix(&transposed, of_y)?;
        let shapes = [&matrix[0], &matrix[1], &matrix[2]].map(|list| R.shape(list));
        expect_sparse(shapes, of_y, of_x, of_x.channels, o)?;
        if self.makes(SampleGradientNotTransposed) && of_x.positions() == of_y.positions() {
            let lists = [0, 1, 2].map(|list| Array::from_f32(shapes[list], &read(&matrix[list])));
            let rows = oracle::rows(&lists[0], &lists[1], &lists[2], of_y.positions());
            let [offsets, columns, values] = oracle::compressed(&oracle::transposed(&rows, of_y.positions()));
            let list = |list: &Array| made(list.shape, &list.to_f32());
            matrix = [list(&offsets)?, list(&columns)?, list(&values)?];
        }
        let o = if self.makes(SampleGradientOffsetIgnored) { 0 } else { o };
        let (acc, scale) = (self.acc("sample", acc), self.of_scale(scale));
        R.sample_bwd(sparse(&matrix), &dy.inner, o, scale, acc, &mut dx.inner)?;
        self.touch(dy, dx);
        self.spoil("sample", dy, dx);
        Ok(())
    }
}
