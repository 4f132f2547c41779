//! The byte source of a weight file. Every range is checked against the length before memory is allocated, so a damaged
//! header cannot request more than the file holds.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "weight-files")]
use sha2::{Digest, Sha256};
use style_core::{Error, ErrorKind, Result};

/// A file on disk or in memory, or the files of a folder, shared by its readers. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Source(Arc<Inner>);

struct Inner {
    name: String,
    len: u64,
    data: Data,
}

enum Data {
    Memory(Cow<'static, [u8]>),
    File(Mutex<File>),
    /// The files of a folder, one after another.
    Folder(Vec<Part>),
}

/// A file in a folder.
pub(crate) struct Part {
    /// Its name without the extension.
    pub(crate) stem: String,
    /// Its offset in the whole.
    pub(crate) start: u64,
    file: Source,
}

impl Part {
    pub(crate) fn len(&self) -> u64 {
        self.file.len()
    }
}

/// Every file of a folder stays open; VGG-19 has 38 arrays.
const MAX_PARTS: usize = 256;

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let opening = |e| io_error(&name, "cannot be opened", e);
        // checked first: opening a pipe would wait for its writer
        let meta = std::fs::metadata(path).map_err(opening)?;
        if !meta.is_file() {
            return Err(Error::new(
                ErrorKind::Io,
                format!("{name} is not a regular file; use a weight file or a folder of .npy files"),
            ));
        }
        let file = File::open(path).map_err(opening)?;
        Ok(Self(Arc::new(Inner { name, len: meta.len(), data: Data::File(Mutex::new(file)) })))
    }

    /// The files of a folder with this extension, sorted by name.
    pub(crate) fn folder(path: &Path, extension: &str) -> Result<Self> {
        let name = path.display().to_string();
        let reading = |e| io_error(&name, "cannot be read", e);
        let mut stems: Vec<String> = Vec::new();
        for entry in std::fs::read_dir(path).map_err(reading)? {
            let file = entry.map_err(reading)?.path();
            let stem = file.file_stem().and_then(|stem| stem.to_str());
            if let Some(stem) = stem.filter(|_| file.extension().is_some_and(|e| e == extension)) {
                stems.push(stem.to_owned());
            }
            if stems.len() > MAX_PARTS {
                let error = format!(
                    "{name}: the folder has more than {MAX_PARTS} .{extension} files; use a folder with one network"
                );
                return Err(Error::new(ErrorKind::Weights, error));
            }
        }
        stems.sort_unstable();
        let (mut parts, mut len) = (Vec::new(), 0);
        for stem in stems {
            let file = Self::open(&path.join(format!("{stem}.{extension}")))?;
            let start = len;
            len += file.len();
            parts.push(Part { stem, start, file });
        }
        Ok(Self(Arc::new(Inner { name, len, data: Data::Folder(parts) })))
    }

    /// The files, if it is a folder.
    pub(crate) fn parts(&self) -> Option<&[Part]> {
        if let Data::Folder(parts) = &self.0.data { Some(parts) } else { None }
    }

    pub(crate) fn memory(name: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        let bytes = bytes.into();
        Self(Arc::new(Inner { name: name.into(), len: bytes.len() as u64, data: Data::Memory(bytes) }))
    }

    /// The name used in messages.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.len
    }

    /// A `Weights` error that begins with the file's name.
    pub(crate) fn bad(&self, message: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Weights, format!("{}: {message}", self.name()))
    }

    /// `len` bytes from `offset`; an error if the file ends earlier.
    pub(crate) fn read(&self, offset: u64, len: u64) -> Result<Vec<u8>> {
        if offset.checked_add(len).is_none_or(|end| end > self.len()) {
            return Err(self.bad(format!(
                "expected bytes {offset} to {}, but the file has {} bytes; it is truncated, download it again",
                offset.saturating_add(len),
                self.len()
            )));
        }
        let mut out = Vec::new();
        let size = usize::try_from(len).ok().filter(|&n| out.try_reserve_exact(n).is_ok());
        let size = size.ok_or_else(|| {
            Error::new(ErrorKind::OutOfMemory, format!("{}: not enough memory to read {len} bytes", self.name()))
        })?;
        out.resize(size, 0);
        self.read_at(offset, &mut out).map_err(|e| io_error(self.name(), "cannot be read", e))?;
        Ok(out)
    }

    /// The same without a copy, if the source is in memory.
    pub(crate) fn bytes(&self, offset: u64, len: u64) -> Result<Cow<'_, [u8]>> {
        if let Data::Memory(bytes) = &self.0.data
            && let (Ok(start), Ok(len)) = (usize::try_from(offset), usize::try_from(len))
            && let Some(bytes) = bytes.get(start..).and_then(|bytes| bytes.get(..len))
        {
            return Ok(Cow::Borrowed(bytes));
        }
        self.read(offset, len).map(Cow::Owned)
    }

    /// At most the first `len` bytes.
    pub(crate) fn head(&self, len: u64) -> Result<Vec<u8>> {
        self.read(0, len.min(self.len()))
    }

    /// Fills `out` from `offset`.
    pub(crate) fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match &self.0.data {
            Data::Memory(bytes) => {
                let range = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)?.get(..out.len()));
                out.copy_from_slice(range.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Data::File(file) => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(offset))?;
                file.read_exact(out)
            }
            Data::Folder(parts) => {
                let (mut at, mut out) = (offset, out);
                while !out.is_empty() {
                    let part = parts.iter().find(|p| (p.start..p.start + p.len()).contains(&at));
                    let part = part.ok_or(io::ErrorKind::UnexpectedEof)?;
                    let left = usize::try_from(part.start + part.len() - at).unwrap_or(usize::MAX);
                    let (now, later) = out.split_at_mut(left.min(out.len()));
                    part.file.read_at(at - part.start, now)?;
                    at += now.len() as u64;
                    out = later;
                }
                Ok(())
            }
        }
    }

    /// The SHA-256 of all bytes, in lower-case hexadecimal.
    #[cfg(feature = "weight-files")]
    pub(crate) fn sha256(&self) -> Result<String> {
        let mut hash = Sha256::new();
        match &self.0.data {
            Data::Memory(bytes) => hash.update(bytes),
            Data::File(_) | Data::Folder(_) => {
                let mut buffer = vec![0; 1 << 18];
                let mut at = 0;
                while at < self.len() {
                    let n = buffer.len().min(usize::try_from(self.len() - at).unwrap_or(usize::MAX));
                    self.read_at(at, &mut buffer[..n]).map_err(|e| io_error(self.name(), "cannot be read", e))?;
                    hash.update(&buffer[..n]);
                    at += n as u64;
                }
            }
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// A reader over all bytes, for crates that need `Read + Seek`.
    pub(crate) fn reader(&self) -> Reader {
        Reader { source: self.clone(), at: 0 }
    }
}

/// An `Io` error about the file `name`.
pub(crate) fn io_error(name: &str, what: &str, source: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("{name} {what}: {source}")).with_source(source)
}

/// `Read + Seek` over a [`Source`].
pub(crate) struct Reader {
    source: Source,
    at: u64,
}

impl Reader {
    /// The reader, at `offset`.
    pub(crate) fn at(mut self, offset: u64) -> Self {
        self.at = offset;
        self
    }

    pub(crate) fn position(&self) -> u64 {
        self.at
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len().saturating_sub(self.at);
        let n = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.source.read_at(self.at, &mut out[..n])?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
