//! gzip compression of another format.
//!
//! A single stream is unpacked by one thread. A blocked file (BGZF: section 4.1 of the SAM format specification, as
//! `bgzip` writes it) is a sequence of small gzip files, each with its length in its header. All threads unpack these,
//! and any other program reads the file as gzip.

use std::borrow::Cow;
use std::io::{self, BufReader, Read};
use std::sync::{Mutex, PoisonError};

use flate2::bufread::{GzDecoder, MultiGzDecoder};
use style_core::{Error, ErrorKind, Result};

use crate::source::Source;
use crate::tensors::zeros;
use crate::threads;

/// More than twice the size of VGG-19's convolutions as f32 (80 MB).
const MAX_UNPACKED: u64 = 192 << 20;
/// The largest content of a block.
const MAX_BLOCK: usize = 1 << 16;
/// Deflate's largest expansion per byte.
const MAX_RATIO: usize = 1032;
/// A block's header: gzip's with one extra field, `BC`, whose two bytes hold the block's length minus one.
const HEADER: usize = 18;

/// The content of a gzip file.
pub(crate) fn unpack(source: &Source) -> Result<Source> {
    let damaged = |e: io::Error| match e.kind() {
        io::ErrorKind::OutOfMemory => {
            Error::new(ErrorKind::OutOfMemory, "not enough memory for the weights").with_source(e)
        }
        _ => source.bad(format!("the gzip stream is damaged ({e}); download the file again")).with_source(e),
    };
    let packed = if source.len() <= MAX_UNPACKED { source.bytes(0, source.len())? } else { Cow::Borrowed(&[][..]) };
    let unpacked = match blocks(&packed) {
        Some(blocks) => unpack_blocks(&blocks, zeros(blocks.iter().map(|(_, len)| len).sum())?),
        None => {
            drop(packed);
            let mut bytes = vec![];
            let stream = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, source.reader()));
            stream.take(MAX_UNPACKED + 1).read_to_end(&mut bytes).map(|_| bytes)
        }
    };
    let bytes = unpacked.map_err(damaged)?;
    if bytes.len() as u64 > MAX_UNPACKED {
        return Err(source.bad(format!(
            "expected at most {MAX_UNPACKED} unpacked bytes, found more; unpack the file and load the result"
        )));
    }
    Ok(Source::memory(source.name(), bytes))
}

/// The blocks and their declared unpacked sizes, if the whole file consists of blocks within the limits.
fn blocks(mut packed: &[u8]) -> Option<Vec<(&[u8], usize)>> {
    let (mut blocks, mut total) = (vec![], 0);
    while !packed.is_empty() {
        let header = packed.get(..HEADER)?;
        if header[..4] != [0x1f, 0x8b, 8, 4] || header[10..16] != [6, 0, b'B', b'C', 2, 0] {
            return None;
        }
        let (block, rest) = packed.split_at_checked(usize::from(u16::from_le_bytes([header[16], header[17]])) + 1)?;
        let unpacked = u32::from_le_bytes(*block.get(HEADER..)?.last_chunk()?) as usize;
        total += unpacked as u64;
        if unpacked > MAX_BLOCK.min(MAX_RATIO * block.len()) || total > MAX_UNPACKED {
            return None;
        }
        blocks.push((block, unpacked));
        packed = rest;
    }
    (!blocks.is_empty()).then_some(blocks)
}

/// `bytes` has room for all blocks.
fn unpack_blocks(blocks: &[(&[u8], usize)], mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut rest = &mut bytes[..];
    let parts = blocks.iter().map(|&(block, len)| {
        let (part, later) = std::mem::take(&mut rest).split_at_mut(len);
        rest = later;
        (block, part)
    });
    let failed = Mutex::new(None);
    threads::for_each(parts.collect(), |(block, part)| {
        if let Err(e) = unpack_block(block, part) {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(bytes), Err)
}

fn unpack_block(block: &[u8], part: &mut [u8]) -> io::Result<()> {
    let mut stream = GzDecoder::new(block);
    stream.read_exact(part)?;
    // Reading to the end makes the decoder compare checksums.
    match stream.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a block is longer than its declared size")),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_BLOCK, MAX_RATIO, blocks};

    /// The declared size of all blocks is allocated before any block is unpacked.
    #[test]
    fn declared_sizes_are_limited() {
        let block = |unpacked: usize| {
            let mut block = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0, 6, 0, b'B', b'C', 2, 0, 27, 0, 3, 0, 0, 0, 0, 0];
            block.extend(u32::try_from(unpacked).unwrap().to_le_bytes());
            assert_eq!(block.len(), 28);
            block
        };
        assert!(blocks(&block(28 * MAX_RATIO)).is_some());
        const { assert!(28 * MAX_RATIO < MAX_BLOCK) };
        assert!(blocks(&block(MAX_BLOCK).repeat(100)).is_none());
    }
}
