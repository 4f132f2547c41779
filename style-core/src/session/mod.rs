//! A session: a content picture, one or more style pictures, and the image being optimised.

pub(crate) mod handle;
pub(crate) mod job;
pub(crate) mod observer;
pub(crate) mod progress;
mod start;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::alloc::zeros;
use crate::backend::Backend;
use crate::backend::shape::{Shape, expect_shape};
use crate::checkpoint::{Checkpoint, Manifest, STYLE_WEIGHT, damaged};
use crate::describe::builder::SessionBuilder;
use crate::describe::init::Init;
use crate::describe::settings::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::image::Image;
use crate::loss::losses::{Losses, STYLE};
use crate::network::Network;
use crate::optim::adam::Carried;
use crate::pass::cancel::Cancel;
use crate::prepare::check::check_weight;
use crate::prepare::layout::tiles;
use crate::prepare::scales::ScalePlan;
use crate::prepare::stage::Stage;
use crate::session::observer::{Observer, View};
use crate::session::progress::Progress;

impl<B: Backend> View for Session<B> {
    fn image(&self) -> Result<Image> {
        Session::image(self)
    }

    fn full_size_image(&self) -> Result<Image> {
        Session::full_size_image(self)
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        Session::checkpoint(self)
    }

    fn light_checkpoint(&self) -> Result<Checkpoint> {
        Session::light_checkpoint(self)
    }
}

/// A style transfer in progress, created by [`Session::builder`].
///
/// An iteration is one evaluation of loss and gradient. [`image`](Session::image) is the last accepted point, so an
/// image is available after every step, whatever happens in the next one.
pub struct Session<B: Backend> {
    network: Arc<Network<B>>,
    /// The current scale; `None` if the next could not be created.
    stage: Option<Stage<B>>,
    /// The last image while there is no stage.
    kept: Option<Image>,
    /// The inputs of the remaining scales.
    ahead: Option<Ahead<B>>,
    /// Evaluations at this scale, and the number planned for it.
    at_scale: usize,
    wanted: usize,
    /// The work of an evaluation at this scale, and of all later scales.
    each: f64,
    later: f64,
    /// Result of the last evaluation.
    progress: Progress,
    /// The loss at the first accepted point of this scale with the current weights; `None` before.
    start_loss: Option<f64>,
    /// The accepted loss at the end of the last window of this scale, if a tolerance is set; `None` before the first.
    window_loss: Option<f64>,
    tolerance: Option<f64>,
    /// Whether an earlier scale diverged.
    diverged_before: bool,
    /// The manifest of its description.
    manifest: Manifest,
    /// All scales; the final size is the last.
    scales: Vec<ScalePlan<B>>,
}

/// The remaining scales.
struct Ahead<B: Backend> {
    builder: SessionBuilder<B>,
    /// Index of the next scale; one past the builder's scales means the final size.
    next: usize,
}

impl<B: Backend> Session<B> {
    /// Starts the description of a session on a network. Any number of sessions may share the network.
    pub fn builder(network: impl Into<Arc<Network<B>>>) -> SessionBuilder<B> {
        SessionBuilder::new(network.into())
    }

    /// Everything that the next steps depend on; a later run of the program can continue from it with
    /// [`SessionBuilder::resume`]. It includes the optimiser's vectors, of at most
    /// [`Plan::optimizer`](crate::Plan::optimizer) bytes: with the default L-BFGS, about 45 times the image.
    ///
    /// After an error while moving to another scale, it is a [light](Self::light_checkpoint) one: a session resumed from
    /// it, with a smaller [memory limit](SessionBuilder::memory_limit), say, moves to that scale again. With L-BFGS the
    /// bits are those of an uninterrupted session; Adam starts with new moments.
    ///
    /// If [processes](SessionBuilder::communicator) share the picture, it has the vectors of this one: each resumes its own.
    ///
    /// # Errors
    /// Backend errors.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let mut to = self.light_checkpoint()?;
        let Some(Stage { descent, point, share, average, evaluated, .. }) = &self.stage else { return Ok(to) };
        let backend = self.network.backend();
        to.note("light", false);
        share.note(&mut to);
        to.note("evaluated", evaluated);
        to.put_tensor("point", backend, &point.x)?;
        descent.save(backend, &mut to)?;
        average.as_ref().map_or(Ok(()), |average| average.save(backend, &mut to))?;
        Ok(to)
    }

    /// A checkpoint without the state of the optimiser, little larger than the image (12 bytes per pixel). A session
    /// resumed from it starts a new descent at the image, and a new [running mean](SessionBuilder::running_mean): its
    /// bits are not those of an uninterrupted session, and it takes L-BFGS some iterations to be as fast again.
    ///
    /// # Errors
    /// As [`checkpoint`](Session::checkpoint).
    pub fn light_checkpoint(&self) -> Result<Checkpoint> {
        let mut to = Checkpoint::new(&self.manifest, self.network.backend().description());
        let Progress { iteration, scale, width, height, accepted, converged, .. } = &self.progress;
        to.note("light", true);
        to.note("scale", scale);
        to.note("iteration", iteration);
        to.note("at_scale", self.at_scale);
        to.note("width", width);
        to.note("height", height);
        self.scales.iter().enumerate().for_each(|(i, scale)| to.note(&tiles(i), &scale.layout));
        to.note("progress.accepted", accepted);
        to.note("progress.converged", converged);
        to.note("progress.diverged", self.progress.diverged);
        to.note("diverged_before", self.diverged_before);
        to.put("start_loss", self.start_loss.as_slice());
        to.put("window_loss", self.window_loss.as_slice());
        to.put("tolerance", self.tolerance.as_slice());
        to.put("progress.work_done", &[self.progress.work_done]);
        to.put("progress.lengths", &[self.progress.gradient_norm, self.progress.step_length]);
        to.put("progress.losses", &self.progress.losses.numbers());
        to.put("losses", &self.progress.accepted_losses.numbers());
        to.put_image(&self.image()?)?;
        Ok(to)
    }

    /// Evaluations left at this scale.
    fn left(&self) -> usize {
        self.wanted.saturating_sub(self.at_scale)
    }

    /// Work left at this scale and the later ones.
    fn work_left(&self) -> f64 {
        self.later + if self.progress.converged { 0.0 } else { self.left() as f64 * self.each }
    }

    /// Restores the state of a checkpoint made at the current scale.
    fn restore(&mut self, from: &Checkpoint) -> Result<()> {
        let Stage { descent, point, copies, average, evaluated, .. } = self.stage.as_mut().ok_or_else(ended)?;
        let backend = self.network.backend();
        // Otherwise the descent starts at the image, as at the start of a scale.
        if !from.noted::<bool>("light")? {
            from.tensor("point", backend, &mut point.x)?;
            descent.load(backend, from)?;
            average.as_mut().map_or(Ok(()), |average| average.load(backend, from))?;
            *evaluated = from.noted("evaluated")?;
            if let Some(copies) = copies {
                copies.gather(backend, descent.result())?;
                copies.accept();
            }
        }
        // No evaluation has been done when a scale is entered.
        let later = self.progress.iterations - self.wanted;
        self.at_scale = from.noted("at_scale")?;
        (self.start_loss, self.diverged_before) =
            (from.numbers("start_loss", None)?.first().copied(), from.noted("diverged_before")?);
        self.window_loss = from.numbers("window_loss", None)?.first().copied();
        let left = self.left();
        let progress = &mut self.progress;
        progress.iteration = from.noted("iteration")?;
        progress.iterations = progress.iteration.saturating_add(left).saturating_add(later);
        progress.accepted = from.noted("progress.accepted")?;
        // With another tolerance, the next steps tell.
        let same = from.numbers("tolerance", None)?.first() == self.tolerance.as_ref();
        progress.converged = same && from.noted("progress.converged")?;
        progress.diverged = from.noted("progress.diverged")?;
        if let [gradient_norm, step_length] = from.numbers("progress.lengths", 2)?[..] {
            (progress.gradient_norm, progress.step_length) = (gradient_norm, step_length);
        }
        progress.losses.set_numbers(&from.numbers("progress.losses", progress.losses.numbers().len())?);
        let accepted = &mut progress.accepted_losses;
        accepted.set_numbers(&from.numbers("losses", accepted.numbers().len())?);
        let done = from.numbers("progress.work_done", 1)?.into_iter().next().filter(|n| *n >= 0.0 && n.is_finite());
        progress.work_done = done.ok_or_else(|| damaged("progress.work_done"))?;
        self.progress.work_left = self.work_left();
        Ok(())
    }

    /// Creates the next scale from the last image and the carried optimiser state; `cancellable` while it evaluates
    /// pictures.
    fn enter(&mut self, carried: Option<(Carried, Shape)>, cancellable: bool) -> Result<()> {
        let Some(Ahead { builder, next }) = self.ahead.take() else { return Err(ended()) };
        let (scale, later) = (next, next + 1);
        let (to, last) = (self.scales[scale].checked.shape, self.scales[self.scales.len() - 1].checked.shape);
        let (settings, long_side) = (&builder.settings, last.width.max(last.height));
        let each = settings.scales.get(scale).map_or(1.0, |at| at.work(long_side));
        let after = settings.work_from(later, long_side);
        let (mut description, ahead) = match builder.settings.scales.get(scale).copied() {
            None => (builder, None),
            Some(at) => (builder.at_scale(&at, last, false)?, Some(Ahead { builder, next: later })),
        };
        let rest = |a: &Ahead<B>| {
            let coarse = a.builder.settings.scales[later..].iter().map(|s| s.iterations);
            coarse.fold(a.builder.settings.iterations, usize::saturating_add)
        };
        if let Some(image) = &self.kept {
            description = description.init(Init::Image(image.enlarged(to.width, to.height)?));
        }
        let carried = carried.map(|(carried, from)| carried.resized(from, to)).transpose()?;
        let iterations = description.settings.iterations;
        let stage = description.stage(&self.scales[scale], carried, cancellable)?;
        (self.at_scale, self.wanted) = (0, iterations);
        (self.each, self.later) = (each, after);
        (self.start_loss, self.window_loss, self.diverged_before) = (None, None, self.progress.diverged);
        let progress = &mut self.progress;
        let none = stage.objective.no_losses();
        if progress.iteration == 0 {
            (progress.losses, progress.accepted_losses) = (none.clone(), none);
        } else {
            progress.losses.terms.iter_mut().zip(&none.terms).for_each(|(term, none)| term.weight = none.weight);
        }
        let later = ahead.as_ref().map_or(0, rest);
        progress.iterations = progress.iteration.saturating_add(iterations).saturating_add(later);
        (progress.scale, progress.width, progress.height) = (scale, to.width, to.height);
        progress.converged = false;
        self.progress.work_left = self.work_left();
        (self.stage, self.ahead, self.kept) = (Some(stage), ahead, None);
        Ok(())
    }

    /// Evaluates loss and gradient once and updates the image; moves to the next scale when the iterations of this one
    /// are done. The result stays in the session until the next step, also as [`progress`](Session::progress); clone it
    /// to keep it.
    ///
    /// On the CPU, only the first step at a scale allocates memory, but for losses that are computed on the host, for processes
    /// that share the picture, and for a thread pool, where rayon's queue allocates a block about every 60 steps.
    ///
    /// # Errors
    /// `Finished` if all iterations are done or the descent has converged ([`is_finished`](Session::is_finished)).
    /// `NonFinite` if the loss or the gradient at the start of the descent is not finite, or too large for the
    /// optimiser's numbers (the weights are too large); [`Cancelled`](SessionBuilder::cancel); backend errors. The
    /// image is unchanged, also after an error while moving to another scale. After the latter, no more steps are possible
    /// (`Argument`), but the image and a [checkpoint](Self::checkpoint) are.
    pub fn step(&mut self) -> Result<&Progress> {
        if self.is_finished() {
            let message = "the session has finished; to paint on, resume its checkpoint with more iterations";
            return Err(Error::new(ErrorKind::Finished, message));
        }
        if self.ahead.is_some() && (self.left() == 0 || self.progress.converged) {
            let stage = self.stage.as_ref().ok_or_else(ended)?;
            let from = stage.share.picture();
            let image = stage.image(&self.network)?;
            let carried = stage.descent.carried(self.network.backend(), &stage.share)?;
            stage.objective.cancelled()?;
            // Frees its memory before the next scale allocates: there is no way back.
            (self.kept, self.stage) = (Some(image), None);
            self.enter(carried.map(|carried| (carried, from)), false)?;
        }
        let Self { network, stage, at_scale, progress, start_loss, window_loss, tolerance, diverged_before, .. } = self;
        let stage = stage.as_mut().ok_or_else(ended)?;
        let backend = network.backend();
        let update = backend.within(|| {
            stage.evaluate(network, &mut progress.losses)?;
            let update = stage.update(backend, progress.losses.total)?;
            if update.accepted {
                stage.add_to_average(backend)?;
            }
            Ok(update)
        })?;
        if !stage.evaluated && !update.accepted {
            return Err(Error::new(
                ErrorKind::NonFinite,
                format!(
                    "the loss of the image that the descent begins at is {:e} and its gradient's norm {:e}; use smaller \
                     weights",
                    progress.losses.total, update.gradient_norm
                ),
            ));
        }
        stage.evaluated = true;
        progress.iteration = progress.iteration.saturating_add(1);
        progress.accepted = update.accepted;
        progress.gradient_norm = update.gradient_norm;
        progress.step_length = update.step_length;
        progress.converged = update.converged;
        *at_scale = at_scale.saturating_add(1);
        if update.accepted {
            progress.accepted_losses.set(&progress.losses);
            let total = progress.losses.total;
            progress.diverged = *diverged_before || total > *start_loss.get_or_insert(total);
        }
        if let Some(tolerance) = tolerance
            && at_scale.is_multiple_of(Settings::WINDOW)
        {
            let total = progress.accepted_losses.total;
            let before = window_loss.replace(total);
            progress.converged |= before.is_some_and(|before| total > (1.0 - *tolerance) * before);
        }
        self.progress.work_done += self.each;
        self.progress.work_left = self.work_left();
        Ok(&self.progress)
    }

    /// The result of the last step; `None` before the first.
    #[must_use]
    pub fn progress(&self) -> Option<&Progress> {
        (self.progress.iteration > 0).then_some(&self.progress)
    }

    /// Steps until all iterations are done, the descent has converged, or `callback` breaks. To inspect the image along
    /// the way, pass an [`Observer`] to [`run_with`](Session::run_with).
    ///
    /// # Errors
    /// As [`step`](Session::step); the image stays readable.
    pub fn run(&mut self, mut callback: impl FnMut(&Progress) -> ControlFlow<()>) -> Result<()> {
        while !self.is_finished() {
            if callback(self.step()?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Steps until all iterations are done, the descent has converged, or the observer ends the run. For several
    /// observers: `session.run_with(&mut [&mut a as &mut dyn Observer, &mut b][..])`.
    ///
    /// # Errors
    /// As [`step`](Session::step), and the observer's own; the image stays readable, and [`finish`](Observer::finish)
    /// is called in any case. If that fails too, the message reports both errors.
    pub fn run_with(&mut self, observer: &mut (impl Observer + ?Sized)) -> Result<()> {
        let mut observed = || {
            while !self.is_finished() {
                self.step()?;
                if observer.observe(&self.progress, self)?.is_break() {
                    break;
                }
            }
            Ok(())
        };
        let ran: Result<()> = observed();
        match (ran, observer.finish(self)) {
            (Err(ran), Err(finished)) => Err(ran.and(&finished)),
            (ran, finished) => ran.and(finished),
        }
    }

    /// Whether [`run`](Session::run) would do nothing: all iterations are done, or the descent has converged. False
    /// after an error while moving to another scale.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.stage.is_some() && self.ahead.is_none() && (self.progress.converged || self.left() == 0)
    }

    /// Evaluations done, including those before a checkpoint; after a step, the same as [`Progress::iteration`].
    #[must_use]
    pub fn iteration(&self) -> usize {
        self.progress.iteration
    }

    /// The number of evaluations at all scales, if none converges early.
    #[must_use]
    pub fn iterations(&self) -> usize {
        self.progress.iterations
    }

    /// Width and height of the image at the current scale.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.progress.width, self.progress.height)
    }

    /// Width and height of the result, the image at the final size.
    #[must_use]
    pub fn full_size(&self) -> (usize, usize) {
        self.scales.last().map_or(self.size(), |last| (last.checked.shape.width, last.checked.shape.height))
    }

    /// The last accepted image, or the [mean](SessionBuilder::running_mean) of several; before the first step, the
    /// start image. Its size is that of the current scale.
    ///
    /// L-BFGS with its line search accepts only images with a lower loss, so this is the best image at this scale.
    /// Adam, and L-BFGS with a [fixed step](crate::LbfgsOptions::fixed_step), accept every image with a finite loss, as
    /// published: their loss rises and falls from step to step, and the last image may be slightly worse than an
    /// earlier one. If it is worse than the first, [`Progress::diverged`] says so.
    ///
    /// # Errors
    /// Backend errors.
    pub fn image(&self) -> Result<Image> {
        match (&self.stage, &self.kept) {
            (Some(stage), _) => stage.image(&self.network),
            (None, Some(image)) => image.copied(),
            (None, None) => Err(ended()),
        }
    }

    /// As [`image`](Session::image), but consumes the session and needs less memory.
    ///
    /// # Errors
    /// As [`image`](Session::image).
    pub fn into_image(mut self) -> Result<Image> {
        self.stage.take().map_or_else(|| self.image(), |stage| stage.into_image(&self.network))
    }

    /// As [`image`](Session::image), but enlarged to the size of the result if the scale is coarse: to show, or to save
    /// in place of the result.
    ///
    /// # Errors
    /// As [`image`](Session::image).
    pub fn full_size_image(&self) -> Result<Image> {
        let (image, (width, height)) = (self.image()?, self.full_size());
        if self.size() == (width, height) { Ok(image) } else { image.enlarged(width, height) }
    }

    /// The losses of [`image`](Session::image), the same as [`Progress::accepted_losses`]; `None` before the first
    /// step.
    #[must_use]
    pub fn losses(&self) -> Option<&Losses> {
        self.progress().map(|progress| &progress.accepted_losses)
    }

    /// The losses at any picture of the current scale's size, and the gradient of the total loss with respect to its
    /// pixels, `[3, H, W]` per 8-bit unit. The session's own image and optimiser are unchanged.
    ///
    /// # Errors
    /// `Shape` if the picture has another size; backend errors.
    pub fn evaluate(&mut self, image: &Image) -> Result<(Losses, Vec<f32>)> {
        let Self { network, stage, .. } = self;
        let Stage { objective, share, .. } = stage.as_mut().ok_or_else(ended)?;
        let backend = network.backend();
        expect_shape("the picture", share.picture(), image.shape())?;
        let x = network.upload(image)?;
        let mut g = backend.tensor(share.shape())?;
        let mut losses = objective.no_losses();
        objective.evaluate(network, &x, &mut g, &mut losses)?;
        let mut gradient = zeros(share.shape().len(), "a gradient")?;
        backend.download(&g, &mut gradient)?;
        Ok((losses, share.gathered(gradient)?))
    }

    /// Sets the style weight from the next step on, at this scale and all later ones, for example from a slider. If the
    /// session is described by a [strength](SessionBuilder::style_strength), the default, this is the strength;
    /// otherwise it is the paper's beta. The descent continues from the current image, whose
    /// [`losses`](Session::losses) stay those of the old weight until the next step. L-BFGS evaluates the image once
    /// more and discards its curvature history, which belongs to the old loss. So call this when the slider rests: each
    /// change costs one of the [iterations](SessionBuilder::iterations), in which the image does not change. Adam keeps
    /// its moments. Later checkpoints describe the session with this weight. Setting the current weight again has no
    /// effect.
    ///
    /// # Errors
    /// `Argument` if the weight is outside 0..=1e30, or after an error while moving to another scale; backend errors.
    pub fn set_style_weight(&mut self, weight: f64) -> Result<()> {
        check_weight(STYLE_WEIGHT, weight)?;
        let Stage { objective, descent, point, evaluated, .. } = self.stage.as_mut().ok_or_else(ended)?;
        let before = self.progress.losses.term(STYLE).map(|style| style.weight);
        if before.is_none_or(|before| before.to_bits() == weight.to_bits()) {
            return Ok(());
        }
        if descent.forget(self.network.backend(), point)? {
            *evaluated = false;
        }
        objective.set_weight(STYLE, weight);
        self.progress.losses.terms.iter_mut().filter(|t| t.name == STYLE).for_each(|t| t.weight = weight);
        if let Some(ahead) = &mut self.ahead {
            ahead.builder.settings.style_weight = weight;
        }
        for (_, value) in self.manifest.iter_mut().filter(|(name, _)| *name == STYLE_WEIGHT) {
            *value = serde_json::json!(weight).to_string();
        }
        (self.progress.converged, self.start_loss, self.window_loss) = (false, None, None);
        self.progress.work_left = self.work_left();
        Ok(())
    }

    /// Creates a switch for this session alone, which from now on works in addition to the one given to its builder.
    pub(crate) fn own_cancel(&mut self) -> Cancel {
        let stage = self.stage.as_mut().map(|stage| &mut stage.objective.passes.plan.cancel);
        let ahead = self.ahead.as_mut().map(|ahead| &mut ahead.builder.cancel);
        let all: Vec<_> = stage.into_iter().chain(ahead).collect();
        let own = all.first().map_or_else(Cancel::new, |cancel| cancel.child());
        all.into_iter().for_each(|cancel| *cancel = own.clone());
        own
    }

    /// The weight of a [term](crate::TermLoss) in the total loss, at the current scale; 0 without such a term.
    #[must_use]
    pub fn weight(&self, term: &str) -> f64 {
        self.progress.losses.weight(term)
    }
}

fn ended() -> Error {
    let message = "the session has ended with an error: the next scale could not be made; resume its checkpoint";
    Error::new(ErrorKind::Argument, message)
}

impl<B: Backend> fmt::Debug for Session<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("network", &self.network)
            .field("width", &self.progress.width)
            .field("height", &self.progress.height)
            .field("iteration", &self.progress.iteration)
            .finish_non_exhaustive()
    }
}
