//! The session's state at regular intervals of evaluations.

use std::io::BufWriter;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use style_core::{Checkpoint, Error, ErrorKind, Observer, Progress, Result, View};

use crate::file::{cannot_write, expect_folder, io_error, write_atomically};

/// Writes a checkpoint at regular intervals of evaluations and when the run ends. Each replaces the previous one, which
/// stays intact until the new one is complete: a program killed at any moment leaves a checkpoint that loads. The new
/// one is written as `FILE.part` next to it. While a checkpoint is created, it takes as much memory as the optimiser,
/// [`Plan::optimizer`](style_core::Plan::optimizer), in addition to the plan; the disk needs space for two.
///
/// A checkpoint that cannot be written ends the run, like any observer's error, with [`ErrorKind::Io`]. The session is
/// unaffected, so the caller may continue it without checkpoints.
///
/// ```
/// use style_core::backend::Backend;
/// use style_core::{Result, Session, SessionBuilder};
/// use style_watch::Checkpoints;
///
/// fn paint<B: Backend>(describe: SessionBuilder<B>) -> Result<Session<B>> {
///     let mut session = match Checkpoints::load("cat.checkpoint")? {
///         Some(checkpoint) => describe.resume(&checkpoint)?,
///         None => describe.build()?,
///     };
///     session.run_with(&mut Checkpoints::every(20, "cat.checkpoint")?)?;
///     Ok(session)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Checkpoints {
    every: usize,
    path: PathBuf,
}

impl Checkpoints {
    /// Writes a checkpoint after every `every` evaluations, to a file in an existing folder.
    ///
    /// # Errors
    /// `Argument` if `every` is zero; `Io` if the folder does not exist.
    pub fn every(every: usize, path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        if every == 0 {
            let message = "expected a checkpoint interval of at least 1, found 0; use 1 or more, or no `Checkpoints`";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        expect_folder(&path)?;
        Ok(Self { every, path })
    }

    /// Loads the checkpoint from a file; `None` if the file does not exist.
    ///
    /// # Errors
    /// `Io` if it cannot be read; `Checkpoint` if it is damaged, or not a checkpoint.
    pub fn load(path: impl AsRef<Path>) -> Result<Option<Checkpoint>> {
        let path = path.as_ref();
        // A device file may never end.
        let read = || match std::fs::metadata(path)?.is_file() {
            true => std::fs::read(path),
            false => Err(std::io::Error::other("not a regular file")),
        };
        match read() {
            Ok(bytes) => Checkpoint::from_bytes(&bytes).map(Some).map_err(|e| e.context(path.display())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io_error(format!("cannot read {}", path.display()), e)),
        }
    }

    /// Writes a checkpoint to a file, replacing any existing file, which stays intact until the new one is complete.
    ///
    /// # Errors
    /// `Io` if it cannot be written; `OutOfMemory`.
    pub fn save(path: impl AsRef<Path>, checkpoint: &Checkpoint) -> Result<()> {
        let path = path.as_ref();
        let failed = |e: Error| Error::new(e.kind(), cannot_write(path)).with_source(e);
        write_atomically(path, |file| checkpoint.write_to(BufWriter::new(file)).map_err(failed))
    }

    fn write(&self, view: &dyn View) -> Result<()> {
        Self::save(&self.path, &view.checkpoint()?)
    }
}

impl Observer for Checkpoints {
    fn observe(&mut self, progress: &Progress, view: &dyn View) -> Result<ControlFlow<()>> {
        if progress.iteration.is_multiple_of(self.every) {
            self.write(view)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, view: &dyn View) -> Result<()> {
        self.write(view)
    }
}
