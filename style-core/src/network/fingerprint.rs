//! Hashes that identify weights and pictures in checkpoints.

use twox_hash::xxhash3_128::Hasher;

/// A hash of values, for the manifest.
pub(crate) fn hash<'a>(parts: impl IntoIterator<Item = &'a [f32]>) -> String {
    let mut hasher = Hasher::new();
    let mut bytes = [0; 4 << 9];
    for part in parts {
        for some in part.chunks(1 << 9) {
            bytes.as_chunks_mut().0.iter_mut().zip(some).for_each(|(to, value)| *to = value.to_le_bytes());
            hasher.write(&bytes[..4 * some.len()]);
        }
    }
    format!("{:032x}", hasher.finish_128())
}
