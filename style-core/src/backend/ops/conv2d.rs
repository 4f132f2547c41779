//! Convolution, 3x3, stride 1, padding 1 (the only kind VGG has), with bias and ReLU fused.
//!
//! Forward, `x: [1, I, H, W]`, `y: [1, O, H, W]`:
//! `y[o, r, c] = e(b[o] + sum_{i,u,v} w[o, i, u, v] x[i, r + u - 1, c + v - 1])`, `x` zero outside the picture.
//!
//! Adjoint (backward-data; filters are frozen, so there is no other):
//! `dx[i, r, c] (=|+=) sum_{o,u,v} w[o, i, u, v] (gate . dy)[o, r - u + 1, c - v + 1]`.
//!
//! The convolution of a picture may repeat the border instead ([`Padding::Replicate`]). With `clamp` to the nearest row or
//! column of the picture,
//! `y[o, r, c] = e(b[o] + sum_{i,u,v} w[o, i, u, v] x[i, clamp(r + u - 1), clamp(c + v - 1)])`,
//! and the adjoint's values on the ring around the picture are folded back onto the border:
//! `dx[i, r, c] (=|+=) sum_{o,u,v} w[o, i, u, v] sum_{p,q} (gate . dy)[o, p, q]`, over all `p` and `q` with
//! `clamp(p + u - 1) = r` and `clamp(q + v - 1) = c`.
//!
//! Both directions may run on a [`Part`] of the picture's rows, on tensors that hold only some rows, so that a picture can
//! be processed band by band.
//!
//! A backend may fuse a following pool ([`Conv2d::pooling`]): `y` is then the pooled output and `dy` its gradient, which the
//! pool's adjoint expands as it is read. The full-size map is never written to memory. Within a window, the gate of a fused
//! max pool is open at the selected element alone, if that is positive: it takes the place of switches.

use serde::{Deserialize, Serialize};

use crate::backend::ops::pool2d::Pooling;
use crate::backend::shape::{Acc, Rows, Shape};
use crate::backend::storage::Storage;
use crate::error::{Error, ErrorKind, Result};

/// The padding of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Zeros, as in VGG's training and in the paper. On the picture they stand for the mean colour.
    Zero,
    /// The nearest pixel of the picture. Only for convolutions with up to [`Conv2d::PICTURE`] input channels.
    Replicate,
}

/// The extents of one convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2d {
    /// I: channels of the input.
    pub in_channels: usize,
    /// O: channels of the output.
    pub out_channels: usize,
    /// H, of input and output.
    pub height: usize,
    /// W, of input and output.
    pub width: usize,
    /// The values outside the picture.
    pub padding: Padding,
    /// The kind of a fused pool.
    pub pooling: Pooling,
    /// The rows computed and held, if not all of them.
    pub part: Option<Part>,
}

/// A part of a convolution: some rows, computed from tensors that hold some rows. Gates always cover the whole picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// The rows of the output (forward) or of the input (backward) to compute; others are left unchanged.
    pub computed: Rows,
    /// The rows of the input that `x` or `dx` holds.
    pub x: Rows,
    /// The rows of the output that `y` or `dy` holds; for a pooled tensor, the rows before the pool.
    pub y: Rows,
}

impl Conv2d {
    /// The maximum number of channels of a picture; only convolutions of pictures may choose their padding.
    pub const PICTURE: usize = 4;

    /// A convolution of whole pictures, padded with zeros.
    #[must_use]
    pub const fn new(in_channels: usize, out_channels: usize, height: usize, width: usize) -> Self {
        Self { in_channels, out_channels, height, width, padding: Padding::Zero, pooling: Pooling::Average, part: None }
    }

    /// The same with another padding.
    #[must_use]
    pub const fn with_padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    /// The same with a pool of this kind behind it, which may be fused.
    #[must_use]
    pub const fn with_pooling(self, pooling: Pooling) -> Self {
        Self { pooling, ..self }
    }

    /// Checks that a convolution with this number of channels supports the padding.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn expect_padding(&self) -> Result<()> {
        if self.padding == Padding::Zero || self.in_channels <= Self::PICTURE {
            return Ok(());
        }
        let message = format!(
            "a convolution of {} channels cannot replicate the border: only one of a picture can, of up to {} channels; \
             use zero padding",
            self.in_channels,
            Self::PICTURE
        );
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// The part to compute; for a whole convolution, everything.
    #[must_use]
    pub const fn rows(&self) -> Part {
        let all = Rows::all(self.input());
        match self.part {
            Some(part) => part,
            None => Part { computed: all, x: all, y: all },
        }
    }

    /// Shape of the tensor `x` or `dx`.
    #[must_use]
    pub const fn x(&self) -> Shape {
        Shape::new(self.in_channels, self.rows().x.len(), self.width)
    }

    /// Shape of the tensor `y` or `dy`, optionally after a 2x2 pool.
    #[must_use]
    pub const fn y(&self, pooled: bool) -> Shape {
        let rows = self.rows().y.len();
        if pooled {
            Shape::new(self.out_channels, rows / 2, self.width / 2)
        } else {
            Shape::new(self.out_channels, rows, self.width)
        }
    }

    /// Checks that the tensors hold the rows to compute and the neighbouring rows to read.
    ///
    /// # Errors
    /// `Shape`.
    pub fn expect_part(&self, forward: bool, pooled: bool) -> Result<()> {
        let Part { computed, x, y } = self.rows();
        let (read, written) = if forward { (x, y) } else { (y, x) };
        let whole = Rows::all(self.input());
        let inside = [computed, x, y].into_iter().all(|rows| rows.start <= rows.end && whole.contains(rows));
        let held = read.contains(computed.widened(1, self.height)) && written.contains(computed);
        // A pool window must not span two parts.
        let split = |rows: Rows| rows.start % 2 == 1 || (rows.end % 2 == 1 && rows.end != self.height);
        let windows = !pooled || !(split(y) || forward && split(computed));
        if inside && held && windows {
            return Ok(());
        }
        let message =
            format!("rows {computed:?} of {} cannot be computed from tensors with rows {x:?} and {y:?}", self.height);
        Err(Error::new(ErrorKind::Shape, message))
    }

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

    /// Shape of the output after a 2x2 pool.
    #[must_use]
    pub const fn pooled(&self) -> Shape {
        Shape::new(self.out_channels, self.height / 2, self.width / 2)
    }

    /// Floating-point operations of one direction of a direct convolution: two per multiply-add.
    #[must_use]
    pub const fn flops(&self) -> usize {
        18usize
            .saturating_mul(self.in_channels)
            .saturating_mul(self.out_channels)
            .saturating_mul(self.height)
            .saturating_mul(self.width)
    }
}

/// The error for the gradient of a fused max pool without a gate; for backends.
#[must_use]
pub fn gate_required() -> Error {
    Error::new(ErrorKind::Argument, "the gradient of a fused max pool requires the gate of its forward pass")
}

/// The operation applied to `W x` before it is written.
#[derive(Debug)]
pub enum Epilogue<'a, G> {
    /// `W x + b`.
    Bias,
    /// `max(0, W x + b)`.
    Relu,
    /// `max(0, W x + b)`; the gate records where `W x + b > 0`.
    ReluGate(&'a mut G),
    /// The mean or maximum of each 2x2 window of `max(0, W x + b)`, [`Conv2d::pooled`]; only if
    /// [`conv2d_pools`](Conv2dOps::conv2d_pools).
    ReluPool,
    /// The same; the gate, of the unpooled shape, records where `W x + b > 0`, for a maximum at the selected elements alone.
    ReluPoolGate(&'a mut G),
}

/// Convolution in both directions.
pub trait Conv2dOps: Storage {
    /// Filters and bias in the device's format, packed once and used in both directions.
    type Filter: Send + Sync;

    /// Packs filters `[O, I, 3, 3]` and bias `[O]`, both row-major.
    ///
    /// # Errors
    /// `Shape` if a length does not fit; `OutOfMemory`.
    fn pack(&self, in_channels: usize, out_channels: usize, weight: &[f32], bias: &[f32]) -> Result<Self::Filter>;
    /// Size of a packed filter in bytes.
    fn filter_bytes(&self, in_channels: usize, out_channels: usize) -> usize;
    /// A human-readable name for the algorithm of both directions of `op`, chosen from its shapes only.
    fn conv2d_algorithm(&self, op: &Conv2d) -> &'static str;
    /// Whether both directions of `op` can fuse a following pool of its kind.
    fn conv2d_pools(&self, op: &Conv2d) -> bool;
    /// The preferred number of rows of a [`Part`] of `op`, an even number; `None` if parts are not supported.
    fn conv2d_part_rows(&self, op: &Conv2d) -> Option<usize>;
    /// Workspace that either direction of `op` needs, in bytes.
    fn conv2d_workspace(&self, op: &Conv2d) -> usize;

    /// `y = epilogue(W x + b)`.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit `op` or the workspace is too small; `Unsupported` for a pool that cannot be
    /// fused, unsupported parts, or a padding that [`Conv2d::expect_padding`] rejects.
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
    /// gradient after a pool, `dx (=|+=) W^T (gate . pool^T dy)`; the gate must be that of the same fused pool.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit `op` or the workspace is too small; `Argument` for a fused max pool without a gate;
    /// `Unsupported` for a pool that cannot be fused, unsupported parts, or a padding that [`Conv2d::expect_padding`]
    /// rejects.
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
