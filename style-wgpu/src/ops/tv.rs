//! See [`style_core::backend::ops::TvOps`] and kernels/tv.wgsl.

use style_core::backend::ops::{Tv, TvOps};
use style_core::backend::{Acc, Shape, expect_shape};
use style_core::{Error, ErrorKind, Result};

use super::{acc_code, extent, pair};
use crate::backend::Wgpu;
use crate::kernels::{PARTS, TV, TV_BWD};
use crate::tensor::{Scalars, Tensor};

fn parameters(kind: Tv, x: &Tensor, parts: usize, scale: f32, acc: Acc) -> Result<Vec<u32>> {
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
            let message = format!("total variation {kind:?} is not supported by this backend; choose another kind");
            return Err(Error::new(ErrorKind::Argument, message));
        }
    };
    let extents = [x.values(), shape.width, x.stride(), shape.channels];
    let mut all = extents.into_iter().map(extent).collect::<Result<Vec<_>>>()?;
    all.extend([kind, acc_code(acc), extent(parts)?]);
    all.extend([vertical as f32, horizontal as f32, scale].map(f32::to_bits));
    all.extend(pair(vertical));
    all.extend(pair(vertical - 1.0));
    Ok(all)
}

impl TvOps for Wgpu {
    fn tv(&self, kind: Tv, x: &Tensor, out: &mut Scalars, slot: usize) -> Result<()> {
        let slot = out.slots(slot, 1)?;
        let parts = x.values().div_ceil(256).clamp(1, PARTS);
        let parameters = parameters(kind, x, parts, 1.0, Acc::Store)?;
        let mut entered = self.enter(&[&x.buffer, &out.buffer])?;
        entered.launch(&TV, parts, &parameters, &[&x.buffer, &self.partial])?;
        self.reduce(&mut entered, parts, out, slot, 1.0)
    }

    fn tv_bwd(&self, kind: Tv, x: &Tensor, scale: f32, acc: Acc, dx: &mut Tensor) -> Result<()> {
        expect_shape("the gradient of the total variation", x.shape(), dx.shape())?;
        let parameters = parameters(kind, x, 1, scale, acc)?;
        let operands = [&x.buffer, &dx.buffer];
        self.enter(&operands)?.launch_for(&TV_BWD, x.values(), &parameters, &operands)
    }
}
