//! Short-lived threads for unpacking a file. They take items from a shared iterator behind a mutex, which is held while
//! an item is taken and never while one is processed; the scope joins them and propagates a panic.

use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, available_parallelism, scope};

/// The most threads besides the calling one.
const MAX_HELPERS: usize = 7;

/// Calls `f` with each of `items`, in any order, on as many threads as there are cores. If none can be started, the
/// calling thread processes all items.
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
