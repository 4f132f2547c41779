//! The pairs of L-BFGS: in half precision with a line search, in full precision without.
//!
//! Steps of a line search are about as long as the last ones, so the rounding of a pair is far below what it tells. A fixed
//! step may go far out, and then only pairs of full precision lead back.

use crate::backend::Backend;
use crate::backend::shape::Shape;
use crate::checkpoint::Checkpoint;
use crate::error::Result;

/// The most pairs.
pub(super) const MOST_PAIRS: usize = 1000;

/// The most vectors.
const MOST: usize = 2 * MOST_PAIRS;

/// Pairs `s = x' - x`, `y = g' - g`, by slot; there is at least one slot.
pub(super) enum History<B: Backend> {
    Half(Vec<[B::Half; 2]>),
    Full(Vec<[B::Tensor; 2]>),
}

/// The vectors of the slots in `order`: first every `s`, then every `y`.
fn basis<'a, V>(pairs: &'a [[V; 2]], order: &[usize]) -> [&'a V; MOST] {
    let mut all = [&pairs[0][0]; MOST];
    for (k, &slot) in order.iter().enumerate() {
        let [s, y] = &pairs[slot];
        (all[k], all[order.len() + k]) = (s, y);
    }
    all
}

impl<B: Backend> History<B> {
    pub(super) fn new(backend: &B, shape: Shape, slots: usize, half: bool) -> Result<Self> {
        let slots = 0..slots;
        Ok(if half {
            let pair = |_| Ok([backend.half(shape)?, backend.half(shape)?]);
            Self::Half(slots.map(pair).collect::<Result<_>>()?)
        } else {
            let pair = |_| Ok([backend.tensor(shape)?, backend.tensor(shape)?]);
            Self::Full(slots.map(pair).collect::<Result<_>>()?)
        })
    }

    /// Size in bytes.
    pub(super) fn bytes(backend: &B, shape: Shape, slots: usize, half: bool) -> usize {
        let vector = if half { backend.half_bytes(shape) } else { backend.tensor_bytes(shape) };
        vector.saturating_mul(2 * slots)
    }

    /// Stores `s` and `y`, and rounds them to what is stored.
    pub(super) fn store(&mut self, backend: &B, slot: usize, s: &mut B::Tensor, y: &mut B::Tensor) -> Result<()> {
        match self {
            Self::Half(pairs) => [s, y].into_iter().zip(&mut pairs[slot]).try_for_each(|(vector, half)| {
                backend.halve(vector, half)?;
                backend.restore(half, vector)
            }),
            Self::Full(pairs) => {
                [s, y].into_iter().zip(&mut pairs[slot]).try_for_each(|(vector, to)| backend.copy(vector, to))
            }
        }
    }

    /// `<a_i, .>` with every `s`, then every `y`, of the slots in `order`.
    pub(super) fn dots(&self, backend: &B, order: &[usize], a: &[&B::Tensor], out: &mut B::Scalars) -> Result<()> {
        match self {
            Self::Half(pairs) => backend.half_dots(a, &basis(pairs, order)[..2 * order.len()], out, 0),
            Self::Full(pairs) => backend.dots(a, &basis(pairs, order)[..2 * order.len()], out, 0),
        }
    }

    /// `y = sum_i c_i v_i + c x`, with the `v_i` in the order of [`dots`](Self::dots), and `c` the last of `coefficients`.
    pub(super) fn combine(
        &self,
        backend: &B,
        order: &[usize],
        coefficients: &[f64],
        x: &B::Tensor,
        y: &mut B::Tensor,
    ) -> Result<()> {
        let n = 2 * order.len();
        let last = (coefficients[n], x);
        match self {
            Self::Half(pairs) => {
                let mut terms = basis(pairs, order).map(|v| (0.0, v));
                terms.iter_mut().zip(&coefficients[..n]).for_each(|(term, c)| term.0 = *c);
                backend.half_combine(&terms[..n], last, y)
            }
            Self::Full(pairs) => {
                let mut terms = [last; MOST + 1];
                let vectors = basis(pairs, order);
                terms
                    .iter_mut()
                    .zip(coefficients.iter().zip(vectors))
                    .take(n)
                    .for_each(|(term, (c, v))| *term = (*c, v));
                backend.combine(&terms[..=n], y)
            }
        }
    }

    /// Saves the pair in `slot` as the `k`-th; overwrites `scratch`.
    pub(super) fn save(
        &self,
        backend: &B,
        slot: usize,
        k: usize,
        scratch: &mut B::Tensor,
        to: &mut Checkpoint,
    ) -> Result<()> {
        for (of, name) in ["s", "y"].into_iter().enumerate() {
            let name = format!("lbfgs.{name}{k}");
            match self {
                Self::Half(pairs) => {
                    backend.restore(&pairs[slot][of], scratch)?;
                    to.put_tensor(&name, backend, scratch)?;
                }
                Self::Full(pairs) => to.put_tensor(&name, backend, &pairs[slot][of])?,
            }
        }
        Ok(())
    }

    /// Loads the `k`-th pair into slot `k`; overwrites `scratch`.
    pub(super) fn load(&mut self, backend: &B, k: usize, scratch: &mut B::Tensor, from: &Checkpoint) -> Result<()> {
        for (of, name) in ["s", "y"].into_iter().enumerate() {
            let name = format!("lbfgs.{name}{k}");
            match self {
                Self::Half(pairs) => {
                    from.tensor(&name, backend, scratch)?;
                    backend.halve(scratch, &mut pairs[k][of])?;
                }
                Self::Full(pairs) => from.tensor(&name, backend, &mut pairs[k][of])?,
            }
        }
        Ok(())
    }
}
