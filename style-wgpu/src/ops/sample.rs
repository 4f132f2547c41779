//! See [`style_core::backend::ops::SampleOps`] and kernels/sample.wgsl.

use style_core::Result;
use style_core::backend::Acc;
use style_core::backend::ops::{CHANNEL_GROUP, SampleOps, Sparse, expect_sparse};

use super::{acc_code, extent};
use crate::backend::Wgpu;
use crate::kernels::SAMPLE;
use crate::tensor::Tensor;

/// Which channels are read and written: the first of each, as many as are computed, and as many as are written.
struct Channels {
    from: usize,
    to: usize,
    computed: usize,
    written: usize,
}

impl Wgpu {
    fn samples(
        &self,
        matrix: Sparse<'_, Tensor>,
        from: &Tensor,
        scale: f32,
        acc: Acc,
        to: &Tensor,
        channels: &Channels,
    ) -> Result<()> {
        let Sparse { offsets, columns, values } = matrix;
        let operands = [&from.buffer, &offsets.buffer, &columns.buffer, &values.buffer, &to.buffer];
        let mut entered = self.enter(&operands)?;
        let threads = to.shape().positions().saturating_mul(channels.written);
        let extents = [
            threads,
            values.shape().width,
            from.shape().positions().saturating_sub(1),
            from.stride(),
            channels.from,
            to.stride(),
            channels.to,
            channels.computed,
            channels.written,
        ];
        let mut parameters = extents.into_iter().map(extent).collect::<Result<Vec<_>>>()?;
        parameters.extend([acc_code(acc), scale.to_bits()]);
        entered.launch_for(&SAMPLE, threads, &parameters, &operands)
    }
}

impl SampleOps for Wgpu {
    fn sample(&self, matrix: Sparse<'_, Tensor>, x: &Tensor, scale: f32, y: &mut Tensor, o: usize) -> Result<()> {
        let Sparse { offsets, columns, values } = matrix;
        let computed = x.shape().channels;
        expect_sparse([offsets, columns, values].map(Tensor::shape), x.shape(), y.shape(), computed, o)?;
        // The channels that fill up the last group.
        let written = computed.next_multiple_of(CHANNEL_GROUP).min(y.stride() - o);
        self.samples(matrix, x, scale, Acc::Store, y, &Channels { from: 0, to: o, computed, written })
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
        let computed = dx.shape().channels;
        expect_sparse([offsets, columns, values].map(Tensor::shape), dy.shape(), dx.shape(), computed, o)?;
        self.samples(transposed, dy, scale, acc, dx, &Channels { from: o, to: 0, computed, written: dx.stride() })
    }
}
