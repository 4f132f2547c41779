//! VGG-16 and VGG-19 for neural style transfer: the network definitions, their weight files, and embedded weights.
//!
//! [`load`] reads weights as the frameworks publish them: PyTorch's `.pth`, ONNX's `.onnx`, Caffe's `.caffemodel`,
//! MatConvNet's `.mat`, NumPy's `.npz`, safetensors (feature `weight-files`), and Keras' `.h5` (feature `keras`). The
//! result holds a [`style_core::Model`], which knows the input space of the weights, and the file's checksum; `save`
//! writes a model as safetensors. `embedded()` returns the weights included in this library (feature `embedded`). Weight files are not
//! trusted: a damaged or hostile one gives an error that states the problem and the remedy, and code in a pickle is
//! never run.
//!
//! The networks, and the weights that their authors published under CC BY 4.0, are those of Simonyan and Zisserman,
//! "Very Deep Convolutional Networks for Large-Scale Image Recognition" (arXiv 1409.1556).
//!
//! | module | contents |
//! |---|---|
//! | `vgg` | the layers of both networks and their shapes |
//! | `load` `save` | reading and writing files |
//! | `loaded` | options of loading, and the result |
//! | `assemble` | from tensors to a model: identifies the network, checks completeness |
//! | `space` | the input space, and its source |
//! | `naming` | each framework's layer names |
//! | `formats` | one file per format: finds tensors, without knowledge of VGG |
//! | `caches` | the download caches of torch hub and Keras |
//! | `source` | byte ranges, checked against the file's length |
//! | `threads` | short-lived threads for unpacking a file |

#![forbid(unsafe_code)]
// What only some formats need is not told apart.
#![cfg_attr(not(feature = "weight-files"), allow(dead_code))]

#[cfg(any(feature = "embedded", feature = "weight-files"))]
mod assemble;
mod caches;
#[cfg(feature = "embedded")]
mod embedded;
mod format;
#[cfg(any(feature = "embedded", feature = "weight-files"))]
mod formats;
mod load;
mod loaded;
mod naming;
#[cfg(any(feature = "embedded", feature = "weight-files"))]
mod recognise;
#[cfg(feature = "weight-files")]
mod save;
#[cfg(any(feature = "embedded", feature = "weight-files"))]
mod source;
mod space;
#[cfg(any(feature = "embedded", feature = "weight-files"))]
mod tensors;
#[cfg(all(test, feature = "weight-files"))]
mod tests;
#[cfg(any(feature = "embedded", feature = "weight-files"))]
mod threads;
mod vgg;

pub use caches::cached;
#[cfg(feature = "embedded")]
pub use embedded::embedded;
pub use format::Format;
pub use load::{from_bytes, load};
pub use loaded::{LoadOptions, Loaded};
#[cfg(feature = "weight-files")]
pub use save::save;
pub use space::InputSpaceSource;
pub use vgg::{Convolution, Vgg};
