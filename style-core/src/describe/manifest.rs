//! The manifest: everything that must match for a checkpoint to be accepted.

use std::sync::Arc;

use crate::backend::Backend;
use crate::checkpoint::{Manifest, STYLE_WEIGHT};
use crate::describe::builder::SessionBuilder;
use crate::describe::init::Init;
use crate::describe::style::Style;
use crate::image::Image;
use crate::image::mask::Mask;
use crate::loss::losses::LayerWeight;
use crate::loss::statistics::statistic::Statistic;
use crate::network::fingerprint::hash;

/// The description of a picture in a manifest.
pub(crate) fn picture(image: &Image) -> String {
    format!("{}x{}, {}", image.width(), image.height(), hash([image.pixels()]))
}

pub(crate) fn mask(mask: &Mask) -> String {
    format!("{}x{}, {}", mask.width(), mask.height(), hash([mask.values()]))
}

impl<B: Backend> SessionBuilder<B> {
    /// Everything that must match for a checkpoint to be accepted.
    pub(crate) fn manifest(&self) -> Manifest {
        let init = match &self.init {
            Some(Init::Image(image)) => picture(image),
            other => format!("{other:?}"),
        };
        let scales: Vec<_> = self.scales.iter().map(|s| format!("{s:?}")).collect();
        vec![
            ("network", format!("{} {}", self.network.name(), self.network.fingerprint())),
            ("content picture", self.content.as_ref().map_or_else(String::new, picture)),
            ("content mask", self.content_mask.as_ref().map_or_else(String::new, mask)),
            ("style pictures", self.styles_described()),
            ("targets", self.given.iter().map(|t| t.described.as_str()).collect::<Vec<_>>().join("; ")),
            ("size", format!("{:?}", self.size)),
            ("content layers", format!("{:?}", self.content_layers)),
            ("style layers", format!("{:?}", self.style_layers)),
            ("statistics", self.statistics()),
            (
                "losses",
                self.losses.iter().map(|(w, l)| format!("{w:?} {}", l.identity())).collect::<Vec<_>>().join("; "),
            ),
            ("content weight", format!("{:?}", self.balance)),
            (STYLE_WEIGHT, format!("{:?}", self.style_weight)),
            ("total variation", format!("{:?} {:?}", self.tv, self.tv_weight)),
            ("pooling", format!("{:?}", self.pooling)),
            ("padding", format!("{:?}", self.padding)),
            ("start", format!("{init} {:?} {:?} {}", self.noise, self.noise_ratio, self.seed)),
            ("optimiser", format!("{:?}", self.optimizer)),
            ("scales", scales.join("; ")),
            ("running mean", format!("{:?}", self.ema)),
        ]
    }

    fn styles_described(&self) -> String {
        let style = |s: &Style| {
            let (at, region) = (s.mask.as_ref().map(mask), s.region.as_ref().map(mask));
            format!("{} share {:?} mask {at:?} region {region:?}", picture(&s.image), s.share)
        };
        self.styles.iter().map(style).collect::<Vec<_>>().join("; ")
    }

    /// Everything the targets of these pictures depend on.
    pub(crate) fn targets_described(&self) -> String {
        let names = |layers: &[LayerWeight]| layers.iter().map(|l| l.layer.clone()).collect::<Vec<_>>();
        format!(
            "{:?} at {:?}; {} at {:?}, {}",
            self.content.as_ref().map(picture),
            names(&self.content_layers),
            self.styles_described(),
            names(&self.style_layers),
            self.statistics(),
        )
    }

    fn statistics(&self) -> String {
        let one = self.statistic.as_ref().map(|s| s.identity());
        let at = |(layer, s): &(String, Arc<dyn Statistic<B>>)| format!("{} at {layer}", s.identity());
        one.into_iter().chain(self.layer_statistics.iter().map(at)).collect::<Vec<_>>().join("; ")
    }
}
