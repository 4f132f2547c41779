//! The jobs, their queue, and what pages are told of them.
//!
//! One lock guards everything. Requests change it (`commands.rs`), and one thread paints (`worker.rs`, `watcher.rs`). A
//! request never waits for the painting: it notes what should become of the job and cancels the session, and the worker
//! carries it out when the session has ended, at most one evaluation later.

mod commands;
mod events;
mod files;
mod watcher;
mod worker;

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use style_transfer::{Handle, Image};
use tokio::sync::broadcast;

use crate::error::{Error, Result};
use crate::id::Id;
use crate::options::Sample;
use crate::pictures::{self, Offered};
use crate::record::{Record, State};
use crate::store::Store;

pub(crate) use commands::NewJob;
pub(crate) use files::File;
pub(crate) use worker::start;

/// The most jobs that are kept.
const MOST_JOBS: usize = 200;

/// Messages that a slow page may lag behind; then it is told everything anew.
const BACKLOG: usize = 256;

/// Everything that requests and the worker share.
pub(crate) struct Studio {
    pub(crate) store: Store,
    pub(crate) samples: Vec<Offered>,
    threads: Option<NonZeroUsize>,
    inner: Mutex<Inner>,
    /// Wakes the worker.
    called: Condvar,
    events: broadcast::Sender<Arc<str>>,
}

struct Inner {
    jobs: BTreeMap<Id, Job>,
    /// Jobs that wait, the next one first.
    queue: VecDeque<Id>,
    running: Option<Running>,
    stopping: bool,
    next_number: u64,
}

struct Job {
    record: Record,
    /// The latest image of the running session.
    live: Option<Arc<Image>>,
}

/// The job that is being painted.
struct Running {
    id: Id,
    /// `None` while its pictures are read.
    handle: Option<Handle>,
    again: Again,
    after: After,
}

/// Whether a new session of the same job is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Again {
    No,
    /// From the current picture.
    Repaint,
    /// From the photograph.
    Over,
}

/// What becomes of a running job when its session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
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
struct View<'a> {
    #[serde(flatten)]
    record: &'a Record,
    /// Its place in the queue, from 1; 0 if it does not wait.
    place: usize,
}

impl Studio {
    pub(crate) fn open(store: Store, samples: &[Sample], threads: Option<NonZeroUsize>) -> Result<Self> {
        let samples = pictures::offer(&store, samples)?;
        let (mut jobs, mut queue, mut next_number) = (BTreeMap::new(), VecDeque::new(), 1);
        for mut record in store.jobs()? {
            next_number = next_number.max(record.number + 1);
            recover(&store, &mut record)?;
            match (record.state, record.progress) {
                // The one that was being painted comes first.
                (State::Queued, Some(_)) => queue.push_front(record.id),
                (State::Queued, None) => queue.push_back(record.id),
                _ => {}
            }
            jobs.insert(record.id, Job { record, live: None });
        }
        let needed = |id: Id| {
            jobs.values().any(|job| job.record.photo == id || job.record.painting == id)
                || samples.iter().any(|sample| sample.id == id)
        };
        store.tidy(needed);
        let inner = Inner { jobs, queue, running: None, stopping: false, next_number };
        let (inner, called, events) = (Mutex::new(inner), Condvar::new(), broadcast::Sender::new(BACKLOG));
        Ok(Self { store, samples, threads, inner, called, events })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Brings a job into order whose server ended in the middle of it.
fn recover(store: &Store, record: &mut Record) -> Result<()> {
    if record.state != State::Painting {
        return Ok(());
    }
    record.state = State::Queued;
    if let Some(image) = store.checkpoint_image(record.id, record.generation) {
        files::keep_image(store, record, &image)?;
    }
    store.save(record)
}

impl Inner {
    fn job(&mut self, id: Id) -> Result<&mut Job> {
        self.jobs.get_mut(&id).ok_or(Error::Missing("job"))
    }

    fn running(&mut self, id: Id) -> Option<&mut Running> {
        self.running.as_mut().filter(|running| running.id == id)
    }

    fn enqueue(&mut self, id: Id, first: bool) {
        self.queue.retain(|other| *other != id);
        if first { self.queue.push_front(id) } else { self.queue.push_back(id) }
    }

    fn view<'a>(&self, record: &'a Record) -> View<'a> {
        let place = self.queue.iter().position(|id| *id == record.id).map_or(0, |i| i + 1);
        View { record, place }
    }
}

impl Running {
    /// Ends the session soon.
    fn interrupt(&self) {
        if let Some(handle) = &self.handle {
            handle.cancel();
        }
    }
}
