//! One file per op, named as in `style_core::backend::ops`.

pub(crate) mod conv2d;
pub(crate) mod cosine;
pub(crate) mod gram;
pub(crate) mod guide;
mod history;
pub(crate) mod loss;
pub(crate) mod moments;
pub(crate) mod nearest;
pub(crate) mod pool2d;
pub(crate) mod product;
pub(crate) mod relu;
pub(crate) mod sample;
pub(crate) mod transport;
pub(crate) mod tv;
pub(crate) mod vector;
pub(crate) mod window;

use style_core::backend::{Acc, Shape, expect_shape};
use style_core::{Error, ErrorKind, Result};

use crate::context::{Buffer, Entered};
use crate::cuda::Cuda;
use crate::kernels::vector::PARTS;
use crate::precision::Precision;
use crate::tensor::{DType, Tensor};

impl Cuda {
    /// Takes this thread's turn, for work on these buffers.
    pub(crate) fn enter(&self, buffers: &[&Buffer]) -> Result<Entered<'_>> {
        if buffers.iter().all(|buffer| buffer.belongs_to(&self.context)) {
            return self.context.enter();
        }
        let message = "an operand belongs to another `Cuda`; use one `Cuda` for a session, its network and its targets";
        Err(Error::new(ErrorKind::Argument, message))
    }
}

/// The number of blocks for a reduction over `pieces`, with 256 threads each and one piece per thread; depends on shape
/// alone.
fn parts(pieces: usize) -> usize {
    pieces.div_ceil(256).clamp(1, PARTS)
}

pub(crate) fn expect_length(found: usize, tensor: &Tensor) -> Result<()> {
    if found == tensor.shape().len() {
        return Ok(());
    }
    let message =
        format!("expected {} values for a tensor of shape {}, found {found}", tensor.shape().len(), tensor.shape());
    Err(Error::new(ErrorKind::Shape, message))
}

/// Checks that a map has the shape of one channel of `x`.
fn expect_map(t: &Tensor, x: &Tensor) -> Result<()> {
    expect_shape("a map over features", Shape { channels: 1, ..x.shape() }, t.shape())
}

/// Converts an extent to the type that kernels take.
fn extent(value: usize) -> Result<u32> {
    u32::try_from(value)
        .map_err(|_| Error::new(ErrorKind::Shape, format!("expected an extent of at most 2^32 - 1, found {value}")))
}

/// The kernels' code for `Acc`.
const fn acc_code(acc: Acc) -> u32 {
    match acc {
        Acc::Store => 0,
        Acc::Add => 1,
    }
}

impl Tensor {
    /// Selects the storage type of a result: a half-precision tensor takes the type `stored`, or keeps its own under
    /// `Add`.
    fn written_as(&mut self, acc: Acc, stored: DType) -> u32 {
        if acc == Acc::Store && self.is_half() && stored != DType::F32 {
            self.dtype = stored;
        }
        self.dtype as u32
    }

    /// The same for a gradient.
    fn gradient(&mut self, acc: Acc, precision: Precision) -> u32 {
        self.written_as(acc, precision.gradient())
    }
}
