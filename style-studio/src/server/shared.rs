//! What all handlers get.

use std::sync::Arc;

use axum::extract::State;
use tokio::sync::Semaphore;

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
