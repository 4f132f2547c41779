//! See [`style_core::backend::ops::GramOps`], and kernels/gram.cu and gram_tensor.cu.
//!
//! The positions are split into parts by shape alone. Each tile on and above the diagonal is summed over each part,
//! then over the parts in a fixed order.

pub(crate) mod direct;
pub(crate) mod tensor;

use style_core::backend::ops::{GramOps, Rows};
use style_core::backend::{Acc, Shape, expect_shape};
use style_core::{Error, ErrorKind, Result};

use crate::cuda::Cuda;
use crate::kernels::gram::FinishArgs;
use crate::tensor::{Tensor, Workspace};

impl GramOps for Cuda {
    fn gram(
        &self,
        features: &Tensor,
        rows: Rows,
        scale: f32,
        acc: Acc,
        g: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        let shape = features.shape();
        expect_shape("a Gram matrix", Shape::gram(shape.channels), g.shape())?;
        if rows.start > rows.end || rows.end > shape.height {
            let message =
                format!("rows {} to {} are out of range for features with {} rows", rows.start, rows.end, shape.height);
            return Err(Error::new(ErrorKind::Shape, message));
        }
        match &self.tensor_kernels {
            Some(kernels) if features.is_half() => self.gram_tensor(kernels, features, rows, scale, acc, g, workspace),
            _ => self.gram_direct(features, rows, scale, acc, g, workspace),
        }
    }

    fn gram_bwd(
        &self,
        features: &Tensor,
        dg: &Tensor,
        scale: f32,
        acc: Acc,
        dfeatures: &mut Tensor,
        workspace: &mut Workspace,
    ) -> Result<()> {
        expect_shape("the gradient of a Gram matrix", Shape::gram(features.shape().channels), dg.shape())?;
        expect_shape("the gradient of features", features.shape(), dfeatures.shape())?;
        match &self.tensor_kernels {
            Some(kernels) if features.is_half() && dfeatures.is_half() => {
                self.gram_bwd_tensor(kernels, features, dg, scale, acc, dfeatures, workspace)
            }
            _ => self.gram_bwd_direct(features, dg, scale, acc, dfeatures, workspace),
        }
    }

    fn gram_workspace(&self, shape: Shape) -> usize {
        direct::workspace(shape)
    }
}
