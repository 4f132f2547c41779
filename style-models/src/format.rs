//! The formats of weight files.

use std::fmt;

/// The detected format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// safetensors, plain or compressed with gzip.
    Safetensors,
    /// A PyTorch `.pth` of version 1.6 or later: a zip archive.
    Torch,
    /// A PyTorch `.pth` from before version 1.6.
    TorchLegacy,
    /// Keras' HDF5, any version.
    Keras,
    /// MatConvNet's network in a MATLAB file.
    MatConvNet,
    /// A `.caffemodel`.
    Caffe,
    /// An ONNX model.
    Onnx,
    /// NumPy arrays: an `.npz` archive, or a folder of `.npy` files.
    Numpy,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::Torch => "PyTorch",
            Self::TorchLegacy => "PyTorch (legacy)",
            Self::Keras => "Keras HDF5",
            Self::MatConvNet => "MatConvNet",
            Self::Caffe => "Caffe",
            Self::Onnx => "ONNX",
            Self::Numpy => "NumPy",
        })
    }
}
