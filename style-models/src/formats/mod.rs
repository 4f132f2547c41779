//! One module per file format. Each finds and reads the tensors of a file, without knowledge of VGG.

#[cfg(feature = "weight-files")]
mod archive;
#[cfg(feature = "weight-files")]
pub(crate) mod caffe;
mod gzip;
#[cfg(feature = "keras")]
pub(crate) mod keras;
#[cfg(feature = "weight-files")]
mod mat;
#[cfg(feature = "weight-files")]
pub(crate) mod matconvnet;
#[cfg(feature = "weight-files")]
pub(crate) mod numpy;
#[cfg(feature = "weight-files")]
pub(crate) mod onnx;
#[cfg(feature = "weight-files")]
pub(crate) mod pickle;
pub(crate) mod safetensors;
#[cfg(feature = "weight-files")]
pub(crate) mod torch;
#[cfg(feature = "weight-files")]
mod wire;

use style_core::Result;

#[cfg(feature = "weight-files")]
use crate::format::Format;
use crate::source::Source;
use crate::tensors::Tensors;

const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
const GZIP: &[u8] = b"\x1f\x8b";
const ZIP: &[u8] = b"PK\x03\x04";

const MATLAB: &[u8] = b"MATLAB 5.0 MAT-file";

/// Opens a gzip file, which must hold safetensors.
pub(crate) fn open_gzip(source: &Source) -> Result<Box<dyn Tensors>> {
    let inner = gzip::unpack(source)?;
    if inner.head(9)?.get(8) != Some(&b'{') {
        return Err(source.bad("the gzip file holds something else than safetensors"));
    }
    Ok(Box::new(safetensors::Safetensors::open(&inner)?))
}

/// Recognises the format by the first bytes, and opens the file or folder.
#[cfg(feature = "weight-files")]
pub(crate) fn open(source: &Source) -> Result<(Format, Box<dyn Tensors>)> {
    if source.parts().is_some() {
        return Ok((Format::Numpy, Box::new(numpy::Numpy::open_folder(source)?)));
    }
    let head = source.head(64)?;
    if head.starts_with(HDF5) {
        return Ok((Format::Keras, open_keras(source)?));
    }
    if head.starts_with(GZIP) {
        return Ok((Format::Safetensors, open_gzip(source)?));
    }
    if head.starts_with(ZIP) {
        let archive = archive::Archive::open(source)?;
        if archive.names().iter().any(|name| name.ends_with(".npy")) {
            return Ok((Format::Numpy, Box::new(numpy::Numpy::open_zip(source, archive)?)));
        }
        return Ok((Format::Torch, Box::new(torch::Torch::open_zip(source, archive)?)));
    }
    if head.starts_with(MATLAB) {
        return Ok((Format::MatConvNet, Box::new(matconvnet::MatConvNet::open(source)?)));
    }
    if head.starts_with(numpy::MAGIC) {
        return Err(numpy::alone(source));
    }
    if head.starts_with(torch::LEGACY) {
        return Ok((Format::TorchLegacy, Box::new(torch::Torch::open_legacy(source)?)));
    }
    // before safetensors, whose length is never a valid start of a model
    if onnx::is_onnx(&head) {
        return Ok((Format::Onnx, Box::new(onnx::Onnx::open(source)?)));
    }
    if head.get(8) == Some(&b'{') {
        return Ok((Format::Safetensors, Box::new(safetensors::Safetensors::open(source)?)));
    }
    if caffe::is_caffe(&head) {
        return Ok((Format::Caffe, Box::new(caffe::Caffe::open(source)?)));
    }
    Err(unknown(source, &head))
}

#[cfg(feature = "keras")]
fn open_keras(source: &Source) -> Result<Box<dyn Tensors>> {
    Ok(Box::new(keras::Keras::open(source)?))
}

#[cfg(all(feature = "weight-files", not(feature = "keras")))]
fn open_keras(source: &Source) -> Result<Box<dyn Tensors>> {
    Err(style_core::Error::new(
        style_core::ErrorKind::Unsupported,
        format!("{}: this build cannot read HDF5; enable the feature `keras`", source.name()),
    ))
}

/// The error for an unsupported file, with its likely format.
fn unknown(source: &Source, head: &[u8]) -> style_core::Error {
    let text = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
    let guess = if head.is_empty() {
        "the file is empty; download it again"
    } else if text.starts_with("<!doctype") || text.starts_with("<html") {
        "the file is a web page, so the download failed; download it again"
    } else if text.starts_with("version https://git-lfs") {
        "the file is a Git LFS pointer; run `git lfs pull`"
    } else if text.starts_with("matlab 7.3") {
        "MAT files of version 7.3 are not supported; load it into `net` in MATLAB and run \
         save('vgg.mat', '-struct', 'net', '-v7')"
    } else {
        "unknown file format"
    };
    source.bad(format!(
        "{guess} (supported: safetensors, PyTorch .pth, Keras .h5, ONNX .onnx, MatConvNet .mat, Caffe .caffemodel, \
         NumPy .npz)"
    ))
}
