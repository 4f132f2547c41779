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

#[cfg(test)]
mod tests;

use style_core::backend::{Acc, Shape, expect_shape};
use style_core::{Error, ErrorKind, Result};

use crate::backend::Wgpu;
use crate::buffer::Buffer;
use crate::kernels::PARTS;
use crate::tensor::Tensor;
use crate::turn::{Entered, extent};

impl Wgpu {
    /// Takes this thread's turn, for work on these buffers.
    pub(crate) fn enter(&self, buffers: &[&Buffer]) -> Result<Entered<'_>> {
        if buffers.iter().all(|buffer| buffer.belongs_to(&self.context)) {
            return self.context.enter();
        }
        let message = "an operand belongs to another `Wgpu`; use one `Wgpu` for a session, its network and its targets";
        Err(Error::new(ErrorKind::Argument, message))
    }
}

/// The number of workgroups for a reduction over so many values, by 256 threads each that take at least four; depends on shape
/// alone.
fn parts(values: usize) -> usize {
    values.div_ceil(1024).clamp(1, PARTS)
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

/// The kernels' code for `Acc`.
const fn acc_code(acc: Acc) -> u32 {
    match acc {
        Acc::Store => 0,
        Acc::Add => 1,
    }
}

/// A number as two `f32` whose sum has 48 bits.
fn pair(value: f64) -> [u32; 2] {
    let high = value as f32;
    let low = if high.is_finite() { (value - f64::from(high)) as f32 } else { 0.0 };
    [high.to_bits(), low.to_bits()]
}
