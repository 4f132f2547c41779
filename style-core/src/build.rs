//! From a checked description to a session: the targets, and all the memory that iterations need.

use std::sync::Arc;

use crate::builder::ContentWeight;
use crate::check::bad;
use crate::init::Start;
use crate::mask::{ContentGuide, Guide};
use crate::measure::Measure;
use crate::objective::{ContentTerm, Objective, Rooms, StyleTerm, Weights};
use crate::optim::{Descent, Point};
use crate::passes::{Passes, PassesPlan};
use crate::targets::{Region, StyleLayer};
use crate::{Backend, Result, Session, SessionBuilder, Shape};

impl<B: Backend> SessionBuilder<B> {
    /// Checks the description, computes the targets that are not given, and allocates all that the iterations need.
    ///
    /// # Errors
    /// `Argument` if a picture or layer is missing or unknown, two settings contradict each other, or a number is out of
    /// its range; `Shape` if a picture is too small for the layers, or has another size than the others want;
    /// `OutOfMemory`, before any work, if a device has too little of it free, with the size that would fit; what the
    /// backend gives.
    pub fn build(self) -> Result<Session<B>> {
        let checked = self.check()?;
        let (network, backend, shape) = (&self.network, self.network.backend(), checked.shape);
        let (_, layout) = self.lay_out(&checked)?;
        let own = self.compute_targets(Some(&layout))?;
        let sources = || [&own].into_iter().chain(self.given.iter().map(|t| &**t));
        let content_source = sources().find_map(|t| t.content.as_ref());
        let style_source = sources().find_map(|t| t.style.as_ref());

        let plan = self.picture_passes(&checked, shape, layout.picture)?;
        let mut content = vec![];
        for (layer, &tap) in self.content_layers.iter().zip(&checked.content_taps) {
            let found = content_source.and_then(|c| c.layers.iter().find(|(name, _)| *name == layer.layer));
            let (_, target) = found.ok_or_else(|| bad(format!("there are no targets for {}", layer.layer)))?;
            let pools = network.pools_before(checked.taps[tap]);
            let guide = |mask| ContentGuide::new(backend, mask, shape, pools, plan.own(tap));
            let guides = self.content_mask.as_ref().map(guide).transpose()?.unwrap_or_default();
            content.push(ContentTerm { layer: layer.clone(), tap, target: Arc::clone(target), guides });
        }
        let mut style = vec![];
        if let Some(source) = style_source {
            for (index, (layer, &tap)) in checked.style_layers.iter().zip(&checked.style_taps).enumerate() {
                let Some(at) = source.layers.iter().position(|l| l.name == layer.name) else { continue };
                for region in &source.regions {
                    style.push(self.style_term(&plan, index, (layer, tap), &region.values[at], region)?);
                }
            }
        }
        let weights = self.weights(&mut content);

        let image_of_content = self.content.as_ref().or(content_source.map(|c| &c.image));
        let image_of_style = self.styles.first().map(|s| &s.image).or(style_source.map(|s| &s.image));
        let start = Start {
            shape,
            content: image_of_content,
            style: image_of_style,
            noise: self.noise,
            ratio: self.noise_ratio,
            mean: network.mean(),
            seed: self.seed,
        };
        let start = self.chosen_init().image(&start)?;

        let tensors = |shapes: Vec<Shape>| shapes.into_iter().map(|s| backend.tensor(s)).collect::<Result<Vec<_>>>();
        let own = |room| Ok([backend.features(room)?, backend.features(room)?, backend.features(room)?]);
        let rooms = Rooms {
            scratch: tensors(self.scratch(&checked, &plan))?,
            dvalues: tensors(Self::dvalues(&checked, &plan))?,
            own: plan.room(backend).map(own).transpose()?,
        };
        let point = Point { x: network.upload(&start)?, g: backend.tensor(shape)? };
        drop(start);
        let terms = content.len() * plan.tiles.len() + style.iter().map(|t| t.compared.len()).sum::<usize>();
        let objective = Objective {
            workspace: backend.workspace(plan.workspace(backend))?,
            passes: Passes::new(backend, plan)?,
            content,
            style_layers: self.style_layers.clone(),
            style,
            weights,
            rooms,
            scalars: backend.scalars(terms + 1)?,
            distances: vec![0.0; terms + 1],
            recording: B::Recording::default(),
            exchanged: if self.reduce.processes() > 1 { vec![0.0; shape.len()] } else { vec![] },
            reduce: Arc::clone(&self.reduce),
        };
        let descent = Descent::new(backend, shape, &self.optimizer)?;
        Ok(Session::new(Arc::clone(&self.network), objective, descent, point, self.iterations))
    }

    fn style_term(
        &self,
        plan: &PassesPlan,
        index: usize,
        (layer, tap): (&StyleLayer<B>, usize),
        targets: &Arc<Vec<B::Tensor>>,
        region: &Region<B>,
    ) -> Result<StyleTerm<B>> {
        let (network, backend) = (&self.network, self.network.backend());
        let (statistic, features) = (&layer.statistic, plan.features(tap));
        let (image, pools) = (plan.picture(), network.pools_before(layer.position));
        let guide = |mask| Guide::new(backend, mask, image, pools, &layer.name, plan.own(tap));
        let guides = region.mask.as_ref().map(guide).transpose()?.unwrap_or_default();
        Ok(StyleTerm {
            layer: index,
            targets: Arc::clone(targets),
            compared: statistic.values(features),
            scale: statistic.scale(features),
            share: region.share * guides.first().map_or(1.0, |g| g.area),
            measure: Measure::new(backend, plan, tap, statistic, guides)?,
        })
    }

    /// The weights of the total loss. For a mean of squares, each content layer's weight is made relative to the size
    /// of the first layer.
    fn weights(&self, content: &mut [ContentTerm<B>]) -> Weights {
        let backend = self.network.backend();
        let len = |t: &ContentTerm<B>| backend.shape(&t.target).len() as f64;
        let first = content.first().map_or(1.0, len);
        let alpha = match self.content_weight {
            ContentWeight::Sum(weight) => weight,
            ContentWeight::Mean(weight) => {
                for term in content.iter_mut() {
                    term.layer.weight *= first / len(term);
                }
                2.0 * weight / first
            }
        };
        Weights { content: alpha, style: self.style_weight, tv: self.tv_weight, tv_kind: self.tv }
    }
}
