//! What pages are told: everything when they connect, then each change.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast;

use super::state::{Inner, Studio};
use crate::id::Id;
use crate::record::{Point, Reached};

/// Progress of the running job.
#[derive(Serialize)]
pub(super) struct Advance<'a> {
    pub(super) id: Id,
    pub(super) version: u64,
    pub(super) progress: Reached,
    /// New points of the curve.
    pub(super) points: &'a [Point],
}

/// A text for the page. The kinds of data are our own, and none fails to be written.
fn message(kind: &str, data: &impl Serialize) -> Arc<str> {
    json!({ "type": kind, "data": data }).to_string().into()
}

impl Studio {
    /// The messages from now on, and one with everything up to now.
    pub(crate) fn follow(&self) -> (broadcast::Receiver<Arc<str>>, Arc<str>) {
        let inner = self.lock();
        (self.events.subscribe(), self.everything(&inner))
    }

    fn everything(&self, inner: &Inner) -> Arc<str> {
        let mut jobs: Vec<_> = inner.jobs.values().map(|job| inner.view(&job.record)).collect();
        jobs.sort_by_key(|job| job.record.number);
        message("state", &json!({ "jobs": jobs, "samples": self.samples }))
    }

    /// All jobs, as JSON.
    pub(crate) fn listed(&self) -> Arc<str> {
        self.everything(&self.lock())
    }

    fn tell(&self, kind: &str, data: &impl Serialize) {
        // Without a page there is nobody to tell.
        let _ = self.events.send(message(kind, data));
    }

    /// Tells of a job, and of the places of those that wait.
    pub(super) fn tell_job(&self, inner: &Inner, id: Id) {
        if let Some(job) = inner.jobs.get(&id) {
            self.tell("job", &inner.view(&job.record));
        }
        self.tell("queue", &inner.queue);
    }

    pub(super) fn tell_deleted(&self, inner: &Inner, id: Id) {
        self.tell("deleted", &id);
        self.tell("queue", &inner.queue);
    }

    pub(super) fn tell_advance(&self, advance: &Advance<'_>) {
        self.tell("progress", advance);
    }
}
