//! Tensors and their memory layout.
//!
//! Up to [`PLANAR`] channels (an image, or a Gram matrix, whose shape is `[1, 1, N, N]`), a tensor is planar, row-major
//! `[C, H, W]`. With more channels it is blocked, `[C/16, H, W, 16]`: a vector holds sixteen channels of one position.
//! Channels are padded to whole blocks, and the padding is zero wherever a tensor has been written.

use bytemuck::{Pod, Zeroable};
use style_core::backend::{Shape, expect_shape};
use style_core::{Error, ErrorKind, Result};

use crate::memory::{Memory, zeroed};
use crate::simd::LANES;

/// The most channels of a planar tensor.
pub(crate) const PLANAR: usize = 4;

/// One vector in memory.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Lanes(pub(crate) [f32; LANES]);

/// A dense tensor.
pub struct Tensor {
    shape: Shape,
    memory: Memory<Lanes>,
}

/// One bit per element: where a ReLU let its input pass. Word `i` covers elements `16 i..` in storage order.
pub struct Gate {
    shape: Shape,
    pub(crate) words: Memory<u16>,
}

/// Two bits per output element of a max pool: which of `[0,0], [0,1], [1,0], [1,1]` it took, in two bit planes.
pub struct Switches {
    shape: Shape,
    pub(crate) column: Memory<u16>,
    pub(crate) row: Memory<u16>,
}

/// A vector in half precision, in the order of a tensor of its shape: the upper halves of `f32` (bf16).
pub struct Half {
    shape: Shape,
    memory: Memory<u16>,
}

/// A few `f64`.
pub struct Scalars {
    pub(crate) values: Vec<f64>,
    /// Results of the parts of a reduction; [`PARTS`] times as many.
    pub(crate) partial: Vec<f64>,
}

/// The most parts of a reduction to scalars.
pub(crate) const PARTS: usize = 64;

/// Scratch memory.
pub struct Workspace {
    pub(crate) memory: Memory<Lanes>,
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor{}", self.shape)
    }
}

pub(crate) fn is_planar(shape: Shape) -> bool {
    shape.channels <= PLANAR
}

/// The number of blocks of sixteen channels.
pub(crate) fn blocks(channels: usize) -> usize {
    channels.div_ceil(LANES)
}

/// The number of stored values, including padding channels.
pub(crate) fn stored(shape: Shape) -> usize {
    if is_planar(shape) {
        shape.len()
    } else {
        Shape { channels: blocks(shape.channels).saturating_mul(LANES), ..shape }.len()
    }
}

/// Vectors of a tensor; `usize::MAX` on overflow, so that any allocation fails.
fn vectors(shape: Shape) -> usize {
    match stored(shape) {
        usize::MAX => usize::MAX,
        values => values.div_ceil(LANES),
    }
}

/// Checks that `shape` fits in memory for `found` vectors.
fn expect_room(what: &str, found: usize, shape: Shape) -> Result<()> {
    if vectors(shape) <= found {
        return Ok(());
    }
    let message = format!("{what} with memory for {} values cannot be reshaped to {shape}", found * LANES);
    Err(Error::new(ErrorKind::Shape, message))
}

impl Tensor {
    pub(crate) fn new(shape: Shape) -> Result<Self> {
        Ok(Self { shape, memory: zeroed(vectors(shape), format_args!("a tensor of shape {shape}"))? })
    }

    pub(crate) fn bytes(shape: Shape) -> usize {
        vectors(shape).saturating_mul(size_of::<Lanes>())
    }

    /// The shape, `[1, C, H, W]`.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn reshape(&mut self, shape: Shape) -> Result<()> {
        expect_room("a tensor", self.memory.len(), shape)?;
        self.shape = shape;
        Ok(())
    }

    pub(crate) fn is_planar(&self) -> bool {
        is_planar(self.shape)
    }

    /// All values in storage order, including the padding channels of blocked tensors.
    pub(crate) fn values(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.memory)[..stored(self.shape)]
    }

    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.memory)[..stored(self.shape)]
    }

    pub(crate) fn upload(&mut self, src: &[f32]) -> Result<()> {
        let shape = self.shape;
        self.expect_len(src.len())?;
        if self.is_planar() {
            self.values_mut().copy_from_slice(src);
            return Ok(());
        }
        let m = shape.positions();
        for (block, dst) in self.values_mut().chunks_exact_mut((m * LANES).max(1)).enumerate() {
            for (p, lanes) in dst.chunks_exact_mut(LANES).enumerate() {
                for (l, value) in lanes.iter_mut().enumerate() {
                    let c = block * LANES + l;
                    *value = if c < shape.channels { src[c * m + p] } else { 0.0 };
                }
            }
        }
        Ok(())
    }

    pub(crate) fn download(&self, dst: &mut [f32]) -> Result<()> {
        self.expect_len(dst.len())?;
        if self.is_planar() {
            dst.copy_from_slice(self.values());
            return Ok(());
        }
        let m = self.shape.positions();
        for (c, plane) in dst.chunks_exact_mut(m.max(1)).enumerate() {
            let block = &self.values()[c / LANES * m * LANES..];
            for (value, lanes) in plane.iter_mut().zip(block.chunks_exact(LANES)) {
                *value = lanes[c % LANES];
            }
        }
        Ok(())
    }

    fn expect_len(&self, len: usize) -> Result<()> {
        if len == self.shape.len() {
            return Ok(());
        }
        let message = format!("expected {} values for a tensor of shape {}, found {len}", self.shape.len(), self.shape);
        Err(Error::new(ErrorKind::Shape, message))
    }
}

impl Gate {
    pub(crate) fn new(shape: Shape) -> Result<Self> {
        Ok(Self { shape, words: zeroed(vectors(shape), "a gate")? })
    }

    pub(crate) fn bytes(shape: Shape) -> usize {
        vectors(shape).saturating_mul(size_of::<u16>())
    }

    pub(crate) fn expect(&self, shape: Shape) -> Result<()> {
        expect_shape("a gate", shape, self.shape)
    }

    pub(crate) fn reshape(&mut self, shape: Shape) -> Result<()> {
        expect_room("a gate", self.words.len(), shape)?;
        self.shape = shape;
        Ok(())
    }
}

impl Switches {
    pub(crate) fn new(shape: Shape) -> Result<Self> {
        let words = || zeroed(vectors(shape), "the switches of a pool");
        Ok(Self { shape, column: words()?, row: words()? })
    }

    pub(crate) fn expect(&self, shape: Shape) -> Result<()> {
        expect_shape("the switches of a pool", shape, self.shape)
    }

    pub(crate) fn reshape(&mut self, shape: Shape) -> Result<()> {
        expect_room("switches", self.row.len(), shape)?;
        self.shape = shape;
        Ok(())
    }
}

impl Half {
    pub(crate) fn new(shape: Shape) -> Result<Self> {
        Ok(Self { shape, memory: zeroed(stored(shape), format_args!("a vector of shape {shape}"))? })
    }

    pub(crate) fn bytes(shape: Shape) -> usize {
        stored(shape).saturating_mul(size_of::<u16>())
    }

    /// The shape, `[1, C, H, W]`.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// All values in storage order.
    pub(crate) fn values(&self) -> &[u16] {
        &self.memory
    }

    pub(crate) fn values_mut(&mut self) -> &mut [u16] {
        &mut self.memory
    }
}

/// Checks that two tensors have the same shape.
pub(crate) fn expect_same(a: &Tensor, b: &Tensor) -> Result<()> {
    expect_shape("the second operand", a.shape(), b.shape())
}

/// Returns the first `len` values of a workspace.
pub(crate) fn expect_workspace<T>(memory: &mut [T], len: usize) -> Result<&mut [T]> {
    let found = memory.len();
    memory.get_mut(..len).ok_or_else(|| {
        Error::new(ErrorKind::Shape, format!("expected a workspace of at least {len} values, found {found}"))
    })
}
