//! A studio as its folder has it.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex};

use tokio::sync::broadcast;

use super::files::keep_image;
use super::state::{BACKLOG, Inner, Job, Studio};
use crate::error::Result;
use crate::id::Id;
use crate::options::Sample;
use crate::pictures;
use crate::record::{Record, State};
use crate::store::Store;

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
}

/// Brings a job into order whose server ended in the middle of it.
fn recover(store: &Store, record: &mut Record) -> Result<()> {
    if record.state != State::Painting {
        return Ok(());
    }
    record.state = State::Queued;
    if let Some(image) = store.checkpoint_image(record.id, record.generation) {
        keep_image(store, record, &image)?;
    }
    store.save(record)
}
