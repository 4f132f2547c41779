//! See [`style_core::backend::ops::HistoryOps`] and kernels/vector_history.wgsl.

use style_core::Result;
use style_core::backend::ops::HistoryOps;
use style_core::backend::{Shape, expect_shape};

use super::extent;
use crate::backend::Wgpu;
use crate::buffer::{Buffer, size};
use crate::kernels::{HALF_DOTS, HALVE, Kernel, RESTORE};
use crate::tensor::{Half, Scalars, Tensor};

impl Wgpu {
    /// Converts between `x` and `h`, with a thread for two values.
    fn convert(&self, kernel: &'static Kernel, x: &Tensor, h: &Half, operands: [&Buffer; 2]) -> Result<()> {
        expect_shape("a vector in half precision", x.shape(), h.shape)?;
        let parameters = [extent(x.values())?];
        self.enter(&operands)?.launch_for(kernel, x.values().div_ceil(2), &parameters, &operands)
    }
}

impl HistoryOps for Wgpu {
    type Half = Half;

    fn half(&self, shape: Shape) -> Result<Half> {
        let what = format!("a vector of shape {shape}");
        Ok(Half { buffer: Buffer::new(&self.context, Half::bytes(shape), &what)?, shape })
    }

    fn half_bytes(&self, shape: Shape) -> usize {
        size(Half::bytes(shape))
    }

    fn halve(&self, x: &Tensor, h: &mut Half) -> Result<()> {
        self.convert(&HALVE, x, h, [&x.buffer, &h.buffer])
    }

    fn restore(&self, h: &Half, x: &mut Tensor) -> Result<()> {
        self.convert(&RESTORE, x, h, [&h.buffer, &x.buffer])
    }

    fn half_dots(&self, a: &[&Tensor], h: &[&Half], out: &mut Scalars, first: usize) -> Result<()> {
        out.slots(first, a.len().saturating_mul(h.len()))?;
        let (Some(&one), false) = (a.first(), h.is_empty()) else { return Ok(()) };
        h.iter().try_for_each(|h| expect_shape("an operand of a dot product", one.shape(), h.shape))?;
        let rights: Vec<_> = h.iter().map(|h| &h.buffer).collect();
        let more: Vec<_> = rights.iter().copied().chain([&out.buffer]).collect();
        let mut entered = self.expect_vectors(one, a.iter().copied(), &more)?;
        self.products(&mut entered, a, (&rights, &HALF_DOTS), out, first)
    }

    fn half_combine(&self, terms: &[(f64, &Half)], (c, x): (f64, &Tensor), y: &mut Tensor) -> Result<()> {
        terms.iter().try_for_each(|(_, h)| expect_shape("a term of a combination", y.shape(), h.shape))?;
        let halves: Vec<_> = terms.iter().map(|(c, h)| (*c, &h.buffer)).collect();
        let more: Vec<_> = halves.iter().map(|(_, buffer)| *buffer).collect();
        let mut entered = self.expect_vectors(y, [x], &more)?;
        self.sum(&mut entered, &[(c, &x.buffer)], &halves, y)
    }
}
