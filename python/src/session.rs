//! A session.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use style_transfer::pictures::{self, Extras, Matching};
use style_transfer::{Cancel, Checkpoint, Error, ErrorKind, Image, Init, Losses, Progress, Result, Style};

use crate::errors::{argument, raised};
use crate::interrupt::interruptible;
use crate::network::Network;
use crate::options::Options;
use crate::picture::{Mask, Picture};

/// See `style_transfer.Session`.
#[pyclass(frozen, module = "style_transfer._native")]
pub(crate) struct Session {
    /// Locked without the GIL only, as whoever holds the lock may wait for the GIL.
    session: Mutex<style_transfer::Session>,
    cancel: Cancel,
    /// The photograph, if its colours are kept.
    photograph: Option<Image>,
    /// Those of the photograph.
    extras: Extras,
}

/// A term of the losses: name, weight, loss, and the loss of each layer.
type Term = (String, f64, f64, Vec<(String, f64)>);

/// A [`Progress`] as a dict.
#[derive(IntoPyObject)]
pub(crate) struct Told {
    iteration: usize,
    iterations: usize,
    scale: usize,
    scales: usize,
    width: usize,
    height: usize,
    losses: (f64, Vec<Term>),
    accepted: bool,
    accepted_losses: (f64, Vec<Term>),
    diverged: bool,
    gradient_norm: f64,
    step_length: f64,
    converged: bool,
}

/// A picture, its share, mask and region.
type GivenStyle<'py> = (Bound<'py, Picture>, f64, Option<Bound<'py, Mask>>, Option<Bound<'py, Mask>>);

#[pymethods]
impl Session {
    #[new]
    #[pyo3(signature = (network, options, content, styles, content_mask, size, init, colours, resume))]
    #[allow(clippy::too_many_arguments)] // they are of one caller
    fn new(
        py: Python<'_>,
        network: &Bound<'_, Network>,
        options: &str,
        content: Option<&Bound<'_, Picture>>,
        styles: Vec<GivenStyle<'_>>,
        content_mask: Option<&Bound<'_, Mask>>,
        size: Option<(usize, usize)>,
        init: Option<&Bound<'_, Picture>>,
        colours: &str,
        resume: Option<&[u8]>,
    ) -> PyResult<Self> {
        let given = Given {
            options: Options::from_json(options).map_err(raised)?,
            content: content.map(|picture| &picture.get().0),
            styles: styles
                .iter()
                .map(|(picture, share, mask, region)| GivenParts {
                    picture: &picture.get().0,
                    share: *share,
                    mask: mask.as_ref().map(|mask| &mask.get().mask),
                    region: region.as_ref().map(|mask| &mask.get().mask),
                })
                .collect(),
            content_mask: content_mask.map(|mask| &mask.get().mask),
            size,
            init: init.map(|picture| &picture.get().0.image),
            colours,
            resume,
        };
        let cancel = Cancel::new();
        let network = network.get();
        interruptible(py, &cancel, || given.build(network, &cancel))
    }

    /// Evaluates once. None if the session has finished, or if `cancel` was called.
    fn step(&self, py: Python<'_>) -> PyResult<Option<Told>> {
        interruptible(py, &self.cancel, || {
            let mut session = self.lock();
            if session.is_finished() {
                return Ok(None);
            }
            match session.step() {
                Ok(progress) => Ok(Some(Told::from(progress))),
                Err(e) if e.kind() == ErrorKind::Cancelled => {
                    self.cancel.reset();
                    Ok(None)
                }
                Err(e) => Err(e),
            }
        })
    }

    /// Ends the step in progress, or the next one.
    fn cancel(&self) {
        self.cancel.cancel();
    }

    /// The result of the last evaluation.
    fn progress(&self, py: Python<'_>) -> Option<Told> {
        py.detach(|| self.lock().progress().map(Told::from))
    }

    /// The picture so far, at the size of the result.
    fn image(&self, py: Python<'_>) -> PyResult<Picture> {
        let image = py.detach(|| {
            let image = self.lock().full_size_image()?;
            match &self.photograph {
                Some(photograph) => pictures::keep_colours(&image, photograph),
                None => Ok(image),
            }
        });
        Ok(Picture(pictures::Picture { image: image.map_err(raised)?, extras: self.extras.clone() }))
    }

    /// Whether there is nothing left to do.
    fn is_finished(&self, py: Python<'_>) -> bool {
        py.detach(|| self.lock().is_finished())
    }

    /// Evaluations done, and those at all scales.
    fn iterations(&self, py: Python<'_>) -> (usize, usize) {
        py.detach(|| {
            let session = self.lock();
            (session.iteration(), session.iterations())
        })
    }

    /// Width and height of the result.
    fn full_size(&self, py: Python<'_>) -> (usize, usize) {
        py.detach(|| self.lock().full_size())
    }

    /// Changes the strength or weight of the style.
    fn set_style_weight(&self, py: Python<'_>, weight: f64) -> PyResult<()> {
        py.detach(|| self.lock().set_style_weight(weight)).map_err(raised)
    }

    /// The state as bytes.
    fn checkpoint<'py>(&self, py: Python<'py>, light: bool) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| {
            let session = self.lock();
            let made = if light { session.light_checkpoint() } else { session.checkpoint() };
            drop(session);
            made?.to_bytes()
        });
        Ok(PyBytes::new(py, &bytes.map_err(raised)?))
    }

    /// The settings as JSON.
    fn settings(&self, py: Python<'_>) -> PyResult<String> {
        let settings = py.detach(|| self.lock().light_checkpoint()?.settings()).map_err(raised)?;
        serde_json::to_string(&settings).map_err(|e| raised(argument(e.to_string())))
    }
}

impl Session {
    /// The session; one in which an evaluation panicked stays consistent.
    fn lock(&self) -> MutexGuard<'_, style_transfer::Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a session is made of.
struct Given<'a> {
    options: Options,
    content: Option<&'a pictures::Picture>,
    styles: Vec<GivenParts<'a>>,
    content_mask: Option<&'a style_transfer::Mask>,
    size: Option<(usize, usize)>,
    init: Option<&'a Image>,
    colours: &'a str,
    resume: Option<&'a [u8]>,
}

/// A style.
struct GivenParts<'a> {
    picture: &'a pictures::Picture,
    share: f64,
    mask: Option<&'a style_transfer::Mask>,
    region: Option<&'a style_transfer::Mask>,
}

impl Given<'_> {
    fn build(self, network: &Network, cancel: &Cancel) -> Result<Session> {
        let of = |image: &Image| (image.width(), image.height());
        let first = [self.init, self.styles.first().map(|style| &style.picture.image)].into_iter().flatten().next();
        let size = match (self.content, self.size) {
            (Some(content), _) => of(&content.image),
            (None, Some(size)) => size,
            (None, None) => first.map(of).ok_or_else(|| argument("there is neither a content nor a style picture"))?,
        };
        let noise_ratio = self.options.noise_ratio();
        let parts = (self.content.is_some(), !self.styles.is_empty());
        let builder = style_transfer::Session::builder(network.network.clone()).cancel(cancel);
        let mut builder = self.options.describe(builder, size, parts)?;
        match self.content {
            Some(content) if self.colours == "luminance" => {
                builder = builder.content(pictures::luminance(&content.image)?);
            }
            Some(content) => builder = builder.content(content.image.clone()),
            None => builder = builder.size(size.0, size.1),
        }
        for style in &self.styles {
            let image = recoloured(self.colours, style.picture, self.content)?;
            let mut described = Style::new(image).share(style.share);
            if let Some(mask) = style.mask {
                described = described.mask(mask.clone());
            }
            let region = match (style.picture.opaque_part()?, style.region) {
                (Some(opaque), Some(region)) => Some(opaque.and(region)?),
                (opaque, region) => opaque.or(region.cloned()),
            };
            if let Some(region) = region {
                described = described.region(region);
            }
            builder = builder.style(described);
        }
        if let Some(mask) = self.content_mask {
            builder = builder.content_mask(mask.clone());
        }
        if let Some(image) = self.init {
            builder = builder.init(Init::Image(image.clone()));
        }
        if let Some(ratio) = noise_ratio {
            builder = builder.noise_ratio(ratio);
        }
        let session = match self.resume {
            Some(bytes) => builder.resume(&Checkpoint::from_bytes(bytes)?)?,
            None => builder.build()?,
        };
        let photograph = self.content.filter(|_| self.colours == "luminance").map(|content| content.image.clone());
        let extras = self.content.map_or_else(Extras::default, |content| content.extras.clone());
        Ok(Session { session: Mutex::new(session), cancel: cancel.clone(), photograph, extras })
    }
}

/// A style picture with its colours adjusted as requested.
fn recoloured(colours: &str, style: &pictures::Picture, photograph: Option<&pictures::Picture>) -> Result<Image> {
    if colours == "painting" {
        return Ok(style.image.clone());
    }
    let photograph = photograph.ok_or_else(|| {
        argument(format!("colours \"{colours}\" are those of the content picture, but there is none"))
    })?;
    let matched = |matching| style.match_colours(photograph, matching);
    match colours {
        "luminance" => style.match_luminance(photograph),
        "cholesky" => matched(Matching::Cholesky),
        "pca" => matched(Matching::Pca),
        "symmetric" => matched(Matching::Symmetric),
        _ => Err(unknown_colours(colours)),
    }
}

fn unknown_colours(colours: &str) -> Error {
    argument(format!("there are no colours \"{colours}\"; name them painting, luminance, cholesky, pca or symmetric"))
}

impl From<&Progress> for Told {
    fn from(progress: &Progress) -> Self {
        Self {
            iteration: progress.iteration,
            iterations: progress.iterations,
            scale: progress.scale,
            scales: progress.scales,
            width: progress.width,
            height: progress.height,
            losses: told(&progress.losses),
            accepted: progress.accepted,
            accepted_losses: told(&progress.accepted_losses),
            diverged: progress.diverged,
            gradient_norm: progress.gradient_norm,
            step_length: progress.step_length,
            converged: progress.converged,
        }
    }
}

fn told(losses: &Losses) -> (f64, Vec<Term>) {
    let term = |term: &style_transfer::TermLoss| {
        let layers = term.layers.iter().map(|layer| (layer.layer.clone(), layer.loss)).collect();
        (term.name.clone(), term.weight, term.loss, layers)
    };
    (losses.total, losses.terms.iter().map(term).collect())
}
