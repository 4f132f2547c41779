//! Vectors in half precision, with their mistakes, based on the reference backend.

use style_core::Result;
use style_core::backend::Shape;
use style_core::backend::ops::HistoryOps;

use crate::mutant::Mistake::*;
use crate::mutant::{Inner, Mutant, R, Tensor, change, inners, read, sum_in_f32};

impl HistoryOps for Mutant {
    type Half = Inner;

    fn half(&self, shape: Shape) -> Result<Inner> {
        let mut inner = R.half(shape)?;
        if self.makes(HistoryNotZeroed) {
            change(&mut inner, |_, _| 7.0);
        }
        Ok(inner)
    }

    fn half_bytes(&self, shape: Shape) -> usize {
        if self.makes(HistoryBytesOfOne) { R.half_bytes(Shape::new(1, 1, 1)) } else { R.half_bytes(shape) }
    }

    fn halve(&self, x: &Tensor, h: &mut Inner) -> Result<()> {
        R.halve(&x.inner, h)?;
        match self.mistake {
            HistoryTruncates => change(h, |_, v| f32::from_bits(v.to_bits() & 0xffff_0000)),
            HistoryOfSevenBits => change(h, |_, v| f32::from_bits((v.to_bits() + 0xffff) & 0xfffe_0000)),
            HistoryHidesNan => change(h, |_, v| if v.is_nan() { 0.0 } else { v }),
            _ => {}
        }
        Ok(())
    }

    fn restore(&self, h: &Inner, x: &mut Tensor) -> Result<()> {
        R.restore(h, &mut x.inner)?;
        if self.makes(HistoryForgetsSign) {
            change(&mut x.inner, |_, v| v.abs());
        }
        Ok(())
    }

    fn half_dots(&self, a: &[&Tensor], h: &[&Inner], out: &mut Vec<f64>, first: usize) -> Result<()> {
        let (a, width) = (inners(a), h.len());
        R.half_dots(&a, h, out, first)?;
        if self.makes(HistoryDotsTransposed) {
            R.half_dots(h, &a, out, first)?;
        }
        if self.makes(HistoryDotsInF32) {
            for (i, a) in a.iter().enumerate() {
                for (j, h) in h.iter().enumerate() {
                    let pairs = read(a).into_iter().zip(read(h));
                    out[first + i * width + j] = sum_in_f32(pairs.map(|(a, h)| a * h));
                }
            }
        }
        Ok(())
    }

    fn half_combine(&self, terms: &[(f64, &Inner)], (c, x): (f64, &Tensor), y: &mut Tensor) -> Result<()> {
        let kept = if self.makes(HistoryCombineDropsOne) { terms.len().saturating_sub(1) } else { terms.len() };
        let c = if self.makes(HistoryCombineLastAlone) { 1.0 } else { c };
        R.half_combine(terms, (c, &x.inner), &mut y.inner)?;
        R.half_combine(&terms[..kept], (c, &x.inner), &mut y.inner)?;
        self.spoil("history", x, y);
        Ok(())
    }
}
