//! From settings and pictures to a session: the studio's and that of the page which paints in the browser, whose crate `style-web` has
//! this file too.

use std::sync::Arc;

use style_transfer::backend::Backend;
use style_transfer::pictures::{Picture, mask_of};
use style_transfer::{Init, Network, Scale, Session, SessionBuilder, Style};

use crate::error::Result;
use crate::settings::Settings;

/// The share of noise in a picture that is painted anew at coarser scales. As at the first start, it gives even areas
/// something to begin with.
const NOISE: f32 = 0.1;

/// What is painted with the settings.
pub(crate) struct Pictures<'a> {
    /// The photograph at the result's size.
    pub(crate) photograph: &'a Picture,
    pub(crate) painting: &'a Picture,
    /// Where to paint.
    pub(crate) mask: Option<&'a Picture>,
    /// A picture to begin with, and the long side of the scale to begin at, or of the next larger one.
    pub(crate) start: Option<(&'a Picture, usize)>,
}

impl Pictures<'_> {
    /// The session of these pictures.
    pub(crate) fn described<B: Backend>(
        &self,
        network: &Arc<Network<B>>,
        settings: &Settings,
    ) -> Result<SessionBuilder<B>> {
        let Self { photograph, painting, mask, start } = self;
        let (width, height) = (photograph.image.width(), photograph.image.height());
        let factor = settings.stroke * f64::from(settings.side) / painting.long_side() as f64;
        let painting = painting.scaled(factor)?;
        let region = painting.opaque_part()?;
        let mut style = Style::new(painting.image);
        if let Some(region) = region {
            style = style.region(region);
        }
        if let Some(mask) = mask {
            style = style.mask(mask_of(&mask.image)?);
        }
        let (mut scales, iterations) = Scale::coarse_to_fine(width, height, settings.iterations as usize);
        if let Some((_, from)) = start {
            scales.retain(|scale| scale.size >= *from);
        }
        let mut builder = Session::<B>::builder(Arc::clone(network))
            .content(photograph.image.clone())
            .style(style)
            .scales(scales)
            .iterations(iterations)
            .style_strength(settings.strength)
            .seed(settings.seed.into());
        if settings.good {
            builder = builder.tolerance(style_transfer::Settings::GOOD);
        }
        if let Some((start, from)) = start {
            if *from < width.max(height) {
                builder = builder.noise_ratio(NOISE);
            }
            builder = builder.init(Init::Image(start.stretched(width, height)?.image));
        }
        Ok(builder)
    }
}
