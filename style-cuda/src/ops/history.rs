//! See [`style_core::backend::ops::HistoryOps`], kernels/history.cu and kernels/vector.cu.

use style_core::Result;
use style_core::backend::ops::HistoryOps;
use style_core::backend::{Shape, expect_shape};

use crate::context::Buffer;
use crate::cuda::Cuda;
use crate::kernels::history::ConvertArgs;
use crate::tensor::{DType, Half, Scalars, Tensor};

impl HistoryOps for Cuda {
    type Half = Half;

    fn half(&self, shape: Shape) -> Result<Half> {
        let what = format!("a vector of shape {shape}");
        Ok(Half { buffer: Buffer::new(&self.context, Half::bytes(shape), &what)?, shape })
    }

    fn half_bytes(&self, shape: Shape) -> usize {
        Half::bytes(shape)
    }

    fn halve(&self, x: &Tensor, h: &mut Half) -> Result<()> {
        expect_shape("a vector in half precision", x.shape(), h.shape)?;
        let entered = self.expect_vectors(x, [], &[&h.buffer])?;
        let (from, to) = (x.address(), h.buffer.address());
        let (from_type, to_type) = (DType::F32 as u32, DType::Bf16 as u32);
        let args = ConvertArgs { from, to, pieces: x.pieces() as u64, from_type, to_type };
        // SAFETY: both have one shape, and each thread accesses only its own piece of each.
        unsafe { self.kernels.convert.launch_for(&entered, x.pieces(), args) }
    }

    fn restore(&self, h: &Half, x: &mut Tensor) -> Result<()> {
        expect_shape("a vector in half precision", x.shape(), h.shape)?;
        let entered = self.expect_vectors(x, [], &[&h.buffer])?;
        let (from, to) = (h.buffer.address(), x.address());
        let (from_type, to_type) = (DType::Bf16 as u32, DType::F32 as u32);
        let args = ConvertArgs { from, to, pieces: x.pieces() as u64, from_type, to_type };
        // SAFETY: as above.
        unsafe { self.kernels.convert.launch_for(&entered, x.pieces(), args) }
    }

    fn half_dots(&self, a: &[&Tensor], h: &[&Half], out: &mut Scalars, first: usize) -> Result<()> {
        out.slots(first, a.len().saturating_mul(h.len()))?;
        let (Some(&one), false) = (a.first(), h.is_empty()) else { return Ok(()) };
        let mut buffers = vec![&out.buffer];
        for h in h {
            expect_shape("an operand of a dot product", one.shape(), h.shape)?;
            buffers.push(&h.buffer);
        }
        let entered = self.expect_vectors(one, a.iter().copied(), &buffers)?;
        let rights: Vec<_> = h.iter().map(|h| h.buffer.address()).collect();
        self.products(&entered, a, (&rights, DType::Bf16), out, first)
    }

    fn half_combine(&self, terms: &[(f64, &Half)], (c, x): (f64, &Tensor), y: &mut Tensor) -> Result<()> {
        let mut buffers = vec![];
        for (_, h) in terms {
            expect_shape("a term of a combination", y.shape(), h.shape)?;
            buffers.push(&h.buffer);
        }
        let entered = self.expect_vectors(y, [x], &buffers)?;
        let halves = terms.iter().map(|(c, h)| (*c, h.buffer.address()));
        let all: Vec<_> = halves.chain([(c, x.address())]).collect();
        self.sum(&entered, &all, terms.len(), y)
    }
}
