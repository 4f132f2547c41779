//! Hashes that identify weights and pictures in checkpoints.

use twox_hash::xxhash3_128::Hasher;

/// A hash of values, for the manifest.
pub(crate) fn hash<'a>(parts: impl IntoIterator<Item = &'a [f32]>) -> String {
    let mut hasher = Hasher::new();
    for part in parts {
        for some in part.chunks(1 << 9) {
            let bytes: Vec<u8> = some.iter().flat_map(|v| v.to_le_bytes()).collect();
            hasher.write(&bytes);
        }
    }
    format!("{:032x}", hasher.finish_128())
}
