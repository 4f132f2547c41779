//! The state that requests and the worker share.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use style_transfer::{Handle, Image};
use tokio::sync::broadcast;

use crate::error::{Error, Result};
use crate::id::Id;
use crate::pictures::Offered;
use crate::record::Record;
use crate::store::Store;

/// The most jobs that are kept.
pub(super) const MOST_JOBS: usize = 200;

/// Messages that a slow page may lag behind; then it is told everything anew.
pub(super) const BACKLOG: usize = 256;

/// Everything that requests and the worker share.
pub(crate) struct Studio {
    pub(crate) store: Store,
    pub(crate) samples: Vec<Offered>,
    pub(super) threads: Option<NonZeroUsize>,
    pub(super) inner: Mutex<Inner>,
    /// Wakes the worker.
    pub(super) called: Condvar,
    pub(super) events: broadcast::Sender<Arc<str>>,
}

pub(super) struct Inner {
    pub(super) jobs: BTreeMap<Id, Job>,
    /// Jobs that wait, the next one first.
    pub(super) queue: VecDeque<Id>,
    pub(super) running: Option<Running>,
    pub(super) stopping: bool,
    pub(super) next_number: u64,
}

pub(super) struct Job {
    pub(super) record: Record,
    /// The latest image of the running session.
    pub(super) live: Option<Arc<Image>>,
}

/// The job that is being painted.
pub(super) struct Running {
    pub(super) id: Id,
    /// `None` while its pictures are read.
    pub(super) handle: Option<Handle>,
    pub(super) again: Again,
    pub(super) after: After,
}

/// Whether a new session of the same job is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Again {
    No,
    /// From the current picture.
    Repaint,
    /// From the photograph.
    Over,
}

/// What becomes of a running job when its session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// What its ending says.
    Ending,
    Pause,
    /// Goes on as soon as possible, after a pause that had not come into effect.
    Continue,
    Restore(u32),
    Delete,
}

/// A job as the page sees it.
#[derive(Serialize)]
pub(super) struct View<'a> {
    #[serde(flatten)]
    pub(super) record: &'a Record,
    /// Its place in the queue, from 1; 0 if it does not wait.
    pub(super) place: usize,
}

impl Studio {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    pub(super) fn job(&mut self, id: Id) -> Result<&mut Job> {
        self.jobs.get_mut(&id).ok_or(Error::Missing("job"))
    }

    pub(super) fn running(&mut self, id: Id) -> Option<&mut Running> {
        self.running.as_mut().filter(|running| running.id == id)
    }

    pub(super) fn enqueue(&mut self, id: Id, first: bool) {
        self.queue.retain(|other| *other != id);
        if first { self.queue.push_front(id) } else { self.queue.push_back(id) }
    }

    pub(super) fn view<'a>(&self, record: &'a Record) -> View<'a> {
        let place = self.queue.iter().position(|id| *id == record.id).map_or(0, |i| i + 1);
        View { record, place }
    }
}

impl Running {
    /// Ends the session soon.
    pub(super) fn interrupt(&self) {
        if let Some(handle) = &self.handle {
            handle.cancel();
        }
    }
}
