//! See [`style_core::backend::ops::SampleOps`] and kernels/sample.cu.

use style_core::Result;
use style_core::backend::Acc;
use style_core::backend::ops::{CHANNEL_GROUP, SampleOps, Sparse, expect_sparse};

use super::{acc_code, extent};
use crate::cuda::Cuda;
use crate::kernels::sample::SampleArgs;
use crate::tensor::Tensor;

impl SampleArgs {
    /// Arguments for the matrix; without what depends on the direction.
    fn new(matrix: &Sparse<'_, Tensor>, from: &Tensor, to: &Tensor, channels: usize, scale: f32) -> Result<Self> {
        Ok(Self {
            from: from.address(),
            to: to.address(),
            offsets: matrix.offsets.address(),
            columns: matrix.columns.address(),
            values: matrix.values.address(),
            rows: to.shape().positions() as u64,
            entries: extent(matrix.values.shape().width)?,
            last: extent(from.shape().positions().saturating_sub(1))?,
            from_channels: extent(from.shape().channels)?,
            from_stride: extent(from.stride())?,
            from_first: 0,
            to_stride: extent(to.stride())?,
            to_first: 0,
            channels: extent(channels)?,
            lanes: 0,
            from_type: from.dtype as u32,
            to_type: 0,
            acc: 0,
            scale,
            padding: 0,
        })
    }
}

impl SampleOps for Cuda {
    fn sample(&self, matrix: Sparse<'_, Tensor>, x: &Tensor, scale: f32, y: &mut Tensor, o: usize) -> Result<()> {
        let Sparse { offsets, columns, values } = matrix;
        let channels = x.shape().channels;
        expect_sparse([offsets, columns, values].map(Tensor::shape), x.shape(), y.shape(), channels, o)?;
        let entered = self.expect_vectors(y, [], &[&offsets.buffer, &columns.buffer, &values.buffer, &x.buffer])?;
        if x.shape().channels == 0 || y.values() == 0 {
            return Ok(());
        }
        // The channels that fill up the last group.
        let written = channels.next_multiple_of(CHANNEL_GROUP).min(y.stride() - o);
        let lanes = written.div_ceil(8);
        let args = SampleArgs {
            to_first: extent(o)?,
            lanes: extent(lanes)?,
            to_type: y.dtype as u32,
            acc: acc_code(Acc::Store),
            ..SampleArgs::new(&matrix, x, y, channels, scale)?
        };
        // SAFETY: the matrix has a row for each position of `y`, and the kernel reads its numbers as entries and positions
        // of `x` that there are; the written pieces are channels of `y` from `o` on, and each thread writes its own.
        unsafe { self.kernels.sample.launch_for(&entered, y.shape().positions().saturating_mul(lanes), args) }
    }

    fn sample_bwd(
        &self,
        transposed: Sparse<'_, Tensor>,
        dy: &Tensor,
        o: usize,
        scale: f32,
        acc: Acc,
        dx: &mut Tensor,
    ) -> Result<()> {
        let Sparse { offsets, columns, values } = transposed;
        let channels = dx.shape().channels;
        expect_sparse([offsets, columns, values].map(Tensor::shape), dy.shape(), dx.shape(), channels, o)?;
        let entered = self.expect_vectors(dy, [], &[&offsets.buffer, &columns.buffer, &values.buffer, &dx.buffer])?;
        if dx.values() == 0 {
            return Ok(());
        }
        let lanes = dx.stride().div_ceil(8);
        let args = SampleArgs {
            from_first: extent(o)?,
            lanes: extent(lanes)?,
            to_type: dx.gradient(acc, self.precision),
            acc: acc_code(acc),
            ..SampleArgs::new(&transposed, dy, dx, channels, scale)?
        };
        // SAFETY: the matrix has a row for each position of `dx`, and the kernel reads its numbers as entries and positions
        // of `dy` that there are; `dy` has the channels from `o` on, and each thread writes its own piece of `dx`.
        unsafe { self.kernels.sample.launch_for(&entered, dx.shape().positions().saturating_mul(lanes), args) }
    }
}
