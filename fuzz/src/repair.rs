//! Repairs checksums: in an altered file, a wrong checksum would prevent the fuzzer from reaching the code after the check.

use std::io::Read;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

/// The most data unpacked for a checksum.
const MOST: u64 = 1 << 20;

fn le16(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?).into())
}

fn le32(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)).ok()
}

fn put(bytes: &mut [u8], at: usize, sum: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn inflated(packed: &[u8]) -> (Vec<u8>, usize) {
    let mut stream = DeflateDecoder::new(packed);
    let mut bytes = vec![];
    // Up to the first error.
    let _ = (&mut stream).take(MOST).read_to_end(&mut bytes);
    (bytes, usize::try_from(stream.total_in()).unwrap_or(usize::MAX))
}

/// The checksums of a zip archive's entries, as listed in its central directory.
pub(crate) fn zip(bytes: &mut [u8]) {
    let Some(end) = bytes.windows(4).rposition(|w| w == b"PK\x05\x06") else { return };
    let Some(mut at) = le32(bytes, end + 16) else { return };
    // Limited to a few entries, because headers may overlap.
    for _ in 0..64 {
        if bytes.get(at..at.saturating_add(4)) != Some(b"PK\x01\x02") {
            break;
        }
        let field = |n| le16(bytes, at + n);
        let (Some(method), Some(name), Some(extra), Some(comment)) = (field(10), field(28), field(30), field(32))
        else {
            break;
        };
        let (Some(size), Some(local)) = (le32(bytes, at + 20), le32(bytes, at + 42)) else { break };
        let data = le16(bytes, local.saturating_add(26)).zip(le16(bytes, local.saturating_add(28)));
        if let Some((name, extra)) = data {
            let data = bytes.get(local + 30 + name + extra..).map(|data| &data[..size.min(data.len())]);
            let sum = data.map(|data| if method == 0 { crc(data) } else { crc(&inflated(data).0) });
            if let Some(sum) = sum {
                put(bytes, at + 16, sum);
                put(bytes, local + 14, sum);
            }
        }
        at += 46 + name + extra + comment;
    }
}

/// The checksums of gzip members, in blocks or not; not their declared lengths.
pub(crate) fn gzip(bytes: &mut [u8]) {
    let mut at = 0;
    for _ in 0..64 {
        let Some(&[0x1f, 0x8b, 8, flags]) = bytes.get(at..at + 4).and_then(|head| head.first_chunk()) else { return };
        let extra = match flags {
            0 => 0,
            4 => le16(bytes, at + 10).map_or(usize::MAX, |len| len + 2),
            _ => return,
        };
        let start = at.saturating_add(10).saturating_add(extra);
        let Some(packed) = bytes.get(start..) else { return };
        let (unpacked, taken) = inflated(packed);
        put(bytes, start + taken, crc(&unpacked));
        at = start + taken + 8;
    }
}
