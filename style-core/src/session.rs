//! One job: a content picture, one or more style pictures, and an image on its way between them.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::objective::{Losses, Objective};
use crate::optim::{Descent, Point};
use crate::{Backend, Error, ErrorKind, Image, Network, Observer, Result, SessionBuilder};

/// What one evaluation of loss and gradient told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Which evaluation it was; 0 is the start image, before any update.
    pub iteration: usize,
    /// How many evaluations the session was built for.
    pub iterations: usize,
    /// The losses at the point evaluated.
    pub losses: Losses,
    /// Whether that point is now the session's image; a line search also evaluates points that it rejects.
    pub accepted: bool,
    /// Euclidean norm of the image gradient there (per 8-bit unit).
    pub gradient_norm: f64,
    /// Euclidean length of L-BFGS' last accepted step, in 8-bit units; zero for Adam.
    pub step_length: f64,
    /// No further progress is possible: the gradient vanished, or no step lowers the loss any more.
    pub converged: bool,
}

/// A style transfer under way. Made by [`Session::builder`].
///
/// An iteration is one evaluation of loss and gradient. [`image`](Session::image) is the last accepted point, so there
/// is a good image after every step, whatever happens in the next one.
pub struct Session<B: Backend> {
    network: Arc<Network<B>>,
    objective: Objective<B>,
    descent: Descent<B>,
    point: Point<B>,
    /// Evaluations done.
    iteration: usize,
    /// Of the last evaluation.
    progress: Progress,
    /// At the last accepted point.
    losses: Losses,
}

impl<B: Backend> Session<B> {
    /// Starts describing a session on a network, which any number of sessions may share.
    pub fn builder(network: impl Into<Arc<Network<B>>>) -> SessionBuilder<B> {
        SessionBuilder::new(network.into())
    }

    pub(crate) fn new(
        network: Arc<Network<B>>,
        objective: Objective<B>,
        descent: Descent<B>,
        point: Point<B>,
        iterations: usize,
    ) -> Self {
        let losses = objective.no_losses();
        let progress = Progress {
            iteration: 0,
            iterations,
            losses: losses.clone(),
            accepted: false,
            gradient_norm: 0.0,
            step_length: 0.0,
            converged: false,
        };
        Self { network, objective, descent, point, iteration: 0, progress, losses }
    }

    /// Evaluates loss and gradient once and moves on. What it tells lies in the session, also as
    /// [`progress`](Session::progress), until the next step; clone it to keep it.
    ///
    /// After the first step, none allocates memory on the CPU but, on a pool of threads, the blocks of rayon's queue:
    /// one in some 60 steps.
    ///
    /// # Errors
    /// `NonFinite` if the loss of the start image is not finite (the weights are too large); what the backend gives.
    pub fn step(&mut self) -> Result<&Progress> {
        let Self { network, objective, descent, point, iteration, progress, losses } = self;
        let backend = network.backend();
        let told = backend.within(|| {
            objective.evaluate(network, &point.x, &mut point.g, &mut progress.losses)?;
            descent.tell(backend, progress.losses.total, point)
        })?;
        if *iteration == 0 && !told.accepted {
            return Err(Error::new(
                ErrorKind::NonFinite,
                format!("the start image's loss is {}; use smaller weights", progress.losses.total),
            ));
        }
        progress.iteration = *iteration;
        progress.accepted = told.accepted;
        progress.gradient_norm = told.gradient_norm;
        progress.step_length = told.step_length;
        progress.converged = told.converged;
        *iteration += 1;
        if told.accepted {
            losses.set(&progress.losses);
        }
        Ok(progress)
    }

    /// What the last step told; `None` before the first.
    #[must_use]
    pub fn progress(&self) -> Option<&Progress> {
        (self.iteration > 0).then_some(&self.progress)
    }

    /// Steps until all iterations are done, nothing more can be gained, or `callback` breaks. To look at the image on
    /// the way, give an [`Observer`] to [`run_with`](Session::run_with).
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

    /// Steps until all iterations are done, nothing more can be gained, or the observer ends it. For several
    /// observers: `session.run_with(&mut [&mut a as &mut dyn Observer, &mut b][..])`.
    ///
    /// # Errors
    /// As [`step`](Session::step), and the observer's own; the image stays readable, and
    /// [`finish`](Observer::finish) is called all the same.
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
        let ran = observed();
        ran.and(observer.finish(self))
    }

    /// Whether [`run`](Session::run) would do nothing: all iterations are done, or nothing more can be gained.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.progress.converged || self.iteration >= self.progress.iterations
    }

    /// The last accepted image; before the first step, the start image.
    ///
    /// # Errors
    /// What the backend gives.
    pub fn image(&self) -> Result<Image> {
        self.network.download(if self.iteration == 0 { &self.point.x } else { self.descent.result() })
    }

    /// The losses of [`image`](Session::image); `None` before the first step.
    #[must_use]
    pub fn losses(&self) -> Option<&Losses> {
        (self.iteration > 0).then_some(&self.losses)
    }

    /// Losses at any picture of the session's size, and the gradient of the total loss with respect to its pixels,
    /// `[3, H, W]` per 8-bit unit. The session's own image and optimiser stay as they are.
    ///
    /// # Errors
    /// `Shape` if the picture has another size; what the backend gives.
    pub fn evaluate(&mut self, image: &Image) -> Result<(Losses, Vec<f32>)> {
        let backend = self.network.backend();
        crate::expect_shape("the picture", backend.shape(&self.point.x), image.shape())?;
        let x = self.network.upload(image)?;
        let mut g = backend.tensor(image.shape())?;
        let mut losses = self.objective.no_losses();
        self.objective.evaluate(&self.network, &x, &mut g, &mut losses)?;
        let mut gradient = vec![0.0; image.shape().len()];
        backend.download(&g, &mut gradient)?;
        Ok((losses, gradient))
    }

    /// The weights of content, style and total variation in the total loss.
    #[must_use]
    pub fn weights(&self) -> [f64; 3] {
        let w = &self.objective.weights;
        [w.content, w.style, w.tv]
    }
}

impl<B: Backend> fmt::Debug for Session<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = self.network.backend().shape(&self.point.x);
        f.debug_struct("Session")
            .field("network", &self.network)
            .field("image", &shape)
            .field("iteration", &self.iteration)
            .finish_non_exhaustive()
    }
}
