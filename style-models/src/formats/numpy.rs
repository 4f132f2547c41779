//! NumPy arrays: an `.npz` archive, or a folder of `.npy` files. Entry or file names are the tensor names.
//!
//! An `.npy` is a magic number, a version, the length of a header, the header (a Python dict of `descr`,
//! `fortran_order` and `shape`), and the values (NumPy's NEP 1). `npyz` and `ndarray-npy` read it too, but add a
//! grammar-based parser of Python literals, or an array library with its own zip; the dict has three fixed entries.

use std::collections::BTreeMap;

use style_core::{Error, ErrorKind, Result};

use super::archive::Archive;
use crate::source::Source;
use crate::tensors::{Number, Tensors, count, from_column_major, show};

/// The first bytes of an array.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";
/// The dict of an array takes 118 bytes; one with fields may take more, but holds no weights.
const MAX_HEADER: u64 = 4096;
/// VGG-19 has 38 arrays.
const MAX_ARRAYS: usize = 4096;
/// Longer names do not belong to a network's layers.
const MAX_NAME: usize = 256;

/// The arrays of an archive or a folder.
pub(crate) struct Numpy {
    source: Source,
    arrays: BTreeMap<String, Array>,
    store: Store,
}

enum Store {
    Zip(Archive),
    Folder,
}

struct Array {
    header: Header,
    /// The entry's name; `None` in a folder.
    entry: String,
    /// Offset of the values: in the entry, or in the whole folder.
    start: u64,
}

/// The header before an array's values.
#[derive(Clone, Debug)]
struct Header {
    number: Number,
    big_endian: bool,
    column_major: bool,
    shape: Vec<usize>,
    /// Its own size in bytes.
    len: u64,
}

impl Header {
    fn size(&self) -> Option<u64> {
        let bytes = count(&self.shape)?.checked_mul(self.number.size())?;
        u64::try_from(bytes).ok()?.checked_add(self.len)
    }
}

impl Numpy {
    /// Opens an archive if any of its entries is an array.
    pub(crate) fn open_zip(source: &Source, mut archive: Archive) -> Result<Self> {
        let mut arrays = BTreeMap::new();
        for entry in archive.names() {
            let Some(name) = entry.strip_suffix(".npy").filter(|name| name.len() <= MAX_NAME) else { continue };
            if arrays.len() >= MAX_ARRAYS {
                return Err(source.bad("the archive has too many arrays for a network; download it again"));
            }
            let head = archive.head(&entry, MAX_HEADER)?;
            let size = archive.size(&entry)?;
            if let Some(header) = read_header(source, name, &head, size)? {
                let start = header.len;
                arrays.insert(name.to_owned(), Array { header, entry: entry.clone(), start });
            }
        }
        Ok(Self { source: source.clone(), arrays, store: Store::Zip(archive) })
    }

    /// Opens a folder.
    pub(crate) fn open_folder(source: &Source) -> Result<Self> {
        let parts = source.parts().unwrap_or_default();
        if parts.is_empty() {
            return Err(source.bad(
                "no .npy files in the folder; use a weight file, or a folder of NumPy arrays (conv1_1_W.npy, \
                 conv1_1_b.npy and so on)",
            ));
        }
        let mut arrays = BTreeMap::new();
        for part in parts {
            let head = source.read(part.start, part.len().min(MAX_HEADER))?;
            if let Some(header) = read_header(source, &part.stem, &head, part.len())? {
                let start = part.start + header.len;
                arrays.insert(part.stem.clone(), Array { header, entry: String::new(), start });
            }
        }
        Ok(Self { source: source.clone(), arrays, store: Store::Folder })
    }
}

impl Tensors for Numpy {
    fn list(&self) -> Vec<(&str, &[usize])> {
        self.arrays.iter().map(|(name, array)| (name.as_str(), array.header.shape.as_slice())).collect()
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>> {
        let Some(Array { header, entry, start }) = self.arrays.get(name) else {
            return Err(self.source.bad(format!("{name} is missing")));
        };
        let len = header.size().unwrap_or(u64::MAX) - header.len;
        let bytes = match &mut self.store {
            Store::Zip(archive) => archive.read(entry, *start, len)?,
            Store::Folder => self.source.read(*start, len)?,
        };
        let values =
            if header.big_endian { header.number.decode_big_endian(bytes)? } else { header.number.decode(&bytes)? };
        if header.column_major { from_column_major(&values, &header.shape) } else { Ok(values) }
    }
}

/// The message for a single `.npy` file.
pub(crate) fn alone(source: &Source) -> Error {
    let head = source.head(MAX_HEADER).unwrap_or_default();
    if head.windows(4).any(|w| w == b"'|O'") {
        return pickled(source);
    }
    if let Err(error) = read_header(source, "the array", &head, source.len()) {
        return error;
    }
    source.bad("the file is a single NumPy array; load an .npz archive or a folder with all arrays of the network")
}

/// The header of the array `name`, which has `size` bytes including it; `None` unless it holds floating-point numbers.
fn read_header(source: &Source, name: &str, head: &[u8], size: u64) -> Result<Option<Header>> {
    let damaged = |why: &str| source.bad(format!("{name} is damaged ({why}); download or save it again"));
    let rest = head.strip_prefix(MAGIC).ok_or_else(|| damaged("no NumPy magic number"))?;
    let (before, len, text) = match rest {
        [1, _, a, b, text @ ..] => (10, usize::from(u16::from_le_bytes([*a, *b])), text),
        [2 | 3, _, a, b, c, d, text @ ..] => (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize, text),
        _ => return Err(damaged("format version is not 1, 2 or 3")),
    };
    let text = text.get(..len).ok_or_else(|| damaged("header is truncated or too long"))?;
    let text = std::str::from_utf8(text).map_err(|_| damaged("header is not valid text"))?;
    let entry = |key: &str| {
        let at = text.find(&format!("'{key}':"))?;
        Some(text[at + key.len() + 3..].trim_start())
    };
    let (Some(descr), Some(order), Some(shape)) = (entry("descr"), entry("fortran_order"), entry("shape")) else {
        return Err(damaged("header lacks descr, fortran_order or shape"));
    };
    let descr = descr.get(1..4).filter(|_| descr.starts_with('\'') && descr.get(4..5) == Some("'"));
    let (big_endian, number) = match descr.map(|d| d.split_at(1)) {
        Some((order @ ("<" | ">"), kind @ ("f2" | "f4" | "f8"))) => (
            order == ">",
            match kind {
                "f2" => Number::F16,
                "f4" => Number::F32,
                _ => Number::F64,
            },
        ),
        _ => return Ok(None), // integers or objects, which no layer needs
    };
    let column_major = order.starts_with("True");
    if !column_major && !order.starts_with("False") {
        return Err(damaged("fortran_order is neither True nor False"));
    }
    let sizes = shape.strip_prefix('(').and_then(|s| s.split_once(')')).map(|(sizes, _)| sizes.trim_end_matches(','));
    let parse = |sizes: &str| sizes.split(',').map(|d| d.trim().trim_end_matches('L').parse().ok()).collect();
    let shape: Option<Vec<usize>> = sizes.and_then(|s| if s.trim().is_empty() { Some(Vec::new()) } else { parse(s) });
    let shape = shape.filter(|s| s.len() <= 32).ok_or_else(|| damaged("invalid shape"))?;
    let header = Header { number, big_endian, column_major, shape, len: (before + len) as u64 };
    if header.size() != Some(size) {
        return Err(damaged(&format!("{size} bytes do not match an array of {}", show(&header.shape))));
    }
    Ok(Some(header))
}

fn pickled(source: &Source) -> Error {
    let file = source.name();
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "{file}: the file holds Python objects instead of numbers, which are not supported; if it is a dict of \
             layers (as vgg16.npy and vgg19.npy are) and you trust it, convert it: python -c \"import numpy as np; d = \
             np.load('vgg19.npy', allow_pickle=True, encoding='latin1').item(); np.savez('vgg19.npz', **{{k + n: v for \
             k, p in d.items() for n, v in zip(('.weight', '.bias'), p)}})\""
        ),
    )
}
