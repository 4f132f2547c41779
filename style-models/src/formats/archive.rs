//! Zip archive entries.

use std::io::{self, BufReader, Read};

use style_core::Result;
use zip::ZipArchive;
use zip::result::ZipError;

use crate::source::{Reader, Source};

/// An opened zip archive.
pub(crate) struct Archive {
    source: Source,
    zip: ZipArchive<BufReader<Reader>>,
}

impl Archive {
    pub(crate) fn open(source: &Source) -> Result<Self> {
        let zip = ZipArchive::new(BufReader::new(source.reader())).map_err(|e| damaged(source, e))?;
        Ok(Self { source: source.clone(), zip })
    }

    /// The entry names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.zip.file_names().filter_map(|n| Some(n.ok()?.into_owned())).collect()
    }

    /// The entry's unpacked size as declared by the archive.
    pub(crate) fn size(&mut self, name: &str) -> Result<u64> {
        Ok(self.zip.by_name(name).map_err(|e| damaged(&self.source, e))?.size())
    }

    /// At most the first `len` bytes of an entry.
    pub(crate) fn head(&mut self, name: &str, len: u64) -> Result<Vec<u8>> {
        let entry = self.zip.by_name(name).map_err(|e| damaged(&self.source, e))?;
        let mut bytes = Vec::new();
        entry.take(len).read_to_end(&mut bytes).map_err(|e| damaged(&self.source, e.into()))?;
        Ok(bytes)
    }

    /// `len` bytes of an entry from byte `from` on. Reading to the entry's end also checks its CRC.
    pub(crate) fn read(&mut self, name: &str, from: u64, len: u64) -> Result<Vec<u8>> {
        let mut entry = self.zip.by_name(name).map_err(|e| damaged(&self.source, e))?;
        let mut bytes = Vec::new();
        let mut read = || -> io::Result<()> {
            io::copy(&mut (&mut entry).take(from), &mut io::sink())?;
            (&mut entry).take(len).read_to_end(&mut bytes)?;
            (&mut entry).take(1).read_to_end(&mut Vec::new())?;
            Ok(())
        };
        read().map_err(|e| damaged(&self.source, e.into()))?;
        if bytes.len() as u64 != len {
            return Err(self
                .source
                .bad(format!("{name} in the archive is shorter than its tensors require; download the file again")));
        }
        Ok(bytes)
    }
}

fn damaged(source: &Source, error: ZipError) -> style_core::Error {
    source.bad(format!("the zip archive is damaged ({error}); download the file again")).with_source(error)
}
