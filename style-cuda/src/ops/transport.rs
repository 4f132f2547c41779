//! See [`style_core::backend::ops::TransportOps`] and kernels/transport.cu.
//!
//! The workspace holds the partial sums of all channels, and the pairs of as many channels as are sorted together.

use style_core::Result;
use style_core::backend::ops::TransportOps;
use style_core::backend::{Shape, expect_shape};

use super::extent;
use crate::cuda::Cuda;
use crate::kernels::transport::{SortArgs, TransportArgs};
use crate::tensor::{Scalars, Tensor, Workspace};

/// Pairs that a block sorts; matches transport.cu.
const RUN: usize = 2048;

/// About this many pairs are sorted together: 64 MiB.
const PAIRS: usize = 1 << 23;

/// How a shape is sorted.
struct Plan {
    /// Pairs per channel, a power of two.
    size: usize,
    /// Channels that are sorted together.
    together: usize,
    /// Blocks per channel of the sum.
    blocks: usize,
    /// Bytes of the partial sums.
    partial: usize,
}

impl Plan {
    fn new(shape: Shape, pairs: usize) -> Self {
        let positions = shape.positions();
        let size = positions.checked_next_power_of_two().unwrap_or(usize::MAX);
        // A grid has at most 65 535 rows.
        let together = (pairs / size).min(shape.channels).clamp(1, 65_535);
        let blocks = positions.div_ceil(RUN).clamp(1, 32);
        Self { size, together, blocks, partial: shape.channels.saturating_mul(blocks).saturating_mul(8) }
    }

    fn bytes(&self) -> usize {
        self.together.saturating_mul(self.size).saturating_mul(8).saturating_add(self.partial)
    }
}

impl Cuda {
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
        let partial = workspace.at_least(plan.bytes())?;
        let entered = self.expect_vectors(x, [t, &*d], &[&out.buffer, &workspace.buffer])?;
        let runs = plan.size.div_ceil(RUN);
        let mut first = 0;
        while first < channels && positions > 0 {
            let together = plan.together.min(channels - first);
            let sort = SortArgs {
                x: x.address() + 4 * first as u64,
                pairs: partial + plan.partial as u64,
                positions: extent(positions)?,
                stride: extent(stride)?,
                size: extent(plan.size)?,
                merged: 0,
                step: 0,
                padding: 0,
            };
            // SAFETY: the workspace has room for `size` pairs of each channel that is sorted; each pair belongs to one
            // block of a launch, or to one thread.
            unsafe {
                self.kernels.transport_begin.launch(&entered, [runs, together, 1], sort)?;
                let mut merged = 2 * RUN;
                while merged <= plan.size {
                    let mut step = merged / 2;
                    while step >= RUN {
                        let blocks = plan.size / 2 / self.kernels.transport_step.threads();
                        let sort = SortArgs { merged: merged as u32, step: step as u32, ..sort };
                        self.kernels.transport_step.launch(&entered, [blocks, together, 1], sort)?;
                        step /= 2;
                    }
                    let sort = SortArgs { merged: merged as u32, ..sort };
                    self.kernels.transport_merge.launch(&entered, [runs, together, 1], sort)?;
                    merged *= 2;
                }
            }
            let end = first + together;
            let args = TransportArgs {
                x: sort.x,
                t: t.address() + 4 * first as u64,
                d: d.address() + 4 * first as u64,
                pairs: sort.pairs,
                partial: partial + (8 * first * plan.blocks) as u64,
                positions: sort.positions,
                stride: sort.stride,
                size: sort.size,
                padding: if end == channels { extent(stride - channels)? } else { 0 },
            };
            // SAFETY: all tensors have one shape, and the first pairs of a channel hold each of its positions once; there is
            // room for `blocks` partial sums of each channel.
            unsafe { self.kernels.transport.launch(&entered, [plan.blocks, together, 1], args)? };
            first = end;
        }
        let sums = if positions > 0 { channels.saturating_mul(plan.blocks) } else { 0 };
        self.reduce(&entered, partial, slot, 1, sums, 0.5)
    }
}

impl TransportOps for Cuda {
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
        ptx_runner::install().unwrap();
        let cuda = Cuda::new().unwrap();
        for channels in [4, 13] {
            let shape = Shape::new(channels, 5, 9);
            let [mut x, mut t, mut d] = [(); 3].map(|()| cuda.tensor(shape).unwrap());
            cuda.upload(&Array::random(shape, &mut Rng::new("groups")).to_f32(), &mut x).unwrap();
            cuda.upload(&(0..shape.len()).map(|i| i as f32).collect::<Vec<_>>(), &mut t).unwrap();
            let mut workspace = cuda.workspace(cuda.transport_workspace(shape)).unwrap();
            let mut out = cuda.scalars(1).unwrap();
            // 64 pairs a channel: all channels, one, three.
            let runs = [PAIRS, 64, 200].map(|pairs| {
                let (mut l, mut values) = ([0.0], vec![0.0; shape.len()]);
                cuda.upload(&vec![f32::NAN; shape.len()], &mut d).unwrap();
                cuda.transport_by(pairs, &x, &t, &mut out, 0, &mut d, &mut workspace).unwrap();
                cuda.read_scalars(&out, &mut l).unwrap();
                cuda.download(&d, &mut values).unwrap();
                (l, values)
            });
            assert!(runs[0].0[0] > 0.0);
            assert_eq!(runs[1], runs[0]);
            assert_eq!(runs[2], runs[0]);
        }
    }
}
