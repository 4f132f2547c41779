//! See [`style_core::backend::ops::Pool2dOps`] and kernels/pool2d.cu.

use style_core::backend::ops::{Pool2d, Pool2dOps};
use style_core::backend::{Acc, expect_shape};
use style_core::{Error, ErrorKind, Pooling, Result};

use super::{acc_code, extent};
use crate::cuda::Cuda;
use crate::kernels::pool2d::PoolArgs;
use crate::tensor::{self, Switches, Tensor};

impl PoolArgs {
    fn new(op: &Pool2d) -> Result<Self> {
        Ok(Self {
            from: 0,
            to: 0,
            switches: 0,
            height: extent(op.height)?,
            width: extent(op.width)?,
            stride: extent(tensor::stride(op.channels))?,
            from_type: 0,
            to_type: 0,
            acc: 0,
            max: u32::from(op.pooling == Pooling::Max),
            padding: 0,
        })
    }
}

impl Pool2dOps for Cuda {
    fn pool2d_fwd(&self, op: &Pool2d, x: &Tensor, y: &mut Tensor, switches: Option<&mut Switches>) -> Result<()> {
        expect_shape("the input of a pool", op.input(), x.shape())?;
        expect_shape("the output of a pool", op.output(), y.shape())?;
        let switches = switches.filter(|_| op.pooling == Pooling::Max);
        if let Some(switches) = &switches {
            expect_shape("the switches of a pool", op.output(), switches.shape)?;
        }
        if y.values() == 0 {
            return Ok(());
        }
        let mut buffers = vec![&x.buffer, &y.buffer];
        buffers.extend(switches.as_deref().map(|s| &s.buffer));
        let entered = self.enter(&buffers)?;
        let args = PoolArgs {
            from: x.address(),
            to: y.address(),
            switches: switches.map_or(0, |s| s.buffer.address()),
            from_type: x.dtype as u32,
            to_type: y.written_as(Acc::Store, x.dtype),
            ..PoolArgs::new(op)?
        };
        // SAFETY: all operands have the shapes of `op`; each thread writes only its own piece of the output.
        unsafe {
            if y.is_few() {
                self.kernels.pool2d_fwd_few.launch_for(&entered, y.values(), args)
            } else {
                self.kernels.pool2d_fwd.launch_for(&entered, y.pieces(), args)
            }
        }
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
        if dx.values() == 0 {
            return Ok(());
        }
        let mut buffers = vec![&dy.buffer, &dx.buffer];
        buffers.extend(switches.map(|s| &s.buffer));
        let entered = self.enter(&buffers)?;
        let args = PoolArgs {
            from: dy.address(),
            to: dx.address(),
            switches: switches.map_or(0, |s| s.buffer.address()),
            from_type: dy.dtype as u32,
            to_type: dx.gradient(acc, self.precision),
            acc: acc_code(acc),
            ..PoolArgs::new(op)?
        };
        // SAFETY: as above.
        unsafe {
            if dx.is_few() {
                self.kernels.pool2d_bwd_few.launch_for(&entered, dx.values(), args)
            } else {
                self.kernels.pool2d_bwd.launch_for(&entered, dx.pieces(), args)
            }
        }
    }
}
