//! Gram matrices of features in half precision, on tensor cores: kernels/gram_tensor.cu. The gradient is a 1x1
//! convolution of the features with the symmetric matrix.

use style_core::Result;
use style_core::backend::Acc;
use style_core::backend::ops::Rows;

use super::direct::{TILE, finish, parts, tiles};
use crate::cuda::Cuda;
use crate::kernels::conv2d::Conv2dArgs;
use crate::kernels::gram::{FiltersArgs, GramTensorArgs};
use crate::kernels::set::TensorKernels;
use crate::ops::conv2d::tensor::{CHUNK, OUTS, Variant};
use crate::ops::extent;
use crate::tensor::{DType, Tensor, Workspace};

impl Cuda {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn gram_tensor(
        &self,
        kernels: &TensorKernels,
        features: &Tensor,
        rows: Rows,
        scale: f32,
        acc: Acc,
        g: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let (channels, width) = (features.shape().channels, features.shape().width);
        let positions = rows.len() * width;
        let ((part, parts), tiles) = (parts(positions), tiles(channels));
        let partial = workspace.at_least(tiles * parts * 4 * TILE * TILE)?;
        let entered = self.enter(&[&features.buffer, &g.buffer, &workspace.buffer])?;
        let args = GramTensorArgs {
            features: features.address() + (rows.start * width * features.stride() * 2) as u64,
            partial,
            positions: positions as u64,
            part: part as u64,
            stride: features.stride() as u32,
            padding: 0,
        };
        let kernel = if features.dtype == DType::F16 { &kernels.gram_f16 } else { &kernels.gram_bf16 };
        // SAFETY: the rows belong to `features`, as the caller checked; the workspace has room for all partial tiles.
        unsafe { kernel.launch(&entered, [tiles, parts, 1], args)? };
        finish(self, &entered, partial, parts, scale, acc, g)
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn gram_bwd_tensor(
        &self,
        kernels: &TensorKernels,
        features: &Tensor,
        dg: &Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let shape = features.shape();
        let (tiles, chunks) = (shape.channels.div_ceil(OUTS), shape.channels.div_ceil(CHUNK));
        let filters = workspace.at_least(tiles * chunks * OUTS * CHUNK * 2)?;
        let entered = self.enter(&[&features.buffer, &dg.buffer, &dfeatures.buffer, &workspace.buffer])?;
        let symmetric = FiltersArgs {
            dg: dg.address(),
            filters,
            channels: extent(shape.channels)?,
            chunks: chunks as u32,
            scale,
            padding: 0,
        };
        dfeatures.gradient(acc, self.precision);
        let args = Conv2dArgs::new(features, dfeatures, filters, shape, acc)?;
        let (variant, grid) = Variant::new(shape);
        let kernel = match variant {
            Variant::Large => &kernels.gram_bwd_bf16,
            Variant::Narrow => &kernels.gram_bwd_bf16_narrow,
            Variant::Small => &kernels.gram_bwd_bf16_small,
        };
        // SAFETY: the workspace has room for the filters; `dfeatures` has the shape of `features`, and each thread
        // writes only its own pieces.
        unsafe {
            kernels.gram_filters.launch_for(&entered, tiles * chunks * OUTS * CHUNK / 8, symmetric)?;
            kernel.launch(&entered, grid, args)
        }
    }
}
