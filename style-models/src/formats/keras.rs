//! Keras' weight files: HDF5, any version that h5py writes.
//!
//! This module uses `hdf5-reader` rather than `hdf5-pure` (0.47), the other reader in pure Rust. Both were tested with small files
//! that were truncated or had one to three bytes changed at random. `hdf5-reader` (0.12) returned an error or a value
//! in every one of two million runs and stayed below its budget of 16 MiB, while `hdf5-pure` soon requested 4 GiB
//! because of a damaged header. `hdf5-reader` also reads ranges of a custom source, so a file is never wholly in
//! memory. It follows links to other files only through a resolver, and this module sets none.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use hdf5_reader::group::Group;
use hdf5_reader::{ByteOrder, Datatype, Hdf5File, OpenOptions, Storage, StorageBuffer};
use style_core::Result;

use crate::naming::Layout;
use crate::source::Source;
use crate::tensors::{Number, Tensors, count};

/// Far more than in any Keras file; a file with more is damaged or hostile.
const MAX_GROUPS: usize = 4096;
const MAX_DATASETS: usize = 1 << 14;
const MAX_DEPTH: usize = 12;
/// Longer names do not belong to a network's layers.
const MAX_NAME: usize = 128;
/// The largest filter of VGG takes 9.4 MB as f32.
const MAX_READ: usize = 64 << 20;

/// An opened HDF5 file.
pub(crate) struct Keras {
    source: Source,
    file: Hdf5File,
    shapes: BTreeMap<String, Vec<usize>>,
    /// Whether the file names a backend that does not flip filters.
    correlates: bool,
}

impl Keras {
    pub(crate) fn open(source: &Source) -> Result<Self> {
        let options = OpenOptions {
            max_read_bytes: MAX_READ,
            max_chunk_bytes: MAX_READ,
            max_object_header_bytes: 4 << 20,
            ..OpenOptions::default()
        };
        let storage = Arc::new(Ranges(source.clone()));
        let file = Hdf5File::from_storage_with_options(storage, options).map_err(|e| damaged(source, "", e))?;
        let mut walk = Walk { source, seen: HashSet::new(), shapes: BTreeMap::new() };
        let root = file.root_group().map_err(|e| damaged(source, "/", e))?;
        walk.group(&root, "", 0)?;
        let shapes = walk.shapes;
        // Keras records its backend next to the layers: at the root, or where a whole model keeps its weights.
        let nested = root.group("model_weights").ok();
        let backend =
            nested.iter().chain([&root]).find_map(|group| group.attribute("backend").ok()?.read_string().ok());
        let correlates = backend.is_some_and(|backend| backend.trim_end_matches('\0') != "theano");
        Ok(Self { source: source.clone(), file, shapes, correlates })
    }
}

impl Tensors for Keras {
    fn list(&self) -> Vec<(&str, &[usize])> {
        self.shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect()
    }

    /// Theano's filters are [O, I, H, W], and it applies them as a convolution.
    fn flips(&self, layout: Layout) -> bool {
        layout == Layout::Oihw && !self.correlates
    }

    fn read(&mut self, name: &str) -> Result<Vec<f32>> {
        let dataset = self.file.dataset(name).map_err(|e| damaged(&self.source, name, e))?;
        let Datatype::FloatingPoint { size, byte_order } = *dataset.dtype() else {
            return Err(self
                .source
                .bad(format!("expected floating-point numbers in {name}; use a weight file as Keras saves it")));
        };
        let number = match size {
            2 => Number::F16,
            4 => Number::F32,
            8 => Number::F64,
            _ => {
                return Err(self
                    .source
                    .bad(format!("expected numbers of 2, 4 or 8 bytes in {name}, found {size} bytes")));
            }
        };
        let bytes = dataset.read_raw_bytes().map_err(|e| damaged(&self.source, name, e))?;
        let values = match byte_order {
            ByteOrder::LittleEndian => number.decode(&bytes)?,
            ByteOrder::BigEndian => number.decode_big_endian(bytes)?,
        };
        if self.shapes.get(name).and_then(|shape| count(shape)) != Some(values.len()) {
            return Err(self.source.bad(format!(
                "{name} has {} values, which do not match its shape; download the file again",
                values.len()
            )));
        }
        Ok(values)
    }
}

fn damaged(source: &Source, name: &str, error: hdf5_reader::error::Error) -> style_core::Error {
    let at = if name.is_empty() { String::new() } else { format!(" at {name}") };
    source
        .bad(format!("the HDF5 file is damaged or uses an unsupported feature{at} ({error}); download it again"))
        .with_source(error)
}

/// The search for datasets. A group is entered once, so cyclic hard links are harmless.
struct Walk<'a> {
    source: &'a Source,
    seen: HashSet<u64>,
    shapes: BTreeMap<String, Vec<usize>>,
}

impl Walk<'_> {
    fn group(&mut self, group: &Group, path: &str, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH || self.seen.len() >= MAX_GROUPS {
            return Err(self.source.bad("the HDF5 file has too many groups for a weight file; download it again"));
        }
        if !self.seen.insert(group.address()) {
            return Ok(());
        }
        let (groups, datasets) = group.members().map_err(|e| damaged(self.source, path, e))?;
        for dataset in datasets.iter().filter(|d| d.name().len() <= MAX_NAME) {
            let shape = dataset.shape().iter().map(|&d| usize::try_from(d)).collect::<Result<Vec<_>, _>>();
            if let Ok(shape) = shape {
                self.shapes.insert(join(path, dataset.name()), shape);
            }
        }
        if self.shapes.len() > MAX_DATASETS {
            return Err(self.source.bad("the HDF5 file has too many datasets for a weight file; download it again"));
        }
        for child in groups.iter().filter(|g| g.name().len() <= MAX_NAME) {
            self.group(child, &join(path, child.name()), depth + 1)?;
        }
        Ok(())
    }
}

/// The path of `name` in the group `path`. Some of the reader's names start with a slash; Keras' have none at either
/// end.
fn join(path: &str, name: &str) -> String {
    let name = name.trim_matches('/');
    if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") }
}

/// Adapts a [`Source`] to the reader.
struct Ranges(Source);

impl Storage for Ranges {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_range(&self, offset: u64, len: usize) -> hdf5_reader::error::Result<StorageBuffer> {
        let bytes = self.0.read(offset, len as u64).map_err(|e| std::io::Error::other(e.to_string()))?;
        Ok(StorageBuffer::from_vec(bytes))
    }
}
