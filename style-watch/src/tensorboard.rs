//! An event file that TensorBoard can read while it is being written.

mod proto;
mod record;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind as IoErrorKind, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(doc)]
use style_core::Losses;
use style_core::losses::{CONTENT, STYLE, TV};
use style_core::{Image, Observer, Progress, Result, View};

use crate::file::{encode_png, io_error};
use proto::{Histogram, Summary, summary_event, version_event};
use record::record;

/// The intervals at which a [`TensorBoard`] records images and histograms, which take space.
///
/// ```
/// let options = style_watch::TensorBoardOptions { images_every: 10, ..Default::default() };
/// assert_eq!(options.histograms_every, 25);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorBoardOptions {
    /// Writes the image at every evaluation whose number is a multiple of this, and at the end; 0 means never. Default:
    /// 25.
    pub images_every: usize,
    /// Likewise for histograms of the image's values. Default: 25.
    pub histograms_every: usize,
}

impl Default for TensorBoardOptions {
    fn default() -> Self {
        Self { images_every: 25, histograms_every: 25 }
    }
}

/// Writes an event file for [TensorBoard](https://www.tensorflow.org/tensorboard). Writing requires neither TensorBoard
/// nor TensorFlow. `tensorboard --logdir FOLDER` displays the file, even while the session runs: every evaluation is in
/// the file when [`observe`](Observer::observe) returns.
///
/// A step is the number of an evaluation, counted from 1, which is of the start image. The tags:
///
/// | tag | value |
/// |---|---|
/// | `loss/total`, `loss/content`, `loss/style`, `loss/tv` | the [`Losses`], parts before their weights |
/// | `layers/content/NAME`, `layers/style/NAME` | each layer's loss, before any weight |
/// | `descent/gradient_norm`, `descent/step_length` | as in [`Progress`] |
/// | `descent/accepted` | 1, or 0 for a point that a line search rejected |
/// | `image` | the last accepted image, a PNG |
/// | `pixels/red`, `pixels/green`, `pixels/blue` | histograms of its values, before clamping |
///
/// Scalars are `f32`, as in TensorBoard. Values that are not finite (a rejected step may overflow) are written
/// unchanged, and an `f64` beyond the range of `f32` becomes infinite: TensorBoard marks such points, whereas a gap
/// would hide them.
///
/// TensorBoard treats a folder as one run. Give each session its own folder, `runs/1`, `runs/2`, and point TensorBoard
/// at `runs`; several sizes of one picture are several sessions.
#[derive(Debug)]
pub struct TensorBoard {
    file: File,
    path: PathBuf,
    /// The size in bytes of the complete records in the file.
    length: u64,
    options: TensorBoardOptions,
    /// Whether the tags have been described; TensorBoard reads only a tag's first description.
    described: bool,
    /// The last evaluation observed, and the last ones with an image and with a histogram.
    last: Option<usize>,
    image_at: Option<usize>,
    histogram_at: Option<usize>,
}

impl TensorBoard {
    /// Creates an event file with a new name in `folder`, which is created if it does not exist.
    ///
    /// # Errors
    /// `Io` if the folder cannot be created or written. A later write that fails ends the run with `Io`.
    pub fn create(folder: impl AsRef<Path>, options: TensorBoardOptions) -> Result<Self> {
        let folder = folder.as_ref();
        let failed = |what: &str, e| {
            let name = folder.display();
            io_error(format!("{what} {name} for TensorBoard; choose a writable folder"), e)
        };
        fs::create_dir_all(folder).map_err(|e| failed("cannot create the folder", e))?;
        let (file, path) = create_new(folder).map_err(|e| failed("cannot write to the folder", e))?;
        let mut board =
            Self { file, path, length: 0, options, described: false, last: None, image_at: None, histogram_at: None };
        board.write(&version_event(now()))?;
        Ok(board)
    }

    /// The event file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one record. A concurrent reader sees all of it, or can tell from its length that it is incomplete.
    fn write(&mut self, event: &[u8]) -> Result<()> {
        let record = record(event);
        if let Err(e) = self.file.write_all(&record) {
            let _ = self.file.set_len(self.length); // an incomplete record would hide all later ones
            return Err(io_error(format!("cannot write to {}; check that the disk has space", self.path.display()), e));
        }
        self.length += record.len() as u64;
        Ok(())
    }

    /// Adds the image and its histograms, as requested.
    fn add_image(
        &mut self,
        summary: &mut Summary,
        step: usize,
        image: &Image,
        [shown, counted]: [bool; 2],
    ) -> Result<()> {
        if shown {
            let (width, height) = (image.width(), image.height());
            summary.image("image", height, width, &encode_png(width, height, &image.to_rgb8())?);
            self.image_at = Some(step);
        }
        if counted {
            let channels = image.pixels().chunks_exact(image.width() * image.height());
            for (tag, values) in ["pixels/red", "pixels/green", "pixels/blue"].into_iter().zip(channels) {
                summary.histogram(tag, &Histogram::of_pixels(values));
            }
            self.histogram_at = Some(step);
        }
        Ok(())
    }
}

impl Observer for TensorBoard {
    fn observe(&mut self, progress: &Progress, view: &dyn View) -> Result<ControlFlow<()>> {
        let step = progress.iteration;
        let mut summary = Summary::default();
        add_scalars(&mut summary, progress, !self.described);
        let due = |every: usize| every > 0 && step.is_multiple_of(every);
        let due = [due(self.options.images_every), due(self.options.histograms_every)];
        if due.contains(&true) {
            self.add_image(&mut summary, step, &view.image()?, due)?;
        }
        self.write(&summary_event(now(), step, &summary))?;
        self.described = true;
        self.last = Some(step);
        Ok(ControlFlow::Continue(()))
    }

    /// Writes the last image and its histograms, unless they have already been written.
    fn finish(&mut self, view: &dyn View) -> Result<()> {
        let Some(step) = self.last else { return Ok(()) };
        let due = [
            self.options.images_every > 0 && self.image_at != Some(step),
            self.options.histograms_every > 0 && self.histogram_at != Some(step),
        ];
        if due.contains(&true) {
            let mut summary = Summary::default();
            self.add_image(&mut summary, step, &view.image()?, due)?;
            self.write(&summary_event(now(), step, &summary))?;
        }
        Ok(())
    }
}

fn add_scalars(summary: &mut Summary, progress: &Progress, describe: bool) {
    let losses = &progress.losses;
    let mut add = |tag: &str, value: f64, about: &str| summary.scalar(tag, value as f32, describe.then_some(about));
    add("loss/total", losses.total, "The objective: the weighted sum of all terms.");
    for term in &losses.terms {
        let [of_term, of_layer] = match term.name.as_str() {
            CONTENT => ["`sum_l w_l 1/2 sum (F - P)^2`, before its weight.", "`1/2 sum (F - P)^2`, before any weight."],
            STYLE => ["`sum_l w_l E_l`, before its weight.", "The style loss `E_l` of the layer, before any weight."],
            TV => ["The image's total variation, before its weight.", ""],
            _ => ["Before its weight.", "Before any weight."],
        };
        add(&format!("loss/{}", term.name), term.loss, of_term);
        for layer in &term.layers {
            add(&format!("layers/{}/{}", term.name, layer.layer), layer.loss, of_layer);
        }
    }
    add("descent/gradient_norm", progress.gradient_norm, "Euclidean norm of the image gradient, per 8-bit unit.");
    add(
        "descent/step_length",
        progress.step_length,
        "Length of L-BFGS' last accepted step, in 8-bit units; 0 for Adam.",
    );
    let about = "1, or 0 for a point that the line search rejected; its losses are not those of the image.";
    add("descent/accepted", f64::from(u8::from(progress.accepted)), about);
}

/// Creates `events.out.tfevents.SECONDS.HOST.PID.N`, as TensorBoard names and orders its files. The host is always
/// "style": `N` counts up until the name is new, so two writers never share a file, on any machines.
fn create_new(folder: &Path) -> std::io::Result<(File, PathBuf)> {
    let (seconds, process) = (now() as u64, std::process::id());
    let mut n = 0u64;
    loop {
        let path = folder.join(format!("events.out.tfevents.{seconds:010}.style.{process}.{n}"));
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Err(e) if e.kind() == IoErrorKind::AlreadyExists => n += 1,
            opened => return Ok((opened?, path)),
        }
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |t| t.as_secs_f64())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use style_core::ErrorKind;

    /// A writer that accepts no bytes, like a full disk.
    #[test]
    fn a_full_disk_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut board = TensorBoard::create(folder.path(), TensorBoardOptions::default()).unwrap();
        board.file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let error = board.write(&version_event(0.0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("events.out.tfevents"), "{error}");
    }
}
