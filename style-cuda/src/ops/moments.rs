//! See [`style_core::backend::ops::MomentsOps`] and kernels/moments.cu.

use style_core::Result;
use style_core::backend::ops::MomentsOps;
use style_core::backend::{Acc, Shape, expect_shape};

use super::{acc_code, expect_map, extent};
use crate::context::Entered;
use crate::cuda::Cuda;
use crate::kernels::moments::{FinishArgs, MomentsBwdArgs, SumArgs};
use crate::tensor::Tensor;

/// The most blocks that the positions are distributed over.
const GROUPS: usize = 64;

impl Cuda {
    /// Per channel, `sum t x`, or `sqrt(sum t (x - mean)^2)` where the means are known; `exact` holds it in `f64`.
    fn moment(&self, entered: &Entered<'_>, x: &Tensor, t: Option<&Tensor>, mean: u64, out: &mut Tensor) -> Result<()> {
        let (positions, channels) = (x.shape().positions(), extent(x.shape().channels)?);
        // The channels' means and deviations in `f64`, followed by partial sums; GROUPS + 2 times 8 bytes per channel.
        let exact = self.partial.address() + if mean == 0 { 0 } else { 8 * u64::from(channels) };
        let partial = self.partial.address() + 16 * u64::from(channels);
        let groups = positions.div_ceil(8).clamp(1, GROUPS);
        let args = SumArgs {
            x: x.address(),
            t: t.map_or(0, Tensor::address),
            mean,
            partial,
            positions: positions as u64,
            channels,
            stride: x.stride() as u32,
            dtype: x.dtype as u32,
            padding: 0,
        };
        let scale = if t.is_some() || positions == 0 { 1.0 } else { 1.0 / positions as f64 };
        let finish = FinishArgs {
            partial,
            exact,
            out: out.address(),
            scale,
            count: groups as u32,
            channels,
            root: u32::from(mean != 0),
            padding: 0,
        };
        // SAFETY: `t` has one value per position of `x`; `out` and the means have one per channel; the partial sums
        // fit, by `MOST_CHANNELS`.
        unsafe {
            self.kernels.moments_sum.launch(entered, [groups, x.shape().channels.div_ceil(32), 1], args)?;
            self.kernels.moments_finish.launch_for(entered, x.shape().channels, finish)
        }
    }
}

/// The most channels whose partial sums fit in their buffer.
const MOST_CHANNELS: usize = crate::kernels::vector::PARTIAL_BYTES / (8 * (GROUPS + 2));

fn expect_channels(x: &Tensor, of_channels: &[Option<&Tensor>]) -> Result<()> {
    let Shape { channels, .. } = x.shape();
    if channels > MOST_CHANNELS {
        let message = format!("expected at most {MOST_CHANNELS} channels for moments, found {channels}");
        return Err(style_core::Error::new(style_core::ErrorKind::Shape, message));
    }
    let mut of_channels = of_channels.iter().flatten();
    of_channels.try_for_each(|t| expect_shape("an operand of the moments", Shape::new(channels, 1, 1), t.shape()))
}

impl MomentsOps for Cuda {
    fn moments(&self, x: &Tensor, t: Option<&Tensor>, mean: &mut Tensor, deviation: Option<&mut Tensor>) -> Result<()> {
        t.map_or(Ok(()), |t| expect_map(t, x))?;
        expect_channels(x, &[Some(mean), deviation.as_deref()])?;
        let mut buffers = vec![&x.buffer, &mean.buffer];
        buffers.extend(t.iter().map(|t| &t.buffer).chain(deviation.iter().map(|d| &d.buffer)));
        let entered = self.enter(&buffers)?;
        self.moment(&entered, x, t, 0, mean)?;
        deviation.map_or(Ok(()), |deviation| self.moment(&entered, x, t, self.partial.address(), deviation))
    }

    fn moments_bwd(
        &self,
        x: &Tensor,
        t: Option<&Tensor>,
        mean: &Tensor,
        dmean: &Tensor,
        deviation: Option<(&Tensor, &Tensor)>,
        acc: Acc,
        dx: &mut Tensor,
    ) -> Result<()> {
        t.map_or(Ok(()), |t| expect_map(t, x))?;
        expect_channels(x, &[Some(mean), Some(dmean), deviation.map(|d| d.0), deviation.map(|d| d.1)])?;
        expect_shape("the gradient of features", x.shape(), dx.shape())?;
        if x.values() == 0 {
            return Ok(());
        }
        let mut buffers = vec![&x.buffer, &mean.buffer, &dmean.buffer, &dx.buffer];
        buffers.extend(t.iter().map(|t| &t.buffer));
        buffers.extend(deviation.iter().flat_map(|(value, gradient)| [&value.buffer, &gradient.buffer]));
        let entered = self.enter(&buffers)?;
        let positions = x.shape().positions();
        let args = MomentsBwdArgs {
            x: x.address(),
            t: t.map_or(0, Tensor::address),
            mean: mean.address(),
            dmean: dmean.address(),
            deviation: deviation.map_or(0, |d| d.0.address()),
            ddeviation: deviation.map_or(0, |d| d.1.address()),
            dx: dx.address(),
            positions: positions as u64,
            even: (1.0 / positions as f64) as f32,
            stride: x.stride() as u32,
            x_type: x.dtype as u32,
            dx_type: dx.gradient(acc, self.precision),
            acc: acc_code(acc),
            channels: extent(x.shape().channels)?,
        };
        // SAFETY: `dx` has the shape of `x`, `t` has one value per position and the others have one per channel; each
        // thread accesses only its own piece.
        unsafe {
            if x.is_few() {
                self.kernels.moments_bwd_few.launch_for(&entered, x.values(), args)
            } else {
                self.kernels.moments_bwd.launch_for(&entered, x.pieces(), args)
            }
        }
    }
}
