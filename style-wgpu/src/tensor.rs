//! The layout of tensors in device memory: position-major, `[H W][stride]`. One channel is dense; more are rounded up to a
//! multiple of four, and the padding channels hold zeros.

use std::sync::Arc;

use style_core::backend::Shape;
use style_core::{Error, ErrorKind, Result};

use crate::buffer::Buffer;
use crate::context::Context;

/// Values per position, including padding.
pub(crate) const fn stride(channels: usize) -> usize {
    if channels <= 1 { channels } else { quads(channels).saturating_mul(4) }
}

/// Groups of four channels.
pub(crate) const fn quads(channels: usize) -> usize {
    channels.div_ceil(4)
}

/// Values of a tensor, including padding.
pub(crate) const fn values(shape: Shape) -> usize {
    stride(shape.channels).saturating_mul(shape.positions())
}

/// Checks that a buffer can hold the `bytes` of a new shape.
fn expect_room(what: &str, buffer: &Buffer, bytes: usize, shape: Shape) -> Result<()> {
    if bytes <= buffer.bytes() {
        return Ok(());
    }
    let message = format!("{what} with {} bytes cannot be reshaped to {shape}", buffer.bytes());
    Err(Error::new(ErrorKind::Shape, message))
}

/// A tensor of a [`Wgpu`](crate::Wgpu) device.
pub struct Tensor {
    pub(crate) buffer: Buffer,
    shape: Shape,
}

impl Tensor {
    pub(crate) fn new(context: &Arc<Context>, shape: Shape) -> Result<Self> {
        let buffer = Buffer::new(context, Self::bytes(shape), &format!("a tensor of shape {shape}"))?;
        Ok(Self { buffer, shape })
    }

    /// The size in bytes of a tensor.
    pub(crate) fn bytes(shape: Shape) -> usize {
        values(shape).saturating_mul(4)
    }

    /// The shape, `[1, C, H, W]`.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn reshape(&mut self, shape: Shape) -> Result<()> {
        expect_room("a tensor", &self.buffer, Self::bytes(shape), shape)?;
        self.shape = shape;
        Ok(())
    }

    /// Values per position.
    pub(crate) fn stride(&self) -> usize {
        stride(self.shape.channels)
    }

    /// Values, including padding.
    pub(crate) fn values(&self) -> usize {
        values(self.shape)
    }

    /// Converts row-major `[C, H, W]` values to the memory layout.
    pub(crate) fn encode(&self, src: &[f32]) -> Result<Vec<f32>> {
        let (stride, positions) = (self.stride(), self.shape.positions());
        let mut all = Vec::new();
        let refused = |_| Error::new(ErrorKind::OutOfMemory, format!("no memory to upload {} values", self.values()));
        all.try_reserve_exact(self.values()).map_err(refused)?;
        if stride == 1 {
            all.extend_from_slice(src);
            return Ok(all);
        }
        all.resize(self.values(), 0.0);
        for (k, plane) in src.chunks_exact(positions.max(1)).enumerate() {
            all.iter_mut().skip(k).step_by(stride.max(1)).zip(plane).for_each(|(to, &v)| *to = v);
        }
        Ok(all)
    }

    /// The inverse of [`encode`](Self::encode).
    pub(crate) fn decode(&self, all: &[f32], dst: &mut [f32]) {
        let (stride, positions) = (self.stride(), self.shape.positions());
        for (k, plane) in dst.chunks_exact_mut(positions.max(1)).enumerate() {
            all.iter().skip(k).step_by(stride.max(1)).zip(plane).for_each(|(&v, to)| *to = v);
        }
    }
}

/// A vector of a [`Wgpu`](crate::Wgpu) device in half precision: bf16, in the order of a tensor of its shape, two in a word.
pub struct Half {
    pub(crate) buffer: Buffer,
    pub(crate) shape: Shape,
}

impl Half {
    pub(crate) fn bytes(shape: Shape) -> usize {
        values(shape).div_ceil(2).saturating_mul(4)
    }
}

/// The positions where a ReLU is open. A word has one bit for each of four channels at each of a block of two rows and four
/// columns.
pub struct Gate {
    pub(crate) buffer: Buffer,
    pub(crate) shape: Shape,
}

impl Gate {
    pub(crate) const fn bytes(shape: Shape) -> usize {
        let blocks = shape.height.div_ceil(2).saturating_mul(shape.width.div_ceil(4));
        blocks.saturating_mul(quads(shape.channels)).saturating_mul(4)
    }

    pub(crate) fn reshape(&mut self, shape: Shape) -> Result<()> {
        expect_room("a gate", &self.buffer, Self::bytes(shape), shape)?;
        self.shape = shape;
        Ok(())
    }
}

/// Which element of each 2x2 window a max pool took: two bits per output element, a word for 16 channels of a position.
pub struct Switches {
    pub(crate) buffer: Buffer,
    pub(crate) shape: Shape,
}

impl Switches {
    pub(crate) const fn bytes(shape: Shape) -> usize {
        shape.channels.div_ceil(16).saturating_mul(4).saturating_mul(shape.positions())
    }

    pub(crate) fn reshape(&mut self, shape: Shape) -> Result<()> {
        expect_room("switches", &self.buffer, Self::bytes(shape), shape)?;
        self.shape = shape;
        Ok(())
    }
}

/// Sums of a [`Wgpu`](crate::Wgpu) device, each a pair of `f32` and an exponent.
pub struct Scalars {
    pub(crate) buffer: Buffer,
    pub(crate) count: usize,
}

impl Scalars {
    /// Checks that there are `count` scalars from `first` on, and returns the first.
    pub(crate) fn slots(&self, first: usize, count: usize) -> Result<usize> {
        if first.checked_add(count).is_none_or(|end| end > self.count) {
            let end = first.saturating_add(count);
            let message = format!("scalars {first} to {end} are out of range for {} scalars", self.count);
            return Err(Error::new(ErrorKind::Shape, message));
        }
        Ok(first)
    }
}

/// Scratch memory of a [`Wgpu`](crate::Wgpu) device.
pub struct Workspace {
    pub(crate) buffer: Buffer,
}

impl Workspace {
    /// Checks that it has at least `bytes` bytes.
    pub(crate) fn at_least(&self, bytes: usize) -> Result<()> {
        if bytes <= self.buffer.bytes() {
            return Ok(());
        }
        let message = format!("expected a workspace of at least {bytes} bytes, found {}", self.buffer.bytes());
        Err(Error::new(ErrorKind::Shape, message))
    }
}
