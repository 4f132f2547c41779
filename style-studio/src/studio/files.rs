//! Pictures of jobs: those that pages show and download, snapshots, and the start of a new session.

use std::sync::Arc;

use style_transfer::pictures::{Format, Picture};
use style_transfer::{ErrorKind, Image};

use super::state::{Job, Studio};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::record::{Begin, Record, Snapshot, Why};
use crate::render::{self, Shown};
use crate::store::{Of, Store};

/// The most snapshots of a job; the oldest that the studio made by itself go first.
pub(super) const MOST_SNAPSHOTS: usize = 24;

/// The most snapshots that the user asked for. There is always room for the picture before a way back, and for where it leads.
pub(super) const MOST_KEPT: usize = MOST_SNAPSHOTS - 2;

/// The long side of a snapshot's thumbnail.
const THUMBNAIL: u32 = 240;

/// What a page may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    /// The picture so far, as JPEG.
    Preview,
    /// The photograph at the result's size, as JPEG.
    Original,
    /// The mask, as PNG.
    Mask,
    /// The picture in 8 bits.
    Png,
    /// The picture in 16 bits.
    Tiff,
    /// A small picture of a snapshot, as JPEG.
    Snapshot(u32),
}

impl Studio {
    /// Makes a file for the page.
    pub(crate) fn file(&self, id: Id, file: File) -> Result<Vec<u8>> {
        let (look, image, size) = {
            let mut inner = self.lock();
            let job = inner.job(id)?;
            (look(&job.record), job.live.clone(), job.record.size)
        };
        let painted = || match image {
            Some(image) => Ok::<_, Error>(image),
            None => Ok(Arc::new(self.store.get(id, Of::Picture)?.ok_or(Error::Missing("picture"))?.image)),
        };
        let shown = |painted: &Image| render::shown(&self.store, id, painted, &look);
        match file {
            File::Preview => render::jpeg(&shown(&*painted()?)?),
            File::Png | File::Tiff => {
                // At a coarse scale it is enlarged.
                let full = Picture::from(Image::clone(&*painted()?)).stretched(size[0], size[1])?;
                let format = if file == File::Png { Format::Png } else { Format::Tiff16 };
                Ok(shown(&full.image)?.encode(format)?)
            }
            File::Original => render::jpeg(&self.store.get(id, Of::Original)?.ok_or(Error::Missing("picture"))?),
            File::Mask => self.store.bytes(id, Of::Mask)?.ok_or(Error::Missing("mask")),
            File::Snapshot(n) => {
                let picture = self.store.get(id, Of::Snapshot(n))?.ok_or(Error::Missing("snapshot"))?;
                let picture =
                    if picture.long_side() > THUMBNAIL as usize { picture.sized(THUMBNAIL)? } else { picture };
                render::jpeg(&picture)
            }
        }
    }
}

fn look(record: &Record) -> Shown {
    Shown { colours: record.settings.colours, masked: record.mask > 0 }
}

/// Keeps the painted image of a job, as the picture that is shown from now on.
pub(super) fn keep_image(store: &Store, record: &mut Record, image: &Image) -> Result<()> {
    store.put(record.id, Of::Picture, &Picture::from(image.clone()))?;
    record.version += 1;
    Ok(())
}

/// Keeps a picture to go back to, if there is one.
pub(super) fn snapshot(store: &Store, job: &mut Job, why: Why) -> Result<()> {
    snapshot_beside(store, job, why, None)
}

/// Keeps a picture to go back to, if there is one. Another one does not make room for it.
pub(super) fn snapshot_beside(store: &Store, job: &mut Job, why: Why, other: Option<u32>) -> Result<()> {
    let id = job.record.id;
    let picture = match &job.live {
        Some(image) => Some(Picture::from(Image::clone(image))),
        None => store.get(id, Of::Picture)?,
    };
    let Some(picture) = picture else { return Ok(()) };
    let record = &mut job.record;
    let number = record.snapshots.iter().map(|s| s.number).max().unwrap_or(0) + 1;
    store.put(id, Of::Snapshot(number), &picture)?;
    store.copy(id, Of::Mask, Of::SnapshotMask(number))?;
    let (side, settings, masked) = (picture.long_side(), record.settings.clone(), record.mask > 0);
    record.snapshots.push(Snapshot { number, why, side, settings, masked });
    while record.snapshots.len() > MOST_SNAPSHOTS {
        let oldest = record.snapshots.iter().position(|s| s.why != Why::Kept && Some(s.number) != other).unwrap_or(0);
        store.remove_snapshot(id, &record.snapshots.remove(oldest));
    }
    Ok(())
}

/// Begins a new generation: from the current picture, at the scale with this long side or the next larger one, or from the
/// photograph.
pub(super) fn begin_again(store: &Store, record: &mut Record, from: Option<usize>) -> Result<()> {
    let (id, last, next) = (record.id, record.generation, record.generation + 1);
    let mut begin = Begin::Photograph;
    if let Some(from) = from
        && let Some(start) = store.get(id, Of::Picture)?
    {
        store.put(id, Of::Start(next), &start)?;
        begin = Begin::Picture { from };
    }
    (record.generation, record.begin, record.progress) = (next, begin, None);
    record.curve.clear();
    record.message = None;
    store.save(record)?;
    store.remove(id, Of::Start(last));
    store.remove(id, Of::Checkpoint(last));
    Ok(())
}

/// Whether an error means that the checkpoint does not suit the description.
pub(super) fn is_of_checkpoint(e: &style_transfer::Error) -> bool {
    e.kind() == ErrorKind::Checkpoint
}
