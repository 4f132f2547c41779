//! Pictures that users bring, and the samples.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use style_transfer::pictures::{Format, Picture};

use crate::error::{Error, Result};
use crate::id::Id;
use crate::options::Sample;
use crate::store::Store;

/// A larger picture is reduced to this long side: twice the largest result.
const LONGEST: usize = 4096;

/// The most pixels of an uploaded picture. One of 100 megapixels takes about 2 GB while it is decoded.
const MOST_PIXELS: u64 = 100_000_000;

/// The most pictures that are kept.
const MOST_PICTURES: usize = 1000;

/// The longest side of a thumbnail.
const LARGEST_THUMBNAIL: u32 = 1024;

/// A picture as the page sees it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Kept {
    pub(crate) id: Id,
    width: usize,
    height: usize,
    /// What of the file could not be used.
    notes: Vec<String>,
}

/// A sample as the page sees it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Offered {
    pub(crate) id: Id,
    name: String,
    title: String,
    /// Whether it is a painting rather than a photograph.
    painting: bool,
}

/// Decodes one picture at a time, so that memory is bounded.
static DECODING: Mutex<()> = Mutex::new(());

/// Keeps a picture that a user uploads.
///
/// # Errors
/// `Conflict` if there are too many.
pub(crate) fn keep_upload(store: &Store, bytes: &[u8]) -> Result<Kept> {
    if store.pictures() >= MOST_PICTURES {
        return Err(Error::Conflict(format!(
            "{MOST_PICTURES} pictures are kept, which is the limit; delete jobs and start the studio again"
        )));
    }
    keep(store, bytes)
}

/// Decodes a file once and keeps its pixels: what the store holds was written by this program.
fn keep(store: &Store, bytes: &[u8]) -> Result<Kept> {
    let _one = DECODING.lock().unwrap_or_else(PoisonError::into_inner);
    let picture = Picture::from_bytes_within(bytes, MOST_PIXELS)?;
    let notes = picture.notes().to_vec();
    let factor = LONGEST as f64 / picture.long_side() as f64;
    let picture = if factor < 1.0 { picture.scaled(factor)? } else { picture };
    let id = store.keep_picture(&picture.encode(Format::Png)?)?;
    Ok(Kept { id, width: picture.image.width(), height: picture.image.height(), notes })
}

/// A picture reduced to this long side, as JPEG.
pub(crate) fn thumbnail(store: &Store, id: Id, side: u32) -> Result<Vec<u8>> {
    let picture = store.picture(id)?;
    let side = side.clamp(16, LARGEST_THUMBNAIL);
    let picture = if picture.long_side() > side as usize { picture.sized(side)? } else { picture };
    Ok(picture.encode(Format::Jpeg)?)
}

/// Keeps the samples.
pub(crate) fn offer(store: &Store, samples: &[Sample]) -> Result<Vec<Offered>> {
    let offer = |sample: &Sample| {
        let Sample { name, title, painting, file } = sample;
        Ok(Offered { id: keep(store, file)?.id, name: name.clone(), title: title.clone(), painting: *painting })
    };
    samples.iter().map(offer).collect()
}
