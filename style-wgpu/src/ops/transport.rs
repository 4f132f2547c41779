//! See [`style_core::backend::ops::TransportOps`] and kernels/transport.wgsl.
//!
//! The workspace holds the pairs of as many channels as are sorted together.

use style_core::backend::ops::TransportOps;
use style_core::backend::{Shape, expect_shape};
use style_core::{Error, ErrorKind, Result};

use super::extent;
use crate::backend::Wgpu;
use crate::kernels::{MOST_SUMS, TRANSPORT, TRANSPORT_BEGIN, TRANSPORT_MERGE, TRANSPORT_STEP};
use crate::tensor::{Scalars, Tensor, Workspace};

/// Pairs that a workgroup sorts; matches transport.wgsl.
const RUN: usize = 1024;

/// About this many pairs are sorted together: 64 MiB.
const PAIRS: usize = 1 << 23;

/// How a shape is sorted.
struct Plan {
    /// Pairs per channel, a power of two.
    size: usize,
    /// Channels that are sorted together.
    together: usize,
    /// Workgroups per channel of the sum.
    parts: usize,
}

impl Plan {
    fn new(shape: Shape, pairs: usize) -> Self {
        let positions = shape.positions();
        let size = positions.checked_next_power_of_two().unwrap_or(usize::MAX).max(RUN);
        let together = (pairs / size).min(shape.channels).max(1);
        let most = (MOST_SUMS / shape.channels.max(1)).clamp(1, 32);
        Self { size, together, parts: positions.div_ceil(RUN).clamp(1, most) }
    }

    fn bytes(&self) -> usize {
        self.together.saturating_mul(self.size).saturating_mul(8)
    }
}

impl Wgpu {
    /// [`TransportOps::transport`] with about `pairs` pairs sorted together.
    #[allow(clippy::too_many_arguments)]
    fn transport_by(
        &self,
        pairs: usize,
        x: &Tensor,
        t: &Tensor,
        out: &mut Scalars,
        slot: usize,
        d: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        expect_shape("the targets of transport", x.shape(), t.shape())?;
        expect_shape("the differences of transport", x.shape(), d.shape())?;
        let (channels, positions, stride) = (x.shape().channels, x.shape().positions(), x.stride());
        let (slot, plan) = (out.slots(slot, 1)?, Plan::new(x.shape(), pairs));
        if channels.saturating_mul(plan.parts) > MOST_SUMS {
            let message = format!("expected at most {} channels for transport, found {channels}", MOST_SUMS);
            return Err(Error::new(ErrorKind::Shape, message));
        }
        workspace.at_least(plan.bytes())?;
        let mut entered = self.expect_vectors(x, [t, &*d], &[&out.buffer, &workspace.buffer])?;
        let (runs, sorted) = (plan.size / RUN, &workspace.buffer);
        let mut first = 0;
        while first < channels && positions > 0 {
            let together = plan.together.min(channels - first);
            let sort = |groups: usize, merged: usize, step: usize| {
                let extents = [groups, positions, stride, plan.size, first, runs, merged, step];
                extents.into_iter().map(extent).collect::<Result<Vec<_>>>()
            };
            let all_runs = runs * together;
            let filled = positions.checked_next_power_of_two().unwrap_or(RUN).min(RUN);
            entered.launch(&TRANSPORT_BEGIN, all_runs, &sort(all_runs, filled, 0)?, &[&x.buffer, sorted])?;
            let mut merged = 2 * RUN;
            while merged <= plan.size {
                let mut step = merged / 2;
                while step >= RUN {
                    let groups = plan.size / 512 * together;
                    entered.launch(&TRANSPORT_STEP, groups, &sort(groups, merged, step)?, &[sorted])?;
                    step /= 2;
                }
                entered.launch(&TRANSPORT_MERGE, all_runs, &sort(all_runs, merged, 0)?, &[sorted])?;
                merged *= 2;
            }
            let end = first + together;
            // The padding belongs to the last channels.
            let written = if end == channels { stride - first } else { together };
            let groups = plan.parts * written;
            let extents = [groups, positions, stride, channels, plan.size, first, plan.parts];
            let parameters = extents.into_iter().map(extent).collect::<Result<Vec<_>>>()?;
            let operands = [&x.buffer, &t.buffer, &d.buffer, sorted, &self.partial];
            entered.launch(&TRANSPORT, groups, &parameters, &operands)?;
            first = end;
        }
        let sums = if positions > 0 { channels * plan.parts } else { 0 };
        self.reduce(&mut entered, sums, out, slot, 0.5)
    }
}

impl TransportOps for Wgpu {
    fn transport(
        &self,
        x: &Tensor,
        t: &Tensor,
        out: &mut Scalars,
        slot: usize,
        d: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        self.transport_by(PAIRS, x, t, out, slot, d, workspace)
    }

    fn transport_workspace(&self, shape: Shape) -> usize {
        Plan::new(shape, PAIRS).bytes()
    }
}

#[cfg(test)]
mod tests {
    use style_core::backend::Storage;
    use testkit::{Array, Rng};

    use super::*;

    #[test]
    fn channels_sorted_in_groups_are_those_sorted_together() {
        let Some(wgpu) = Wgpu::for_tests() else { return };
        for channels in [4, 13] {
            let shape = Shape::new(channels, 5, 9);
            let [mut x, mut t, mut d] = [(); 3].map(|()| wgpu.tensor(shape).unwrap());
            wgpu.upload(&Array::random(shape, &mut Rng::new("groups")).to_f32(), &mut x).unwrap();
            wgpu.upload(&(0..shape.len()).map(|i| i as f32).collect::<Vec<_>>(), &mut t).unwrap();
            let mut workspace = wgpu.workspace(wgpu.transport_workspace(shape)).unwrap();
            let mut out = wgpu.scalars(1).unwrap();
            // All channels, one, three.
            let runs = [PAIRS, RUN, 3 * RUN].map(|pairs| {
                let (mut l, mut values) = ([0.0], vec![f32::NAN; shape.len()]);
                wgpu.upload(&values, &mut d).unwrap();
                wgpu.transport_by(pairs, &x, &t, &mut out, 0, &mut d, &mut workspace).unwrap();
                wgpu.read_scalars(&out, &mut l).unwrap();
                wgpu.download(&d, &mut values).unwrap();
                (l, values)
            });
            assert!(runs[0].0[0] > 0.0);
            assert_eq!(runs[1], runs[0]);
            assert_eq!(runs[2], runs[0]);
        }
    }
}
