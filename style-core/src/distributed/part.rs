//! The pixels that each process descends on: a range of the positions, counted row by row, in all channels.

use std::ops::Range;
use std::sync::Arc;

use crate::alloc::zeros;
use crate::backend::shape::Shape;
use crate::checkpoint::Checkpoint;
use crate::distributed::{Communicator, share};
use crate::error::{Error, ErrorKind, Result, bad};

/// The checkpoint key of a part.
const PART: &str = "part";

/// How the pixels of a picture are shared.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    communicator: Arc<dyn Communicator>,
    picture: Shape,
}

impl Part {
    pub(crate) fn new(communicator: Arc<dyn Communicator>, picture: Shape) -> Result<Self> {
        let (processes, positions) = (communicator.processes(), picture.positions());
        if processes > positions {
            let Shape { width, height, .. } = picture;
            return Err(bad(format!(
                "{processes} processes cannot share {width}x{height} pixels; expected at most {positions} processes"
            )));
        }
        Ok(Self { communicator, picture })
    }

    pub(crate) fn communicator(&self) -> &Arc<dyn Communicator> {
        &self.communicator
    }

    /// Shape of the picture.
    pub(crate) fn picture(&self) -> Shape {
        self.picture
    }

    pub(super) fn positions(&self, process: usize) -> Range<usize> {
        share(process, self.communicator.processes(), self.picture.positions())
    }

    /// Shape of this process's vectors: that of the picture if it is alone.
    pub(crate) fn shape(&self) -> Shape {
        match self.communicator.processes() {
            1 => self.picture,
            _ => Shape::new(self.picture.channels, 1, self.positions(self.communicator.process()).len()),
        }
    }

    /// Shape of the largest part of `processes`.
    pub(crate) fn largest(picture: Shape, processes: usize) -> Shape {
        match processes {
            0 | 1 => picture,
            _ => Shape::new(picture.channels, 1, picture.positions().div_ceil(processes)),
        }
    }

    /// Notes in a checkpoint which part its vectors are.
    pub(crate) fn note(&self, to: &mut Checkpoint) {
        if let Some(name) = self.name() {
            to.note(PART, name);
        }
    }

    /// Checks that the vectors of a checkpoint are this part.
    pub(crate) fn expect(&self, from: &Checkpoint) -> Result<()> {
        let (wanted, found) = (self.name(), from.noted::<String>(PART).ok());
        if wanted == found {
            return Ok(());
        }
        let [wanted, found] = [wanted, found].map(|name| name.unwrap_or_else(|| "a process that paints alone".into()));
        let message = format!(
            "the checkpoint is of {found}, and this is {wanted}; each process resumes its own, in a job of as many processes, or \
             all resume a light one"
        );
        Err(Error::new(ErrorKind::Checkpoint, message))
    }

    fn name(&self) -> Option<String> {
        let (process, processes) = (self.communicator.process(), self.communicator.processes());
        (processes > 1).then(|| format!("process {process} of {processes}"))
    }

    /// This process's values among those of the picture.
    pub(crate) fn cut(&self, all: &[f32]) -> Result<Vec<f32>> {
        let mut own = zeros(self.shape().len(), "a part of a picture")?;
        let positions = self.positions(self.communicator.process());
        let planes = all.chunks_exact(self.picture.positions()).zip(own.chunks_exact_mut(positions.len()));
        planes.for_each(|(all, own)| own.copy_from_slice(&all[positions.clone()]));
        Ok(own)
    }

    /// Fills `all` with the values of all processes, of which `own` are this one's.
    pub(crate) fn gather(&self, own: &[f32], all: &mut [f32]) -> Result<()> {
        let processes = self.communicator.processes();
        let len = self.positions(self.communicator.process()).len();
        for (own, mut rest) in own.chunks_exact(len).zip(all.chunks_exact_mut(self.picture.positions())) {
            let mut received = Vec::with_capacity(processes);
            for process in 0..processes {
                let (of_process, behind) = rest.split_at_mut(self.positions(process).len());
                received.push(of_process);
                rest = behind;
            }
            self.communicator.exchange(&vec![own; processes], &mut received)?;
        }
        Ok(())
    }

    /// The values of all processes, of which `own` are this one's.
    pub(crate) fn gathered(&self, own: Vec<f32>) -> Result<Vec<f32>> {
        if self.communicator.processes() == 1 {
            return Ok(own);
        }
        let mut all = zeros(self.picture.len(), "a picture")?;
        self.gather(&own, &mut all)?;
        Ok(all)
    }
}
