//! Fallible allocation for input-sized buffers; small ones abort on failure, as usual.

use std::fmt::Display;

use crate::error::{Error, ErrorKind, Result};

/// An empty vector with capacity for `count` values; `what` names it in errors.
pub(crate) fn reserved<T>(count: usize, what: impl Display) -> Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|e| {
        let bytes = count.saturating_mul(size_of::<T>());
        Error::new(ErrorKind::OutOfMemory, format!("cannot allocate {bytes} bytes for {what}")).with_source(e)
    })?;
    Ok(values)
}

/// `count` zeros; `what` names them in errors.
pub(crate) fn zeros(count: usize, what: impl Display) -> Result<Vec<f32>> {
    let mut values = reserved(count, what)?;
    values.resize(count, 0.0);
    Ok(values)
}

/// Collects `count` values; `what` names them in errors.
pub(crate) fn collected<T>(count: usize, what: impl Display, values: impl IntoIterator<Item = T>) -> Result<Vec<T>> {
    let mut all = reserved(count, what)?;
    all.extend(values);
    Ok(all)
}
