//! Rectification in place.

use style_core::backend::{Backend, Shape};

use super::{Case, Check, Lab, equal, served_or_misfit, tag};
use crate::oracle::relu as oracle;
use crate::{Array, Rng};

/// All cases of this op.
#[must_use]
pub fn cases<B: Backend>() -> Vec<Case<B>> {
    let mut cases = Vec::new();
    for shape in super::shapes().chain([Shape::new(20, 50, 67)]) {
        cases.push(Case::new(format!("relu/rectify/{}", tag(shape)), move |b, rng| rectify(b, shape, rng)));
    }
    cases.push(Case::new("relu/odd-values", odd_values));
    cases.push(Case::new("relu/empty", empty));
    cases
}

/// Nothing is rounded, so the result is exact.
fn rectify<B: Backend>(b: &B, shape: Shape, rng: &mut Rng) -> Check {
    let x = Array::random(shape, rng);
    let want = oracle::rectify(&x).to_f32();
    for lab in Lab::both(b) {
        let mut rectified = lab.put(&x)?;
        b.rectify(&mut rectified)?;
        equal("max(0, x)", &lab.get(&rectified)?, &want)?;
    }
    Ok(())
}

/// Zeros, infinities, the smallest and largest numbers; NaN becomes 0.
fn odd_values<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    let tiny = f32::from_bits(1);
    let of = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN, f32::MAX, f32::MIN, tiny, -tiny];
    let wanted = [0.0, 0.0, f32::INFINITY, 0.0, 0.0, 0.0, f32::MAX, 0.0, tiny, 0.0];
    for channels in [1, 5] {
        let shape = Shape::new(channels, 3, 10);
        let mut x = b.tensor(shape)?;
        b.upload(&of.repeat(3 * channels), &mut x)?;
        b.rectify(&mut x)?;
        equal("max(0, x)", &Lab::fresh(b).get(&x)?, &wanted.repeat(3 * channels))?;
    }
    Ok(())
}

fn empty<B: Backend>(b: &B, _rng: &mut Rng) -> Check {
    for shape in [Shape::new(3, 0, 4), Shape::new(20, 4, 0), Shape::new(0, 4, 4)] {
        served_or_misfit("an empty tensor", b.rectify(&mut b.tensor(shape)?))?;
    }
    Ok(())
}
