//! Writes weights as safetensors.

use std::borrow::Cow;
use std::path::Path;

use safetensors::tensor::View;
use safetensors::{Dtype, SafeTensorError};
use style_core::{ConvLayer, Error, ErrorKind, Layer, Model, Result};

use crate::source::io_error;
use crate::space::{self, INPUT_SPACE};
use crate::tensors::count;
use crate::vgg::Vgg;

/// Writes a model's weights as a safetensors file: `conv1_1.weight` (`[O, I, 3, 3]`), `conv1_1.bias` and so on, as f32,
/// with the input space in the metadata. [`crate::load`] returns the same model, bit for bit, except for its name.
///
/// The file appears under its name only when complete. An existing file is replaced then, and kept if anything fails.
///
/// # Errors
/// `Unsupported` if the model is not a VGG from `conv1_1` on, `Io` if the file cannot be written.
pub fn save(model: &Model, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    write_atomically(path, &to_bytes(model)?)
}

pub(crate) fn to_bytes(model: &Model) -> Result<Vec<u8>> {
    let is_vgg = |vgg: Vgg| {
        let names = vgg.layer_names();
        model.layers().len() <= names.len() && model.layers().iter().zip(&names).all(|(l, n)| l.name() == n)
    };
    if !Vgg::ALL.into_iter().any(is_vgg) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!("{} is not a VGG-16 or VGG-19 from conv1_1 on; only those can be saved", model.name()),
        ));
    }
    let mut tensors = Vec::new();
    for layer in model.layers() {
        if let Layer::Conv(ConvLayer { name, in_channels, out_channels, weight, bias }) = layer {
            tensors.push((
                format!("{name}.weight"),
                F32 { shape: vec![*out_channels, *in_channels, 3, 3], values: weight },
            ));
            tensors.push((format!("{name}.bias"), F32 { shape: vec![*out_channels], values: bias }));
        }
    }
    // The features of `safetensors` decide which `HashMap` this is.
    let metadata = [(INPUT_SPACE.to_owned(), space::show(model.input()))].into_iter().collect();
    safetensors::serialize(tensors, Some(metadata)).map_err(|e: SafeTensorError| {
        Error::new(ErrorKind::Io, format!("{} cannot be written as safetensors: {e}", model.name())).with_source(e)
    })
}

struct F32<'a> {
    shape: Vec<usize>,
    values: &'a [f32],
}

impl View for F32<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        debug_assert_eq!(count(&self.shape), Some(self.values.len()));
        self.values.len() * 4
    }
}

fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.display().to_string();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".weights-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // minus the umask, as for any new file
    let write = || -> std::io::Result<()> {
        let mut file = builder.tempfile_in(folder)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(|e| io_error(&name, "cannot be written", e))
}
