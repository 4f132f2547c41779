//! One room a file format. A room finds the tensors of a file and reads them; it knows nothing of VGG.

#[cfg(feature = "keras")]
pub(crate) mod keras;
pub(crate) mod pickle;
pub(crate) mod safetensors;
pub(crate) mod torch;

use style_core::Result;

use crate::load::Format;
use crate::source::Source;
use crate::tensors::Tensors;

const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";
const GZIP: &[u8] = b"\x1f\x8b";
const ZIP: &[u8] = b"PK\x03\x04";

/// Recognises the format by the first bytes, and opens the file.
pub(crate) fn open(source: &Source) -> Result<(Format, Box<dyn Tensors>)> {
    let head = source.head(64)?;
    if head.starts_with(HDF5) {
        return Ok((Format::Keras, open_keras(source)?));
    }
    if head.starts_with(GZIP) {
        let inner = safetensors::unpack(source)?;
        return Ok((Format::Safetensors, Box::new(safetensors::Safetensors::open(&inner)?)));
    }
    if head.starts_with(ZIP) {
        return Ok((Format::Torch, Box::new(torch::Torch::open_zip(source)?)));
    }
    if head.starts_with(torch::LEGACY) {
        return Ok((Format::TorchLegacy, Box::new(torch::Torch::open_legacy(source)?)));
    }
    if head.get(8) == Some(&b'{') {
        return Ok((Format::Safetensors, Box::new(safetensors::Safetensors::open(source)?)));
    }
    Err(unknown(source, &head))
}

#[cfg(feature = "keras")]
fn open_keras(source: &Source) -> Result<Box<dyn Tensors>> {
    Ok(Box::new(keras::Keras::open(source)?))
}

#[cfg(not(feature = "keras"))]
fn open_keras(source: &Source) -> Result<Box<dyn Tensors>> {
    Err(style_core::Error::new(
        style_core::ErrorKind::Unsupported,
        format!("{}: this build reads no HDF5; build style-models with its feature `keras`", source.name()),
    ))
}

/// The error for a file that is none of ours, with a word on what it seems to be.
fn unknown(source: &Source, head: &[u8]) -> style_core::Error {
    let text = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
    let guess = if head.is_empty() {
        "the file is empty; fetch it again"
    } else if text.starts_with("<!doctype") || text.starts_with("<html") {
        "the file is a web page, not weights; its download failed, fetch it again"
    } else if text.starts_with("version https://git-lfs") {
        "the file only stands for one that Git LFS holds; run `git lfs pull`"
    } else if text.starts_with("matlab 5.0") {
        "the file is MATLAB's; convert it to safetensors"
    } else {
        "the file is not one of the known formats"
    };
    source.bad(format!("{guess}. Known are safetensors, PyTorch's .pth and Keras' .h5"))
}
