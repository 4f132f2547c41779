//! Tensors from and to the arrays of `ndarray`.

use ndarray::{Array3, ArrayView3};
use style_core::backend::Shape;
use style_core::{Error, ErrorKind, Result};

use crate::memory::zeroed_vec;
use crate::tensor::Tensor;

impl Tensor {
    /// Creates a tensor from an array `[C, H, W]` of any strides.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn from_array(array: ArrayView3<'_, f32>) -> Result<Self> {
        let (channels, height, width) = array.dim();
        let mut tensor = Self::new(Shape { channels, height, width })?;
        tensor.upload(&array.as_standard_layout().iter().copied().collect::<Vec<_>>())?;
        Ok(tensor)
    }

    /// Returns the values as an array `[C, H, W]`.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn to_array(&self) -> Result<Array3<f32>> {
        let shape = self.shape();
        let mut values = zeroed_vec(shape.len(), format_args!("an array {shape}"))?;
        self.download(&mut values)?;
        let array = Array3::from_shape_vec((shape.channels, shape.height, shape.width), values);
        array.map_err(|e| Error::new(ErrorKind::Shape, format!("{shape} is no shape of an array")).with_source(e))
    }
}
