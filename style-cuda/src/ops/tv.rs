//! See [`style_core::backend::ops::TvOps`] and kernels/tv.cu.

use style_core::backend::ops::{Tv, TvOps};
use style_core::backend::{Acc, Shape, expect_shape};
use style_core::{Error, ErrorKind, Result};

use super::{acc_code, extent};
use crate::cuda::Cuda;
use crate::kernels::tv::TvArgs;
use crate::kernels::vector::PARTS;
use crate::tensor::{Scalars, Tensor};

impl TvArgs {
    fn new(kind: Tv, x: &Tensor, to: u64, scale: f32, acc: Acc) -> Result<Self> {
        let shape = x.shape();
        let differences = |long: usize, across: usize| {
            let count = long.saturating_sub(1).saturating_mul(across).saturating_mul(shape.channels);
            if count == 0 { 0.0 } else { 1.0 / count as f64 }
        };
        let (kind, vertical, horizontal) = match kind {
            Tv::Squared => (0, 0.5, 0.5),
            Tv::Means => (0, differences(shape.height, shape.width), differences(shape.width, shape.height)),
            Tv::Absolute => (1, 0.0, 0.0),
            Tv::Power(b) => (2, f64::from(b) / 2.0, 0.0),
            Tv::NinePoint => {
                let mean = |count: usize| if count == 0 { 0.0 } else { 2.0 / count as f64 };
                let [grown, across] = [shape.height, shape.width].map(|n| n.saturating_add(1));
                let diagonals = Shape::new(shape.channels, grown, across);
                (3, mean(shape.len()) / 3.0, mean(diagonals.len()) / 12.0)
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::Argument,
                    format!("total variation {kind:?} is not supported by this backend; choose another kind"),
                ));
            }
        };
        if x.is_half() {
            let message = "expected a tensor in f32 for the total variation, found features in half precision";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        Ok(Self {
            x: x.address(),
            to,
            vertical,
            horizontal,
            scale: f64::from(scale),
            height: extent(shape.height)?,
            width: extent(shape.width)?,
            stride: x.stride() as u32,
            kind,
            acc: acc_code(acc),
            padding: 0,
        })
    }
}

impl TvOps for Cuda {
    fn tv(&self, kind: Tv, x: &Tensor, out: &mut Scalars, slot: usize) -> Result<()> {
        let slot = out.slots(slot, 1)?;
        let args = TvArgs::new(kind, x, self.partial.address(), 1.0, Acc::Store)?;
        let entered = self.enter(&[&x.buffer, &out.buffer])?;
        let blocks = x.values().div_ceil(256).clamp(1, PARTS);
        // SAFETY: the extents match `x`; there is room for PARTS partial sums.
        unsafe { self.kernels.tv.launch(&entered, [blocks, 1, 1], args)? };
        self.reduce(&entered, self.partial.address(), slot, 1, blocks, 1.0)
    }

    fn tv_bwd(&self, kind: Tv, x: &Tensor, scale: f32, acc: Acc, dx: &mut Tensor) -> Result<()> {
        expect_shape("the gradient of the total variation", x.shape(), dx.shape())?;
        if dx.is_half() {
            let message =
                "expected a tensor in f32 for the gradient of the total variation, found features in half precision";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        let args = TvArgs::new(kind, x, dx.address(), scale, acc)?;
        let entered = self.enter(&[&x.buffer, &dx.buffer])?;
        // SAFETY: the extents match both; each thread writes only its own value.
        unsafe { self.kernels.tv_bwd.launch_for(&entered, x.values(), args) }
    }
}
