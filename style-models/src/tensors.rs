//! The interface of every format: tensors by name, with shapes available at once and values on demand.

use style_core::{Error, ErrorKind, InputSpace, Result};

use crate::naming::{Layout, Naming};

/// The tensors of an opened weight file.
pub(crate) trait Tensors {
    /// Every tensor's name and shape, sorted by name.
    fn list(&self) -> Vec<(&str, &[usize])>;

    /// The values of one tensor, row-major, as f32.
    ///
    /// Callers check the shape first: at most its product is read or allocated.
    fn read(&mut self, name: &str) -> Result<Vec<f32>>;

    /// The convolutions, if the format identifies them by other means than names.
    fn naming(&self) -> Option<Naming> {
        None
    }

    /// Whether filters of this layout are applied as a convolution, which flips them, rather than as cross-correlation.
    fn flips(&self, _layout: Layout) -> bool {
        false
    }

    /// The input space that the file names, if its format can.
    fn input_space(&self) -> Option<Result<InputSpace>> {
        None
    }
}

/// The storage format of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    F16,
    Bf16,
    F32,
    F64,
}

impl Number {
    /// Bytes per value.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Little-endian bytes as f32 values; trailing bytes after the last whole value are ignored.
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<Vec<f32>> {
        let mut values = reserved(bytes.len() / self.size())?;
        match self {
            Self::F16 => values.extend(chunks(bytes).map(|b| half::f16::from_le_bytes(b).to_f32())),
            Self::Bf16 => values.extend(chunks(bytes).map(|b| half::bf16::from_le_bytes(b).to_f32())),
            Self::F32 => values.extend(chunks(bytes).map(f32::from_le_bytes)),
            #[allow(clippy::cast_possible_truncation)] // inherent in reading f64 weights as f32
            Self::F64 => values.extend(chunks(bytes).map(|b| f64::from_le_bytes(b) as f32)),
        }
        Ok(values)
    }

    /// The same for big-endian bytes.
    pub(crate) fn decode_big_endian(self, mut bytes: Vec<u8>) -> Result<Vec<f32>> {
        bytes.chunks_exact_mut(self.size()).for_each(<[u8]>::reverse);
        self.decode(&bytes)
    }
}

/// An empty vector with this capacity, or an error.
pub(crate) fn reserved<T>(count: usize) -> Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|e| {
        let bytes = count.saturating_mul(size_of::<T>());
        Error::new(ErrorKind::OutOfMemory, format!("not enough memory for {bytes} bytes of weights")).with_source(e)
    })?;
    Ok(values)
}

/// A vector of this many zeros, or an error.
pub(crate) fn zeros<T: Copy + Default>(count: usize) -> Result<Vec<T>> {
    let mut values = reserved(count)?;
    values.resize(count, T::default());
    Ok(values)
}

/// The values of a view in row-major order; `values` spans its first to its last.
pub(crate) fn gather(values: &[f32], size: &[usize], stride: &[usize]) -> Result<Vec<f32>> {
    let len = size.iter().product();
    let mut gathered = reserved(len)?;
    let (mut index, mut at) = (vec![0; size.len()], 0);
    while gathered.len() < len {
        gathered.push(values[at]);
        // The last dimension advances first, as in an odometer.
        for d in (0..size.len()).rev() {
            index[d] += 1;
            at += stride[d];
            if index[d] < size[d] {
                break;
            }
            at -= size[d] * stride[d];
            index[d] = 0;
        }
    }
    Ok(gathered)
}

/// Values stored with the first dimension fastest, as in MATLAB and Fortran, in row-major order.
pub(crate) fn from_column_major(values: &[f32], size: &[usize]) -> Result<Vec<f32>> {
    let stride: Vec<usize> = (0..size.len()).map(|i| size[..i].iter().product()).collect();
    gather(values, size, &stride)
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks::<N>().0.iter().copied()
}

/// Formats a shape for messages: `64x3x3x3`.
pub(crate) fn show(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "a scalar".into();
    }
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

/// The number of values of a shape, unless it overflows.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1, |n: usize, &d| n.checked_mul(d))
}
