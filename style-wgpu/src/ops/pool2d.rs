//! See [`style_core::backend::ops::Pool2dOps`] and kernels/pool2d.wgsl.

use style_core::backend::ops::{Pool2d, Pool2dOps};
use style_core::backend::{Acc, expect_shape};
use style_core::{Error, ErrorKind, Pooling, Result};

use super::{acc_code, extent};
use crate::backend::Wgpu;
use crate::kernels::{POOL2D_BWD, POOL2D_FWD};
use crate::tensor::{Switches, Tensor, stride};

fn parameters(op: &Pool2d, threads: usize, keep: bool, acc: Acc) -> Result<Vec<u32>> {
    let extents = [threads, op.height, op.width, stride(op.channels)];
    let mut all = extents.into_iter().map(extent).collect::<Result<Vec<_>>>()?;
    all.extend([u32::from(op.pooling == Pooling::Max), u32::from(keep), acc_code(acc)]);
    Ok(all)
}

impl Pool2dOps for Wgpu {
    fn pool2d_fwd(&self, op: &Pool2d, x: &Tensor, y: &mut Tensor, switches: Option<&mut Switches>) -> Result<()> {
        expect_shape("the input of a pool", op.input(), x.shape())?;
        expect_shape("the output of a pool", op.output(), y.shape())?;
        let switches = switches.filter(|_| op.pooling == Pooling::Max);
        if let Some(switches) = &switches {
            expect_shape("the switches of a pool", op.output(), switches.shape)?;
        }
        let keep = switches.is_some();
        let operands = [&x.buffer, &y.buffer, switches.map_or(&self.partial, |s| &s.buffer)];
        let threads = y.shape().positions().saturating_mul(y.stride().div_ceil(16));
        self.enter(&operands)?.launch_for(&POOL2D_FWD, threads, &parameters(op, threads, keep, Acc::Store)?, &operands)
    }

    fn pool2d_bwd(
        &self,
        op: &Pool2d,
        dy: &Tensor,
        switches: Option<&Switches>,
        acc: Acc,
        dx: &mut Tensor,
    ) -> Result<()> {
        expect_shape("the output gradient of a pool", op.output(), dy.shape())?;
        expect_shape("the input gradient of a pool", op.input(), dx.shape())?;
        let switches = match (op.pooling, switches) {
            (Pooling::Average, _) => None,
            (Pooling::Max, Some(switches)) => {
                expect_shape("the switches of a pool", op.output(), switches.shape)?;
                Some(switches)
            }
            (Pooling::Max, None) => {
                let message = "the gradient of a max pool requires the switches of its forward pass";
                return Err(Error::new(ErrorKind::Argument, message));
            }
        };
        let operands = [&dy.buffer, switches.map_or(&dy.buffer, |s| &s.buffer), &dx.buffer];
        let parameters = parameters(op, dx.values(), false, acc)?;
        self.enter(&operands)?.launch_for(&POOL2D_BWD, dx.values(), &parameters, &operands)
    }
}
