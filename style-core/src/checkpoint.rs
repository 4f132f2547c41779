//! A session's state as bytes, from which it goes on as if it had never stopped: the very bits of an uninterrupted run, on
//! the same backend.
//!
//! The format is safetensors: the vectors of the optimiser and the image as tensors, all numbers and the manifest as
//! metadata, and a hash (XXH3) over everything, so that damage is noticed. The manifest says what the session was described as,
//! with hashes of weights and pictures in place of these; [`SessionBuilder::resume`](crate::SessionBuilder::resume) compares it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use safetensors::tensor::View;
use safetensors::{Dtype, SafeTensors};
use twox_hash::xxhash3_128::Hasher;

use crate::{Backend, Error, ErrorKind, Image, Result};

/// Changes with what a checkpoint holds.
const FORMAT: &str = "style-transfer checkpoint 1";
/// Metadata of this kind is the manifest.
const MANIFEST: &str = "manifest.";

/// What a session was at some moment; made by [`Session::checkpoint`](crate::Session::checkpoint).
#[derive(Clone, PartialEq)]
pub struct Checkpoint {
    notes: BTreeMap<String, String>,
    values: BTreeMap<String, Values>,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// What a session was described as: names, and values for people and for comparison.
pub(crate) type Manifest = Vec<(&'static str, String)>;

fn damaged(what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Checkpoint, format!("the checkpoint is damaged ({what}); take an earlier one, or start anew"))
}

/// A hash of values, for the manifest.
pub(crate) fn hash<'a>(parts: impl IntoIterator<Item = &'a [f32]>) -> String {
    let mut hasher = Hasher::new();
    for part in parts {
        for some in part.chunks(1 << 12) {
            let bytes: Vec<u8> = some.iter().flat_map(|v| v.to_le_bytes()).collect();
            hasher.write(&bytes);
        }
    }
    format!("{:032x}", hasher.finish_128())
}

impl Checkpoint {
    pub(crate) fn new(manifest: &Manifest) -> Self {
        let notes = manifest.iter().map(|(name, value)| (format!("{MANIFEST}{name}"), value.clone())).collect();
        Self { notes, values: BTreeMap::new() }
    }

    /// That it is of a session that was described so.
    pub(crate) fn expect(&self, manifest: &Manifest) -> Result<()> {
        for (name, wanted) in manifest {
            let found = self.notes.get(&format!("{MANIFEST}{name}")).ok_or_else(|| damaged(name))?;
            if found != wanted {
                let message = format!(
                    "the checkpoint is of another session: its {name} was {found}, and is {wanted} here; describe the \
                     session as it was, or start anew"
                );
                return Err(Error::new(ErrorKind::Checkpoint, message));
            }
        }
        Ok(())
    }

    pub(crate) fn note(&mut self, name: &str, value: impl fmt::Debug) {
        self.notes.insert(name.into(), format!("{value:?}"));
    }

    pub(crate) fn noted<T: FromStr>(&self, name: &str) -> Result<T> {
        self.notes.get(name).and_then(|text| text.parse().ok()).ok_or_else(|| damaged(name))
    }

    pub(crate) fn put(&mut self, name: &str, values: Vec<f64>) {
        self.values.insert(name.into(), Values::F64(values));
    }

    /// So many numbers, or however many there are.
    pub(crate) fn numbers(&self, name: &str, len: impl Into<Option<usize>>) -> Result<&[f64]> {
        match self.values.get(name) {
            Some(Values::F64(values)) if len.into().is_none_or(|len| values.len() == len) => Ok(values),
            _ => Err(damaged(name)),
        }
    }

    pub(crate) fn put_tensor<B: Backend>(&mut self, name: &str, backend: &B, tensor: &B::Tensor) -> Result<()> {
        let mut values = vec![0.0; backend.shape(tensor).len()];
        backend.download(tensor, &mut values)?;
        self.values.insert(name.into(), Values::F32(values));
        Ok(())
    }

    pub(crate) fn tensor<B: Backend>(&self, name: &str, backend: &B, tensor: &mut B::Tensor) -> Result<()> {
        match self.values.get(name) {
            Some(Values::F32(values)) if values.len() == backend.shape(tensor).len() => {
                if let Some(i) = values.iter().position(|v| !v.is_finite()) {
                    return Err(damaged(format_args!("value {i} of {name} is {}", values[i])));
                }
                backend.upload(values, tensor)
            }
            _ => Err(damaged(name)),
        }
    }

    /// Evaluations done.
    ///
    /// # Errors
    /// `Checkpoint` if it is damaged.
    pub fn iteration(&self) -> Result<usize> {
        self.noted("iteration")
    }

    /// The image at that moment, at the size of the scale at work.
    ///
    /// # Errors
    /// `Checkpoint` if it is damaged.
    pub fn image(&self) -> Result<Image> {
        let Some(Values::F32(pixels)) = self.values.get("image") else { return Err(damaged("image")) };
        Image::from_planar(self.noted("width")?, self.noted("height")?, pixels.clone())
            .map_err(|e| damaged("image").with_source(e))
    }

    pub(crate) fn put_image(&mut self, image: Image) {
        self.values.insert("image".into(), Values::F32(image.into_pixels()));
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// `Io` if they cannot be made.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut metadata: HashMap<String, String> = self.notes.clone().into_iter().collect();
        metadata.insert("format".into(), FORMAT.into());
        metadata.insert("hash".into(), self.hash());
        let stored = self.values.iter().map(|(name, values)| (name, Stored { shape: [values.len()], values }));
        let made = safetensors::serialize(stored, Some(metadata));
        made.map_err(|e| Error::new(ErrorKind::Io, "cannot make the bytes of a checkpoint").with_source(e))
    }

    /// A checkpoint from the bytes of a file, which are not trusted.
    ///
    /// # Errors
    /// `Checkpoint` if they are damaged, or no checkpoint of this version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let foreign =
            || Error::new(ErrorKind::Checkpoint, format!("this is not a \"{FORMAT}\"; it cannot be resumed here"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| foreign().with_source(e))?;
        let mut notes: BTreeMap<_, _> = header.metadata().clone().unwrap_or_default().into_iter().collect();
        if notes.remove("format").is_none_or(|format| format != FORMAT) {
            return Err(foreign());
        }
        let hash = notes.remove("hash").ok_or_else(|| damaged("no hash"))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| damaged(&e).with_source(e))?;
        let mut values = BTreeMap::new();
        for (name, tensor) in tensors.iter() {
            let data = tensor.data();
            let read = match tensor.dtype() {
                Dtype::F32 => Values::F32(data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
                Dtype::F64 => Values::F64(data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()),
                other => return Err(damaged(format_args!("{name} is stored as {other:?}"))),
            };
            values.insert(name.to_owned(), read);
        }
        let checkpoint = Self { notes, values };
        if checkpoint.hash() != hash {
            return Err(damaged("its hash is another"));
        }
        Ok(checkpoint)
    }

    fn hash(&self) -> String {
        let mut hasher = Hasher::new();
        for (name, value) in &self.notes {
            [name.as_bytes(), &[0], value.as_bytes(), &[0]].iter().for_each(|bytes| hasher.write(bytes));
        }
        for (name, values) in &self.values {
            hasher.write(name.as_bytes());
            hasher.write(&values.bytes());
        }
        format!("{:032x}", hasher.finish_128())
    }
}

/// A tensor of one dimension.
struct Stored<'a> {
    shape: [usize; 1],
    values: &'a Values,
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self.values {
            Values::F32(_) => Dtype::F32,
            Values::F64(_) => Dtype::F64,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.bytes())
    }

    fn data_len(&self) -> usize {
        self.shape[0] * self.dtype().bitsize() / 8
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// Little-endian.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F64(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint").field("notes", &self.notes).finish_non_exhaustive()
    }
}
