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
        store.sweep();
        let samples = pictures::offer(&store, samples)?;
        let (mut jobs, mut begun, mut queue, mut next_number) = (BTreeMap::new(), VecDeque::new(), VecDeque::new(), 1);
        let (records, others) = store.jobs()?;
        for mut record in records {
            next_number = next_number.max(record.number + 1);
            if let Err(e) = recover(&store, &mut record) {
                record.message = Some(e.told());
            }
            match (record.state, record.progress) {
                // Those that were being painted come first.
                (State::Queued, Some(_)) => begun.push_back(record.id),
                (State::Queued, None) => queue.push_back(record.id),
                _ => {}
            }
            jobs.insert(record.id, Job { record, live: None });
        }
        begun.append(&mut queue);
        let needed = |id: Id| {
            jobs.values().any(|job| job.record.photo == id || job.record.painting == id)
                || samples.iter().any(|sample| sample.id == id)
        };
        // A job that cannot be read may need any of them.
        if !others {
            store.tidy(needed);
        }
        let inner = Inner { jobs, queue: begun, running: None, stopping: false, next_number };
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
