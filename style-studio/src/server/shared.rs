//! What all handlers get and use.

use std::sync::Arc;

use axum::extract::State;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::error::{Error, Result};
use crate::studio::Studio;

/// What every request knows.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) studio: Arc<Studio>,
    pub(super) uploads: Arc<Semaphore>,
    pub(super) most_upload: usize,
}

/// The state of a handler.
pub(super) type Of = State<Shared>;

/// Runs work that reads files or computes on a thread that may.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let failed = || Error::Conflict("the studio is stopping, or failed in a way that it should not; try again".into());
    spawn_blocking(work).await.unwrap_or_else(|_| Err(failed()))
}
