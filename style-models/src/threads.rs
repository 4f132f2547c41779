//! Threads for the moment that a file takes to unpack. They share what is left of the items, behind a mutex that is held
//! while one is taken and never while one is done; the scope joins them, and passes on a panic.

use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, available_parallelism, scope};

/// The most threads that help the calling one.
const MAX_HELPERS: usize = 7;

/// Calls `f` with each of `items`, in any order, on as many threads as there are cores; where none can be had, the
/// calling one does all.
pub(crate) fn for_each<T: Send>(items: Vec<T>, f: impl Fn(T) + Sync) {
    let cores = available_parallelism().map_or(1, usize::from);
    let helpers = (cores.min(items.len()).saturating_sub(1)).min(MAX_HELPERS);
    let items = Mutex::new(items.into_iter());
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(item) = next() {
            f(item);
        }
    };
    scope(|scope| {
        for _ in 0..helpers {
            if Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
}
