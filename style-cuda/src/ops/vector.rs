//! See [`style_core::backend::ops::VectorOps`] and kernels/vector.cu.
//!
//! A call processes up to 240 vectors at a time; longer sums are `f64` only within each group of 240.

use style_core::backend::expect_shape;
use style_core::backend::ops::{AdamStep, VectorOps};
use style_core::{Error, ErrorKind, Result};

use super::parts;
use crate::context::{Buffer, Entered};
use crate::cuda::Cuda;
use crate::kernels::vector::{AdamArgs, CombineArgs, DotsArgs, LEFT, RIGHT, ReduceArgs, ScaleByArgs, TERMS};
use crate::tensor::{DType, Scalars, Tensor};

impl Cuda {
    /// `out[i] = scale sum_k partial[i][k]`, for `outs` sums of `count` partial sums each.
    pub(super) fn reduce(
        &self,
        entered: &Entered<'_>,
        partial: u64,
        out: u64,
        outs: usize,
        count: usize,
        scale: f64,
    ) -> Result<()> {
        let args = ReduceArgs { partial, out, scale, count: super::extent(count)?, padding: 0 };
        // SAFETY: the caller's reduction wrote `outs` times `count` sums, and `out` has room for `outs`.
        unsafe { self.kernels.reduce.launch(entered, [outs, 1, 1], args) }
    }

    /// Checks that operands are plain tensors of one shape, and enters with these and `more` buffers.
    pub(super) fn expect_vectors<'a>(
        &self,
        first: &'a Tensor,
        others: impl IntoIterator<Item = &'a Tensor>,
        more: &[&'a Buffer],
    ) -> Result<Entered<'_>> {
        let mut buffers = more.to_vec();
        buffers.push(&first.buffer);
        let mut half = first.is_half();
        for other in others {
            expect_shape("an operand of a vector operation", first.shape(), other.shape())?;
            half |= other.is_half();
            buffers.push(&other.buffer);
        }
        if half {
            let message = "expected tensors in f32, found features in half precision";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        self.enter(&buffers)
    }

    /// `out[first + i * b.len() + j] = <a[i], b[j]>`, for at least one vector `a`; all have one shape, and those at the
    /// addresses `b` one type.
    pub(super) fn products(
        &self,
        entered: &Entered<'_>,
        a: &[&Tensor],
        (b, right_type): (&[u64], DType),
        out: &mut Scalars,
        first: usize,
    ) -> Result<()> {
        let blocks = parts(a[0].pieces());
        for (i, lefts) in a.chunks(LEFT).enumerate() {
            for (j, rights) in b.chunks(RIGHT).enumerate() {
                let mut args = DotsArgs {
                    left: [0; LEFT],
                    right: [0; RIGHT],
                    partial: self.partial.address(),
                    length: a[0].values() as u64,
                    lefts: lefts.len() as u32,
                    rights: rights.len() as u32,
                    right_type: right_type as u32,
                    padding: 0,
                };
                args.left.iter_mut().zip(lefts).for_each(|(to, vector)| *to = vector.address());
                args.right[..rights.len()].copy_from_slice(rights);
                // SAFETY: all vectors have the shape of the first, and there is room for LEFT by RIGHT by PARTS partial
                // sums.
                unsafe { self.kernels.dots.launch(entered, [blocks, rights.len(), 1], args)? };
                for (l, _) in lefts.iter().enumerate() {
                    let at = first + (i * LEFT + l) * b.len() + j * RIGHT;
                    // The sums have one row for each left vector.
                    let partial = self.partial.address() + (8 * l * rights.len() * blocks) as u64;
                    self.reduce(entered, partial, out.slots(at, rights.len())?, rights.len(), blocks, 1.0)?;
                }
            }
        }
        Ok(())
    }

    /// `y = sum_i c_i x_i`, with the addresses of the `x`, which have the shape of `y`; the first `halves` are in bf16.
    pub(super) fn sum(&self, entered: &Entered<'_>, terms: &[(f64, u64)], halves: usize, y: &mut Tensor) -> Result<()> {
        // Later groups add the current contents as another term; the first group, even if empty, does not.
        let mut rest = terms;
        let mut begun = false;
        while !begun || !rest.is_empty() {
            let (group, later) = rest.split_at(rest.len().min(TERMS - usize::from(begun)));
            let before = terms.len() - rest.len();
            let mut args = CombineArgs {
                x: [0; TERMS],
                c: [0.0; TERMS],
                y: y.address(),
                pieces: y.pieces() as u64,
                terms: (group.len() + usize::from(begun)) as u32,
                halves: halves.saturating_sub(before).min(group.len()) as u32,
            };
            for ((x, c), (factor, term)) in args.x.iter_mut().zip(&mut args.c).zip(group) {
                (*x, *c) = (*term, *factor);
            }
            if begun {
                (args.x[group.len()], args.c[group.len()]) = (y.address(), 1.0);
            }
            // SAFETY: all tensors have one shape; each thread reads its piece of `y`, if that is a term, before writing
            // it.
            unsafe { self.kernels.combine.launch_for(entered, y.pieces(), args)? };
            (rest, begun) = (later, true);
        }
        Ok(())
    }
}

impl VectorOps for Cuda {
    fn copy(&self, src: &Tensor, dst: &mut Tensor) -> Result<()> {
        expect_shape("the destination of a copy", src.shape(), dst.shape())?;
        if src.is_half() != dst.is_half() {
            let message = "cannot copy between a tensor in f32 and features in half precision";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        dst.dtype = src.dtype;
        let bytes = Tensor::bytes(src.shape(), src.dtype);
        let entered = self.enter(&[&src.buffer, &dst.buffer])?;
        if bytes == 0 { Ok(()) } else { entered.copy(&src.buffer, &mut dst.buffer, bytes) }
    }

    fn dots(&self, a: &[&Tensor], b: &[&Tensor], out: &mut Scalars, first: usize) -> Result<()> {
        out.slots(first, a.len().saturating_mul(b.len()))?;
        let (Some(&one), false) = (a.first(), b.is_empty()) else { return Ok(()) };
        let entered = self.expect_vectors(one, a.iter().chain(b).copied(), &[&out.buffer])?;
        let rights: Vec<_> = b.iter().map(|b| b.address()).collect();
        self.products(&entered, a, (&rights, DType::F32), out, first)
    }

    fn combine(&self, terms: &[(f64, &Tensor)], y: &mut Tensor) -> Result<()> {
        let entered = self.expect_vectors(y, terms.iter().map(|(_, x)| *x), &[])?;
        let all: Vec<_> = terms.iter().map(|(c, x)| (*c, x.address())).collect();
        self.sum(&entered, &all, 0, y)
    }

    fn scale_by(&self, x: &Tensor, scalars: &Scalars, slot: usize, power: f64, y: &mut Tensor) -> Result<()> {
        let s = scalars.slots(slot, 1)?;
        let entered = self.expect_vectors(x, [&*y], &[&scalars.buffer])?;
        let args = ScaleByArgs { x: x.address(), s, y: y.address(), power, pieces: x.pieces() as u64 };
        // SAFETY: both tensors have one shape, and each thread accesses only its own piece of each.
        unsafe { self.kernels.scale_by.launch_for(&entered, x.pieces(), args) }
    }

    fn adam(&self, step: &AdamStep, g: &Tensor, m: &mut Tensor, v: &mut Tensor, x: &mut Tensor) -> Result<()> {
        let entered = self.expect_vectors(g, [&*m, v, x], &[])?;
        let AdamStep { rate, beta1, beta2, correction2, epsilon } = *step;
        let args = AdamArgs {
            g: g.address(),
            m: m.address(),
            v: v.address(),
            x: x.address(),
            pieces: g.pieces() as u64,
            rate,
            beta1,
            beta2,
            correction2,
            epsilon,
            padding: 0,
        };
        // SAFETY: all tensors have one shape, and each thread accesses only its own piece of each.
        unsafe { self.kernels.adam.launch_for(&entered, g.pieces(), args) }
    }
}
