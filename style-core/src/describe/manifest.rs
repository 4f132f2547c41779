//! The manifest: everything that must match for a checkpoint to be accepted.

use crate::backend::Backend;
use crate::checkpoint::{Checkpoint, Manifest, SETTING, damaged};
use crate::describe::builder::SessionBuilder;
use crate::describe::settings::Settings;
use crate::describe::style::Style;
use crate::error::Result;
use crate::image::Image;
use crate::image::mask::Mask;
use crate::loss::losses::StyleLayer;
use crate::network::fingerprint::hash;

/// The description of a picture in a manifest.
pub(crate) fn picture(image: &Image) -> String {
    format!("{}x{}, {}", image.width(), image.height(), hash([image.pixels()]))
}

pub(crate) fn mask(mask: &Mask) -> String {
    format!("{}x{}, {}", mask.width(), mask.height(), hash([mask.values()]))
}

impl Checkpoint {
    /// The settings of the session.
    ///
    /// # Errors
    /// `Checkpoint` if it is damaged.
    pub fn settings(&self) -> Result<Settings> {
        let fields = self.manifest().filter_map(|(name, value)| Some((name.strip_prefix(SETTING)?, value)));
        Settings::from_fields(fields).map_err(|e| damaged("settings").with_source(e))
    }
}

impl<B: Backend> SessionBuilder<B> {
    /// Everything that must match for a checkpoint to be accepted, and the number of iterations.
    pub(crate) fn manifest(&self) -> Result<Manifest> {
        let picture_of = |image: &Option<Image>| image.as_ref().map_or_else(String::new, picture);
        let losses: Vec<_> = self.losses.iter().map(|(w, l)| format!("{w:e} {}", l.identity())).collect();
        let mut manifest: Manifest = [
            ("network", format!("{} {}", self.network.name(), self.network.fingerprint())),
            ("content picture", picture_of(&self.content)),
            ("content mask", self.content_mask.as_ref().map_or_else(String::new, mask)),
            ("style pictures", self.styles_described()),
            ("targets", self.given.iter().map(|t| t.described.as_str()).collect::<Vec<_>>().join("; ")),
            ("size", self.size.map_or_else(String::new, |(width, height)| format!("{width}x{height}"))),
            ("start picture", picture_of(&self.start)),
            ("losses", losses.join("; ")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let fields = self.settings.fields()?.into_iter();
        manifest.extend(fields.map(|(name, value)| (format!("{SETTING}{name}"), value)));
        Ok(manifest)
    }

    fn styles_described(&self) -> String {
        let style = |s: &Style| {
            let (at, region) = (s.mask.as_ref().map(mask), s.region.as_ref().map(mask));
            let or_all = |mask: Option<String>| mask.unwrap_or_else(|| "all".into());
            format!("{} share {:e} mask {} region {}", picture(&s.image), s.share, or_all(at), or_all(region))
        };
        self.styles.iter().map(style).collect::<Vec<_>>().join("; ")
    }

    /// Everything the targets of these pictures depend on.
    pub(crate) fn targets_described(&self) -> String {
        let content: Vec<_> = self.settings.content_layers.iter().map(|l| l.layer.as_str()).collect();
        let style = |l: &StyleLayer| {
            let statistic = l.statistic.clone().or_else(|| self.settings.statistic.clone());
            format!("{} {}", l.layer, statistic.map_or_else(|| "by default".into(), String::from))
        };
        let styles: Vec<_> = self.settings.style_layers.iter().map(style).collect();
        let picture = self.content.as_ref().map_or_else(|| "none".into(), picture);
        format!("{picture} at {}; {} at {}", content.join(", "), self.styles_described(), styles.join(", "))
    }
}
