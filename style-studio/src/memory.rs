//! The memory that the system can still give.

/// Leaves something to other programs, and to the studio itself.
const SHARE: f64 = 0.8;

/// Bytes that a job may take, where the system tells it. A job that needs more is painted in tiles, or refused with a size that
/// would do; otherwise the system might end the studio.
pub(crate) fn available() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some((kib * 1024.0 * SHARE) as usize)
}
