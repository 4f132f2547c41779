//! The network, and the session that paints.
//!
//! What may wait for the device is a function rather than a method: in the build for GPUs it returns a promise in JavaScript
//! (`jspi`), and an attribute that depends on the build can only stand before a whole item. Until the promise settles, the
//! worker calls nothing else.

// How wasm-bindgen says that its support of JSPI may change.
#![cfg_attr(feature = "gpu", expect(deprecated))]

use std::sync::Arc;

use serde::Serialize;
use style_transfer::losses::{CONTENT, STYLE};
use style_transfer::pictures::{Format, Picture};
use style_transfer::{Checkpoint, ErrorKind, Image, Network, Progress, Session, SessionBuilder, models};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::describe::Pictures;
use crate::device::{Backend, opened};
use crate::error::{Error, Result};
use crate::json::{from_json, to_json};
use crate::look::Look;
use crate::pictures::file_of;
use crate::settings::Settings;

/// The most memory of a session, in bytes: addresses have 32 bits, and pictures need some too; and a browser does not tell how
/// much a GPU has. A larger session is cut into tiles, and refused if the smallest do not fit.
const MOST_MEMORY: usize = 1400 << 20;

/// The description of a session.
#[wasm_bindgen]
pub struct Job {
    settings: Settings,
    photograph: Picture,
    painting: Picture,
    mask: Option<Picture>,
    /// A picture to begin with, and the long side of the scale to begin at.
    start: Option<(Picture, usize)>,
}

#[wasm_bindgen]
impl Job {
    /// From settings as JSON, the photograph at the result's size, and the painting.
    ///
    /// # Errors
    /// A setting is out of range, or a picture is unusable.
    #[wasm_bindgen(constructor)]
    pub fn new(settings: &str, photograph: &[u8], painting: &[u8]) -> Result<Self> {
        let settings = from_json::<Settings>(settings)?.checked()?;
        let (photograph, painting) = (Picture::from_bytes(photograph)?, Picture::from_bytes(painting)?);
        Ok(Self { settings, photograph, painting, mask: None, start: None })
    }

    /// Sets where to paint.
    ///
    /// # Errors
    /// The picture is unusable.
    pub fn mask(&mut self, file: &[u8]) -> Result<()> {
        self.mask = Some(Picture::from_bytes(file)?);
        Ok(())
    }

    /// Begins with a picture, at the scale with this long side or the next larger one.
    ///
    /// # Errors
    /// The picture is unusable.
    pub fn start(&mut self, file: &[u8], from: usize) -> Result<()> {
        self.start = Some((Picture::from_bytes(file)?, from));
        Ok(())
    }

    fn described(&self, network: &Arc<Network<Backend>>) -> Result<SessionBuilder<Backend>> {
        let Self { settings, photograph, painting, mask, start } = self;
        let start = start.as_ref().map(|(picture, from)| (picture, *from));
        let pictures = Pictures { photograph, painting, mask: mask.as_ref(), start };
        Ok(pictures.described(network, settings)?.memory_limit(MOST_MEMORY))
    }
}

/// The network, ready to paint.
#[wasm_bindgen]
pub struct Painter {
    network: Arc<Network<Backend>>,
}

/// Opens the device and unpacks the weights. A software driver of WebGPU counts as a device if `software` is set.
///
/// # Errors
/// There is no device, or not enough memory.
#[cfg_attr(feature = "gpu", wasm_bindgen(jspi))]
#[cfg_attr(not(feature = "gpu"), wasm_bindgen)]
pub fn open(software: bool) -> Result<Painter> {
    Ok(Painter { network: Arc::new(Network::new(opened(software)?, models::embedded()?.model())?) })
}

#[wasm_bindgen]
impl Painter {
    /// Refuses a job that cannot be painted, or not within the memory that there is.
    ///
    /// # Errors
    /// Why it cannot; of a size, which one would fit.
    pub fn check(&self, job: &Job) -> Result<()> {
        job.described(&self.network)?.plan()?;
        Ok(())
    }
}

/// Begins to paint, or goes on from a checkpoint of the same job. A checkpoint that does not suit it has no effect.
///
/// # Errors
/// As [`Painter::check`], or there is not enough memory.
#[cfg_attr(feature = "gpu", wasm_bindgen(jspi))]
#[cfg_attr(not(feature = "gpu"), wasm_bindgen)]
pub fn begin(painter: &Painter, job: Job, checkpoint: Option<Vec<u8>>) -> Result<Painting> {
    let strength = job.settings.strength;
    let describe = || job.described(&painter.network);
    let build = || Ok::<_, Error>(describe()?.build()?);
    let resume = |checkpoint: Vec<u8>| {
        let checkpoint = Checkpoint::from_bytes(&checkpoint)?;
        Ok::<_, Error>(describe()?.resume(&checkpoint)?)
    };
    let mut session = match checkpoint.map(resume) {
        None => build()?,
        Some(Err(Error::Engine(e))) if e.kind() == ErrorKind::Checkpoint => build()?,
        Some(session) => session?,
    };
    // A checkpoint has the strength that it was made with.
    session.set_style_weight(strength)?;
    let Job { photograph, mask, .. } = job;
    Ok(Painting { session, photograph, mask, coarser: None })
}

/// How far a session is: `Progress` of `web/engine.js`, and the losses of the last accepted image.
#[derive(Serialize)]
struct Reached {
    iteration: usize,
    iterations: usize,
    scale: usize,
    scales: usize,
    width: usize,
    height: usize,
    /// The session's work.
    done: f64,
    left: f64,
    /// Total, content and style, weighted.
    losses: [f64; 3],
    accepted: bool,
}

impl Reached {
    fn new(progress: &Progress) -> Self {
        let losses = &progress.accepted_losses;
        let weighted = |name| losses.term(name).map_or(0.0, |term| term.weight * term.loss);
        Self {
            iteration: progress.iteration,
            iterations: progress.iterations,
            scale: progress.scale,
            scales: progress.scales,
            width: progress.width,
            height: progress.height,
            done: progress.work_done,
            left: progress.work_left,
            losses: [losses.total, weighted(CONTENT), weighted(STYLE)],
            accepted: progress.accepted,
        }
    }
}

/// A picture that is being painted.
#[wasm_bindgen]
pub struct Painting {
    session: Session<Backend>,
    photograph: Picture,
    mask: Option<Picture>,
    /// The last picture of the scale before, when a new one has begun.
    coarser: Option<Image>,
}

#[wasm_bindgen]
impl Painting {
    /// The last picture of the scale before in 16 bits as PNG, once after the first step of a new one.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn coarser(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(self.coarser.take().map(|image| Picture::from(image).encode(Format::Png16)).transpose()?)
    }

    /// Whether no more steps are possible.
    #[wasm_bindgen(getter)]
    pub fn finished(&self) -> bool {
        self.session.is_finished()
    }
}

/// Evaluates loss and gradient once; returns the progress as JSON.
///
/// # Errors
/// The session has finished, or painting failed; the picture stays readable.
#[cfg_attr(feature = "gpu", wasm_bindgen(jspi))]
#[cfg_attr(not(feature = "gpu"), wasm_bindgen)]
pub fn step(painting: &mut Painting) -> Result<String> {
    let before = painting.session.image()?;
    let progress = painting.session.step()?;
    if progress.width > before.width() {
        painting.coarser = Some(before);
    }
    Ok(to_json(&Reached::new(progress)))
}

/// Sets the style strength from the next step on.
///
/// # Errors
/// It is out of range.
#[cfg_attr(feature = "gpu", wasm_bindgen(jspi))]
#[cfg_attr(not(feature = "gpu"), wasm_bindgen)]
pub fn strengthen(painting: &mut Painting, strength: f64) -> Result<()> {
    Ok(painting.session.set_style_weight(strength)?)
}

/// What [`begin`] goes on from, on any device, little larger than the picture.
///
/// # Errors
/// There is not enough memory.
#[cfg_attr(feature = "gpu", wasm_bindgen(jspi))]
#[cfg_attr(not(feature = "gpu"), wasm_bindgen)]
pub fn checkpoint(painting: &Painting) -> Result<Vec<u8>> {
    Ok(painting.session.light_checkpoint()?.to_bytes()?)
}

/// The painted picture in 16 bits as PNG, without kept colours and mask, at the size of the current scale.
///
/// # Errors
/// There is not enough memory.
#[cfg_attr(feature = "gpu", wasm_bindgen(jspi))]
#[cfg_attr(not(feature = "gpu"), wasm_bindgen)]
pub fn picture(painting: &Painting) -> Result<Vec<u8>> {
    Ok(Picture::from(painting.session.image()?).encode(Format::Png16)?)
}

/// The picture as it is shown and saved, as by [`shown`](crate::shown).
///
/// # Errors
/// There is not enough memory.
#[cfg_attr(feature = "gpu", wasm_bindgen(jspi))]
#[cfg_attr(not(feature = "gpu"), wasm_bindgen)]
pub fn preview(painting: &Painting, colours: f64, kind: &str) -> Result<Vec<u8>> {
    let look = Look { original: &painting.photograph, mask: painting.mask.as_ref(), colours };
    file_of(&look, painting.session.image()?, kind)
}
