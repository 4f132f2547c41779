//! One file an op, under the names of `style_core::ops`.

pub(crate) mod conv2d;
pub(crate) mod gram;
pub(crate) mod guide;
pub(crate) mod loss;
pub(crate) mod moments;
pub(crate) mod pool2d;
pub(crate) mod relu;
pub(crate) mod tv;
pub(crate) mod vector;
pub(crate) mod window;

use style_core::{Acc, Error, ErrorKind, Result, Shape, expect_shape};

use crate::context::{Buffer, Entered};
use crate::cuda::Cuda;
use crate::kernels::vector::PARTS;
use crate::precision::Precision;
use crate::tensor::{DType, Tensor};

impl Cuda {
    /// This thread's turn, for work on these buffers.
    pub(crate) fn enter(&self, buffers: &[&Buffer]) -> Result<Entered<'_>> {
        if buffers.iter().all(|buffer| buffer.belongs_to(&self.context)) {
            return self.context.enter();
        }
        let message = "an operand was made by another `Cuda` than the one that is to work on it; a session, its network and \
                       its targets must share one";
        Err(Error::new(ErrorKind::Argument, message))
    }
}

/// Blocks of 256 threads, a piece each, that a reduction over so many pieces is spread over; by shape alone.
fn parts(pieces: usize) -> usize {
    pieces.div_ceil(256).clamp(1, PARTS)
}

pub(crate) fn expect_length(found: usize, tensor: &Tensor) -> Result<()> {
    if found == tensor.shape().len() {
        return Ok(());
    }
    let message = format!("a tensor of {} has {} values, not {found}", tensor.shape(), tensor.shape().len());
    Err(Error::new(ErrorKind::Shape, message))
}

/// Checks that a map is one channel of `x`.
fn expect_map(t: &Tensor, x: &Tensor) -> Result<()> {
    expect_shape("a map over features", Shape { channels: 1, ..x.shape() }, t.shape())
}

/// An extent as kernels take it.
fn extent(value: usize) -> Result<u32> {
    u32::try_from(value).map_err(|_| {
        Error::new(ErrorKind::Shape, format!("an extent of {value} is more than the 2^32 - 1 of a CUDA kernel"))
    })
}

/// `Acc` as kernels take it.
const fn acc_code(acc: Acc) -> u32 {
    match acc {
        Acc::Store => 0,
        Acc::Add => 1,
    }
}

impl Tensor {
    /// How a result is to be held: a tensor in half precision takes the type that is `stored`, and keeps its own under
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
