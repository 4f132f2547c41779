//! The pixels that a process descends on: a range of the positions, counted row by row, in all channels.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::alloc::zeros;
use crate::backend::shape::Shape;
use crate::checkpoint::Checkpoint;
use crate::distributed::{Communicator, range};
use crate::error::{Error, ErrorKind, Result, bad};

/// The checkpoint key of a share.
const SHARE: &str = "share";

/// The share of this process.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    communicator: Arc<dyn Communicator>,
    picture: Shape,
}

impl Share {
    pub(crate) fn new(communicator: Arc<dyn Communicator>, picture: Shape) -> Self {
        Self { communicator, picture }
    }

    pub(crate) fn communicator(&self) -> &Arc<dyn Communicator> {
        &self.communicator
    }

    /// Shape of the picture.
    pub(crate) fn picture(&self) -> Shape {
        self.picture
    }

    pub(super) fn positions(&self, process: usize) -> Range<usize> {
        range(process, self.communicator.processes(), self.picture.positions())
    }

    /// Shape of this process's vectors: that of the picture if it is alone.
    pub(crate) fn shape(&self) -> Shape {
        match self.communicator.processes() {
            1 => self.picture,
            _ => Shape::new(self.picture.channels, 1, self.positions(self.communicator.process()).len()),
        }
    }

    /// Shape of the largest share of `processes`.
    pub(crate) fn largest(picture: Shape, processes: usize) -> Shape {
        match processes {
            0 | 1 => picture,
            _ => Shape::new(picture.channels, 1, picture.positions().div_ceil(processes)),
        }
    }

    /// Notes in a checkpoint which share its vectors are.
    pub(crate) fn note(&self, to: &mut Checkpoint) {
        if let Some(name) = name(&*self.communicator) {
            to.note(SHARE, name);
        }
    }

    /// This process's values among those of the picture.
    pub(crate) fn cut<'a>(&self, all: &'a [f32]) -> Result<Cow<'a, [f32]>> {
        if self.communicator.processes() == 1 {
            return Ok(all.into());
        }
        let mut own = zeros(self.shape().len(), "a share of a picture")?;
        let positions = self.positions(self.communicator.process());
        let planes = all.chunks_exact(self.picture.positions()).zip(own.chunks_exact_mut(positions.len()));
        planes.for_each(|(all, own)| own.copy_from_slice(&all[positions.clone()]));
        Ok(own.into())
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

/// Checks that the processes can share a picture.
pub(crate) fn expect_shares(communicator: &dyn Communicator, picture: Shape) -> Result<()> {
    let (processes, positions) = (communicator.processes(), picture.positions());
    if processes <= positions {
        return Ok(());
    }
    let Shape { width, height, .. } = picture;
    Err(bad(format!(
        "{processes} processes cannot share {width}x{height} pixels; expected at most {positions} processes"
    )))
}

/// Checks that the vectors of a checkpoint, if it has any, are the share of this process.
pub(crate) fn expect_share(communicator: &dyn Communicator, from: &Checkpoint) -> Result<()> {
    let (wanted, found) = (name(communicator), from.noted::<String>(SHARE).ok());
    if from.noted("light")? || wanted == found {
        return Ok(());
    }
    let [wanted, found] = [wanted, found].map(|name| name.unwrap_or_else(|| "a process that paints alone".into()));
    let message = format!(
        "the checkpoint is of {found}, and this is {wanted}; each process resumes its own, in a job of as many processes, or \
         all resume a light one"
    );
    Err(Error::new(ErrorKind::Checkpoint, message))
}

fn name(communicator: &dyn Communicator) -> Option<String> {
    let (process, processes) = (communicator.process(), communicator.processes());
    (processes > 1).then(|| format!("process {process} of {processes}"))
}
