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
//! and what the adjoint has on the ring around the picture is folded back onto the border:
//! `dx[i, r, c] (=|+=) sum_{o,u,v} w[o, i, u, v] sum_{p,q} (gate . dy)[o, p, q]`, over all `p` and `q` with
//! `clamp(p + u - 1) = r` and `clamp(q + v - 1) = c`.
//!
//! Either may be done for a [`Part`] of the picture's rows, on tensors that hold only some rows, so that a picture can be
//! taken band by band.
//!
//! Where an average pool follows, a backend may take it in: `y` is then the pooled output, and `dy` its gradient, spread
//! by the pool's adjoint as it is read. The full-size map never goes through memory.

use crate::backend::shape::{Acc, Rows, Shape};
use crate::backend::storage::Storage;
use crate::error::{Error, ErrorKind, Result};

/// What a convolution reads outside the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Padding {
    /// Zeros, as VGG was trained and the paper has it. At the picture they stand for the mean colour.
    Zero,
    /// The nearest pixel of the picture. Only for convolutions that read up to [`Conv2d::PICTURE`] channels.
    Replicate,
}

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
    /// What is read outside the picture.
    pub padding: Padding,
    /// Which rows are computed and held, if not all of them.
    pub part: Option<Part>,
}

/// A part of a convolution: some rows computed, from tensors that hold some rows. Gates are always of the whole picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// The rows of the output (forward) or of the input (backward) that are computed; others are left as they are.
    pub computed: Rows,
    /// The rows of the input that `x` or `dx` holds.
    pub x: Rows,
    /// The rows of the output that `y` or `dy` holds; of a pooled tensor, the rows before the pool.
    pub y: Rows,
}

impl Conv2d {
    /// The most channels that a picture has, so that a convolution of it may choose its padding.
    pub const PICTURE: usize = 4;

    /// A convolution of whole pictures, padded with zeros.
    #[must_use]
    pub const fn new(in_channels: usize, out_channels: usize, height: usize, width: usize) -> Self {
        Self { in_channels, out_channels, height, width, padding: Padding::Zero, part: None }
    }

    /// The same with another padding.
    #[must_use]
    pub const fn with_padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    /// That the padding is one that a convolution of so many channels has.
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

    /// The part that is done: of a whole convolution, everything.
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

    /// Shape of the tensor `y` or `dy`, behind a 2x2 pool or not.
    #[must_use]
    pub const fn y(&self, pooled: bool) -> Shape {
        let rows = self.rows().y.len();
        if pooled {
            Shape::new(self.out_channels, rows / 2, self.width / 2)
        } else {
            Shape::new(self.out_channels, rows, self.width)
        }
    }

    /// That the tensors hold the rows that are computed, and those beside them that are read.
    ///
    /// # Errors
    /// `Shape`.
    pub fn expect_part(&self, forward: bool, pooled: bool) -> Result<()> {
        let Part { computed, x, y } = self.rows();
        let (read, written) = if forward { (x, y) } else { (y, x) };
        let whole = Rows::all(self.input());
        let inside = [computed, x, y].into_iter().all(|rows| rows.start <= rows.end && whole.contains(rows));
        let held = read.contains(computed.widened(1, self.height)) && written.contains(computed);
        // A window of the pool is in one part.
        let split = |rows: Rows| rows.start % 2 == 1 || (rows.end % 2 == 1 && rows.end != self.height);
        let windows = !pooled || !(split(y) || forward && split(computed));
        if inside && held && windows {
            return Ok(());
        }
        let message =
            format!("rows {computed:?} of {} cannot be computed from tensors that hold {x:?} and {y:?}", self.height);
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
    /// How many rows a [`Part`] of `op` had best compute, an even number; `None` where parts are not done.
    fn conv2d_part_rows(&self, op: &Conv2d) -> Option<usize>;
    /// Bytes of workspace that either direction of `op` wants.
    fn conv2d_workspace(&self, op: &Conv2d) -> usize;

    /// `y = epilogue(W x + b)`.
    ///
    /// # Errors
    /// `Shape` if an operand does not fit `op` or the workspace is too small; `Unsupported` for a pool that is not taken in,
    /// parts that are not done, or a padding that [`Conv2d::expect_padding`] refuses.
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
    /// `Shape` if an operand does not fit `op` or the workspace is too small; `Unsupported` for a pool that is not taken in,
    /// parts that are not done, or a padding that [`Conv2d::expect_padding`] refuses.
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
