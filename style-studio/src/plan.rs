//! From the record of a job to the description of its session.

use std::sync::Arc;

use style_transfer::pictures::Picture;
use style_transfer::{Init, Network, Scale, Session, SessionBuilder, Style};

use crate::error::{Error, Result};
use crate::record::{Begin, Record};
use crate::render::session_mask;
use crate::settings::Settings;
use crate::store::{Of, Store};

/// The share of noise in a picture that is painted anew at coarser scales. As at the first start, it gives even areas
/// something to begin with.
const NOISE: f32 = 0.1;

/// The photograph at the result's size.
pub(crate) fn photograph(store: &Store, record: &Record) -> Result<Picture> {
    Ok(store.picture(record.photo)?.sized(record.settings.side)?)
}

/// Coarser sizes to paint first, and the evaluations at the result's size.
pub(crate) fn scales(size: [usize; 2], settings: &Settings, begin: Begin) -> (Vec<Scale>, usize) {
    let (mut scales, iterations) = Scale::coarse_to_fine(size[0], size[1], settings.iterations as usize);
    if let Begin::Picture { from } = begin {
        scales.retain(|scale| scale.size >= from);
    }
    (scales, iterations)
}

/// The session of a job. `photograph` has the result's size.
pub(crate) fn describe(
    store: &Store,
    network: &Arc<Network>,
    record: &Record,
    photograph: &Picture,
) -> Result<SessionBuilder> {
    let settings = &record.settings;
    let size = [photograph.image.width(), photograph.image.height()];
    let (scales, iterations) = scales(size, settings, record.begin);
    let painting = store.picture(record.painting)?;
    let factor = settings.stroke * f64::from(settings.side) / painting.long_side() as f64;
    let painting = painting.scaled(factor)?;
    let region = painting.opaque_part()?;
    let mut style = Style::new(painting.image);
    if let Some(region) = region {
        style = style.region(region);
    }
    if record.mask > 0
        && let Some(mask) = session_mask(store, record.id)?
    {
        style = style.mask(mask);
    }
    let mut builder = Session::builder(Arc::clone(network))
        .content(photograph.image.clone())
        .style(style)
        .scales(scales)
        .iterations(iterations)
        .style_strength(settings.strength)
        .seed(settings.seed.into());
    if let Begin::Picture { from } = record.begin {
        if from < size[0].max(size[1]) {
            builder = builder.noise_ratio(NOISE);
        }
        let start = store.get(record.id, Of::Start(record.generation))?.ok_or(Error::Missing("start picture"))?;
        builder = builder.init(Init::Image(start.stretched(size[0], size[1])?.image));
    }
    Ok(builder)
}
