//! Cosine distances with their mistakes, based on the reference backend.

use style_core::Result;
use style_core::backend::Storage;
use style_core::backend::ops::CosineOps;

use crate::mutant::Mistake::*;
use crate::mutant::{Mutant, R, Tensor, change, made, read};

impl CosineOps for Mutant {
    fn cosine(&self, x: &Tensor, t: &Tensor, out: &mut Vec<f64>, slot: usize, d: &mut Tensor) -> Result<()> {
        R.cosine(&x.inner, &t.inner, out, slot, &mut d.inner)?;
        let (xs, ts, positions) = (read(&x.inner), read(&t.inner), self.shape(x).positions());
        let mut other = read(&d.inner);
        let mut l = out[slot];
        for p in 0..positions {
            let of = |values: &[f32]| values.iter().skip(p).step_by(positions).copied().collect::<Vec<_>>();
            let (of_x, of_t) = (of(&xs), of(&ts));
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
            let in_f32 = |a: &[f32], b: &[f32]| f64::from(a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>());
            let dot = if self.makes(CosineInF32) { in_f32 } else { dot };
            let (x_norm, t_norm) = (dot(&of_x, &of_x).sqrt(), dot(&of_t, &of_t).sqrt());
            if x_norm * t_norm == 0.0 && !self.makes(CosineDividesByZero) {
                l -= if self.makes(CosineZerosAreNear) { 1.0 } else { 0.0 };
                continue;
            }
            let cosine = dot(&of_x, &of_t) / (x_norm * t_norm);
            for (k, i) in (p..xs.len()).step_by(positions).enumerate() {
                let (x, t) = (f64::from(of_x[k]), f64::from(of_t[k]));
                let value = match self.mistake {
                    CosineTargetNotNormalised => (cosine * x / x_norm - t) / x_norm,
                    CosineNotProjected => -t / t_norm / x_norm,
                    CosineNotDivided => cosine * x / x_norm - t / t_norm,
                    CosineSign => (t / t_norm - cosine * x / x_norm) / x_norm,
                    CosineInF32 | CosineDividesByZero => (cosine * x / x_norm - t / t_norm) / x_norm,
                    CosineHidesNan if value_is_nan(&of_x, &of_t) => 0.0,
                    _ => continue,
                };
                other[i] = value as f32;
            }
            if self.makes(CosineNotNormalised) {
                l += cosine - dot(&of_x, &of_t);
            }
            if self.makes(CosineHidesNan) && cosine.is_nan() {
                l = 1.0;
            }
        }
        out[slot] = l;
        let other = made(self.shape(d), &other)?;
        let other = read(&other);
        change(&mut d.inner, |i, _| other[i]);
        self.spoil("cosine", x, d);
        Ok(())
    }
}

fn value_is_nan(x: &[f32], t: &[f32]) -> bool {
    x.iter().chain(t).any(|v| v.is_nan())
}
