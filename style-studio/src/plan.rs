//! From the record of a job to the description of its session.

use std::sync::Arc;

use style_transfer::pictures::Picture;
use style_transfer::{Network, SessionBuilder};

use crate::describe::Pictures;
use crate::error::{Error, Result};
use crate::record::{Begin, Record};
use crate::store::{Of, Store};

/// The photograph at the result's size.
pub(crate) fn photograph(store: &Store, record: &Record) -> Result<Picture> {
    Ok(store.picture(record.photo)?.sized(record.settings.side)?)
}

/// The session of a job. `photograph` has the result's size.
pub(crate) fn describe(
    store: &Store,
    network: &Arc<Network>,
    record: &Record,
    photograph: &Picture,
) -> Result<SessionBuilder> {
    let painting = store.picture(record.painting)?;
    let mask = if record.mask > 0 { store.get(record.id, Of::Mask)? } else { None };
    let start = match record.begin {
        Begin::Photograph => None,
        Begin::Picture { from } => {
            let start = store.get(record.id, Of::Start(record.generation))?;
            Some((start.ok_or(Error::Missing("start picture"))?, from))
        }
    };
    let start = start.as_ref().map(|(picture, from)| (picture, *from));
    Pictures { photograph, painting: &painting, mask: mask.as_ref(), start }.described(network, &record.settings)
}
