//! Loads a weight file.

use std::path::Path;

use style_core::Result;

#[cfg(feature = "weight-files")]
use crate::assemble;
use crate::loaded::{LoadOptions, Loaded};
#[cfg(feature = "weight-files")]
use crate::source::Source;

/// Reads a weight file, or a folder of NumPy arrays. The format is recognised by content, not by name: safetensors,
/// PyTorch's `.pth`, Keras' `.h5`, ONNX's `.onnx`, MatConvNet's `.mat`, Caffe's `.caffemodel` and NumPy's `.npz`.
///
/// Filters become `[O, I, 3, 3]` f32 in every case. Filters of this shape in Keras files are Theano's, which applies
/// them as a convolution; they are rotated by 180 degrees. The chain ends with the last convolution present and must
/// have no gap before it. Other tensors, such as the classifier's, are neither read nor needed.
///
/// Layers are identified by name, except in an ONNX model, where the graph identifies them: they are the consecutive
/// convolutions from the graph's input to the fifth pool or the first node that VGG's chain does not have. A
/// convolution of another kind on the way is an error. Values that an ONNX model keeps in other files (external data)
/// are not read.
///
/// The input space is the first of these that applies; [`Loaded::input_space_source`] reports which:
///
/// 1. the one in `options`;
/// 2. the statement in a safetensors file written by [`crate::save`], or the average image of a MatConvNet file, which
///    is RGB, 0..=255;
/// 3. [`InputSpace::CAFFE`] for two known PyTorch files that hold Caffe's weights (`vgg16-00b39a1b.pth` and
///    `vgg19-d01eb7cb.pth`, identified by their checksums);
/// 4. [`InputSpace::CAFFE`], with channels in the order BGR or RGB, if the filters of `conv1_1` are those of VGG-16 as
///    its authors published it, or were fine-tuned from them, whatever the names are. The values of other published sets
///    (torchvision's, Caffe's VGG-19) are not known here;
/// 5. the names: [`InputSpace::TORCHVISION`] for layers named `features.0`; `CAFFE` for Keras' names and in Caffe's
///    files; `CAFFE` with channels in RGB order for arrays named `conv1_1_W` with filters `[3, 3, I, O]`, as in
///    Frossard's `vgg16_weights.npz`;
/// 6. otherwise an assumption: `TORCHVISION` in an ONNX model written by PyTorch, `CAFFE` in all others.
///
/// ```no_run
/// use style_models::{LoadOptions, Vgg, load};
///
/// let vgg19 = load("vgg19-dcbb9e9d.pth", &LoadOptions::default().network(Vgg::Vgg19))?;
/// assert_eq!(*vgg19.model().input(), style_core::InputSpace::TORCHVISION);
/// # Ok::<(), style_core::Error>(())
/// ```
///
/// # Errors
/// `Io` if the file cannot be read, `Unsupported` if this build reads no files (it lacks the feature `weight-files`), or
/// none of this format (`keras`), or if it is an `.npy` of Python objects, and `Weights` if it is damaged, has an unknown format, or does not hold the convolutions of VGG-16 or VGG-19: the
/// message names the file and the tensor, the expected and the found value, and what to do.
///
/// [`InputSpace::CAFFE`]: style_core::InputSpace::CAFFE
/// [`InputSpace::TORCHVISION`]: style_core::InputSpace::TORCHVISION
pub fn load(path: impl AsRef<Path>, options: &LoadOptions) -> Result<Loaded> {
    #[cfg(feature = "weight-files")]
    {
        assemble::from_source(&assemble::source(path.as_ref())?, options, 1)
    }
    #[cfg(not(feature = "weight-files"))]
    {
        let _ = options;
        Err(no_files(&path.as_ref().display()))
    }
}

/// Reads a weight file from memory; messages call it `name`. Otherwise like [`load`].
///
/// # Errors
/// As for [`load`].
pub fn from_bytes(name: &str, bytes: Vec<u8>, options: &LoadOptions) -> Result<Loaded> {
    #[cfg(feature = "weight-files")]
    {
        assemble::from_source(&Source::memory(name, bytes), options, 1)
    }
    #[cfg(not(feature = "weight-files"))]
    {
        let _ = (bytes, options);
        Err(no_files(&name))
    }
}

#[cfg(not(feature = "weight-files"))]
fn no_files(name: &dyn std::fmt::Display) -> style_core::Error {
    style_core::Error::new(
        style_core::ErrorKind::Unsupported,
        format!(
            "{name}: this build reads no weight files; build it with the feature `weight-files` (`keras` adds HDF5)"
        ),
    )
}
