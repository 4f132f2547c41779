//! The layout of tensors in device memory: position-major, `[H W][stride]`. Up to four channels, the stride is the
//! number of channels; above that, it is rounded up to a multiple of eight. The padding channels hold zeros.

use std::sync::Arc;

use half::{bf16, f16};
use style_core::backend::Shape;
use style_core::{Error, ErrorKind, Result};

use crate::context::{Buffer, Context};
use crate::precision::Precision;

/// The storage type of values; matches kernels/device.cuh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum DType {
    F32 = 0,
    F16 = 1,
    Bf16 = 2,
}

impl DType {
    const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// Up to this many channels, a tensor is a picture or a map: dense and always `f32`.
pub(crate) const FEW: usize = 4;

/// Values per position, including padding.
pub(crate) const fn stride(channels: usize) -> usize {
    if channels <= FEW { channels } else { channels.saturating_add(7) / 8 * 8 }
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

/// A tensor of a [`Cuda`](crate::Cuda) device.
pub struct Tensor {
    pub(crate) buffer: Buffer,
    shape: Shape,
    pub(crate) dtype: DType,
}

/// A vector of a [`Cuda`](crate::Cuda) device in half precision: bf16, in the order of a tensor of its shape.
pub struct Half {
    pub(crate) buffer: Buffer,
    pub(crate) shape: Shape,
}

impl Half {
    pub(crate) fn bytes(shape: Shape) -> usize {
        values(shape).saturating_mul(2).checked_next_multiple_of(32).unwrap_or(usize::MAX)
    }
}

impl Tensor {
    pub(crate) fn new(context: &Arc<Context>, shape: Shape, dtype: DType) -> Result<Self> {
        let dtype = if shape.channels <= FEW { DType::F32 } else { dtype };
        let buffer = Buffer::new(context, Self::bytes(shape, dtype), &format!("a tensor of shape {shape}"))?;
        Ok(Self { buffer, shape, dtype })
    }

    /// The size in bytes of a tensor; with more than four channels, its values are stored as `dtype`.
    pub(crate) fn bytes(shape: Shape, dtype: DType) -> usize {
        let bytes = if shape.channels <= FEW { 4 } else { dtype.bytes() };
        values(shape).saturating_mul(bytes).checked_next_multiple_of(32).unwrap_or(usize::MAX)
    }

    /// The shape, `[1, C, H, W]`.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn reshape(&mut self, shape: Shape) -> Result<()> {
        expect_room("a tensor", &self.buffer, values(shape).saturating_mul(self.dtype.bytes()), shape)?;
        self.shape = shape;
        Ok(())
    }

    /// Values per position.
    pub(crate) fn stride(&self) -> usize {
        stride(self.shape.channels)
    }

    /// Whether there are at most four channels.
    pub(crate) fn is_few(&self) -> bool {
        self.shape.channels <= FEW
    }

    /// Values, including padding.
    pub(crate) fn values(&self) -> usize {
        values(self.shape)
    }

    /// The number of groups of eight values.
    pub(crate) fn pieces(&self) -> usize {
        self.values().div_ceil(8)
    }

    pub(crate) fn address(&self) -> u64 {
        self.buffer.address()
    }

    /// Whether values are stored in 16 bits.
    pub(crate) fn is_half(&self) -> bool {
        self.dtype != DType::F32
    }

    /// Converts row-major `[C, H, W]` values to the memory layout.
    pub(crate) fn encode<T: Default + Copy>(&self, src: &[f32], value: impl Fn(f32) -> T) -> Vec<T> {
        let (stride, positions) = (self.stride(), self.shape.positions());
        let mut all = vec![T::default(); self.values()];
        for (k, plane) in src.chunks_exact(positions.max(1)).enumerate() {
            all.iter_mut().skip(k).step_by(stride).zip(plane).for_each(|(to, &v)| *to = value(v));
        }
        all
    }

    /// The inverse of [`encode`](Self::encode).
    pub(crate) fn decode<T: Copy>(&self, all: &[T], dst: &mut [f32], value: impl Fn(T) -> f32) {
        let (stride, positions) = (self.stride(), self.shape.positions());
        for (k, plane) in dst.chunks_exact_mut(positions.max(1)).enumerate() {
            all.iter().skip(k).step_by(stride).zip(plane).for_each(|(&v, to)| *to = value(v));
        }
    }
}

/// Saturates like the kernels: values beyond the largest `f16` become that number.
pub(crate) fn to_f16(v: f32) -> u16 {
    f16::from_f32(if v.is_nan() { v } else { v.clamp(-65504.0, 65504.0) }).to_bits()
}

pub(crate) fn to_bf16(v: f32) -> u16 {
    bf16::from_f32(v).to_bits()
}

pub(crate) fn from_half(dtype: DType, bits: u16) -> f32 {
    match dtype {
        DType::Bf16 => bf16::from_bits(bits).to_f32(),
        DType::F16 | DType::F32 => f16::from_bits(bits).to_f32(),
    }
}

/// The positions where a ReLU is open: one bit per element, one byte per eight channels of a position.
pub struct Gate {
    pub(crate) buffer: Buffer,
    pub(crate) shape: Shape,
}

impl Gate {
    pub(crate) const fn bytes(shape: Shape) -> usize {
        shape.channels.div_ceil(8).saturating_mul(shape.positions())
    }

    pub(crate) fn reshape(&mut self, shape: Shape) -> Result<()> {
        expect_room("a gate", &self.buffer, Self::bytes(shape), shape)?;
        self.shape = shape;
        Ok(())
    }
}

/// Which element of each 2x2 window a max pool took: two bits per output element.
pub struct Switches {
    pub(crate) buffer: Buffer,
    pub(crate) shape: Shape,
}

impl Switches {
    /// Every eight channels take 16 bits; with up to four channels, each takes a byte.
    pub(crate) const fn bytes(shape: Shape) -> usize {
        let position = if shape.channels <= FEW { shape.channels } else { stride(shape.channels) / 4 };
        position.saturating_mul(shape.positions())
    }

    pub(crate) fn reshape(&mut self, shape: Shape) -> Result<()> {
        expect_room("switches", &self.buffer, Self::bytes(shape), shape)?;
        self.shape = shape;
        Ok(())
    }
}

/// Sums of a [`Cuda`](crate::Cuda) device.
pub struct Scalars {
    pub(crate) buffer: Buffer,
    pub(crate) count: usize,
}

impl Scalars {
    /// The address of `count` scalars from `first` on.
    pub(crate) fn slots(&self, first: usize, count: usize) -> Result<u64> {
        if first.checked_add(count).is_none_or(|end| end > self.count) {
            let message = format!(
                "scalars {first} to {} are out of range for {} scalars",
                first.saturating_add(count),
                self.count
            );
            return Err(Error::new(ErrorKind::Shape, message));
        }
        Ok(self.buffer.address() + 8 * first as u64)
    }
}

/// Scratch memory of a [`Cuda`](crate::Cuda) device.
pub struct Workspace {
    pub(crate) buffer: Buffer,
}

impl Workspace {
    /// Returns its address if it has at least `bytes` bytes.
    pub(crate) fn at_least(&self, bytes: usize) -> Result<u64> {
        if bytes > self.buffer.bytes() {
            let message = format!("expected a workspace of at least {bytes} bytes, found {}", self.buffer.bytes());
            return Err(Error::new(ErrorKind::Shape, message));
        }
        Ok(self.buffer.address())
    }
}

impl Precision {
    /// The storage type of features.
    pub(crate) const fn activation(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::Bf16,
        }
    }

    /// The storage type of their gradients: it has the range of `f32`, so that nothing underflows.
    pub(crate) const fn gradient(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 | Self::Bf16 => DType::Bf16,
        }
    }
}
