//! PyTorch's `.pth`: a state dict written by `torch.save`, in the zip layout (since 1.6) or the legacy one.
//!
//! Both hold a pickle, which [`super::pickle`] reads without executing anything, and the storages that its tensors
//! view. Only the range of a tensor is read, so an additional classifier of 470 MB costs nothing.

use std::collections::{BTreeMap, HashMap};

use style_core::Result;

use super::archive::Archive;
use super::pickle::{Pickles, Tensor};
use crate::source::Source;
use crate::tensors::{Tensors, count, gather};

/// The pickle of the number 0x1950a86a20f9469cfc6c, with which legacy files begin.
pub(crate) const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// Far more than the pickle of any state dict takes.
const MAX_PICKLE: u64 = 8 << 20;
/// The largest span of a tensor, in values; VGG's largest filter has 2.4 million.
const MAX_SPAN: usize = 16 << 20;

/// An opened state dict.
pub(crate) struct Torch {
    source: Source,
    tensors: BTreeMap<String, Tensor>,
    storages: Storages,
}

enum Storages {
    /// Entries `{root}/data/{key}` of an archive.
    Zip { archive: Archive, root: String },
    /// For each key, the offset and number of its values.
    Legacy(HashMap<String, (u64, u64)>),
}

impl Torch {
    /// Opens the zip layout.
    pub(crate) fn open_zip(source: &Source, mut archive: Archive) -> Result<Self> {
        let names = archive.names();
        let root = names.iter().find_map(|n| n.strip_suffix("data.pkl").filter(|r| r.is_empty() || r.ends_with('/')));
        let Some(root) = root.map(str::to_owned) else {
            let problem = if names.iter().any(|n| n == "model.weights.h5") {
                "this looks like a Keras archive (.keras); extract model.weights.h5 from it and load that file"
            } else {
                "the zip archive has neither data.pkl nor .npy arrays; use a file written by torch.save or numpy.savez"
            };
            return Err(source.bad(problem));
        };
        let order = format!("{root}byteorder");
        if names.contains(&order) && archive.read(&order, 0, 3)? == b"big" {
            return Err(big_endian(source));
        }
        let pickle = archive.head(&format!("{root}data.pkl"), MAX_PICKLE + 1)?;
        if pickle.len() as u64 > MAX_PICKLE {
            return Err(source.bad("data.pkl is too large for a state dict; download the file again"));
        }
        let pickle = Source::memory(source.name(), pickle);
        let tensors = Pickles::new(&pickle, 0).next()?.into_tensors(source)?.into_iter().collect();
        Ok(Self { source: source.clone(), tensors, storages: Storages::Zip { archive, root } })
    }

    /// Opens the legacy layout: the pickles of a version, of machine information, of the state dict and of the storage
    /// keys, then for each key the number of values (8 bytes) and the values.
    pub(crate) fn open_legacy(source: &Source) -> Result<Self> {
        let mut pickles = Pickles::new(source, LEGACY.len() as u64);
        pickles.next()?;
        if pickles.next()?.flag("little_endian") == Some(false) {
            return Err(big_endian(source));
        }
        let state = pickles.next()?;
        let sizes: HashMap<String, u64> = state.storages().map(|s| (s.key.clone(), s.element.size)).collect();
        let tensors = state.into_tensors(source)?.into_iter().collect();
        let keys = pickles.next()?;
        let keys =
            keys.texts().ok_or_else(|| source.bad("the list of storages is damaged; download the file again"))?;
        let mut at = pickles.position();
        let mut places = HashMap::new();
        for key in keys {
            // the start of the next one is then unknown
            let Some(&size) = sizes.get(key) else { break };
            let len = source.read(at, 8)?.try_into().map(u64::from_le_bytes).unwrap_or(u64::MAX);
            let end = len.checked_mul(size).and_then(|n| n.checked_add(at + 8)).unwrap_or(u64::MAX);
            if end > source.len() {
                return Err(source.bad(format!(
                    "storage {key} ends at byte {end}, but the file has {} bytes; it is truncated, download it again",
                    source.len()
                )));
            }
            places.insert(key.to_owned(), (at + 8, len));
            at = end;
        }
        Ok(Self { source: source.clone(), tensors, storages: Storages::Legacy(places) })
    }

    /// `len` bytes of the storage `key` from byte `from` on.
    fn bytes(&mut self, key: &str, from: u64, len: u64) -> Result<Vec<u8>> {
        match &mut self.storages {
            Storages::Zip { archive, root } => archive.read(&format!("{root}data/{key}"), from, len),
            Storages::Legacy(places) => match places.get(key) {
                Some(&(start, _)) => self.source.read(start.saturating_add(from), len),
                None => Err(self.source.bad(format!("storage {key} is missing; download the file again"))),
            },
        }
    }
}

impl Tensors for Torch {
    fn list(&self) -> Vec<(&str, &[usize])> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.size.as_slice())).collect()
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>> {
        let Some(Tensor { storage, offset, size, stride }) = self.tensors.get(name).cloned() else {
            return Err(self.source.bad(format!("{name} is missing")));
        };
        let Some(number) = storage.element.number else {
            return Err(self.source.bad(format!("expected floating-point numbers in {name}, found integers")));
        };
        match count(&size) {
            None => {
                return Err(self.source.bad(format!("the size of {name} is out of range; download the file again")));
            }
            Some(0) => return Ok(Vec::new()),
            Some(_) => {}
        }
        let steps = size.iter().zip(&stride);
        let reach = steps.clone().try_fold(0, |n: usize, (&d, &s)| n.checked_add((d - 1).checked_mul(s)?));
        let span = reach.and_then(|r| r.checked_add(1)).filter(|&s| s <= MAX_SPAN);
        let whole = match &self.storages {
            Storages::Legacy(places) => places.get(&storage.key).map_or(0, |&(_, len)| len),
            Storages::Zip { .. } => u64::MAX, // the archive's entry gives it
        };
        let outside = || {
            self.source
                .bad(format!("{name} extends past the end of its storage; the file is damaged, download it again"))
        };
        let span = span.filter(|s| offset.checked_add(*s).is_some_and(|end| end <= storage.len)).ok_or_else(outside)?;
        let first = storage.start.checked_add(offset).ok_or_else(outside)? as u64;
        if first.checked_add(span as u64).is_none_or(|end| end > whole) {
            return Err(outside());
        }
        let width = number.size() as u64;
        let from = first.checked_mul(width).ok_or_else(outside)?;
        let values = number.decode(&self.bytes(&storage.key, from, span as u64 * width)?)?;
        if is_row_major(&size, &stride) { Ok(values) } else { gather(&values, &size, &stride) }
    }
}

/// Whether the values are contiguous, the last dimension fastest.
fn is_row_major(size: &[usize], stride: &[usize]) -> bool {
    let mut expected = 1;
    size.iter().zip(stride).rev().all(|(&d, &s)| {
        let fits = d == 1 || s == expected;
        expected *= d;
        fits
    })
}

fn big_endian(source: &Source) -> style_core::Error {
    source.bad("big-endian files are not supported; save the file on a little-endian machine")
}
