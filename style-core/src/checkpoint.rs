//! The state of a session as bytes. On the same backend, a resumed session is bit-identical to an uninterrupted one.
//!
//! The format is safetensors: tensors for the optimiser's vectors and the image, in bf16 where that is exact, metadata for
//! all numbers and the manifest, and a hash (XXH3) over everything to detect damage. The manifest describes the session,
//! with hashes in place of weights and pictures; [`SessionBuilder::resume`](crate::SessionBuilder::resume) compares it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::{fmt, io};

use safetensors::tensor::View;
use safetensors::{Dtype, SafeTensors};
use twox_hash::xxhash3_128::Hasher;

use crate::alloc::{reserved, zeros};
use crate::backend::Backend;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;

/// Changes whenever the contents of a checkpoint change.
const FORMAT: &str = "style-transfer checkpoint 6";

/// Prefix of the settings in the manifest.
pub(crate) const SETTING: &str = "setting.";

/// The one setting that may change during a session.
pub(crate) const STYLE_WEIGHT: &str = "setting.style_weight";

/// The settings that may differ when a session is resumed.
const LIMITS: [&str; 2] = ["setting.iterations", "setting.tolerance"];

/// Hexadecimal digits of a hash.
const HASH_LENGTH: usize = 32;

/// Prefix of the metadata that forms the manifest.
const MANIFEST: &str = "manifest.";

/// The state of a session at one moment, created by [`Session::checkpoint`](crate::Session::checkpoint).
#[derive(Clone, PartialEq)]
pub struct Checkpoint {
    notes: BTreeMap<String, String>,
    values: BTreeMap<String, Values>,
}

/// A one-dimensional tensor, little-endian as in the file.
#[derive(Clone, PartialEq)]
struct Values {
    dtype: Dtype,
    shape: [usize; 1],
    bytes: Vec<u8>,
}

/// The description of a session: names and values, readable and comparable.
pub(crate) type Manifest = Vec<(String, String)>;

pub(crate) fn damaged(what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Checkpoint, format!("the checkpoint is damaged ({what}); take an earlier one, or start anew"))
}

impl Checkpoint {
    pub(crate) fn new(manifest: &Manifest, backend: String) -> Self {
        let library = format!("style-core {}", env!("CARGO_PKG_VERSION"));
        let made_by = [("library".to_owned(), library), ("backend".to_owned(), backend)];
        let notes = manifest.iter().chain(&made_by).map(|(name, value)| (format!("{MANIFEST}{name}"), value.clone()));
        Self { notes: notes.collect(), values: BTreeMap::new() }
    }

    /// The human-readable manifest: the settings of the session, hashes of its weights and pictures, and the version of the
    /// library and the backend that made it. Another version or backend may continue with different last bits, another precision with
    /// its own rounding; everything
    /// else is compared when a session is resumed.
    pub fn manifest(&self) -> impl Iterator<Item = (&str, &str)> {
        self.notes.iter().filter_map(|(name, value)| Some((name.strip_prefix(MANIFEST)?, value.as_str())))
    }

    /// Checks that it belongs to a session with this description.
    pub(crate) fn expect(&self, manifest: &Manifest) -> Result<()> {
        for (name, wanted) in manifest.iter().filter(|(name, _)| !LIMITS.contains(&name.as_str())) {
            let found = self.notes.get(&format!("{MANIFEST}{name}")).ok_or_else(|| damaged(name))?;
            if found != wanted {
                let name = name.strip_prefix(SETTING).unwrap_or(name).replace('_', " ");
                let [found, wanted] = [found, wanted].map(|value| if value.is_empty() { "none" } else { value });
                let message = format!(
                    "the checkpoint is of another job; {name}: expected {wanted}, found {found}; resume it with the settings \
                     that it was made with, or start without it"
                );
                return Err(Error::new(ErrorKind::Checkpoint, message));
            }
        }
        Ok(())
    }

    pub(crate) fn note(&mut self, name: &str, value: impl fmt::Display) {
        self.notes.insert(name.into(), value.to_string());
    }

    pub(crate) fn noted<T: FromStr>(&self, name: &str) -> Result<T> {
        self.notes.get(name).and_then(|text| text.parse().ok()).ok_or_else(|| damaged(name))
    }

    pub(crate) fn put(&mut self, name: &str, values: &[f64]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.values.insert(name.into(), Values { dtype: Dtype::F64, shape: [values.len()], bytes });
    }

    /// Exactly `len` numbers, or any number without it.
    pub(crate) fn numbers(&self, name: &str, len: impl Into<Option<usize>>) -> Result<Vec<f64>> {
        match self.values.get(name) {
            Some(Values { dtype: Dtype::F64, shape: [n], bytes }) if len.into().is_none_or(|len| *n == len) => {
                Ok(bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect())
            }
            _ => Err(damaged(name)),
        }
    }

    /// Values that are all those of bf16, as in L-BFGS's history, are stored as such.
    fn put_f32(&mut self, name: &str, values: &[f32]) -> Result<()> {
        let halves = values.iter().all(|v| v.to_bits() & 0xffff == 0);
        let (dtype, of_one) = if halves { (Dtype::BF16, 2) } else { (Dtype::F32, 4) };
        let mut bytes = reserved(values.len().saturating_mul(of_one), name)?;
        // Little-endian: the upper half is at the end.
        values.iter().for_each(|v| bytes.extend_from_slice(&v.to_le_bytes()[4 - of_one..]));
        self.values.insert(name.into(), Values { dtype, shape: [values.len()], bytes });
        Ok(())
    }

    /// The values, all of them finite.
    fn f32(&self, name: &str) -> Result<Vec<f32>> {
        let Some(Values { dtype, shape: [len], bytes }) = self.values.get(name) else {
            return Err(damaged(name));
        };
        let mut values = reserved(*len, name)?;
        match dtype {
            Dtype::F32 => values.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
            Dtype::BF16 => {
                values.extend(bytes.as_chunks().0.iter().map(|&[low, high]| f32::from_le_bytes([0, 0, low, high])));
            }
            _ => return Err(damaged(name)),
        }
        match values.iter().position(|v: &f32| !v.is_finite()) {
            Some(i) => Err(damaged(format_args!("value {i} of {name} is {}", values[i]))),
            None => Ok(values),
        }
    }

    pub(crate) fn put_tensor<B: Backend>(&mut self, name: &str, backend: &B, tensor: &B::Tensor) -> Result<()> {
        let mut values = zeros(backend.shape(tensor).len(), name)?;
        backend.download(tensor, &mut values)?;
        self.put_f32(name, &values)
    }

    pub(crate) fn tensor<B: Backend>(&self, name: &str, backend: &B, tensor: &mut B::Tensor) -> Result<()> {
        let values = self.f32(name)?;
        if values.len() != backend.shape(tensor).len() {
            return Err(damaged(name));
        }
        backend.upload(&values, tensor)
    }

    /// The style strength, or the style weight of absolute losses, which the session had at that moment and has again when
    /// it is resumed.
    ///
    /// # Errors
    /// `Checkpoint` if it is damaged.
    pub fn style_weight(&self) -> Result<f64> {
        let weight = self.noted(&format!("{MANIFEST}{STYLE_WEIGHT}"))?;
        if (0.0..=1e30).contains(&weight) { Ok(weight) } else { Err(damaged(STYLE_WEIGHT)) }
    }

    /// Evaluations done.
    ///
    /// # Errors
    /// `Checkpoint` if it is damaged.
    pub fn iteration(&self) -> Result<usize> {
        self.noted("iteration")
    }

    /// The image at that moment, at the size of the current scale.
    ///
    /// # Errors
    /// `Checkpoint` if it is damaged; `OutOfMemory`.
    pub fn image(&self) -> Result<Image> {
        Image::from_finite_planar(self.noted("width")?, self.noted("height")?, self.f32("image")?)
            .map_err(|e| damaged("image").with_source(e))
    }

    pub(crate) fn put_image(&mut self, image: &Image) -> Result<()> {
        self.put_f32("image", image.pixels())
    }

    /// Exact size of its file in bytes: that of the image and the optimiser's vectors, and some kilobytes of text.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn size_bytes(&self) -> Result<usize> {
        Ok(self.header("0".repeat(HASH_LENGTH))?.len().saturating_add(self.len()))
    }

    /// Writes a file, without needing memory for a second copy.
    ///
    /// # Errors
    /// `Io` if writing fails; `OutOfMemory`.
    pub fn write_to(&self, mut to: impl io::Write) -> Result<()> {
        let failed = |e: io::Error| Error::new(ErrorKind::Io, "cannot write a checkpoint").with_source(e);
        to.write_all(&self.header(self.hash())?).map_err(failed)?;
        // In the order of the header: wider number types first, then by name.
        for dtype in [Dtype::F64, Dtype::F32, Dtype::BF16] {
            for values in self.values.values().filter(|values| values.dtype == dtype) {
                to.write_all(&values.bytes).map_err(failed)?;
            }
        }
        to.flush().map_err(failed)
    }

    /// The contents of a file.
    ///
    /// # Errors
    /// `OutOfMemory` if they cannot be allocated.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = reserved(self.len().saturating_add(1 << 16), "the bytes of a checkpoint")?;
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// Size of its values in bytes.
    fn len(&self) -> usize {
        self.values.values().map(|values| values.bytes.len()).fold(0, usize::saturating_add)
    }

    /// The part of a file before the values.
    fn header(&self, hash: String) -> Result<Vec<u8>> {
        let more = [("format".to_owned(), FORMAT.to_owned()), ("hash".to_owned(), hash)];
        // The features of `safetensors` decide which `HashMap` this is.
        let metadata = self.notes.clone().into_iter().chain(more).collect();
        // The crate also allocates memory for the values, without using it, and aborts if that fails.
        drop(reserved::<u8>(self.len(), "a checkpoint")?);
        let views = self.values.iter().map(|(name, values)| (name, Header(values)));
        let made = safetensors::serialize(views, Some(metadata));
        made.map_err(|e| Error::new(ErrorKind::Io, "cannot make the header of a checkpoint").with_source(e))
    }

    /// Parses a checkpoint from the bytes of a file, which are not trusted.
    ///
    /// # Errors
    /// `Checkpoint` if they are damaged or not a checkpoint of this format; `OutOfMemory`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let foreign =
            || Error::new(ErrorKind::Checkpoint, format!("this is not a \"{FORMAT}\"; it cannot be resumed here"));
        // The name of the format stands in the header, which a file that was cut may still have.
        let ours = bytes.windows(FORMAT.len()).take(1 << 16).any(|window| window == FORMAT.as_bytes());
        if bytes.is_empty() || ours && SafeTensors::read_metadata(bytes).is_err() {
            return Err(damaged("the file is incomplete"));
        }
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| foreign().with_source(e))?;
        let mut notes: BTreeMap<_, _> = header.metadata().clone().unwrap_or_default().into_iter().collect();
        if notes.remove("format").is_none_or(|format| format != FORMAT) {
            return Err(foreign());
        }
        let hash = notes.remove("hash").ok_or_else(|| damaged("no hash"))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| damaged(&e).with_source(e))?;
        let mut values = BTreeMap::new();
        for (name, tensor) in tensors.iter() {
            let (dtype @ (Dtype::BF16 | Dtype::F32 | Dtype::F64), &[len]) = (tensor.dtype(), tensor.shape()) else {
                return Err(damaged(format_args!("{name} is {:?} of {:?}", tensor.shape(), tensor.dtype())));
            };
            let mut bytes = reserved(tensor.data().len(), name)?;
            bytes.extend_from_slice(tensor.data());
            values.insert(name.to_owned(), Values { dtype, shape: [len], bytes });
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
            hasher.write(&values.bytes);
        }
        format!("{:0HASH_LENGTH$x}", hasher.finish_128())
    }
}

/// Values whose bytes are written separately.
struct Header<'a>(&'a Values);

impl View for Header<'_> {
    fn dtype(&self) -> Dtype {
        self.0.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&[])
    }

    fn data_len(&self) -> usize {
        self.0.bytes.len()
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint").field("notes", &self.notes).finish_non_exhaustive()
    }
}
