//! Convolution, 3x3, stride 1, zero padding 1 (the only kind VGG has), with bias and ReLU fused.
//!
//! Forward, `x: [1, I, H, W]`, `y: [1, O, H, W]`:
//! `y[o, r, c] = e(b[o] + sum_{i,u,v} w[o, i, u, v] x[i, r + u - 1, c + v - 1])`, `x` zero outside the picture.
//!
//! Adjoint (backward-data; filters are frozen, so there is no other):
//! `dx[i, r, c] (=|+=) sum_{o,u,v} w[o, i, u, v] (gate . dy)[o, r - u + 1, c - v + 1]`.
//!
//! Where an average pool follows, a backend may take it in: `y` is then the pooled output, and `dy` its gradient, spread
//! by the pool's adjoint as it is read. The full-size map never goes through memory.

use crate::{Acc, Result, Shape, Storage};

/// The extents of one convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// I: channels of the input.
    pub in_channels: usize,
    /// O: channels of the output.
    pub out_channels: usize,
    /// H, of input and output alike.
    pub height: usize,
    /// W, of input and output alike.
    pub width: usize,
}

impl Conv2d {
    /// Shape of the input.
    #[must_use]
    pub const fn input(&self) -> Shape {
        Shape::new(self.in_channels, self.height, self.width)
    }

    /// Shape of the output.
    #[must_use]
    pub const fn output(&self) -> Shape {
        Shape::new(self.out_channels, self.height, self.width)
    }

    /// Shape of the output behind a 2x2 pool.
    #[must_use]
    pub const fn pooled(&self) -> Shape {
        Shape::new(self.out_channels, self.height / 2, self.width / 2)
    }

    /// Floating-point operations of one direction, done directly: two for each multiply-add.
    #[must_use]
    pub const fn flops(&self) -> usize {
        18usize
            .saturating_mul(self.in_channels)
            .saturating_mul(self.out_channels)
            .saturating_mul(self.height)
            .saturating_mul(self.width)
    }
}

/// What is done to `W x` before it is written.
#[derive(Debug)]
pub enum Epilogue<'a, G> {
    /// `W x + b`.
    Bias,
    /// `max(0, W x + b)`.
    Relu,
    /// `max(0, W x + b)`, and the gate records where `W x + b > 0`.
    ReluGate(&'a mut G),
    /// The mean of each 2x2 window of `max(0, W x + b)`, [`Conv2d::pooled`]; only where
    /// [`conv2d_pools`](Conv2dOps::conv2d_pools).
    ReluPool,
    /// The same, and the gate, of the unpooled shape, records where `W x + b > 0`.
    ReluPoolGate(&'a mut G),
}

/// Convolution both ways.
pub trait Conv2dOps: Storage {
    /// Filters and bias as the device wants them, made once and used in both directions.
    type Filter: Send + Sync;

    /// Prepares filters `[O, I, 3, 3]` and bias `[O]`, both row-major.
    ///
    /// # Errors
    /// `Shape` if a length does not fit; `OutOfMemory`.
    fn pack(&self, in_channels: usize, out_channels: usize, weight: &[f32], bias: &[f32]) -> Result<Self::Filter>;
    /// Bytes of a packed filter.
    fn filter_bytes(&self, in_channels: usize, out_channels: usize) -> usize;
    /// How both directions of `op` are computed, from its shapes alone; for people to read.
    fn conv2d_algorithm(&self, op: &Conv2d) -> &'static str;
    /// Whether both directions of `op` can take in the average pool behind it.
    fn conv2d_pools(&self, op: &Conv2d) -> bool;
    /// Bytes of workspace that either direction of `op` wants.
    fn conv2d_workspace(&self, op: &Conv2d) -> usize;

    /// `y = epilogue(W x + b)`.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit `op` or the workspace is too small; `Unsupported` for a pool that is not taken in.
    fn conv2d_fwd(
        &self,
        op: &Conv2d,
        x: &Self::Tensor,
        filter: &Self::Filter,
        epilogue: Epilogue<'_, Self::Gate>,
        y: &mut Self::Tensor,
        workspace: &mut Self::Workspace,
    ) -> Result<()>;

    /// `dx (=|+=) W^T (gate . dy)`; without a gate, `dx (=|+=) W^T dy`. A `dy` of the shape [`Conv2d::pooled`] is the
    /// gradient behind an average pool, `dx (=|+=) W^T (gate . pool^T dy)`.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit `op` or the workspace is too small; `Unsupported` for a pool that is not taken in.
    #[allow(clippy::too_many_arguments)]
    fn conv2d_bwd(
        &self,
        op: &Conv2d,
        dy: &Self::Tensor,
        gate: Option<&Self::Gate>,
        filter: &Self::Filter,
        acc: Acc,
        dx: &mut Self::Tensor,
        workspace: &mut Self::Workspace,
    ) -> Result<()>;
}
