//! Turns a description into a session that is ready to step, or into a plan or targets.

use std::sync::Arc;

use crate::backend::Backend;
use crate::checkpoint::Checkpoint;
use crate::describe::builder::SessionBuilder;
use crate::describe::targets::{ContentTargets, StyleTargets, Targets};
use crate::distributed::share::expect_share;
use crate::error::{Error, ErrorKind, Result, bad};
use crate::loss::losses::Losses;
use crate::pass::tiles::WHOLE;
use crate::prepare::layout::tiles;
use crate::prepare::plan::Plan;
use crate::prepare::scales::ScalePlan;
use crate::session::progress::Progress;
use crate::session::{Ahead, Session};

impl<B: Backend> SessionBuilder<B> {
    /// The memory that the session will need, computed without allocating any of it. With several
    /// [scales](SessionBuilder::scales), the maximum over them.
    ///
    /// # Errors
    /// As [`build`](SessionBuilder::build), except device errors.
    pub fn plan(&self) -> Result<Plan> {
        Ok(self.plan_all(self.check()?, None)?.0)
    }

    /// Computes the targets of the given pictures, for sessions with other settings: see
    /// [`with_targets`](SessionBuilder::with_targets). The pictures are not tiled: the [memory
    /// limit](SessionBuilder::memory_limit) applies to sessions only.
    ///
    /// # Errors
    /// As [`build`](SessionBuilder::build).
    pub fn targets(&self) -> Result<Arc<Targets<B>>> {
        if self.content.is_none() && self.styles.is_empty() {
            return Err(bad("targets are of pictures: give a content or a style picture"));
        }
        let layers = self.layers()?;
        self.check_parts(&layers)?;
        let content = self.content.clone().filter(|_| !self.settings.content_layers.is_empty());
        let content = content.map(|image| {
            self.check_seams(image.shape(), &layers.content_taps())?;
            let layers = self.content_features(&layers, image.clone(), WHOLE)?;
            Ok(ContentTargets { image, layers })
        });
        let styled = !self.styles.is_empty() && !self.settings.style_layers.is_empty();
        let style = styled.then(|| {
            let regions = self.style_regions(&layers, self.styles.clone(), &[])?;
            Ok(StyleTargets { image: self.styles[0].image.clone(), layers: layers.style.clone(), regions })
        });
        let (content, style) = (content.transpose()?, style.transpose()?);
        let described = self.targets_described();
        let (network, pooling, padding) = (Arc::clone(&self.network), self.settings.pooling, self.settings.padding);
        let seamless = self.settings.seamless;
        Ok(Arc::new(Targets { network, pooling, padding, seamless, content, style, described }))
    }

    /// Checks the description, computes any missing targets, and allocates everything the iterations need; with several
    /// scales, for the first.
    ///
    /// # Errors
    /// `Argument` if a picture or layer is missing or unknown, two settings contradict each other, or a number is out
    /// of range; `TooSmall` if a picture is too small for a layer; `Shape` if a picture has the wrong size;
    /// `MemoryExceeded`, before any work, if the session exceeds its limit or the device's free memory with any tiling;
    /// [`Cancelled`](Self::cancel); backend errors.
    pub fn build(mut self) -> Result<Session<B>> {
        let scales = self.prepared(None)?;
        Session::new(self, scales, None)
    }

    /// Continues a session of the same description from a [checkpoint](Session::checkpoint): pictures, weights and
    /// settings must match. The number of threads, the memory limit, the iterations at the final size and the tolerance may differ. So
    /// may the style strength or weight, which may have [changed](Session::set_style_weight) during the session: that
    /// of the checkpoint counts. To continue with another, set it after resuming. On the same backend in the same precision the results are
    /// bit-identical to an uninterrupted session, unless the tiling recorded in the checkpoint does not suit this
    /// description (tiles too large or too few). A new tiling is then chosen, and the last bits may differ.
    ///
    /// # Errors
    /// As [`build`](Self::build); `Checkpoint` if it is damaged or belongs to another session, naming the difference.
    pub fn resume(mut self, checkpoint: &Checkpoint) -> Result<Session<B>> {
        let scales = self.prepared(Some(checkpoint))?;
        Session::new(self, scales, Some(checkpoint))
    }

    /// The part of building that needs no device: checks the description, and against the checkpoint, whose style
    /// weight it takes; cuts all scales into tiles.
    pub(crate) fn prepared(&mut self, checkpoint: Option<&Checkpoint>) -> Result<Vec<ScalePlan<B>>> {
        let checked = self.check()?;
        let before = checkpoint.map(|checkpoint| {
            self.settings.style_weight = checkpoint.style_weight()?;
            checkpoint.expect(&self.manifest()?)?;
            expect_share(&*self.communicator, checkpoint)?;
            (0..=self.settings.scales.len()).map(|scale| checkpoint.noted(&tiles(scale))).collect::<Result<Vec<_>>>()
        });
        Ok(self.plan_all(checked, before.transpose()?.as_deref())?.1)
    }
}

impl<B: Backend> Session<B> {
    /// Creates a session from a checked description, at its first scale or at the one recorded in the checkpoint.
    pub(crate) fn new(
        builder: SessionBuilder<B>,
        scales: Vec<ScalePlan<B>>,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Self> {
        builder.cancel.check()?;
        let network = Arc::clone(&builder.network);
        let progress = Progress {
            iteration: 0,
            iterations: 0,
            work_done: 0.0,
            work_left: 0.0,
            scale: 0,
            scales: scales.len(),
            width: 0,
            height: 0,
            losses: Losses::default(),
            accepted: false,
            accepted_losses: Losses::default(),
            diverged: false,
            gradient_norm: 0.0,
            step_length: 0.0,
            converged: false,
        };
        let manifest = builder.manifest()?;
        let mut session = Self {
            network,
            stage: None,
            kept: None,
            ahead: None,
            at_scale: 0,
            wanted: 0,
            each: 0.0,
            later: 0.0,
            progress,
            start_loss: None,
            window_loss: None,
            tolerance: builder.settings.tolerance,
            diverged_before: false,
            manifest,
            scales,
        };
        let mut next = 0;
        if let Some(checkpoint) = checkpoint {
            next = checkpoint.noted("scale")?;
            if next >= session.scales.len() {
                return Err(Error::new(ErrorKind::Checkpoint, "the checkpoint is damaged (scale)"));
            }
            // Replaces the image that the scale would start from.
            session.kept = Some(checkpoint.image()?);
        }
        session.ahead = Some(Ahead { builder, next });
        session.enter(None, true)?;
        checkpoint.map_or(Ok(()), |checkpoint| session.restore(checkpoint))?;
        Ok(session)
    }
}
