//! The image at regular intervals of evaluations.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;

use style_core::{Error, ErrorKind, Image, Observer, Progress, Result, View};

use crate::file::{encode_png, expect_folder, extension, write_bytes_atomically};

type Write<'a> = Box<dyn FnMut(usize, &Image) -> Result<()> + Send + 'a>;

/// Passes the session's image on at regular intervals of evaluations: to a function, or to numbered PNG files.
///
/// The image is the last accepted one. The final image of a run is not passed on separately; it is
/// [`Session::image`](style_core::Session::image).
pub struct Snapshots<'a> {
    every: usize,
    write: Write<'a>,
}

impl<'a> Snapshots<'a> {
    /// Calls `write` with the number of completed evaluations (`every`, `2 * every`, ...) and the image.
    ///
    /// ```
    /// let mut film = vec![];
    /// let snapshots = style_watch::Snapshots::every(10, |evaluations, image| {
    ///     film.push((evaluations, image.to_rgb8()));
    ///     Ok(())
    /// })?;
    /// # drop(snapshots);
    /// # Ok::<(), style_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Argument` if `every` is zero. An error from `write` ends the run.
    pub fn every(every: usize, write: impl FnMut(usize, &Image) -> Result<()> + Send + 'a) -> Result<Self> {
        if every == 0 {
            let message = "expected a snapshot interval of at least 1, found 0; use 1 or more, or no `Snapshots`";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        Ok(Self { every, write: Box::new(write) })
    }

    /// Writes `NAME_0050.png` and so on for the path `NAME.png`. The number is that of completed evaluations, with more
    /// digits where needed. An existing file of that name is replaced; a file appears only when it is complete.
    ///
    /// ```
    /// # let folder = std::env::temp_dir();
    /// let snapshots = style_watch::Snapshots::png(50, folder.join("painted.png"))?;
    /// # Ok::<(), style_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Argument` if `every` is zero or the path does not end in `.png`; `Io` if its folder does not exist. A file that
    /// cannot be written ends the run with `Io`.
    pub fn png(every: usize, path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let stem = path.file_stem().unwrap_or_default().to_os_string();
        if extension(&path) != "png" {
            let message = format!("expected a snapshot file name ending in .png, found \"{}\"", path.display());
            return Err(Error::new(ErrorKind::Argument, message));
        }
        expect_folder(&path)?;
        Self::every(every, move |evaluations, image| {
            let mut name = stem.clone();
            name.push(format!("_{evaluations:04}.png"));
            let bytes = encode_png(image.width(), image.height(), &image.to_rgb8())?;
            write_bytes_atomically(&path.with_file_name(name), &bytes)
        })
    }
}

impl Observer for Snapshots<'_> {
    fn observe(&mut self, progress: &Progress, view: &dyn View) -> Result<ControlFlow<()>> {
        let done = progress.iteration;
        if done.is_multiple_of(self.every) {
            (self.write)(done, &view.image()?)?;
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl fmt::Debug for Snapshots<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("every", &self.every).finish_non_exhaustive()
    }
}
