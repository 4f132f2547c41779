//! The thread that paints one job after the other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};

use style_transfer::cpu::Cpu;
use style_transfer::pictures::Picture;
use style_transfer::{Device, Ending, ErrorKind, Image, Job as SessionJob, Network, models};

use super::commands::restore;
use super::files::{begin_again, is_of_checkpoint, keep_image};
use super::state::{After, Again, Job, Running, Studio};
use super::watcher::Watcher;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::memory;
use crate::plan;
use crate::record::{Record, State};
use crate::store::Of;

/// How the session of a job ended.
struct Ended {
    image: Option<Image>,
    ending: Result<Finish>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Finish {
    Completed,
    Cancelled,
}

/// Starts the thread. It ends after [`Studio::stop`].
pub(crate) fn start(studio: &Arc<Studio>) -> Result<JoinHandle<()>> {
    let studio = Arc::clone(studio);
    let builder = thread::Builder::new().name("studio".into());
    builder.spawn(move || work(&studio)).map_err(Error::store("no thread can be started to paint"))
}

fn work(studio: &Arc<Studio>) {
    // Opened while the user still chooses pictures, and with the first job again if that failed.
    let mut network = open_network(studio).ok();
    while let Some(record) = studio.next() {
        let id = record.id;
        let painted = catch_unwind(AssertUnwindSafe(|| paint(studio, &mut network, record)));
        let bug = || Error::Conflict("the studio failed in a way that it should not; please report it".into());
        let ended = painted.unwrap_or_else(|_| Ended { image: None, ending: Err(bug()) });
        if catch_unwind(AssertUnwindSafe(|| studio.ended(id, ended))).is_err() {
            studio.failed(id, &bug());
        }
    }
}

fn open_network(studio: &Studio) -> Result<Arc<Network>> {
    let mut backend = Cpu::builder();
    if let Some(threads) = studio.threads {
        backend = backend.threads(threads.get());
    }
    Ok(Arc::new(Network::new(Device::from(backend.build()?), models::embedded()?.model())?))
}

/// Paints until the session ends.
fn paint(studio: &Arc<Studio>, network: &mut Option<Arc<Network>>, record: Record) -> Ended {
    match begin(studio, network, record) {
        Err(e) => Ended { image: None, ending: Err(e) },
        Ok(job) => {
            let outcome = job.join();
            let ending = match outcome.ending {
                Ending::Completed => Ok(Finish::Completed),
                Ending::Cancelled => Ok(Finish::Cancelled),
                Ending::Failed(e) => Err(e.into()),
            };
            Ended { image: outcome.image, ending }
        }
    }
}

/// Starts the session: from its checkpoint if there is one.
fn begin(studio: &Arc<Studio>, network: &mut Option<Arc<Network>>, mut record: Record) -> Result<SessionJob> {
    let store = &studio.store;
    let network = match network {
        Some(network) => network,
        None => network.insert(open_network(studio)?),
    };
    let photograph = plan::photograph(store, &record)?;
    record.size = [photograph.image.width(), photograph.image.height()];
    store.put(record.id, Of::Original, &photograph)?;
    let spawn = |record: &Record, checkpoint| {
        let mut builder = plan::describe(store, network, record, &photograph)?;
        let watcher = Watcher::new(Arc::clone(studio), record.id, record.generation);
        if let Some(bytes) = memory::available() {
            builder = builder.memory_limit(bytes);
        }
        Ok::<_, Error>(builder.spawn_with(checkpoint, watcher)?)
    };
    let job = match spawn(&record, store.checkpoint(record.id, record.generation)) {
        // Its settings had changed when the server ended, so it cannot resume; its picture is still used.
        Err(Error::Engine(e)) if is_of_checkpoint(&e) => {
            if let Some(image) = store.checkpoint_image(record.id, record.generation) {
                keep_image(store, &mut record, &image)?;
            }
            let side = record.repaint_side();
            begin_again(store, &mut record, Some(side))?;
            spawn(&record, None)?
        }
        job => job?,
    };
    studio.began(record, &job)?;
    Ok(job)
}

impl Studio {
    /// Waits for the next job, and marks it as the running one. `None` when the studio stops.
    fn next(&self) -> Option<Record> {
        let mut inner = self.lock();
        loop {
            if inner.stopping {
                return None;
            }
            while let Some(id) = inner.queue.pop_front() {
                let Ok(job) = inner.job(id) else { continue };
                job.record.state = State::Painting;
                let record = job.record.clone();
                inner.running = Some(Running { id, handle: None, again: Again::No, after: After::Ending });
                self.tell_job(&inner, id);
                return Some(record);
            }
            inner = self.called.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that the session of a job runs. What was asked for in the meantime takes effect.
    fn began(&self, record: Record, session: &SessionJob) -> Result<()> {
        let mut inner = self.lock();
        let (id, stopping) = (record.id, inner.stopping);
        let job = inner.job(id)?;
        let settings = job.record.settings.clone();
        let is_other = settings.good != record.settings.good;
        // A checkpoint has the strength that it was made with.
        match session.handle().set_style_weight(settings.strength) {
            // A short session may have ended already.
            Err(e) if e.kind() != ErrorKind::Finished => return Err(e.into()),
            _ => {}
        }
        let mask = job.record.mask;
        // The session may have reported already.
        let (version, progress, curve) =
            (job.record.version.max(record.version), job.record.progress, std::mem::take(&mut job.record.curve));
        let snapshots = std::mem::take(&mut job.record.snapshots);
        job.record = Record { settings, mask, version, progress, curve, snapshots, ..record };
        self.store.save(&job.record)?;
        if let Some(running) = inner.running(id) {
            running.handle = Some(session.handle());
            if stopping
                || is_other
                || running.again != Again::No
                || !matches!(running.after, After::Ending | After::Continue)
            {
                running.interrupt();
            }
        }
        self.tell_job(&inner, id);
        Ok(())
    }

    /// Notes that the session of a job has ended, and carries out what was asked for in the meantime.
    fn ended(&self, id: Id, ended: Ended) {
        let mut inner = self.lock();
        let Some(running) = inner.running.take() else { return };
        if running.after == After::Delete {
            // Files that cannot be deleted appear again when the studio is started again.
            let _ = self.store.delete(id);
            self.forget(&mut inner, id);
            return;
        }
        let stopping = inner.stopping;
        let last = ended.image.clone().map(Arc::new);
        let Ok(job) = inner.job(id) else { return };
        let state = self.settle(job, &running, ended, stopping).unwrap_or_else(|e| {
            job.record.message = Some(e.told());
            State::Failed
        });
        job.record.state = state;
        // What could not be written is still there to download.
        job.live = last.filter(|_| state == State::Failed);
        if let Err(e) = self.store.save(&job.record) {
            job.record.message = Some(e.told());
        }
        if state == State::Queued {
            inner.enqueue(id, true);
        }
        self.tell_job(&inner, id);
    }

    /// Notes that a job failed.
    fn failed(&self, id: Id, e: &Error) {
        let mut inner = self.lock();
        inner.running = None;
        let Ok(job) = inner.job(id) else { return };
        (job.record.state, job.record.message) = (State::Failed, Some(e.told()));
        self.tell_job(&inner, id);
    }

    /// The state of a job after its session.
    fn settle(&self, job: &mut Job, running: &Running, ended: Ended, stopping: bool) -> Result<State> {
        let store = &self.store;
        if let Some(image) = &ended.image {
            store.put(job.record.id, Of::Picture, &Picture::from(image.clone()))?;
            job.record.version += 1;
            job.live = None;
        }
        let finish = ended.ending;
        if let After::Restore(number) = running.after {
            restore(store, job, number)?;
            return Ok(State::Paused);
        }
        if running.again != Again::No {
            let side = (running.again == Again::Repaint && job.record.version > 0).then(|| job.record.repaint_side());
            begin_again(store, &mut job.record, side)?;
            return Ok(if running.after == After::Pause { State::Paused } else { State::Queued });
        }
        Ok(match (finish?, running.after) {
            (Finish::Completed, _) => State::Done,
            (Finish::Cancelled, After::Continue) => State::Queued,
            (Finish::Cancelled, After::Pause) => State::Paused,
            (Finish::Cancelled, _) if stopping => State::Queued,
            (Finish::Cancelled, _) => State::Paused,
        })
    }

    /// Ends the running session with its progress kept, and the worker after it.
    pub(crate) fn stop(&self) {
        let mut inner = self.lock();
        inner.stopping = true;
        if let Some(running) = &inner.running {
            running.interrupt();
        }
        self.called.notify_all();
    }
}
