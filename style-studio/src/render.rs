//! The picture of a job as it is shown, from its files.

use style_transfer::Image;
use style_transfer::pictures::{Format, Picture};

use crate::error::Result;
use crate::id::Id;
use crate::look::Look;
use crate::store::{Of, Store};

/// What a job shows besides the painted image.
pub(crate) struct Shown {
    /// The share of the photograph's colours.
    pub(crate) colours: f64,
    pub(crate) masked: bool,
}

/// The picture of a job as it is shown and saved, with the photograph's transparency.
pub(crate) fn shown(store: &Store, id: Id, painted: &Image, shown: &Shown) -> Result<Picture> {
    let Some(original) = store.get(id, Of::Original)? else { return Ok(Picture::from(painted.clone())) };
    let mask = if shown.masked { store.get(id, Of::Mask)? } else { None };
    Look { original: &original, mask: mask.as_ref(), colours: shown.colours }.applied(painted.clone())
}

/// A JPEG file for the page.
pub(crate) fn jpeg(picture: &Picture) -> Result<Vec<u8>> {
    Ok(picture.encode(Format::Jpeg)?)
}
