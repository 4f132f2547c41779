//! See [`style_core::backend::ops::MomentsOps`] and kernels/moments.wgsl.

use style_core::backend::ops::MomentsOps;
use style_core::backend::{Acc, Shape, expect_shape};
use style_core::{Error, ErrorKind, Result};

use super::{acc_code, expect_map, extent, pair};
use crate::backend::Wgpu;
use crate::kernels::{MOMENTS_BWD, MOMENTS_FINISH, MOMENTS_SUM, PARTIAL_BYTES};
use crate::tensor::Tensor;
use crate::turn::Entered;

/// The most workgroups that the positions are distributed over.
const GROUPS: usize = 64;

/// The most channels whose partial sums fit into their buffer.
const MOST_CHANNELS: usize = PARTIAL_BYTES / (8 * (GROUPS + 2));

impl Wgpu {
    /// Per channel, `sum t x`, or `sqrt(sum t (x - mean)^2)` where the means are known.
    fn moment(
        &self,
        entered: &mut Entered<'_>,
        x: &Tensor,
        t: Option<&Tensor>,
        centred: bool,
        out: &Tensor,
    ) -> Result<()> {
        let Shape { channels, .. } = x.shape();
        let positions = x.shape().positions();
        let groups = positions.div_ceil(32).clamp(1, GROUPS);
        let mut parameters =
            [positions, channels, x.stride(), groups].into_iter().map(extent).collect::<Result<Vec<_>>>()?;
        parameters.extend([u32::from(t.is_some()), u32::from(centred)]);
        let operands = [&x.buffer, t.map_or(&x.buffer, |t| &t.buffer), &self.partial];
        entered.launch(&MOMENTS_SUM, groups * channels.div_ceil(32), &parameters, &operands)?;
        let [high, low] = pair(if t.is_some() || positions == 0 { 1.0 } else { 1.0 / positions as f64 });
        // The pair lies at a multiple of eight bytes.
        let parameters = [extent(channels)?, extent(groups)?, u32::from(centred), 0, high, low];
        entered.launch_for(&MOMENTS_FINISH, channels.next_multiple_of(4), &parameters, &[&self.partial, &out.buffer])
    }
}

fn expect_channels(x: &Tensor, of_channels: &[Option<&Tensor>]) -> Result<()> {
    let Shape { channels, .. } = x.shape();
    if channels > MOST_CHANNELS {
        let message = format!("expected at most {MOST_CHANNELS} channels for moments, found {channels}");
        return Err(Error::new(ErrorKind::Shape, message));
    }
    let mut of_channels = of_channels.iter().flatten();
    of_channels.try_for_each(|t| expect_shape("an operand of the moments", Shape::new(channels, 1, 1), t.shape()))
}

impl MomentsOps for Wgpu {
    fn moments(&self, x: &Tensor, t: Option<&Tensor>, mean: &mut Tensor, deviation: Option<&mut Tensor>) -> Result<()> {
        t.map_or(Ok(()), |t| expect_map(t, x))?;
        expect_channels(x, &[Some(mean), deviation.as_deref()])?;
        let mut buffers = vec![&x.buffer, &mean.buffer];
        buffers.extend(t.iter().map(|t| &t.buffer).chain(deviation.iter().map(|d| &d.buffer)));
        let mut entered = self.enter(&buffers)?;
        self.moment(&mut entered, x, t, false, mean)?;
        deviation.map_or(Ok(()), |deviation| self.moment(&mut entered, x, t, true, deviation))
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
        // Missing operands are replaced by buffers that are bound already; the kernel does not read them.
        let operands = [
            &x.buffer,
            t.map_or(&x.buffer, |t| &t.buffer),
            &mean.buffer,
            &dmean.buffer,
            deviation.map_or(&mean.buffer, |d| &d.0.buffer),
            deviation.map_or(&mean.buffer, |d| &d.1.buffer),
            &dx.buffer,
        ];
        let parameters = [
            extent(x.values())?,
            extent(x.shape().channels)?,
            extent(x.stride())?,
            u32::from(t.is_some()),
            u32::from(deviation.is_some()),
            acc_code(acc),
            ((1.0 / x.shape().positions().max(1) as f64) as f32).to_bits(),
        ];
        self.enter(&operands)?.launch_for(&MOMENTS_BWD, x.values(), &parameters, &operands)
    }
}
