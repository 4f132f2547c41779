//! What happens after each evaluation of a session: pages are told, and progress is kept.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use style_transfer::losses::{CONTENT, STYLE};
use style_transfer::{Image, Observer, Progress, View};

use super::events::Advance;
use super::files::snapshot;
use super::state::Studio;
use crate::id::Id;
use crate::record::{Point, Reached, Why};

/// How often pages are told, at most.
const TELL: Duration = Duration::from_millis(120);

/// How often progress is kept: what a killed server loses. Large pictures are kept less often, so that writing takes a tenth of
/// the time at most.
const KEEP: Duration = Duration::from_secs(2);

/// Observes one session of a job.
pub(super) struct Watcher {
    studio: Arc<Studio>,
    id: Id,
    generation: u32,
    told: Option<Instant>,
    kept: Instant,
    /// When progress is kept again, after the last time.
    pause: Duration,
    reached: Option<Reached>,
    /// Points that pages do not know yet.
    points: Vec<Point>,
}

impl Watcher {
    pub(super) fn new(studio: Arc<Studio>, id: Id, generation: u32) -> Self {
        Self { studio, id, generation, told: None, kept: Instant::now(), pause: KEEP, reached: None, points: vec![] }
    }

    /// Notes an evaluation, and says whether it is the first of a new scale.
    fn note(&mut self, progress: &Progress) -> bool {
        let losses = &progress.accepted_losses;
        let weighted = |name| losses.term(name).map_or(0.0, |term| term.weight * term.loss);
        let side = progress.width.max(progress.height);
        self.points.push((progress.iteration, side, losses.total, weighted(CONTENT), weighted(STYLE)));
        let reached = Reached {
            iteration: progress.iteration,
            iterations: progress.iterations,
            scale: progress.scale,
            scales: progress.scales,
            width: progress.width,
            height: progress.height,
            done: progress.work_done,
            left: progress.work_left,
        };
        self.reached.replace(reached).is_some_and(|last| last.scale != reached.scale)
    }

    /// Tells pages what they do not know yet.
    fn tell(&mut self, image: Image) {
        let Some(reached) = self.reached else { return };
        let mut inner = self.studio.lock();
        let Ok(job) = inner.job(self.id) else { return };
        job.live = Some(Arc::new(image));
        job.record.version += 1;
        job.record.progress = Some(reached);
        job.record.curve.extend(&self.points);
        let version = job.record.version;
        self.studio.tell_advance(&Advance { id: self.id, version, progress: reached, points: &self.points });
        self.points.clear();
        self.told = Some(Instant::now());
    }

    /// Keeps a snapshot of the scale that has just ended; the next scale begins from it.
    fn mark(&self) {
        let mut inner = self.studio.lock();
        let Ok(job) = inner.job(self.id) else { return };
        if job.live.is_some() && snapshot(&self.studio.store, job, Why::Scale).is_ok() {
            self.studio.tell_job(&inner, self.id);
        }
    }

    /// Keeps the progress. A full disk does not end the painting; the page shows the warning.
    fn keep(&mut self, view: &dyn View) -> style_transfer::Result<()> {
        let begun = Instant::now();
        let checkpoint = view.light_checkpoint()?;
        let kept = self.studio.store.put_checkpoint(self.id, self.generation, &checkpoint);
        let mut inner = self.studio.lock();
        if let Ok(job) = inner.job(self.id) {
            let kept = kept.and_then(|()| self.studio.store.save(&job.record));
            let message = kept.err().map(|e| format!("the progress is not safe on disk: {}", e.told()));
            if job.record.message != message {
                job.record.message = message;
                self.studio.tell_job(&inner, self.id);
            }
        }
        self.kept = Instant::now();
        self.pause = KEEP.max(begun.elapsed().saturating_mul(10));
        Ok(())
    }
}

impl Observer for Watcher {
    fn observe(&mut self, progress: &Progress, view: &dyn View) -> style_transfer::Result<ControlFlow<()>> {
        let is_new_scale = self.note(progress);
        if is_new_scale {
            self.mark();
        }
        if is_new_scale || self.told.is_none_or(|told| told.elapsed() >= TELL) {
            self.tell(view.image()?);
        }
        if self.kept.elapsed() >= self.pause {
            self.keep(view)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, view: &dyn View) -> style_transfer::Result<()> {
        if !self.points.is_empty() {
            self.tell(view.image()?);
        }
        self.keep(view)
    }
}
