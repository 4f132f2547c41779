//! What pages ask for.

use serde::Deserialize;
use style_transfer::pictures::Picture;

use super::files::{MOST_KEPT, begin_again, keep_image, snapshot, snapshot_beside};
use super::state::{After, Again, Inner, Job, MOST_JOBS, Studio};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::look;
use crate::plan;
use crate::record::{Begin, Record, State, Why};
use crate::settings::{Change, Effect, Settings};
use crate::store::{Of, Store};

/// The shortest side of a result, in pixels.
const SHORTEST: usize = 32;

/// A job to make.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewJob {
    photo: Id,
    painting: Id,
    #[serde(default)]
    settings: Settings,
}

impl Studio {
    /// Makes a job and puts it at the end of the queue.
    pub(crate) fn create(&self, new: NewJob) -> Result<Id> {
        let NewJob { photo, painting, settings } = new;
        let settings = settings.checked()?;
        if !(self.store.has_picture(photo) && self.store.has_picture(painting)) {
            return Err(Error::Missing("picture"));
        }
        let id = Id::random()?;
        let mut record = Record {
            id,
            number: 0,
            photo,
            painting,
            settings,
            state: State::Queued,
            message: None,
            size: [0, 0],
            generation: 0,
            begin: Begin::Photograph,
            mask: 0,
            version: 0,
            progress: None,
            snapshots: vec![],
            curve: vec![],
        };
        let original = plan::photograph(&self.store, &record)?;
        record.size = [original.image.width(), original.image.height()];
        let [width, height] = record.size;
        if width.min(height) < SHORTEST {
            return Err(Error::Invalid(format!(
                "at {width} x {height} pixels the photograph is too narrow, at least {SHORTEST} are needed; choose a larger \
                 size, or crop it"
            )));
        }
        let mut inner = self.lock();
        if inner.jobs.len() >= MOST_JOBS {
            return Err(Error::Conflict(format!("there are {MOST_JOBS} jobs, which is the limit; delete some first")));
        }
        record.number = inner.next_number;
        inner.next_number += 1;
        self.store.save(&record)?;
        self.store.put(id, Of::Original, &original)?;
        inner.jobs.insert(id, Job { record, live: None });
        inner.enqueue(id, false);
        self.tell_job(&inner, id);
        self.called.notify_all();
        Ok(id)
    }

    /// Changes settings. What the session cannot take while it runs begins a new one, from the current picture; another seed
    /// begins with the photograph.
    pub(crate) fn change(&self, id: Id, change: &Change) -> Result<()> {
        self.with(id, |store, inner| {
            let is_pending = inner.running(id).is_some_and(|running| running.again != Again::No);
            let is_running = inner.running(id).is_some();
            let job = inner.job(id)?;
            let settings = job.record.settings.with(change)?;
            let effect = settings.effect(&job.record.settings);
            let is_painted = job.live.is_some() || job.record.version > 0;
            let rests = matches!(job.record.state, State::Done | State::Failed);
            let again = match effect {
                Effect::None => return Ok(()),
                Effect::Over => Again::Over,
                Effect::Repaint => Again::Repaint,
                // A picture at rest takes another strength by being painted further.
                Effect::Live if rests => Again::Repaint,
                Effect::Resume if rests && settings.strength != job.record.settings.strength => Again::Repaint,
                Effect::Resume | Effect::Live | Effect::Shown => Again::No,
            };
            if again != Again::No && is_painted && !is_pending {
                snapshot(store, job, Why::Change)?;
            }
            let strength = settings.strength;
            job.record.version += u64::from(is_painted && settings.colours != job.record.settings.colours);
            job.record.settings = settings;
            if again != Again::No {
                inner.repaint(store, id, again)?;
            } else if effect == Effect::Resume
                && let Some(running) = inner.running(id)
            {
                if running.after == After::Ending {
                    running.after = After::Continue;
                }
                running.interrupt();
            } else if is_running
                && effect == Effect::Live
                && let Some(handle) = inner.running(id).and_then(|running| running.handle.clone())
            {
                // A job that has just ended is painted further when the worker has noticed.
                if handle.set_style_weight(strength).is_err() {
                    inner.repaint(store, id, Again::Repaint)?;
                }
            }
            Ok(())
        })
    }

    /// Stops painting a job, until it is resumed.
    pub(crate) fn pause(&self, id: Id) -> Result<()> {
        self.with(id, |_, inner| {
            if let Some(running) = inner.running(id) {
                // It pauses there anyway.
                if !matches!(running.after, After::Restore(_)) {
                    running.after = After::Pause;
                }
                running.interrupt();
                return Ok(());
            }
            let job = inner.job(id)?;
            if job.record.state == State::Queued {
                job.record.state = State::Paused;
                inner.queue.retain(|other| *other != id);
            }
            Ok(())
        })
    }

    /// Paints a job next. One that is done is painted further, for the same time again at its full size.
    pub(crate) fn resume(&self, id: Id) -> Result<()> {
        self.with(id, |store, inner| {
            if let Some(running) = inner.running(id) {
                if running.after == After::Pause {
                    running.after = After::Continue;
                }
                return Ok(());
            }
            let job = inner.job(id)?;
            if job.record.state == State::Done {
                snapshot(store, job, Why::Change)?;
                let side = job.record.reached_side();
                begin_again(store, &mut job.record, Some(side))?;
            }
            job.record.state = State::Queued;
            job.record.message = None;
            inner.enqueue(id, true);
            Ok(())
        })
    }

    /// Deletes a job with all its files.
    pub(crate) fn delete(&self, id: Id) -> Result<()> {
        let mut inner = self.lock();
        if let Some(running) = inner.running(id) {
            running.after = After::Delete;
            running.interrupt();
            return Ok(());
        }
        inner.job(id)?;
        self.store.delete(id)?;
        inner.queue.retain(|other| *other != id);
        self.forget(&mut inner, id);
        Ok(())
    }

    /// Removes a job whose files are deleted, and its pictures if no other job needs them.
    pub(super) fn forget(&self, inner: &mut Inner, id: Id) {
        let Some(Job { record, .. }) = inner.jobs.remove(&id) else { return };
        for picture in [record.photo, record.painting] {
            let is_needed = inner.jobs.values().any(|job| [job.record.photo, job.record.painting].contains(&picture))
                || self.samples.iter().any(|sample| sample.id == picture);
            if !is_needed {
                self.store.remove_picture(picture);
            }
        }
        self.tell_deleted(inner, id);
    }

    /// Sets where to paint, white in a picture of any size, or lifts the mask.
    pub(crate) fn set_mask(&self, id: Id, bytes: Option<&[u8]>) -> Result<()> {
        let size = self.lock().job(id)?.record.size;
        let mask = bytes.map(|bytes| look::mask(bytes, size)).transpose()?.flatten();
        self.with(id, |store, inner| {
            let job = inner.job(id)?;
            let is_painted = job.live.is_some() || job.record.version > 0;
            if mask.is_none() && job.record.mask == 0 {
                return Ok(());
            }
            if is_painted {
                snapshot(store, job, Why::Change)?;
            }
            put_mask(store, &mut job.record, mask.as_ref())?;
            job.record.version += u64::from(is_painted);
            inner.repaint(store, id, Again::Repaint)
        })
    }

    /// Keeps the picture so far, to go back to.
    pub(crate) fn keep(&self, id: Id) -> Result<()> {
        self.with(id, |store, inner| {
            let job = inner.job(id)?;
            if job.record.snapshots.iter().filter(|s| s.why == Why::Kept).count() >= MOST_KEPT {
                return Err(Error::Conflict(format!("{MOST_KEPT} snapshots are kept, which is the limit")));
            }
            snapshot(store, job, Why::Kept)
        })
    }

    /// Goes back to a snapshot, with its settings and mask, and pauses there. What is left becomes a snapshot.
    pub(crate) fn restore(&self, id: Id, number: u32) -> Result<()> {
        self.with(id, |store, inner| {
            if !inner.job(id)?.record.snapshots.iter().any(|s| s.number == number) {
                return Err(Error::Missing("snapshot"));
            }
            if let Some(running) = inner.running(id) {
                running.after = After::Restore(number);
                running.interrupt();
                return Ok(());
            }
            restore(store, inner.job(id)?, number)?;
            inner.queue.retain(|other| *other != id);
            Ok(())
        })
    }

    /// Changes a job, keeps it, and tells the pages.
    fn with(&self, id: Id, change: impl FnOnce(&Store, &mut Inner) -> Result<()>) -> Result<()> {
        let mut inner = self.lock();
        if inner.running(id).is_some_and(|running| running.after == After::Delete) {
            return Err(Error::Missing("job"));
        }
        change(&self.store, &mut inner)?;
        self.store.save(&inner.job(id)?.record)?;
        self.tell_job(&inner, id);
        self.called.notify_all();
        Ok(())
    }
}

impl Inner {
    /// Has a job painted anew: at once, or when it is resumed.
    fn repaint(&mut self, store: &Store, id: Id, again: Again) -> Result<()> {
        if let Some(running) = self.running(id) {
            running.again = running.again.max(again);
            running.interrupt();
            return Ok(());
        }
        let record = &mut self.job(id)?.record;
        let side = (again == Again::Repaint && record.version > 0).then(|| record.repaint_side());
        begin_again(store, record, side)?;
        if record.state != State::Paused {
            record.state = State::Queued;
            self.enqueue(id, true);
        }
        Ok(())
    }
}

/// Goes back to a snapshot of a job that does not run.
pub(super) fn restore(store: &Store, job: &mut Job, number: u32) -> Result<()> {
    let id = job.record.id;
    let snapshot = job.record.snapshots.iter().find(|s| s.number == number).cloned();
    let snapshot = snapshot.ok_or(Error::Missing("snapshot"))?;
    let picture = store.get(id, Of::Snapshot(number))?.ok_or(Error::Missing("snapshot"))?;
    // A picture that nothing has been painted on yet has its snapshot from when it came.
    if job.record.progress.is_some() && !is_last_snapshot(store, job)? {
        snapshot_beside(store, job, Why::Change, Some(number))?;
    }
    let record = &mut job.record;
    record.settings = snapshot.settings;
    let original = plan::photograph(store, record)?;
    record.size = [original.image.width(), original.image.height()];
    store.put(id, Of::Original, &original)?;
    let mask = if snapshot.masked { store.get(id, Of::SnapshotMask(number))? } else { None };
    put_mask(store, record, mask.as_ref())?;
    let picture = picture.stretched(record.size[0], record.size[1])?;
    keep_image(store, record, &picture.image)?;
    begin_again(store, record, Some(snapshot.side))?;
    record.state = State::Paused;
    job.live = None;
    store.save(&job.record)
}

/// Whether the newest snapshot has the picture of a job that does not run, and its settings.
fn is_last_snapshot(store: &Store, job: &Job) -> Result<bool> {
    let Record { id, settings, mask, snapshots, .. } = &job.record;
    Ok(match snapshots.last() {
        Some(last) if job.live.is_none() && last.settings == *settings && last.masked == (*mask > 0) => {
            store.bytes(*id, Of::Snapshot(last.number))? == store.bytes(*id, Of::Picture)?
        }
        _ => false,
    })
}

fn put_mask(store: &Store, record: &mut Record, mask: Option<&Picture>) -> Result<()> {
    match mask {
        Some(mask) => {
            store.put(record.id, Of::Mask, mask)?;
            record.mask = record.mask.max(record.version) + 1;
        }
        None => {
            store.remove(record.id, Of::Mask);
            record.mask = 0;
        }
    }
    Ok(())
}
