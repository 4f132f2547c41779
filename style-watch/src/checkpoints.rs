//! What the session can go on from, every so many evaluations.

use std::io::BufWriter;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use style_core::{Checkpoint, Error, ErrorKind, Observer, Progress, Result, View};

use crate::file::{cannot_write, expect_folder, io_error, write_atomically};

/// Writes a checkpoint after every so many evaluations and when the run ends, each over the one before, which stays whole until
/// the new one is: a program that is killed at any moment leaves one that loads. The new one is written as `FILE.part` beside
/// it. While it is made it takes as much memory as the optimiser, [`Plan::optimizer`](style_core::Plan::optimizer), beyond
/// the plan; and on the disk there is room for two.
///
/// A checkpoint that cannot be written ends the run, as any observer's error does, with [`ErrorKind::Io`]; the session is
/// as good as before, so that the caller may run it on without checkpoints.
///
/// ```
/// use style_core::{Backend, Result, Session, SessionBuilder};
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
    /// Checkpoints after so many evaluations each, in a file whose folder is there.
    ///
    /// # Errors
    /// `Argument` if `every` is zero; `Io` if there is no such folder.
    pub fn every(every: usize, path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        if every == 0 {
            let message = "checkpoints every 0 evaluations; give 1 or more, or leave the checkpoints out";
            return Err(Error::new(ErrorKind::Argument, message));
        }
        expect_folder(&path)?;
        Ok(Self { every, path })
    }

    /// The checkpoint in a file; `None` if there is no such file.
    ///
    /// # Errors
    /// `Io` if it cannot be read; `Checkpoint` if it is damaged, or something else.
    pub fn load(path: impl AsRef<Path>) -> Result<Option<Checkpoint>> {
        let path = path.as_ref();
        // A device may have no end.
        let read = || match std::fs::metadata(path)?.is_file() {
            true => std::fs::read(path),
            false => Err(std::io::Error::other("it is no file")),
        };
        match read() {
            Ok(bytes) => Checkpoint::from_bytes(&bytes).map(Some).map_err(|e| e.context(path.display())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io_error(format!("cannot read {}", path.display()), e)),
        }
    }

    /// Writes a checkpoint to a file, over what was there, which stays whole until the new one is.
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
        if progress.iteration.saturating_add(1).is_multiple_of(self.every) {
            self.write(view)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, view: &dyn View) -> Result<()> {
        self.write(view)
    }
}
