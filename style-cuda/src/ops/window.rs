//! See [`style_core::backend::ops::WindowOps`] and kernels/window.cu.

use style_core::Result;
use style_core::backend::Acc;
use style_core::backend::ops::{WindowOps, expect_window};

use super::{acc_code, extent};
use crate::cuda::Cuda;
use crate::kernels::window::WindowArgs;
use crate::tensor::Tensor;

impl WindowArgs {
    /// Arguments without the operands' addresses.
    fn new(whole: &Tensor, at: [usize; 2], window: &Tensor) -> Result<Self> {
        let sides = |t: &Tensor| Ok([extent(t.shape().height)?, extent(t.shape().width)?]);
        Ok(Self {
            from: 0,
            to: 0,
            whole: sides(whole)?,
            at: [extent(at[0])?, extent(at[1])?],
            window: sides(window)?,
            stride: extent(whole.stride())?,
            from_type: 0,
            to_type: 0,
            acc: 0,
        })
    }
}

impl WindowOps for Cuda {
    fn window(&self, x: &Tensor, at: [usize; 2], y: &mut Tensor) -> Result<()> {
        expect_window(x.shape(), at, y.shape())?;
        if y.values() == 0 {
            return Ok(());
        }
        let entered = self.enter(&[&x.buffer, &y.buffer])?;
        let args = WindowArgs {
            from: x.address(),
            to: y.address(),
            from_type: x.dtype as u32,
            to_type: y.written_as(Acc::Store, x.dtype),
            ..WindowArgs::new(x, at, y)?
        };
        // SAFETY: the window lies within `x`; each thread writes only its own piece of `y`.
        unsafe {
            if y.is_few() {
                self.kernels.window_fwd_few.launch_for(&entered, y.values(), args)
            } else {
                self.kernels.window_fwd.launch_for(&entered, y.pieces(), args)
            }
        }
    }

    fn window_bwd(&self, dy: &Tensor, at: [usize; 2], acc: Acc, dx: &mut Tensor) -> Result<()> {
        expect_window(dx.shape(), at, dy.shape())?;
        if dx.values() == 0 || (acc == Acc::Add && dy.values() == 0) {
            return Ok(());
        }
        let entered = self.enter(&[&dy.buffer, &dx.buffer])?;
        let args = WindowArgs {
            from: dy.address(),
            to: dx.address(),
            from_type: dy.dtype as u32,
            to_type: dx.gradient(acc, self.precision),
            acc: acc_code(acc),
            ..WindowArgs::new(dx, at, dy)?
        };
        let walked = if acc == Acc::Add { dy } else { &*dx };
        let (values, pieces) = (walked.values(), walked.pieces());
        // SAFETY: the window lies within `dx`; each thread accesses only its own piece of the window, or of `dx`.
        unsafe {
            if dx.is_few() {
                self.kernels.window_bwd_few.launch_for(&entered, values, args)
            } else {
                self.kernels.window_bwd.launch_for(&entered, pieces, args)
            }
        }
    }
}
