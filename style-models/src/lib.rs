//! VGG-16 and VGG-19 for neural style transfer: the networks as data, their weight files, and embedded weights.
//!
//! [`load`] reads weights as the frameworks publish them: PyTorch's `.pth`, Keras' `.h5` (feature `keras`), ONNX's `.onnx`,
//! Caffe's `.caffemodel`, MatConvNet's `.mat`, NumPy's `.npz`, and safetensors. The result holds a [`style_core::Model`], which
//! knows the input space that the weights were trained in, and the file's checksum; [`save`] writes a model as
//! safetensors. `embedded()` gives the weights that this library carries (feature `embedded`). Weight files are not
//! trusted: a damaged or hostile one gives an error that says what is wrong and what to do, and code in a pickle is
//! never run.
//!
//! The networks, and the weights that their authors published under CC BY 4.0, are those of Simonyan and Zisserman,
//! "Very Deep Convolutional Networks for Large-Scale Image Recognition" (arXiv 1409.1556).
//!
//! | room | what is in it |
//! |---|---|
//! | `vgg` | the layers of both networks and their shapes |
//! | `load` | from tensors to a model: which network, is all there |
//! | `space` | which input space, and how that is known |
//! | `naming` | what each framework calls a layer |
//! | `formats` | one file a format: finds tensors, knows nothing of VGG |
//! | `caches` | where torch hub and Keras keep the files that they fetched |
//! | `source` | ranges of bytes, checked against the file's length |
//! | `threads` | for the moment that a file takes to unpack |

#![forbid(unsafe_code)]

mod caches;
#[cfg(feature = "embedded")]
mod embedded;
mod formats;
mod load;
mod naming;
mod recognise;
mod source;
mod space;
mod tensors;
#[cfg(test)]
mod tests;
mod threads;
mod vgg;

pub use caches::cached;
#[cfg(feature = "embedded")]
pub use embedded::embedded;
pub use formats::format::Format;
pub use formats::safetensors::save;
pub use load::{LoadOptions, Loaded, from_bytes, load};
pub use space::InputSpaceSource;
pub use vgg::{Convolution, Vgg};
