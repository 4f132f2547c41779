//! See [`style_core::backend::ops::WindowOps`] and kernels/window.wgsl.

use style_core::Result;
use style_core::backend::Acc;
use style_core::backend::ops::{WindowOps, expect_window};

use super::{acc_code, extent};
use crate::backend::Wgpu;
use crate::kernels::{WINDOW_BWD, WINDOW_FWD};
use crate::tensor::Tensor;

/// Parameters for `threads` values of the window or of the whole.
fn parameters(whole: &Tensor, at: [usize; 2], window: &Tensor, threads: usize, acc: Acc) -> Result<Vec<u32>> {
    let of = window.shape();
    let extents = [threads, whole.stride(), whole.shape().width, at[0], at[1], of.height, of.width];
    let mut all = extents.into_iter().map(extent).collect::<Result<Vec<_>>>()?;
    all.push(acc_code(acc));
    Ok(all)
}

impl WindowOps for Wgpu {
    fn window(&self, x: &Tensor, at: [usize; 2], y: &mut Tensor) -> Result<()> {
        expect_window(x.shape(), at, y.shape())?;
        let operands = [&x.buffer, &y.buffer];
        let mut entered = self.enter(&operands)?;
        if y.values() == 0 {
            return Ok(());
        }
        let parameters = parameters(x, at, y, y.values(), Acc::Store)?;
        entered.launch_for(&WINDOW_FWD, y.values(), &parameters, &operands)
    }

    fn window_bwd(&self, dy: &Tensor, at: [usize; 2], acc: Acc, dx: &mut Tensor) -> Result<()> {
        expect_window(dx.shape(), at, dy.shape())?;
        let operands = [&dy.buffer, &dx.buffer];
        let mut entered = self.enter(&operands)?;
        let walked = if acc == Acc::Add { dy.values() } else { dx.values() };
        if walked == 0 {
            return Ok(());
        }
        entered.launch_for(&WINDOW_BWD, walked, &parameters(dx, at, dy, walked, acc)?, &operands)
    }
}
